"""The reference tables of `docs/configuration.md`, printed from the tables that `load` reads by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from misp_modules_ext.config.clouds import ASSUMED, ENDPOINTS
from misp_modules_ext.config.notyet import NOT_YET
from misp_modules_ext.config.schema import ALL_APIS, KEYS, Key, Part

START = "<!-- reference -->"
END = "<!-- /reference -->"

_INTRODUCTION = {
    Part.MISP: "`[misp]` is the MISP that these modules serve: reports link to it, and with its `key` events are read "
    "from it. Without the key nothing of them is withdrawn. `[RH-ISAC MISP]` is the one that `misp-microsoft sync` "
    "reads; further ones are `[misp NAME]`, for `sync --misp` and `push --misp`.",
    Part.DESTINATION: "One section for each store at Microsoft. At least one is required. A section may also hold any "
    "key of `[selection]` and `[indicator]`: that is then this destination's own rule, in place of the general one.",
    Part.SELECTION: "Which attributes are pushed.",
    Part.INDICATOR: "How indicators are made from attributes.",
    Part.LEDGER: "Where is kept what was pushed. The addresses may hold a password: they are secrets, and may be "
    "`env:NAME` or `file:/path`.",
    Part.QUEUE: "Only for workers on several machines.",
    Part.LOOKUP: "What `lookup_in_microsoft` and `misp-microsoft lookup` ask Microsoft, see "
    "[enrichment.md](enrichment.md). Where there is this section, `misp-microsoft check` tries whether Microsoft "
    "answers.",
    Part.WRITE_BACK: "What goes back to MISP, see [write-back.md](write-back.md) and [sightings.md](sightings.md).",
}


def markdown() -> str:
    """All tables, as they stand between `START` and `END` in the document; ends with a newline."""
    parts = [_part(part) for part in Part]
    return "\n\n".join([*parts, _clouds(), _not_yet()]) + "\n"


def _part(part: Part) -> str:
    keys = {key.group or key.name: key for key in reversed(KEYS[part])}
    rows = [(f"`{name}`", key.form, _default(key), _meaning(key)) for name, key in reversed(keys.items())]
    title = ", ".join(f"`{name}`" for name in part.value.split(", "))
    return "\n".join(
        [f"### {title}", "", _INTRODUCTION[part], "", *_table(("key", "value", "default", "meaning"), rows)]
    )


def _default(key: Key) -> str:
    return "<br>".join(f"`{entry}`" for entry in key.default.split("\n")) if key.default else key.instead


def _meaning(key: Key) -> str:
    if key.apis == ALL_APIS:
        return key.meaning
    only = " and ".join(sorted(api.value for api in key.apis))
    return f"{key.meaning} Only with the API {only}."


def _clouds() -> str:
    rows = [
        (f"`{cloud}`", f"`{api}`", where.login, where.api, f"`{where.scope}`", ASSUMED.get((cloud, api), "documented"))
        for (cloud, api), where in ENDPOINTS.items()
    ]
    table = _table(("cloud", "API", "login", "host", "scope of the token", "source"), rows)
    return "\n".join(
        [
            "### Clouds",
            "",
            "`china` is refused: Microsoft retired Sentinel there on 2026-08-18, and Defender has no API there. What "
            "is marked as unverified could not be tried: `endpoint.login`, `endpoint.api`, `endpoint.management`, "
            "`endpoint.scope`, `endpoint.logs`, `endpoint.logsScope`, `endpoint.hunting`, `uploadPath` and "
            "`apiVersion` replace it.",
            "",
            *table,
        ]
    )


def _not_yet() -> str:
    rows = [
        (_place(row.section), ", ".join(f"`{key}`" for key in row.keys), f"this version has no {row.feature}")
        for row in NOT_YET
    ]
    return "\n".join(
        [
            "### Not yet",
            "",
            "These keys are reserved for later versions. Using one is an error that says so.",
            "",
            *_table(("section", "key", "why"), rows),
        ]
    )


def _place(section: Part | str) -> str:
    return f"`{section.value.replace(', ', '`, `')}`" if isinstance(section, Part) else f"`[{section}]`"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [_row(head), _row(["---"] * len(head)), *(_row(row) for row in rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
