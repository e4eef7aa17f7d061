"""The date on which a decay model's score falls below its threshold, by MISP's own formula."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from misp_modules_ext.misp.parse import parse_event
from misp_modules_ext.model.misp import NO_DECAY, Attribute, Decay, Sightings, decays_from

DAY = 86_400
_KEYS = ["base_score", "decayed", "DecayingModel", "parameters", "lifetime", "threshold", "decay_speed", "formula"]
EDITED = 1_700_000_000

#: Parameters as misp-decaying-models has them.
NIDS = {"lifetime": 120, "decay_speed": 2, "threshold": 30, "default_base_score": 80, "base_score_config": {}}
PHISHING = {"lifetime": 3, "decay_speed": 2.3, "threshold": 30, "default_base_score": 80}


def score(parameters: object = None, /, *, formula: str = "Polynomial", name: str = "NIDS", **fields: Any) -> Any:
    """One entry of `decay_score`; without parameters as MISP shows it unasked."""
    model = {"id": "1", "name": name}
    if parameters is not None:
        model |= {"formula": formula, "parameters": parameters}
    return {"score": 42.5, "base_score": 80, "decayed": False, "DecayingModel": model} | fields


def _read(*scores: object, **fields: Any) -> Attribute:
    attribute = {"type": "domain", "value": "a.example", "timestamp": str(EDITED), "decay_score": list(scores)}
    return parse_event({"Event": {"info": "x", "Attribute": [attribute | fields]}}).attributes[0]


def test_the_model_that_misp_ships_lets_an_indicator_count_47_days() -> None:
    """120 days * (1 - 30/80) ^ 2 = 46.875 days."""
    assert _read(score(NIDS)).decay == Decay(int(46.875 * DAY), "NIDS")


@given(
    st.floats(1, 100),
    st.floats(0.1, 100),
    st.floats(0.01, 3650),
    st.floats(0.1, 10),
)
def test_the_score_is_below_the_threshold_from_that_second_on(
    base: float, threshold: float, lifetime: float, speed: float
) -> None:
    """MISP's score a moment before is not, and a moment later is."""
    assume(threshold < base * 0.999)
    parameters = {"lifetime": lifetime, "decay_speed": speed, "threshold": threshold}
    decay = _read(score(parameters, base_score=base)).decay
    assert decay is not None
    assert decay.lasts is not None

    def at(elapsed: float) -> float:
        return float(base * (1 - (max(elapsed, 0) / (lifetime * DAY)) ** (1 / speed)))

    assert at(decay.lasts - 1) >= threshold * (1 - 1e-9)
    assert at(decay.lasts + 2) < threshold * (1 + 1e-9)


def test_numbers_may_be_texts() -> None:
    """As PHP writes some of them."""
    texts = {name: str(value) for name, value in PHISHING.items()}
    assert _read(score(texts, base_score="80", formula="")).decay == _read(score(PHISHING)).decay


def test_of_several_models_the_one_in_which_it_counts_longest_decides() -> None:
    """As MISP itself leaves an attribute out only when all of its models say that it has decayed."""
    both = _read(score(PHISHING, name="Phishing"), score(NIDS)).decay
    assert both == _read(score(NIDS)).decay


@pytest.mark.parametrize(
    "endless",
    [
        score(),
        score(NIDS | {"threshold": 0}),
        score(NIDS | {"lifetime": 0}),
        score(NIDS | {"decay_speed": 0}),
        score(NIDS | {"threshold": "none"}),
        score(NIDS | {"lifetime": 1e300}),
        score(NIDS, formula="Sightings"),
        score(NIDS, base_score=None),
    ],
)
def test_a_model_without_an_end_gives_none(endless: object) -> None:
    """Not known, never, or not by time: the window counts; also where another model has an end."""
    assert _read(endless).decay == NO_DECAY
    assert _read(score(NIDS), endless).decay == NO_DECAY


def test_what_starts_below_the_threshold_has_decayed_at_once() -> None:
    """Low confidence, for example; and where MISP says so of a formula that has no time in it."""
    assert _read(score(NIDS, base_score=29.9)).decay == Decay(0, "NIDS")
    assert _read(score({"threshold": 5}, formula="Sightings", decayed=True)).decay == Decay(0, "NIDS")
    assert _read(score(decayed=True)).decay == Decay(0, "NIDS")


def test_none_and_not_said_are_told_apart() -> None:
    """An attribute without a model, and one for which MISP was not asked."""
    assert _read().decay == NO_DECAY
    assert _read(decay_score=None).decay is None


def test_a_retention_tag_ends_it_earlier_in_the_extended_formula() -> None:
    """Counted from the attribute's timestamp; its own tag stands instead of its event's."""
    own, inherited = {"name": "retention:2w"}, {"name": "retention:7d", "inherited": 1}
    extended = score(NIDS, formula="PolynomialExtended")
    assert _read(extended, Tag=[own, inherited]).decay == Decay(14 * DAY, "NIDS")
    assert _read(extended, Tag=[inherited]).decay == Decay(7 * DAY, "NIDS")
    assert _read(extended, Tag=[{"name": "retention:10y"}]).decay == _read(score(NIDS)).decay
    assert _read(score(NIDS), Tag=[own]).decay == _read(score(NIDS)).decay
    seen = {"type": "0", "date_sighting": EDITED + 10 * DAY}
    assert _read(extended, Tag=[own], Sighting=[seen]).decay == Decay(4 * DAY, "NIDS")


@pytest.mark.parametrize(
    ("last_seen", "sighted", "start"),
    [
        (None, None, EDITED),
        (EDITED - 5, None, EDITED - 5),
        (EDITED + 5, None, EDITED + 5),
        (None, EDITED + 9, EDITED + 9),
        (EDITED - 5, EDITED + 9, EDITED + 9),
        (None, EDITED - 9, EDITED),
        (EDITED - 5, EDITED - 9, EDITED - 5),
    ],
)
def test_it_counts_from_the_last_sighting_unless_it_was_edited_since(
    last_seen: int | None, sighted: int | None, start: int
) -> None:
    """Then from `last_seen`, else from the edit: as MISP does."""
    assert decays_from(EDITED, last_seen, None if sighted is None else Sightings(1, 0, None, sighted)) == start


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(_KEYS), inner),
    )
)
def test_whatever_stands_there_nothing_raises(odd: object) -> None:
    """Wrong types, huge numbers, none at all."""
    _read(decay_score=odd)
    _read({"base_score": odd, "DecayingModel": {"parameters": {"lifetime": odd, "threshold": 1, "decay_speed": odd}}})
