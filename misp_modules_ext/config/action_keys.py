"""The keys of what Defender does on a match, and the checks that belong to them."""

from __future__ import annotations

from collections.abc import Mapping

from misp_modules_ext.config import never_block, values
from misp_modules_ext.config.findings import Findings
from misp_modules_ext.config.key import DEFENDER, LIST, Key
from misp_modules_ext.config.settings import ActionRules, Api
from misp_modules_ext.model.indicator import Action

_APIS = DEFENDER | {Api.GRAPH}
_TAGS = "in any case of letters, that attribute or event carries"


def _tags(text: str) -> frozenset[str]:
    return frozenset(tag.lower() for tag in values.entries(text))


ACTIONS = (
    Key(
        "action",
        "action",
        values.one_of({action.value: action for action in Action}, "an action of Defender"),
        ", ".join(f"`{action.value}`" for action in Action),
        "What is done on a match of an attribute without one of the tags below. `Audit` raises an alert and blocks "
        "nothing; all others need `blockOrgs` and more: see docs/blocking.md.",
        default="Audit",
        apis=_APIS,
    ),
    Key(
        "blockTags",
        "block_tags",
        _tags,
        LIST,
        f"Tags, {_TAGS}, for the action `Block`. Of several tags the mildest action counts.",
        instead="none",
        apis=_APIS,
    ),
    Key(
        "blockAndRemediateTags",
        "block_and_remediate_tags",
        _tags,
        LIST,
        "As `blockTags`, for `BlockAndRemediate`, which also removes the file. Addresses, domains and URLs are only "
        "blocked.",
        instead="none",
        apis=_APIS,
    ),
    Key(
        "warnTags",
        "warn_tags",
        _tags,
        LIST,
        "As `blockTags`, for `Warn`: people may go on. Graph has no such action, so there it is `Audit`.",
        instead="none",
        apis=_APIS,
    ),
    Key(
        "auditTags",
        "audit_tags",
        _tags,
        LIST,
        "As `blockTags`, for `Audit`, whatever other tags say.",
        instead="none",
        apis=_APIS,
    ),
    Key(
        "allowTags",
        "allow_tags",
        _tags,
        LIST,
        "As `blockTags`, for `Allowed`: Defender lets the value pass, whatever else it thinks of it. Together with a "
        "tag that blocks or warns it is `Audit`.",
        instead="none",
        apis=_APIS,
    ),
    Key(
        "blockOrgs",
        "block_orgs",
        values.each(values.uuid),
        f"{LIST} of UUIDs",
        "Only events that these organisations created may ask for an action other than `Audit`.",
        instead="none",
        apis=_APIS,
    ),
    Key(
        "neverBlock",
        "never_block",
        values.each(never_block.entry),
        f"{LIST} of host names, IP addresses, ranges and hashes",
        "What is never blocked or warned of. A host name covers its subdomains, a range its addresses, also as the "
        "host of a URL or mail address; a domain above one of them is not blocked either.",
        instead="none",
        apis=_APIS,
    ),
)
_FIELDS = {key.name: key.field for key in ACTIONS}


def rules_of(section: str, found: Mapping[str, object], api: Api, findings: Findings) -> ActionRules:
    """The rules of a destination; those of one that only alerts are the default, so that it shares others' plans.

    Args:
        section: its name.
        found: values by documented name.
        api: of the destination.
        findings: for what is set and does nothing.
    """
    given: dict[str, object] = {field: found[name] for name, field in _FIELDS.items() if name in found}
    rules = ActionRules.model_validate(given | {"graph": api is Api.GRAPH})
    if not rules.acts:
        for name in ("blockOrgs", "neverBlock"):
            if found.get(name):
                findings.warning(
                    section, name, "has no effect: neither `action` nor a key of tags asks for more than Audit."
                )
        return ActionRules()
    if not rules.block_orgs:
        findings.warning(
            section,
            "blockOrgs",
            "is missing or empty, so every action stays Audit. Add the UUIDs of the organisations whose events may "
            "block; see docs/blocking.md.",
        )
    return rules
