"""What may be asked of MISP's search: written KEY=VALUE, names as PyMISP's `search` documents them.

MISP (2.5.1 read in source) passes over a filter that it does not know there, and one without a value, and then finds
everything. Values are therefore checked here, and a filter that MISP would pass over is an error. Lists are always sent
as lists: of a single value MISP reads `0` as none, and `&&` as two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any, Literal, NamedTuple

from misp_modules_ext.config import values
from misp_modules_ext.config.findings import Invalid, closest
from misp_modules_ext.errors import UsageError
from misp_modules_ext.misp.coerce import seconds, uuid_or_none

Level = Literal["event", "attribute"]

_SHORT_TIME = re.compile(r"(\d{1,9})\s*([dhms])", re.ASCII | re.IGNORECASE)
_SHORT_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
#: A number of fewer digits is no moment of MISP's.
_MOMENT = re.compile(r"\d{9,16}", re.ASCII)


class Query(NamedTuple):
    """One search.

    Attributes:
        controller: whose search is asked, as PyMISP names it.
        level: `attribute` when only the attributes found are meant, `event` for their events as a whole.
        arguments: for PyMISP's `search`.
    """

    controller: Literal["events", "attributes"]
    level: Level
    arguments: Mapping[str, Any]


class _Key(NamedTuple):
    """A filter.

    Attributes:
        read: makes what is sent of what was written; `now` is seconds since 1970 UTC.
        most: so many values at most; 0 for any number, each of which may be negated with `!`.
        attribute: a fact of attributes: with it MISP's search of attributes is asked.
        events_only: MISP passes over it when attributes are searched.
    """

    read: Callable[[str, int], Any]
    most: int = 0
    attribute: bool = False
    events_only: bool = False


def _text(written: str, now: int) -> str:
    return written


def _flag(written: str, now: int) -> int:
    found = {"1": 1, "true": 1, "yes": 1, "0": 0, "false": 0, "no": 0}.get(written.lower())
    if found is None:
        raise Invalid("is neither true nor false.", "Write 1 or 0.")
    return found


def _time(written: str, now: int) -> int:
    """A moment in seconds since 1970 UTC, from a moment or from a time before now."""
    short = _SHORT_TIME.fullmatch(written)
    if short:
        return max(now - int(short[1]) * _SHORT_UNITS[short[2].lower()], 1)
    moment = seconds(written) if _MOMENT.fullmatch(written) or not written.isdecimal() else None
    if moment:
        return moment
    try:
        if not written.isdecimal():
            return now - values.duration(written)
    except Invalid:
        pass
    raise Invalid("is no time.", "Write for example 7d, 24h, 2026-11-01 or 2026-11-01T12:00:00Z.")


def _date(written: str, now: int) -> str:
    return datetime.fromtimestamp(_time(written, now), timezone.utc).strftime("%Y-%m-%d")


def _number(written: str, now: int) -> str:
    if not re.fullmatch(r"[1-9]\d{0,17}", written, re.ASCII):
        raise Invalid("is no number of MISP's.", "Write the id that MISP shows.")
    return written


def _uuid(written: str, now: int) -> str:
    found = uuid_or_none(written)
    if found is None:
        raise Invalid("is no UUID.", "Copy it from MISP.")
    return found


def _event(written: str, now: int) -> str:
    return uuid_or_none(written) or _number(written, now)


_KEYS: Mapping[str, _Key] = {
    "value": _Key(_text, attribute=True),
    "type_attribute": _Key(_text, attribute=True),
    "category": _Key(_text, attribute=True),
    "to_ids": _Key(_flag, most=1, attribute=True),
    "tags": _Key(_text),
    "event_tags": _Key(_text, events_only=True),
    "org": _Key(_text),
    "eventid": _Key(_event),
    "uuid": _Key(_uuid),
    "eventinfo": _Key(_text),
    "searchall": _Key(_text, most=1, events_only=True),
    "published": _Key(_flag, most=1),
    "date_from": _Key(_date, most=1),
    "date_to": _Key(_date, most=1),
    "publish_timestamp": _Key(_time, most=2),
    "timestamp": _Key(_time, most=2),
    "event_timestamp": _Key(_time, most=2),
    "sharinggroup": _Key(_number),
}
_ALSO = {
    "tag": "tags",
    "type": "type_attribute",
    "last": "publish_timestamp",
    "from": "date_from",
    "to": "date_to",
    "event_tag": "event_tags",
}
#: Every name that a filter may be written with.
NAMES = frozenset(_KEYS) | frozenset(_ALSO)

_SHOWS = "it changes what MISP shows of each event or attribute, not what it finds"
_FORMAT = "the answer has to be MISP's JSON"
_ALL = "all that is found is taken, page by page"
_RULE = "the rules of the configuration decide that ([selection])"
_REFUSED: Mapping[str, str] = {
    "returnformat": _FORMAT,
    "return_format": _FORMAT,
    "requested_attributes": _FORMAT,
    "headerless": _FORMAT,
    "pythonify": _FORMAT,
    "limit": _ALL,
    "page": _ALL,
    "deleted": "what was deleted is seen when its event is read",
    "quickfilter": "MISP then looks at no other filter; write `searchall`, alone",
    "quick_filter": "MISP then looks at no other filter; write `searchall`, alone",
    "object_name": "MISP knows it among objects only, and would find everything",
    "enforcewarninglist": _RULE,
    "enforce_warninglist": _RULE,
    "excludedecayed": "what MISP's decay models say of an attribute is read with its event",
    "exclude_decayed": "what MISP's decay models say of an attribute is read with its event",
    **dict.fromkeys(
        (
            "metadata",
            "withattachments",
            "with_attachments",
            "sg_reference_only",
            "sgreferenceonly",
        ),
        _SHOWS,
    ),
}


def query(written: Iterable[str], level: Level | None, now: int) -> Query:
    """The search that somebody asks for.

    Args:
        written: `KEY=VALUE` each. One key several times: any of the values, or from one moment to another.
        level: what is to be taken; `None` for what follows from the keys: the attributes found when one of the keys
            is a fact of attributes (`type`, `value`, `category`, `to_ids`), else whole events.
        now: seconds since 1970 UTC.

    Raises:
        UsageError: a key that MISP's search does not know, or one that it would pass over; a value that is none.
    """
    found: dict[str, list[Any]] = {}
    for entry in written:
        name, value = _read(entry, now)
        found.setdefault(name, []).append(value)
    _check(found, level)
    by_attribute = [name for name in found if _KEYS[name].attribute]
    meant: Level = level or ("attribute" if by_attribute else "event")
    arguments = {name: _argument(name, values_) for name, values_ in found.items()}
    return Query("attributes" if by_attribute or meant == "attribute" else "events", meant, arguments)


def _read(entry: str, now: int) -> tuple[str, Any]:
    """PyMISP's name, and what is sent."""
    written, equals, value = entry.partition("=")
    name = written.strip().lower()
    if not equals:
        raise UsageError(f"--search {values.shown(entry)}: write KEY=VALUE, for example `--search tag=tlp:green`.")
    if name in _REFUSED or name.startswith("include"):
        raise UsageError(f"--search {name} cannot be used: {_REFUSED.get(name, _SHOWS)}.")
    key = _KEYS.get(_ALSO.get(name, name))
    if key is None:
        near = closest(name, NAMES, cutoff=0.6)
        meant = f"Is `{near}` meant?" if near else f"It knows {', '.join(sorted(_KEYS))}."
        raise UsageError(f"MISP's search knows no {values.shown(written.strip())}, and would find everything. {meant}")
    negated = "!" if key.most == 0 and value.strip().startswith("!") else ""
    bare = value.strip().removeprefix(negated).strip()
    if not bare.strip("%"):
        raise UsageError(f"--search {name} has no value, so MISP would find everything. Write {name}=VALUE.")
    try:
        read = key.read(bare, now)
    except Invalid as error:
        raise UsageError(f"--search {name}: {values.shown(bare)} {error.message} {error.remedy}") from error
    return _ALSO.get(name, name), f"{negated}{read}" if negated else read


def _check(found: Mapping[str, list[Any]], level: Level | None) -> None:
    for name, several in found.items():
        most = _KEYS[name].most
        if most and len(several) > most:
            raise UsageError(f"--search {name} may be given {'once' if most == 1 else 'twice, from and to'}.")
    if "searchall" in found and len(found) > 1:
        raise UsageError("Give --search searchall alone: MISP looks at no other filter beside it.")
    if "tags" in found and "event_tags" in found:
        raise UsageError("Give --search tags or event_tags: beside the one MISP does not look at the other.")
    attribute = next((name for name in found if _KEYS[name].attribute), "")
    beside = f"beside {attribute}" if attribute else "when attributes are searched"
    for name in found:
        if _KEYS[name].events_only and (attribute or level == "attribute"):
            instead = "`tags`" if name == "event_tags" else "`value`, with % at its ends for a part of one,"
            raise UsageError(f"MISP does not look at {name} {beside}, and would find too much. Use {instead} instead.")


def _argument(name: str, several: list[Any]) -> Any:
    most = _KEYS[name].most
    return several if most == 0 or len(several) > 1 else several[0]
