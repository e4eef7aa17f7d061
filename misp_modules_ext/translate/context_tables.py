"""What becomes of tags, galaxies, categories and sightings: the tables behind `docs/context.md`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from misp_modules_ext.translate.confidence import DOUBTS, LOWERED, MOST_FALSE, RAISED, SCALES
from misp_modules_ext.translate.galaxies import GALAXIES, KILL_CHAIN, LOCKHEED_MARTIN, UNIFIED, Family
from misp_modules_ext.translate.threats import (
    BY_CATEGORY,
    BY_GALAXY,
    BY_PHASE,
    BY_TAXONOMY,
    BY_TECHNIQUE,
    DELIVERING_URL,
    Threat,
)

_NOTHING = "nothing"


def context_markdown() -> dict[str, str]:
    """The tables in Markdown, by name."""
    return {
        "confidence": _table(("tag", "number"), _numbers(SCALES)),
        "false positives": _table(("tag", "at most"), _numbers(DOUBTS)),
        "sightings": _table(("sightings", "what they do"), _sightings()),
        "galaxies": _table(("galaxies (`misp-galaxy:…`)", "their clusters are"), _galaxies()),
        "kill chains": _table(("tag", "kill chain", "phase"), _phases()),
        "threat types": _table(
            ("what", "of", "addresses, names, URLs, mail", "files, mutexes, processes, registry keys"), _threats()
        ),
    }


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = tuple(head)
    lines = [head, ("---",) * len(head), *map(tuple, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _numbers(tables: Mapping[tuple[str, str], Mapping[str, int]]) -> Iterator[tuple[str, str]]:
    for (namespace, predicate), values in tables.items():
        for value, number in values.items():
            yield f'`{namespace}:{predicate}="{value}"`', str(number)


def _sightings() -> Iterator[tuple[str, str]]:
    for least, more in RAISED.items():
        yield f"seen, {least} or more", f"{more} more"
    yield f"false positive, each of the first {MOST_FALSE}", f"{LOWERED} less"


def _galaxies() -> Iterator[tuple[str, str]]:
    for family in Family:
        names = (name for name, its in GALAXIES.items() if its is family)
        yield ", ".join(f"`{name}`" for name in names), family.value


def _phases() -> Iterator[tuple[str, str, str]]:
    for phase, name in KILL_CHAIN.items():
        yield f"`kill-chain:{phase.capitalize()}`", f"`{LOCKHEED_MARTIN}`", f"`{name}`"
    yield '`unified-kill-chain:…="value"`', f"`{UNIFIED}`", "the value"


def _threats() -> Iterator[tuple[str, str, str, str]]:
    everything, own = "attribute, event", "attribute"
    for threat, names in _alike(BY_GALAXY):
        yield f"galaxies {', '.join(f'`{name}`' for name in names)}", everything, *_words(threat)
    for name, threat in BY_TAXONOMY.items():
        namespace, equals, word = name.partition("=")
        tag = f'{namespace}="{word}"' if equals else f"{namespace}:…"
        yield f"tags `{tag}`", everything, *_words(threat)
    for threat, names in _alike(BY_TECHNIQUE):
        yield f"techniques {', '.join(f'`{name}`' for name in names)}", own, *_words(threat)
    for phase, threat in BY_PHASE.items():
        yield f"phase `{phase}` of `{LOCKHEED_MARTIN}`", own, *_words(threat)
    for threat, names in _alike(BY_CATEGORY):
        yield f"categories {', '.join(names)}", own, *_words(threat)
    yield f"category {DELIVERING_URL[0]}, of URLs", own, f"`{DELIVERING_URL[1]}`", _NOTHING


def _alike(table: Mapping[str, Threat]) -> Iterator[tuple[Threat, list[str]]]:
    for threat in dict.fromkeys(table.values()):
        yield threat, [name for name, its in table.items() if its == threat]


def _words(threat: Threat) -> tuple[str, str]:
    network, file = (f"`{word}`" if word else _NOTHING for word in threat)
    return network, file
