"""misp2sentinel's `config.py`, of a server or of its Azure function.

Facts from github.com/cudeso/misp2sentinel at 83672ef and the history of its `config.py.default`: names, defaults, and
what its scripts do with them.
"""

from __future__ import annotations

from collections.abc import Mapping

from misp_modules_ext.config import azure_names, values
from misp_modules_ext.config.clouds import SENTINEL_API_VERSION
from misp_modules_ext.config.settings import Api
from misp_modules_ext.importing import common, filters
from misp_modules_ext.importing.carry import Old, carry, show_name
from misp_modules_ext.importing.draft import Draft, How, Row
from misp_modules_ext.importing.microsoft import scope, sign_in
from misp_modules_ext.importing.old_values import Module, Value, table
from misp_modules_ext.model.indicator import Kind

#: Names of misp2sentinel's own, by which its file is recognised.
OWN = frozenset(
    {
        "ms_auth",
        "ms_api_version",
        "ms_passiveonly",
        "ms_target_product",
        "ms_action",
        "ms_useragent",
        "ms_max_indicators_request",
    }
    | {"targetProduct", "passiveOnly", "defaultConfidenceLevel", "sourcesystem", "ms_check_if_exist_in_sentinel"}
)
_WORKSPACE = "LOG ANALYTICS WORKSPACE ID HERE"
_READ_BACK = (
    ("subscription_id", "subscriptionId", values.guid),
    ("resourceGroupName", "resourceGroup", azure_names.resource_group),
    ("workspaceName", "workspaceName", azure_names.workspace),
)
_LIMITS = "Microsoft's limits (100 objects a request, 100 requests a minute) are kept by themselves."
_BUILT_IN = common.BUILT_IN | {
    "ms_max_indicators_request": _LIMITS,
    "ms_max_requests_minute": _LIMITS,
    "ms_check_if_exist_in_sentinel": "The ledger knows what is there; what is unchanged is not sent again.",
    "timeframe_toids_change": "`sync` reads each event whole and withdraws what lost its flag.",
    "remove_pipe_from_misp_attribute": "Composites are split: of filename|sha256 goes the hash, of domain|ip go both.",
    "network_ignore_direction": "An address is one indicator, whether it is a source or a destination.",
}
_NOTHING = common.NOTHING | {
    "ms_useragent": "The requests name this tool.",
    "useragent": "The requests name this tool.",
    "write_post_json": "What was sent is in the ledger; nothing writes requests to files.",
    "sentinel_write_response": "Microsoft's words stand in the report and at `misp-microsoft show VALUE`.",
}
_HASHES = tuple(
    kind.value for kind in Kind if kind.value.startswith("file-") and kind not in (Kind.FILE_NAME, Kind.FILE_PATH)
)
_KINDS: Mapping[str, tuple[str, ...]] = {
    "ipv4-addr": (Kind.IPV4_ADDR.value, Kind.IPV4_CIDR.value),
    "ipv6-addr": (Kind.IPV6_ADDR.value, Kind.IPV6_CIDR.value),
    "domain-name": (Kind.DOMAIN_NAME.value,),
    "url": (Kind.URL.value,),
    "email-addr": (Kind.EMAIL_ADDR.value,),
    "file": (Kind.FILE_NAME.value, *_HASHES),
    "file:name": (Kind.FILE_NAME.value,),
    "file:hashes": _HASHES,
    "hashes": _HASHES,
    "md5": (Kind.FILE_MD5.value,),
    "sha1": (Kind.FILE_SHA1.value,),
    "sha-1": (Kind.FILE_SHA1.value,),
    "sha256": (Kind.FILE_SHA256.value,),
    "sha-256": (Kind.FILE_SHA256.value,),
}


def read(module: Module, draft: Draft) -> None:
    """Translate a file."""
    old = Old(module, draft)
    section = common.misp(old)
    _destinations(old)
    filters.read(old)
    _indicators(old)
    old.rest(_BUILT_IN, _NOTHING)
    _behaviour(draft)
    common.first_run(old, section)


def _destinations(old: Old) -> None:
    name, value = old.take("ms_auth", "graph_auth")
    several = value.data if value is not None and isinstance(value.data, tuple) and value.data else (value,)
    product_name, product = old.take("ms_target_product", "targetProduct")
    version_name, version = old.take("ms_api_version")
    for number, one in enumerate(several, 1):
        section = "microsoft" if number == 1 else f"microsoft {number}"
        label = name if len(several) == 1 else f"{name}[{number - 1}]"
        entries = dict(table(one))
        _product(old.draft, product_name, product, section)
        if one is not None and not entries:
            old.draft.tell(Row(label, one.line, "", How.NOT_UNDERSTOOD, "It is no table that could be read."))
        _destination(old.draft, label, entries, section, product)
        _version(old.draft, version_name, version, entries, section)
    _actions(old, product)


def _is_defender(product: Value | None) -> bool:
    return product is not None and product.data == "Microsoft Defender ATP"


