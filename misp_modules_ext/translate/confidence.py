"""How sure it is that a value is malicious, 0 to 100, from what tags and sightings say.

The numbers are those that MISP's taxonomies give their tags. A tag by which somebody says that it cannot be judged
(`f`, `6`, `confidence-cannot-be-evaluated`) says nothing, whatever number its taxonomy gives it. The rule:

1. What an attribute's own tags say counts; only where they say nothing, its event's do; else what is configured.
2. Of several tags for one question the lowest counts; the questions of one taxonomy (reliability of the source and
   credibility of the information) weigh alike, and so do several taxonomies: the mean, half a point upwards.
3. Sightings raise it in steps at 1, 10 and 100, so that a much seen value is not sent anew each time it is seen.
4. A `false-positive` tag of attribute or event is the most that it can be then.
5. Each of the first three false positive sightings lowers it.

More sightings never lower it; more false positive sightings and tags never raise it. A further tag of another question
or taxonomy moves the mean either way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from misp_modules_ext.model.misp import Sightings
from misp_modules_ext.translate.machine_tags import MachineTag

#: Taxonomy and predicate -> value -> the number MISP's taxonomy gives it.
SCALES: Mapping[tuple[str, str], Mapping[str, int]] = MappingProxyType(
    {
        ("misp", "confidence-level"): {
            "completely-confident": 100,
            "usually-confident": 75,
            "fairly-confident": 50,
            "rarely-confident": 25,
            "unconfident": 0,
        },
        ("estimative-language", "likelihood-probability"): {
            "almost-certain": 95,
            "very-likely": 80,
            "likely": 55,
            "roughly-even-chance": 45,
            "unlikely": 20,
            "very-unlikely": 5,
            "almost-no-chance": 0,
        },
        ("estimative-language", "confidence-in-analytic-judgment"): {"high": 95, "moderate": 55, "low": 0},
        ("admiralty-scale", "source-reliability"): {"a": 100, "b": 75, "c": 50, "d": 25, "e": 0, "g": 0},
        ("admiralty-scale", "information-credibility"): {"1": 100, "2": 75, "3": 50, "4": 25, "5": 0},
    }
)
#: The same for tags that say how likely a false positive is. That it is confirmed to be none lowers nothing.
DOUBTS: Mapping[tuple[str, str], Mapping[str, int]] = MappingProxyType(
    {
        ("false-positive", "risk"): {"low": 75, "medium": 50, "high": 25, "cannot-be-judged": 25},
        ("false-positive", "confirmed"): {"true": 0},
    }
)
#: So many sightings -> what they add.
RAISED: Mapping[int, int] = MappingProxyType({1: 5, 10: 10, 100: 15})
#: What each of the first `MOST_FALSE` false positive sightings takes away.
LOWERED: Final = 20
MOST_FALSE: Final = 3
MOST: Final = 100
#: As the configuration's.
DEFAULT_CONFIDENCE: Final = 50


class Assessed(NamedTuple):
    """What one tag says.

    Attributes:
        scale: taxonomy and predicate.
        doubt: it is of `DOUBTS`.
    """

    scale: tuple[str, str]
    number: int
    doubt: bool = False


class Assessment(NamedTuple):
    """What the tags of an attribute and its event say together.

    Attributes:
        stated: 0 to 100, `None` when they say nothing.
        most: what a false positive leaves of it, 0 to 100.
    """

    stated: int | None = None
    most: int = MOST

    def confidence(self, configured: int, sightings: Sightings | None) -> int:
        """The confidence, 0 to 100.

        Args:
            configured: what counts where no tag says anything.
            sightings: of the attribute; `None` when its source does not say.
        """
        number = configured if self.stated is None else self.stated
        if sightings is None:
            return min(number, self.most)
        raised = max((more for least, more in RAISED.items() if sightings.seen >= least), default=0)
        lowered = LOWERED * min(sightings.false_positives, MOST_FALSE)
        return max(0, min(number + raised, self.most, MOST) - lowered)


def assessed(tag: MachineTag) -> Assessed | None:
    """What one tag says, `None` when it says nothing about confidence."""
    scale = (tag.namespace, tag.predicate)
    for table in (SCALES, DOUBTS):
        number = table.get(scale, {}).get(tag.value.lower())
        if number is not None:
            return Assessed(scale, number, table is DOUBTS)
    return None


def together(own: Iterable[Assessed], events: Iterable[Assessed]) -> Assessment:
    """What the tags of an attribute and those of its event say together; their order does not matter."""
    levels = [tuple(own), tuple(events)]
    stated = (_level([said for said in level if not said.doubt]) for level in levels)
    doubts = (said.number for level in levels for said in level if said.doubt)
    return Assessment(next((number for number in stated if number is not None), None), min(doubts, default=MOST))


def _level(said: Iterable[Assessed]) -> int | None:
    """Rule 2."""
    lowest: dict[str, dict[str, int]] = {}
    for one in said:
        taxonomy, question = one.scale
        answers = lowest.setdefault(taxonomy, {})
        answers[question] = min(one.number, answers.get(question, one.number))
    if not lowest:
        return None
    return int(_mean([_mean(answers.values()) for answers in lowest.values()]) + 0.5)


def _mean(numbers: Iterable[float]) -> float:
    given = sorted(numbers)  # sums of floating point numbers depend on their order
    return sum(given) / len(given)
