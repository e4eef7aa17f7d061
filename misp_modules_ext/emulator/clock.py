"""The emulator's time: the machine's, moved forward on request, and the two timestamp formats in use."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime, timezone

_STIX_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_FRACTION = re.compile(r"\.(\d+)")


class Clock:
    """Seconds since 1970 in UTC; `advance` lets tests reach an expiry or the end of a rate window at once."""

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self._offset = 0.0

    def now(self) -> float:
        """The present moment in seconds since 1970."""
        return self._source() + self._offset

    def advance(self, seconds: float) -> None:
        """Move the clock forward (or back) for everything that the emulator dates or compares."""
        self._offset += seconds


def to_text(seconds: float) -> str:
    """Format a moment as ``2026-11-24T10:00:00.000Z``."""
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def parse_stix(text: str) -> float | None:
    """Read a STIX timestamp (STIX 2.1, section 3.2: RFC 3339, UTC as ``Z``); None when it is not one."""
    return parse_offset(text) if _STIX_TIME.fullmatch(text) else None


def parse_offset(text: str) -> float | None:
    """Read an ISO 8601 moment with a zone (Edm.DateTimeOffset); None when it is not one."""
    normal = _FRACTION.sub(lambda found: "." + found[1][:6].ljust(6, "0"), text, count=1)
    try:
        moment = datetime.fromisoformat(normal[:-1] + "+00:00" if normal.endswith("Z") else normal)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None