def _product(draft: Draft, old: str, product: Value | None, section: str) -> None:
    if product is None:
        told = "misp2sentinel sends to Sentinel."
        draft.put(section, "product", ("Microsoft Sentinel",), Row(old, 0, f"[{section}] product", How.KEPT, told))
    elif product.data in ("Azure Sentinel", "Microsoft Sentinel", "Microsoft Defender ATP"):
        row = Row(old, product.line, f"[{section}] product", How.KEPT)
        draft.put(section, "product", (str(product.data),), row)
    else:
        told = "Write Microsoft Sentinel or Microsoft Defender."
        draft.fill_in(
            section, "product", "PRODUCT HERE", Row(old, product.line, f"[{section}] product", How.FILL_IN, told)
        )


def _destination(draft: Draft, name: str, entries: dict[str, Value], section: str, product: Value | None) -> None:
    sign_in(draft, name, entries, section)
    api = Api.DEFENDER if _is_defender(product) else Api.SENTINEL
    workspace = entries.get("workspace_id")
    if api is Api.SENTINEL:
        carry(
            draft,
            f'{name}["workspace_id"]',
            workspace,
            section,
            "workspaceId",
            placeholder=_WORKSPACE,
            missing=f"Add it from {values.WHERE_WORKSPACE}.",
            parse=values.workspace,
        )
        _read_back(draft, name, entries, section)
    scope(draft, f'{name}["scope"]', entries.get("scope"), section, api)
    _api(draft, name, entries)
    known = {"tenant", "client_id", "client_secret", "workspace_id", "scope", "graph_api", "new_upload_api"}
    for key in sorted(entries.keys() - known - {old for old, _, _ in _READ_BACK}):
        told = "No setting of that tool has this name."
        draft.tell(Row(f'{name}["{show_name(key)}"]', entries[key].line, "", How.NOT_UNDERSTOOD, told))


def _read_back(draft: Draft, name: str, entries: Mapping[str, Value], section: str) -> None:
    """The three keys of reading back stand together or not at all."""
    there = [old for old, _, _ in _READ_BACK if old in entries]
    for old, key, parse in _READ_BACK if there else ():
        carry(
            draft,
            f'{name}["{old}"]',
            entries.get(old),
            section,
            key,
            placeholder=f"{key} HERE",
            missing="Reading back from Sentinel needs all three: fill it in, or remove the three lines.",
            parse=parse,
        )


def _api(draft: Draft, name: str, entries: Mapping[str, Value]) -> None:
    graph, new = entries.get("graph_api"), entries.get("new_upload_api")
    if graph is not None:
        told = "Sentinel is reached by its upload of STIX objects; Microsoft retired Graph tiIndicators in April 2026."
        if graph.data is True:
            told += (
                " The application needs another permission than for Graph: the role Microsoft Sentinel Contributor on "
                "the workspace."
            )
        how = How.BUILT_IN if graph.data is False else How.DIFFERS
        draft.tell(Row(f'{name}["graph_api"]', graph.line, "", how, told))
    if new is not None:
        how = How.BUILT_IN if new.data is True else How.DIFFERS
        told = "Sentinel's upload of STIX objects is always used, with the same role of the application."
        draft.tell(Row(f'{name}["new_upload_api"]', new.line, "", how, told))


def _version(draft: Draft, name: str, version: Value | None, entries: Mapping[str, Value], section: str) -> None:
    if version is None:
        return
    new = entries.get("new_upload_api")
    if version.data == SENTINEL_API_VERSION or (new is not None and new.data is True):
        carry(draft, name, version, section, "apiVersion", parse=values.api_version)
        return
    told = f"A version of an older API; here it is {SENTINEL_API_VERSION} unless [{section}] apiVersion says otherwise."
    draft.tell(Row(name, version.line, "", How.DIFFERS, told))


def _actions(old: Old, product: Value | None) -> None:
    """What only the older Graph API took."""
    for names in (("ms_action", "action"), ("ms_passiveonly", "passiveOnly")):
        name, value = old.take(*names)
        if value is None:
            continue
        told = "Sentinel knows no actions: its analytics rules decide what alerts."
        if _is_defender(product):
            told = "Everything alerts and nothing more, until docs/blocking.md is followed."
        how = How.BUILT_IN if value.data in ("alert", False) else How.NOTHING
        old.draft.tell(Row(name, value.line, "", how, told))


def _indicators(old: Old) -> None:
    common.expiry(old, _KINDS, "")
    common.confidence(old)
    common.local_tags(old)
    name, value = old.take("sourcesystem")
    told = (
        "Indicators go under a name of their own, MISP-modules-ext. With the old name, misp2sentinel would revoke them "
        "too, as long as it runs, and there is no gain: its ids are others. Rules and workbooks that look for the old "
        "name need the new one; see docs/migrate.md."
    )
    old.draft.tell(Row(name, value.line if value is not None else 0, "[microsoft] sourceSystem", How.DIFFERS, told))


def _behaviour(draft: Draft) -> None:
    for what, told in (
        ("tlp:red", "It went to Sentinel; here it does not, unless [selection] maxTlp = red."),
        ("no TLP tag", "It became tlp:clear; here it counts as amber, unless [indicator] tlp says otherwise."),
    ):
        draft.tell(Row(f"({what})", 0, "", How.DIFFERS, told))
