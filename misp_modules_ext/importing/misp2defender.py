"""misp2defender's `config.py`.

Facts from github.com/cudeso/misp2defender at 22398d1: names, defaults, and what its script does with them.
"""

from __future__ import annotations

from collections.abc import Mapping

from misp_modules_ext.config import values
from misp_modules_ext.config.settings import Api
from misp_modules_ext.importing import common, filters
from misp_modules_ext.importing.carry import Old, carry, show_name
from misp_modules_ext.importing.draft import Draft, How, Row, unfit_entry
from misp_modules_ext.importing.microsoft import scope, sign_in
from misp_modules_ext.importing.old_values import Module, table, texts
from misp_modules_ext.model.indicator import Action, Kind, Severity

#: Names of misp2defender's own, by which its file is recognised.
OWN = frozenset(
    {"defender_action", "defender_application", "defender_severity", "defender_generate_alert", "targetScope"}
    | {"defender_recommended_actions", "check_if_already_in_defender", "max_indicators_per_query", "quota_requests"}
)
_SECTION = "microsoft"
_LIMITS = "Microsoft's limits (500 indicators a request, 30 requests a minute) are kept by themselves."
_BUILT_IN = common.BUILT_IN | {
    "max_indicators_per_query": _LIMITS,
    "quota_requests": _LIMITS,
    "check_if_already_in_defender": "What others made is left alone (`already-there`), ours is renewed.",
    "ms_check_if_exist_in_sentinel": "What others made there is left alone (`already-there`).",
}
_OTX = "Values are not looked up in OTX. MISP's warninglists keep harmless ones back: [selection] warninglists."
_NOTHING = common.NOTHING | {
    "defender_recommended_actions": "That text is not sent; title and description tell of the event.",
    "exclude_if_in_alienvault": _OTX,
    "otx_alienvault_api": _OTX,
    "custom_user_agent": "The requests name this tool.",
}
_KINDS: Mapping[str, tuple[str, ...]] = {
    "ipaddress": (Kind.IPV4_ADDR.value, Kind.IPV6_ADDR.value),
    "filemd5": (Kind.FILE_MD5.value,),
    "filesha1": (Kind.FILE_SHA1.value,),
    "filesha256": (Kind.FILE_SHA256.value,),
    "url": (Kind.URL.value,),
    "domainname": (Kind.DOMAIN_NAME.value,),
}
#: What Microsoft calls by other names today.
_ACTIONS = {"Alert": Action.AUDIT, "AlertAndBlock": Action.BLOCK} | {action.value: action for action in Action}


def read(module: Module, draft: Draft) -> None:
    """Translate a file."""
    old = Old(module, draft)
    section = common.misp(old)
    _destination(old)
    filters.read(old)
    _vetted(old)
    common.expiry(old, _KINDS, "")
    common.window_of_tlp(old, "days_to_expire_tlpclear", "clear")
    common.local_tags(old)
    old.rest(_BUILT_IN, _NOTHING)
    for what, told in (
        ("tlp:red", "It went to Defender; here it does not, unless [selection] maxTlp = red."),
        ("filename|sha256", "Composites of a file name were left out; here the hash goes."),
    ):
        draft.tell(Row(f"({what})", 0, "", How.DIFFERS, told))
    common.first_run(old, section)


def _destination(old: Old) -> None:
    draft = old.draft
    told = "misp2defender sends to Defender."
    draft.put(_SECTION, "product", ("Microsoft Defender",), Row("product", 0, f"[{_SECTION}] product", How.KEPT, told))
    name, value = old.take("graph_auth", "ms_auth", "defender_auth")
    entries = table(value)
    if value is not None and not entries:
        draft.tell(Row(name, value.line, "", How.NOT_UNDERSTOOD, "It is no table that could be read."))
    sign_in(draft, name, entries, _SECTION)
    for key in sorted(entries.keys() - {"tenant", "client_id", "client_secret"}):
        told = "No setting of that tool has this name."
        draft.tell(Row(f'{name}["{show_name(key)}"]', entries[key].line, "", How.NOT_UNDERSTOOD, told))
    target, where = old.take("targetScope")
    scope(draft, target, where, _SECTION, Api.DEFENDER)
    _application(old)
    _severity(old)
    _action(old)


def _application(old: Old) -> None:
    name, value = old.take("defender_application")
    if value is None:
        return
    told = (
        "The same name, so that `misp-microsoft reconcile --adopt` can take over what misp2defender left there; see "
        "docs/migrate.md."
    )
    carry(old.draft, name, value, _SECTION, "sourceSystem", message=told, parse=values.source_system)


def _severity(old: Old) -> None:
    name, value = old.take("defender_severity")
    known = values.one_of({level.label: level for level in Severity}, "a severity of Defender")
    if value is not None:
        carry(old.draft, name, value, _SECTION, "severity", parse=known)


def _action(old: Old) -> None:
    draft = old.draft
    name, value = old.take("defender_action")
    action = _ACTIONS.get(value.data) if value is not None and isinstance(value.data, str) else None
    if value is not None and action is None:
        told = "It is none of Defender's actions. Everything is Audit, which alerts and blocks nothing."
        draft.tell(Row(name, value.line, f"[{_SECTION}] action", How.NOT_UNDERSTOOD, told))
    elif value is not None and action is not None:
        told = "" if action.value == value.data else f"{value.data} is an older name."
        if action is not Action.AUDIT:
            told = (
                f"{told} It stays Audit until [{_SECTION}] blockOrgs names the organisations whose events may ask for "
                "it: read docs/blocking.md first."
            ).strip()
        how = How.KEPT if action.value == value.data else How.TRANSLATED
        draft.put(_SECTION, "action", (action.value,), Row(name, value.line, f"[{_SECTION}] action", how, told))
    _alert(old, action or Action.AUDIT)


def _alert(old: Old, action: Action) -> None:
    name, value = old.take("defender_generate_alert")
    if value is None:
        return
    if value.data is False and action is Action.AUDIT:
        told = "Microsoft requires an alert with Audit, so it is on."
        old.draft.tell(Row(name, value.line, f"[{_SECTION}] generateAlert", How.REFUSED, told))
        return
    carry(old.draft, name, value, _SECTION, "generateAlert", parse=values.boolean)


def _vetted(old: Old) -> None:
    """Events of which only vetted attributes went: none of them goes, which is stricter."""
    name, events = old.take("limit_vetted_attributes_from_specific_events")
    other, vetted = old.take("vetted_attribute_classifier")
    if events is None or vetted is None:
        for label, value in ((name, events), (other, vetted)):
            if value is not None:
                told = "It does nothing without the other one of the two, there too."
                old.draft.tell(Row(label, value.line, "", How.BUILT_IN, told))
        return
    tags = texts(events)
    new = "[selection] excludeTags"
    if tags is None or any(unfit_entry(tag) for tag in tags):
        told = "It is no list of tags that can be written. Write the tags, or remove the line."
        old.draft.fill_in("selection", "excludeTags", f"DECIDE: {name}", Row(name, events.line, new, How.FILL_IN, told))
    elif tags:
        told = (
            "Stricter: nothing of events with these tags goes. To choose attributes of an event, put the tag "
            "microsoft:push on them (pickTag), and remove this line."
        )
        old.draft.put("selection", "excludeTags", tags, Row(name, events.line, new, How.TRANSLATED, told))
    else:
        old.draft.tell(Row(name, events.line, "", How.BUILT_IN, "It asks for nothing."))
    told = "No rule says which attributes of some events only may go; see the line before."
    old.draft.tell(Row(other, vetted.line, "", How.NOTHING, told))
