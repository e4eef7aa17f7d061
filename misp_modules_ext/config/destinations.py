"""From the sections `[microsoft]` and `[microsoft NAME]` to destinations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from pydantic import SecretStr

from misp_modules_ext.config import action_keys, azure_names, clouds, sign_in, values
from misp_modules_ext.config.findings import Findings, Invalid
from misp_modules_ext.config.keys import Reader, fields
from misp_modules_ext.config.schema import DESTINATION, INDICATOR, PRODUCTS, SELECTION, Key
from misp_modules_ext.config.sections import OurSection
from misp_modules_ext.config.settings import ActionRules, Api, DestinationSettings, IndicatorRules, Selection
from misp_modules_ext.model.account import DOORS

#: How people call what is behind each API.
_CALLED = {Api.SENTINEL: "Sentinel", Api.DEFENDER: "Defender", Api.GRAPH: "Graph tiIndicators"}
#: The keys of reading back from Sentinel, which stand together.
_READ_BACK = {
    "subscriptionId": azure_names.WHERE_SUBSCRIPTION,
    "resourceGroup": azure_names.WHERE_RESOURCE_GROUP,
    "workspaceName": azure_names.WHERE_WORKSPACE_NAME,
}


def read(section: OurSection, rules: Mapping[str, object], reader: Reader) -> DestinationSettings | None:
    """A destination, `None` when something is wrong with its section (all of it is noted).

    Args:
        section: of part DESTINATION.
        rules: values of `[selection]` and `[indicator]`, by documented name.
        reader: for the file.
    """
    findings = reader.findings
    if not section.raw.values:
        findings.problem(section.name, "", "has no keys.", "See rh-isac.conf.example for the five that it needs.")
        return None
    before = len(findings.problems)
    found = reader.read(section)
    _require_product(section, findings)
    found = sign_in.read(section, found, reader)
    _check_secret(section.name, found, findings)
    api = _api(section.name, found, findings)
    if api is None:
        return None
    found = _with_effect(section.name, found, api, findings)
    _check_for_api(section, found, api, findings)
    endpoint = _endpoint(section.name, found, api, findings)
    actions = action_keys.rules_of(section.name, found, api, findings)
    _check_alert(section.name, found, actions, findings)
    if endpoint is None or len(findings.problems) > before:
        return None
    return _settings(section, found, rules, actions, api, endpoint)


def _check_alert(section: str, found: Mapping[str, object], actions: ActionRules, findings: Findings) -> None:
    """Where other actions are possible, what is Audit alerts all the same."""
    if found.get("generateAlert") is False and not actions.acts:
        findings.problem(
            section, "generateAlert", "cannot be no: Microsoft requires an alert with Audit.", "Remove the line."
        )


def _require_product(section: OurSection, findings: Findings) -> None:
    if "product" not in section.raw.values:
        remedy = f"Add for example: product = {next(iter(PRODUCTS))}"
        findings.problem(section.name, "product", "is missing.", remedy)


def _check_secret(section: str, found: Mapping[str, object], findings: Findings) -> None:
    secret = found.get("appSecret")
    if isinstance(secret, SecretStr) and values.is_guid(secret.get_secret_value()):
        findings.warning(
            section, "appSecret", "looks like a GUID: it is probably the ID of the secret. Microsoft wants its value."
        )


def _api(section: str, found: Mapping[str, object], findings: Findings) -> Api | None:
    """The API in use, `None` when the section does not say it rightly."""
    product = found.get("product")
    by_product = PRODUCTS.get(product) if isinstance(product, str) else None
    api = cast("Api | None", found.get("api"))
    if api is Api.GRAPH:
        findings.warning(
            section, "api", "graph: Microsoft retired tiIndicators in April 2026; remove the line to use its successor."
        )
    elif api and by_product and api is not by_product:
        findings.problem(
            section,
            "api",
            f"{api.value} does not belong to the product {product}.",
            f"Remove the line, or set product to one of {_CALLED[api]}.",
        )
        return None
    return api or by_product


def _with_effect(section: str, found: Mapping[str, object], api: Api, findings: Findings) -> dict[str, object]:
    """Without the keys that do nothing at this API: they must not count, for example as a part of the store."""
    idle = [key for key in DESTINATION if key.name in found and api not in key.apis]
    for key in idle:
        findings.warning(section, key.name, f"has no effect at {_CALLED[api]}; it is ignored.")
    names = {key.name for key in idle}
    return {name: value for name, value in found.items() if name not in names}


def _check_for_api(section: OurSection, found: Mapping[str, object], api: Api, findings: Findings) -> None:
    if api is Api.SENTINEL and "workspaceid" not in section.raw.values:
        findings.problem(
            section.name,
            "workspaceId",
            "is missing: Sentinel's API needs it, unlike the Graph API that older files were written for.",
            f"Add it from {values.WHERE_WORKSPACE}.",
        )
    if api is Api.SENTINEL:
        _check_read_back(section, found, findings)


def _check_read_back(section: OurSection, found: Mapping[str, object], findings: Findings) -> None:
    missing = [name for name in _READ_BACK if name.lower() not in section.raw.values]
    if missing and (len(missing) < len(_READ_BACK) or found.get("hardDelete") is True):
        needs = "hardDelete and reading back" if found.get("hardDelete") is True else "reading back from Sentinel"
        for name in missing:
            message = f"is missing: {needs} needs {', '.join(_READ_BACK)} together."
            findings.problem(section.name, name, message, f"Add it from {_READ_BACK[name]}.")


def _endpoint(section: str, found: Mapping[str, object], api: Api, findings: Findings) -> clouds.Endpoint | None:
    try:
        cloud = clouds.endpoint(str(found.get("cloud", "global")), api)
    except Invalid as error:
        findings.invalid(section, "cloud", error)
        return None
    # The emulator and most gateways have all APIs at one address.
    given = {"management": cloud.management, "logs": cloud.logs, "hunting": cloud.hunting}
    beside = {name: _beside(name, own, found) if own else "" for name, own in given.items()}
    return clouds.Endpoint(
        str(found.get("endpoint.login", cloud.login)),
        str(found.get("endpoint.api", cloud.api)),
        str(found.get("endpoint.scope", cloud.scope)),
        **beside,
        logs_scope=str(found.get("endpoint.logsScope", cloud.logs_scope)),
        hunting_scope=cloud.hunting_scope,
    )


def _beside(name: str, own: str, found: Mapping[str, object]) -> str:
    """Where a further API is; a regional host of Microsoft's in `endpoint.api` has Defender's API alone."""
    api = str(found.get("endpoint.api", own))
    if name == "hunting" and api.endswith((".microsoft.com", ".microsoft.us")):
        api = own
    return str(found.get(f"endpoint.{name}", api))


def _settings(
    section: OurSection,
    found: Mapping[str, object],
    rules: Mapping[str, object],
    actions: ActionRules,
    api: Api,
    endpoint: clouds.Endpoint,
) -> DestinationSettings:
    own = {**rules, **found}
    arguments = fields(_SIMPLE, found) | {
        "name": section.name,
        "references": sign_in.references(section),
        "api": api,
        "endpoint_login": endpoint.login,
        "endpoint_api": endpoint.api,
        "endpoint_management": endpoint.management,
        "endpoint_logs": endpoint.logs,
        "logs_scope": endpoint.logs_scope,
        "endpoint_hunting": endpoint.hunting,
        "hunting_scope": endpoint.hunting_scope,
        "scope": endpoint.scope,
        "selection": Selection.model_validate(fields(SELECTION, own)),
        "indicator": IndicatorRules.model_validate(fields(INDICATOR, own)),
        "actions": actions,
    }
    if actions.blocks:
        arguments.setdefault("doors", frozenset(DOORS) - {"export"})
    if api is Api.SENTINEL:
        arguments.setdefault("api_version", clouds.SENTINEL_API_VERSION)
    return DestinationSettings.model_validate(arguments)


#: Keys whose value is the field's, as it is.
_SIMPLE: tuple[Key, ...] = tuple(
    key
    for key in DESTINATION
    if key.name != "api" and not key.name.startswith("endpoint.") and key not in action_keys.ACTIONS
)


def check_stores(destinations: list[DestinationSettings], findings: Findings) -> None:
    """Note destinations that are one store under two names, and two names that differ by case only."""
    by_store: dict[tuple[str, str, str, str], str] = {}
    by_name: dict[str, str] = {}
    for destination in destinations:
        first = by_store.setdefault(destination.store, destination.name)
        if first != destination.name:
            findings.problem(destination.name, "", f"is the same store as [{first}].", _resolve(destination.api))
        namesake = by_name.setdefault(destination.name.lower(), destination.name)
        if namesake != destination.name:
            findings.problem(
                destination.name, "", f"differs from [{namesake}] by case only.", "Give one of them another name."
            )


def _resolve(api: Api) -> str:
    if api is Api.GRAPH:
        return "Put both into one section: tenant and API are the same."
    same = "tenant, workspace and sourceSystem" if api is Api.SENTINEL else "tenant and sourceSystem"
    return f"Put both into one section ({same} are the same), or give one of them another sourceSystem."
