"""How fast this machine is at the moment, told by misp-stix.

DESIGN.md 10 wants seconds, and they are those of the machine on which misp-stix translated 799 attributes a second. The
same machine may take twice as long an hour later, and half as long again from one second to the next, so misp-stix runs
just before and just after each repetition of what is measured. Its own time counts: how fast the processor is should be
told, not what else wants it.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import NamedTuple

from tests.bench.event import document
from tests.bench.line import Size, Timed, timed

#: Attributes a second that misp-stix 2026.10.12 translated where the wanted figures were found, of an event of 50,000.
PEERS_SPEED = 799
#: Its speed does not depend on the size of the event, so that a part of one says enough.
PEERS_PART = 50


def has_the_peer() -> bool:
    """Whether misp-stix is installed (extra `bench`)."""
    return find_spec("misp_stix_converter") is not None


def peers_speed(attributes: int) -> float:
    """Attributes that misp-stix translates in a second of its own time, now, of an event of so many."""
    event = document(attributes)
    with warnings.catch_warnings():
        # What its dependencies say of themselves is none of ours.
        warnings.simplefilter("ignore")
        from misp_stix_converter import MISPtoSTIX21Parser

        parser = MISPtoSTIX21Parser()
        # What else is alive here would cost it a look by the garbage collector now and then.
        gc.collect()
        gc.freeze()
        try:
            took = timed(lambda: parser.parse_misp_event(event))
        finally:
            gc.unfreeze()
    assert len(parser.stix_objects) > attributes
    return attributes / took.cpu


class Paced(NamedTuple):
    """How long something took, and how fast the machine was meanwhile.

    Attributes:
        took: the time.
        pace: 2.0 on a machine that is twice as fast as that of the wanted figures; 1.0 without misp-stix.
    """

    took: Timed
    pace: float


def paced(size: Size, once: Callable[[], Timed]) -> Paced:
    """Measure several times, with misp-stix in between: the one that is in the middle when the pace is allowed for."""
    found = []
    # The first time it also sets itself up.
    _pace(size)
    before = _pace(size)
    for _ in range(size.repetitions):
        took = once()
        after = _pace(size)
        found.append(Paced(took, (before + after) / 2))
        before = after
    found.sort(key=lambda one: one.took.wall * one.pace)
    return found[len(found) // 2]


def _pace(size: Size) -> float:
    return peers_speed(max(1, size.attributes // PEERS_PART)) / PEERS_SPEED if has_the_peer() else 1.0
