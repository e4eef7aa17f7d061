"""What is tried of looking back: each question that the configuration has asked, about a value of no matter."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from misp_modules_ext.config import Settings
from misp_modules_ext.delivery.lookup import SOURCES
from misp_modules_ext.destinations.client import PROBE_TIMEOUT, attempt
from misp_modules_ext.destinations.interface import Destination
from misp_modules_ext.destinations.looking import (
    ASKED_ALERTS,
    ASKED_DEFENDER,
    ASKED_HUNTING,
    ASKED_LOGS,
    ASKED_MANAGEMENT,
    ASKED_STATISTICS,
    ClassifiesAlerts,
    LooksUp,
    Probe,
)
from misp_modules_ext.model.finding import Code, Finding
from misp_modules_ext.model.indicator import Kind, Observable

#: A name that is reserved for examples (RFC 2606).
SAMPLE = Observable(Kind.DOMAIN_NAME, "example.com")
#: Statistics are three APIs with a permission each: domains, addresses, and files, here the empty one.
COUNTED = (
    SAMPLE,
    Observable(Kind.IPV4_ADDR, "1.1.1.1"),
    Observable(Kind.FILE_SHA256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
)
#: How far back the estate is asked: it is the permission that matters, and a short time costs little.
BACK = 3600
ALLOWED = "the application may ask; nothing was changed."
_CODES = {
    ASKED_MANAGEMENT: Code.LOOK_UP_SENTINEL,
    ASKED_LOGS: Code.LOGS,
    ASKED_DEFENDER: Code.LOOK_UP_DEFENDER,
    ASKED_STATISTICS: Code.STATISTICS,
    ASKED_HUNTING: Code.HUNTING,
}


def questions(settings: Settings, destination: Destination) -> list[Callable[[], Finding]]:
    """Each of them asks one question; none without a section `lookup`."""
    if not (settings.looks_up and isinstance(destination, LooksUp)):
        return []
    asked: list[Callable[[], Finding]] = [
        partial(attempt, _CODES[probe.asked], what, partial(_ask, probe))
        for probe, what in _probes(settings, destination)
    ]
    if settings.write_back.false_positives and isinstance(destination, ClassifiesAlerts):
        what = f"which alerts were false, asked of {ASKED_ALERTS}"
        asked.append(partial(attempt, Code.ALERTS, what, partial(_ask_about_alerts, destination)))
    return asked


def _probes(settings: Settings, there: LooksUp) -> Iterator[tuple[Probe[Any], str]]:
    for there_is in there.presence([SAMPLE]):
        yield there_is, f"whether a value is there, asked of {there_is.asked} about {SAMPLE.value}"
    if not settings.lookup.estate:
        return
    for one in COUNTED:
        for probe in there.estate([one], int(time.time()) - BACK):
            wanted = SOURCES[probe.asked] in settings.lookup.sources
            # One query is enough where the kind of value makes no other permission.
            if wanted and (one is SAMPLE or probe.asked == ASKED_STATISTICS):
                yield probe, f"whether a value was seen, asked of {probe.asked} about {one.value}"


def _ask(probe: Probe[Any]) -> str:
    probe.ask(PROBE_TIMEOUT)
    return ALLOWED


def _ask_about_alerts(there: ClassifiesAlerts) -> str:
    there.false_alerts(int(time.time()) - BACK, PROBE_TIMEOUT)
    return ALLOWED
