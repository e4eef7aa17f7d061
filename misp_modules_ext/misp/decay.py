"""MISP's decay models: after how long an attribute's score is below their threshold.

MISP says of each of its models `{"score", "base_score", "decayed", "DecayingModel": {"id", "name"}}`, and with
`includeFullModel` also `formula` and `parameters`. Facts from MISP's source (2.5.1, `Model/DecayingModelsFormulas`; not
seen on a live MISP):

* Polynomial: score = base_score * (1 - (t / lifetime) ^ (1 / decay_speed)), lifetime in days; decayed while the score
  is less than the threshold. So it is from t = lifetime * (1 - threshold / base_score) ^ decay_speed on.
* PolynomialExtended: the same, and 0 when the attribute's timestamp is older than a `retention` tag says, in days; an
  attribute's own such tag counts instead of its event's.
* Other formulas (Sightings) have no time in them: decayed at once, or not before something changes.

From when t counts says `decays_from`. Of several models, MISP takes an attribute out (`excludeDecayed`) when all of
them say that it has decayed: so the one in which it counts longest decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Final

from misp_modules_ext.misp.coerce import flag, text
from misp_modules_ext.misp.shapes import Raw, listed, mapping
from misp_modules_ext.model.misp import NO_DECAY, Decay

_DAY: Final = 86_400
#: MISP keeps up to 255 characters.
_LONGEST_NAME: Final = 255
_POLYNOMIAL = frozenset({"", "polynomial", "polynomialextended"})
#: So long is never (3,000 years): a number that no calendar holds is no end.
_NEVER: Final = 100_000_000_000
#: The taxonomy's numerical values (misp-taxonomies, `retention`, version 4), days.
_RETENTION = {
    "retention:expired": 0,
    "retention:1d": 1,
    "retention:2d": 2,
    "retention:7d": 7,
    "retention:2w": 14,
    "retention:1m": 30,
    "retention:2m": 60,
    "retention:3m": 90,
    "retention:6m": 180,
    "retention:1y": 365,
    "retention:10y": 3650,
}


def read_decay(attribute: Raw, timestamp: int, start: int) -> Decay | None:
    """How long an attribute counts; `None` when its source does not say.

    Args:
        attribute: its JSON.
        timestamp: the attribute's, seconds since 1970 UTC.
        start: see `decays_from`.
    """
    scores: object = attribute.get("decay_score")
    if scores is None:
        return None
    longest = Decay(-1)
    for score in map(mapping, listed(scores)):
        model = mapping(score.get("DecayingModel"))
        lasts = _lasts(score, model)
        if lasts is not None and _formula(model) == "polynomialextended":
            lasts = min([lasts, *(max(timestamp + kept - start, 0) for kept in _kept(attribute))])
        if lasts is None:
            return NO_DECAY
        longest = max(longest, Decay(lasts, text(model.get("name"))[:_LONGEST_NAME]))
    return NO_DECAY if longest.lasts == -1 else longest


def _lasts(score: Raw, model: Raw) -> int | None:
    """Seconds until one model says that it has decayed; `None` when it never does, or when that is not known."""
    parameters = mapping(model.get("parameters"))
    base, threshold = _number(score.get("base_score")), _number(parameters.get("threshold"))
    lifetime, speed = _number(parameters.get("lifetime")), _number(parameters.get("decay_speed"))
    if base is None or threshold is None or lifetime is None or speed is None or _formula(model) not in _POLYNOMIAL:
        return 0 if flag(score.get("decayed")) is True else None
    if threshold <= 0 or lifetime <= 0 or speed <= 0:
        return None
    if base < threshold:
        return 0
    lasts = lifetime * _DAY * (1 - threshold / base) ** speed
    return int(lasts) if lasts < _NEVER else None


def _formula(model: Raw) -> str:
    return text(model.get("formula")).strip().lower()


def _kept(attribute: Raw) -> Iterable[int]:
    """After how many seconds `retention` tags end an attribute: its own, else its event's, which stand with them."""
    tags = [mapping(tag) for tag in listed(attribute.get("Tag"))]
    own = [tag for tag in tags if flag(tag.get("inherited")) is not True]
    for some in (own, tags):
        names = [text(tag.get("name")) for tag in some]
        found = [_RETENTION[name] * _DAY for name in names if name in _RETENTION]
        if found:
            return found
    return ()


def _number(value: object) -> float | None:
    """A number that MISP may have written as text."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None
