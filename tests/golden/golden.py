"""What becomes of every attribute of the event files from the wild, without any of their values.

Two tables that people read and tests compare. `attributes.tsv`: a block for each file, in it a line for each attribute:
its UUID, MISP type, the kinds it yields, what becomes of it, the code of the reason, and for each destination a digest
of what is sent (`=` when another attribute speaks for the value, `-` when nothing goes, else the code of the reason).
`by_type.tsv`: how many attributes of each type went which way. After a change that is meant, `python -m tests.golden`
writes both anew; the difference is then for people to read.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from misp_modules_ext.config.settings import Api, IndicatorRules, Selection
from misp_modules_ext.destinations import create, defender_payload, graph_payload, sentinel_payload
from misp_modules_ext.destinations.interface import Refusal
from misp_modules_ext.misp.files import read_events
from misp_modules_ext.model.indicator import Due, Indicator, Observable, Stamp
from misp_modules_ext.planning import Part, Plan, PlannedAttribute, RuleSet, make_plan
from tests.support.build import destination
from tests.support.shared import event_files, shared

HERE = Path(__file__).parent
ATTRIBUTES, BY_TYPE = HERE / "attributes.tsv", HERE / "by_type.tsv"
#: Most of the events are not published; all other rules are the defaults.
RULES = RuleSet(Selection(published=False), IndicatorRules())
#: When all of it is taken, seconds since 1970 UTC: nothing here may depend on the day it is run.
NOW = 1_795_910_400
MISP = "https://misp.example"


class Place(NamedTuple):
    """A destination, of which nothing is asked that would open a socket.

    Attributes:
        refuses: why it has no place for an indicator.
        payload: what it would be sent.
    """

    name: str
    refuses: Callable[[Indicator], Refusal | None]
    payload: Callable[[Due], dict[str, Any]]


@cache
def places() -> tuple[Place, ...]:
    """One destination of each API, with the default rules."""
    sentinel = destination()
    defender = destination(name="microsoft defender", product="Microsoft Defender", api=Api.DEFENDER)
    graph = destination(name="microsoft graph", product="Azure Sentinel", api=Api.GRAPH)
    return (
        Place("sentinel", create(sentinel).refuses, sentinel_payload.stix_object),
        Place("defender", create(defender).refuses, lambda due: defender_payload.entity(due, defender)),
        Place("graph", create(graph).refuses, lambda due: graph_payload.entity(due, graph)),
    )


class Row(NamedTuple):
    """What became of one attribute.

    Attributes:
        outcome: `goes`, `merged` or `skipped`, by its worst part.
        code: of the reason, `-` when there is none.
        sent: for each destination, in the order of `places()`.
    """

    uuid: str
    type: str
    kinds: str
    outcome: str
    code: str
    sent: tuple[str, ...]

    def line(self) -> str:
        """As it stands in the table."""
        return "\t".join((self.uuid, self.type, self.kinds, self.outcome, self.code, *self.sent))


def plan_of(path: Path) -> Plan:
    """The plan of a file's events under the rules."""
    return make_plan(read_events(path.read_bytes(), path.name).events, RULES, MISP, {}, NOW)


def due(indicator: Indicator) -> Due:
    """As it would be sent for the first time."""
    return Due(indicator, Stamp(indicator.observable.stix_id(), NOW * 1000, NOW * 1000))


def rows(plan: Plan) -> Iterator[Row]:
    """A row for each attribute, in the order of the file."""
    indicators = {merged.indicator.observable: merged.indicator for merged in plan.merged}
    leaders = plan.leaders()
    told: set[Observable] = set()
    for planned in plan.attributes:
        yield _row(planned, indicators, leaders, told)


def _row(
    planned: PlannedAttribute,
    indicators: Mapping[Observable, Indicator],
    leaders: Mapping[Observable, tuple[str, str]],
    told: set[Observable],
) -> Row:
    going = [part for part in planned.parts if part.reason is None]
    leading = [part.observable for part in going if _leads(planned, part, leaders, told)]
    told.update(leading)
    reason = planned.reason or next((part.reason for part in planned.parts if part.reason), None)
    outcome = "skipped" if reason else "goes" if len(leading) == len(going) else "merged"
    kinds = ",".join(part.observable.kind.value for part in planned.parts) or "-"
    sent = tuple(_sent(place, going, leading, indicators) for place in places())
    return Row(planned.attribute.uuid, planned.attribute.type, kinds, outcome, reason.code if reason else "-", sent)


def _leads(
    planned: PlannedAttribute, part: Part, leaders: Mapping[Observable, tuple[str, str]], told: set[Observable]
) -> bool:
    mine = (planned.event.uuid, planned.attribute.uuid)
    return leaders[part.observable] == mine and part.observable not in told


def _sent(
    place: Place, going: Sequence[Part], leading: Sequence[Observable], indicators: Mapping[Observable, Indicator]
) -> str:
    if not going:
        return "-"
    refused = [refusal.reason.code for part in going if (refusal := place.refuses(indicators[part.observable]))]
    if len(refused) == len(going):
        return refused[0]
    payloads = [place.payload(due(indicators[o])) for o in leading if place.refuses(indicators[o]) is None]
    return digest(payloads) if payloads else "="


def digest(payloads: Sequence[Mapping[str, Any]]) -> str:
    """Twelve digits that differ when anything that is sent does."""
    return hashlib.sha256(orjson.dumps(payloads, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]


def tables() -> tuple[str, str]:
    """Both tables as text, in the order of the files."""
    attributes = ["# " + "\t".join(("attribute", "type", "kinds", "outcome", "reason", *(p.name for p in places())))]
    counts: Counter[tuple[str, str, str]] = Counter()
    for path in event_files():
        attributes.append(f"# {path.relative_to(shared('events'))}")
        for row in rows(plan_of(path)):
            attributes.append(row.line())
            counts[row.type, row.outcome, row.code] += 1
    return _text(attributes), _text(_by_type(counts))


def _by_type(counts: Mapping[tuple[str, str, str], int]) -> Iterator[str]:
    yield "# " + "\t".join(("type", "outcome", "reason", "attributes"))
    for (type_, outcome, code), number in sorted(counts.items()):
        yield f"{type_}\t{outcome}\t{code}\t{number}"


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
