"""Frozen records in, content hashes out: plain, with every gate and all warninglists, a million, beside misp-stix."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from misp_modules_ext.config.settings import DAY, IndicatorRules, Selection
from misp_modules_ext.delivery.collector import paused
from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.model.misp import Event, Sightings, Tag, Tlp
from misp_modules_ext.planning import RuleSet, make_plan
from misp_modules_ext.translate import PARSERS
from misp_modules_ext.warninglists.asking import ask
from misp_modules_ext.warninglists.build import build
from misp_modules_ext.warninglists.package import installed
from tests.bench.event import ORGANISATION, parsed
from tests.bench.line import Line, Size, Timed, at_least, rate, tidied
from tests.bench.machine import PEERS_SPEED, has_the_peer, paced

PLAIN = RuleSet(Selection(), IndicatorRules())
#: Every gate has something to look at, and lets the event pass.
STRICT = RuleSet(
    Selection(
        types=frozenset(PARSERS),
        tags=frozenset({'workflow:state="complete"', "rhisac: vetted"}),
        exclude_tags=frozenset({"internal", "false-positive"}),
        max_tlp=Tlp.AMBER,
        min_distribution=1,
        sharing_groups=frozenset({"0b3a7c52-93f4-4f4f-8d0a-6f0f0c9d7e11"}),
        orgs=frozenset({ORGANISATION}),
        exclude_orgs=frozenset({"7d1f4a60-2f3e-4f0e-9a55-1c2d3e4f5a6b"}),
    ),
    IndicatorRules(
        window_by_kind=((Kind.IPV4_ADDR, 30 * DAY), (Kind.URL, 60 * DAY)),
        window_by_tlp=((Tlp.GREEN, 90 * DAY),),
        labels=("misp",),
    ),
)
#: Of so many attributes one has a hit on MISP's warninglists, a technique of its own, and sightings.
HIT_EVERY, TECHNIQUE_EVERY, SIGHTED_EVERY = 100, 10, 20
CONTEXT = (
    Tag('misp-galaxy:threat-actor="Sofacy"'),
    Tag('misp-galaxy:mitre-malware="X-Agent for Android - S0314"'),
    Tag('misp-galaxy:mitre-attack-pattern="Spearphishing Attachment - T1566.001"'),
    Tag("kill-chain:Command and Control"),
    Tag('admiralty-scale:source-reliability="b"'),
    Tag('estimative-language:likelihood-probability="likely"'),
    Tag('misp:confidence-level="usually-confident"'),
)
TECHNIQUE = Tag('misp-galaxy:mitre-attack-pattern="DNS - T1071.004"')
SIGHTINGS = Sightings(seen=3, false_positives=1)
WANTED, WANTED_STRICT = 50_000, 30_000
TIMES_THE_PEER = 50
#: A million is this many such events in one, at the same speed within a tenth.
PARTS_OF_A_MILLION = 20
LINEAR = 0.9


def lines(size: Size, _kinds: Sequence[str], folder: Path) -> Iterator[Line]:
    """The lines on translation. Two speeds are compared by the process's own time: others' load is no part of that."""
    event = parsed(size.attributes)
    plain, pace = paced(size, lambda: _translated(event, PLAIN))
    yield at_least("translation", size.attributes, plain, WANTED, pace)
    full, index = _with_everything(event), _index(folder)
    what = "translation, every gate" if index else "translation, gates without lists"
    yield _beside_the_peer(size.attributes / plain.cpu, pace)
    strict, pace = paced(size, lambda: _translated(full, STRICT, index))
    yield at_least(what, size.attributes, strict, WANTED_STRICT, pace)
    yield _linear(size, event)


def _index(folder: Path) -> Path | None:
    """An index of all warninglists, where the package with them is installed (extra `bench`)."""
    found = installed()
    if found is None:
        return None
    build(found, folder / "warninglists.db")
    return folder / "warninglists.db"


def _translated(event: Event, rules: RuleSet, index: Path | None = None) -> Timed:
    now = int(time.time())

    def work() -> None:
        with paused(len(event.attributes)):
            events = [event] if index is None else ask([event], index).events
            merged = make_plan(events, rules, "https://misp.example", {}, now).merged
            hashes = {entry.indicator.content_hash() for entry in merged}
        assert len(hashes) == len(merged) > 0.9 * len(event.attributes)

    return tidied(work)


def _with_everything(event: Event) -> Event:
    """The event with context of every kind, as MISP sends it when it was asked for hits and sightings."""
    hit = ("List of known Office 365 URLs",)
    attributes = (
        replace(
            attribute,
            warninglists=() if number % HIT_EVERY else hit,
            tags=attribute.tags if number % TECHNIQUE_EVERY else (*attribute.tags, TECHNIQUE),
            sightings=None if number % SIGHTED_EVERY else SIGHTINGS,
        )
        for number, attribute in enumerate(event.attributes)
    )
    return replace(event, tags=(*event.tags, *CONTEXT), attributes=tuple(attributes))


def _beside_the_peer(ours: float, pace: float) -> Line:
    """Beside misp-stix as it ran around that very repetition."""
    what, wanted = "translation beside misp-stix", f">= {TIMES_THE_PEER} times"
    if not has_the_peer():
        return Line(what, "not measured: misp-stix is not installed (extra `bench`)", wanted, met=True)
    theirs = pace * PEERS_SPEED
    times = ours / theirs
    return Line(what, f"{times:.0f} times its {rate(theirs)}", wanted, met=times >= TIMES_THE_PEER)


def _linear(size: Size, one: Event) -> Line:
    """Its speed beside that of one event, which is measured just before and just after it."""
    parts = [parsed(size.attributes, seed) for seed in range(1, PARTS_OF_A_MILLION + 1)]
    event = replace(parts[0], attributes=tuple(chain.from_iterable(part.attributes for part in parts)))
    before = _translated(one, PLAIN)
    took = _translated(event, PLAIN)
    after = _translated(one, PLAIN)
    kept = (before.cpu + after.cpu) / 2 * PARTS_OF_A_MILLION / took.cpu
    what = f"translation of {len(event.attributes):,}"
    return Line(what, f"{kept:.0%} of one event's speed, {took}", f">= {LINEAR:.0%}", met=kept >= LINEAR)
