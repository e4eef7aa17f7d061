"""The `rh-isac.conf` of RH-ISAC's script: it is our own kind of file, so this says what of it counts and what lacks.

Facts from github.com/RH-ISAC/intel-integrations at 48f13c7, `microsoft/misp_iocs_to_microsoft.py` and its example.
"""

from __future__ import annotations

from collections.abc import Sequence

from misp_modules_ext.config import values
from misp_modules_ext.config.findings import Findings
from misp_modules_ext.config.ini import RawSection, parse
from misp_modules_ext.config.schema import PRODUCTS, Part, effective
from misp_modules_ext.config.sections import RH_ISAC, OurSection, recognise
from misp_modules_ext.config.settings import Api
from misp_modules_ext.errors import UsageError
from misp_modules_ext.importing.carry import show_name
from misp_modules_ext.importing.draft import Draft, How, Line, Row

_WORKSPACE = "LOG ANALYTICS WORKSPACE ID HERE"
_TAG = "RH-ISAC_Vetted"


def read(text: str, draft: Draft) -> None:
    """Account for a file.

    Raises:
        UsageError: it is no INI.
    """
    findings = Findings()
    sections = parse(text, findings)
    if findings.problems:
        told = "\n".join(f"  {problem}" for problem in findings.problems)
        raise UsageError(f"The old configuration is no INI file that can be read:\n{told}")
    ours: list[OurSection] = []
    for raw in sections:
        section = recognise(raw)
        if section is None or not isinstance(section.part, Part):
            told = "It belongs to another integration. It is ignored, and may stay in that file."
            draft.tell(Row(f"[{show_name(raw.name)}]", 0, "", How.NOTHING, told))
        else:
            ours.append(section)
            _section(section, raw, section.part, draft)
    _missing(ours, draft)
    _script(ours, draft)
    draft.steps += [
        "Build the index of MISP's warninglists: misp-microsoft warninglists",
        "Test it: misp-microsoft check",
        "See what would happen: misp-microsoft sync --dry-run",
        "Then from cron, in place of the script: misp-microsoft sync (docs/sync.md)",
    ]


def _section(section: OurSection, raw: RawSection, part: Part, draft: Draft) -> None:
    known = {key.name.lower(): key for key in effective(part)}
    for lower, value in raw.values.items():
        old = f"[{section.name}] {show_name(value.key)}"
        key = known.get(lower)
        if key is None:
            told = "It is no key of this section. Remove the line, or see docs/configuration.md."
            draft.tell(Row(old, 0, "", How.NOT_UNDERSTOOD, told))
            continue
        entries = tuple(part.strip() for part in value.text.split("\n") if part.strip()) or ("",)
        draft.rows.append(Row(old, 0, f"[{section.name}] {key.name}", How.KEPT))
        draft.write(section.name, Line(key.name, entries, "As it was.", key.secret))


def _missing(ours: Sequence[OurSection], draft: Draft) -> None:
    stores = [section for section in ours if section.part is Part.DESTINATION]
    for section in stores:
        found = section.raw.values
        product = found["product"].text.strip().lower() if "product" in found else ""
        api = next((api for name, api in PRODUCTS.items() if name.lower() == product), None)
        if api is Api.SENTINEL and "workspaceid" not in found and "api" not in found:
            told = (
                "Sentinel's API needs it, unlike the Graph API of the script, which Microsoft retired in April 2026. "
                f"Add it from {values.WHERE_WORKSPACE}."
            )
            new = f"[{section.name}] workspaceId"
            draft.fill_in(section.name, "workspaceId", _WORKSPACE, Row("(not there)", 0, new, How.FILL_IN, told))
    if not stores:
        told = "There is no section [microsoft], so indicators would go nowhere. See rh-isac.conf.example."
        draft.tell(Row("(not there)", 0, "[microsoft]", How.FILL_IN, told))


def _script(ours: Sequence[OurSection], draft: Draft) -> None:
    """What the script has in its own text, and what it does otherwise."""
    names = {section.name for section in ours}
    for old, new, how, told in (
        ("WINDOW", "[indicator] window", How.KEPT, "120 days, as there. If you changed it in the script, set it here."),
        ("VETTED_TAG", f"[{RH_ISAC}] syncTags", How.KEPT, "`rhisac: vetted`, as there."),
        (
            "tlpLevel",
            "[indicator] tlp",
            How.DIFFERS,
            "Amber only where MISP says no TLP; the script said amber of all.",
        ),
        (
            "tags",
            "[indicator] labels",
            How.DIFFERS,
            f"The script labels all with {_TAG}; labels = {_TAG} does so here.",
        ),
        (
            "permission",
            "",
            How.DIFFERS,
            "ThreatIndicators.ReadWrite.OwnedBy of Graph is of no use any more: give the application the role "
            "Microsoft Sentinel Contributor on the workspace, or for Defender Ti.ReadWrite.All of WindowsDefenderATP.",
        ),
    ):
        draft.tell(Row(f"({old} of the script)", 0, new, how, told))
    if "indicator" not in names:
        draft.write("indicator", Line("labels", (_TAG,), "To consider: the script's label.", idle=True))
    if "misp" not in names:
        draft.tell(
            Row(
                "(not there)",
                0,
                "[misp] url, key",
                How.DIFFERS,
                "Needed for the button and workflows of a MISP of your own; `sync` reads [RH-ISAC MISP] without it.",
            )
        )
    if RH_ISAC not in names:
        told = "Without it `sync` has no MISP of RH-ISAC's to read: add key there."
        draft.tell(Row("(not there)", 0, f"[{RH_ISAC}] key", How.DIFFERS, told))
