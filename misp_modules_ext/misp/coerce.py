"""MISP's spellings of numbers, flags and times: strings, integers and booleans stand for each other in its JSON."""

from __future__ import annotations

import re
import uuid
from datetime import datetime, timezone

from misp_modules_ext.model.indicator import NAMESPACE

_TRUE = frozenset({"1", "true", "yes"})
_FALSE = frozenset({"0", "false", "no", ""})
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
#: Later than this no timestamp of MISP's can be seconds (year 5138): it is milliseconds or microseconds.
_LAST_SECOND = 100_000_000_000
#: What databases and JSON writers keep: 63 bits and a sign. What is beyond is no number of MISP's.
_LARGEST = 2**63 - 1


def text(value: object) -> str:
    """A scalar as text; `""` for nothing and for lists and objects."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, (dict, list)):
        return ""
    return str(value)


def integer(value: object) -> int | None:
    """An integer that MISP may have written as text, `None` when it is none or takes more than 63 bits."""
    number = None
    if isinstance(value, str):
        number = _digits(value)
    elif isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        number = int(value)
    return number if number is None or -_LARGEST <= number <= _LARGEST else None


def _digits(written: str) -> int | None:
    digits = written.strip()
    # Longer ones are no numbers of MISP's, and Python refuses to convert them past 4,300 digits.
    if len(digits) <= 20 and digits.isascii() and digits.removeprefix("-").isdigit():
        return int(digits)
    return None


def flag(value: object) -> bool | None:
    """A boolean that MISP may have written as 0, "0", "false" …; `None` when it is absent or unreadable."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, str)):
        word = str(value).strip().lower()
        if word in _TRUE:
            return True
        if word in _FALSE and word:
            return False
    return None


def seconds(value: object) -> int | None:
    """A time as seconds since 1970 UTC: from seconds, milliseconds, microseconds or ISO 8601; `None` when unreadable.

    A time without a zone is UTC, as MISP means it.
    """
    if value is None:
        return None
    number = integer(value)
    if number is not None:
        while number > _LAST_SECOND:
            number //= 1000
        return max(number, 0)
    if isinstance(value, str) and value.strip():
        return _iso_seconds(value.strip())
    return None


def _iso_seconds(written: str) -> int | None:
    # Fractions and Z are cut first: Python 3.10 reads neither all lengths of the one nor the other.
    whole = re.sub(r"\.\d+", "", written).replace("Z", "+00:00").replace("z", "+00:00")
    try:
        moment = datetime.fromisoformat(whole)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    try:
        return max(int(moment.timestamp()), 0)
    except (OverflowError, ValueError):
        return None


def date(value: object) -> str:
    """A date as `YYYY-MM-DD`, `""` when it is none."""
    written = text(value).strip()[:10]
    try:
        return datetime.strptime(written, "%Y-%m-%d").date().isoformat()
    except ValueError:
        return ""


def identity(value: object, *instead: str) -> str:
    """A UUID in lower case; when `value` is none, one derived from it or from `instead`, the same at every reading."""
    if isinstance(value, str) and _UUID.match(value):
        return value  # nearly always
    written = text(value).strip().lower()
    if _UUID.match(written):
        return written
    return str(uuid.uuid5(NAMESPACE, "\x00".join(("derived", written, *instead)).encode("utf-8", "replace").decode()))


def uuid_or_none(value: object) -> str | None:
    """A UUID in lower case, or `None`."""
    written = text(value).strip().lower()
    return written if _UUID.match(written) else None
