"""The application and the scope of its token, which both tools keep in one table."""

from __future__ import annotations

from collections.abc import Mapping

from misp_modules_ext.config import values
from misp_modules_ext.config.clouds import ENDPOINTS
from misp_modules_ext.config.findings import Invalid
from misp_modules_ext.config.settings import Api
from misp_modules_ext.importing.carry import carry
from misp_modules_ext.importing.draft import Draft, How, Row
from misp_modules_ext.importing.old_values import Value

#: Other spellings of the default scope of an API.
_SAME = frozenset({"https://api.securitycenter.windows.com/.default", "https://graph.microsoft.com/.default"})


def sign_in(draft: Draft, name: str, entries: Mapping[str, Value], section: str) -> None:
    """Tenant, application and secret.

    Args:
        draft: the new file.
        name: of the table in the old file.
        entries: the table; none when it could not be read.
        section: ours.
    """
    for old, key, placeholder, secret, parse in (
        ("tenant", "tenantId", "MICROSOFT AZURE TENANT ID HERE", False, values.tenant),
        ("client_id", "appId", "MICROSOFT APPLICATION ID HERE", False, values.guid),
        ("client_secret", "appSecret", "MICROSOFT APPLICATION SECRET VALUE HERE", True, values.secret),
    ):
        carry(
            draft,
            f'{name}["{old}"]',
            entries.get(old),
            section,
            key,
            placeholder=placeholder,
            secret=secret,
            parse=parse,
        )


def scope(draft: Draft, old: str, value: Value | None, section: str, api: Api) -> None:
    """The scope of the token, which tells the cloud where it is not the public one."""
    if value is None:
        return
    usual = ENDPOINTS["global", api].scope
    text = value.data
    if text == usual or text in _SAME:
        told = "The scope follows from the product and `cloud`."
        draft.tell(Row(old, value.line, "", How.BUILT_IN, told))
        return
    clouds = [cloud for (cloud, one), where in ENDPOINTS.items() if one is api and where.scope == text]
    if clouds:
        told = f"This scope belongs to the cloud {' or '.join(clouds)}; {clouds[0]} was taken: check it."
        draft.put(section, "cloud", (clouds[0],), Row(old, value.line, f"[{section}] cloud", How.TRANSLATED, told))
        return
    carry(
        draft,
        old,
        value,
        section,
        "endpoint.scope",
        message="A scope of your own; see the table of clouds in docs/configuration.md, a cloud may be all it takes.",
        parse=_scope,
    )


def _scope(text: str) -> object:
    try:
        return values.scope(text)
    except Invalid as error:
        raise Invalid(error.message, "It follows from the product and `cloud`.") from None
