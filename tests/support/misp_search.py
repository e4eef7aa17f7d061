"""What MISP's restSearch finds in a `World`, as its source has it (2.5.1, `filterEventIds`, `buildFilterConditions`).

Also what is dangerous in it: a filter that it does not know for what is searched, and one that PHP calls empty, find
everything; `searchall` takes no notice of any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tests.support.misp_world import Attribute, Event

Body = dict[str, Any]


def finds_event(event: Event, body: Body) -> bool:
    """Whether a search of events finds it."""
    if not _empty(body.get("searchall")):
        every = (event.info, *event.tags, *(a.value for a in event.attributes))
        return any(_like(text, body["searchall"]) for text in every)
    living = [a for a in event.attributes if not a.deleted]
    mine = _attribute_filters()
    return _common(event, body, so_far=_on_event(event, body)) and all(
        any(_matches(read(a), body[key]) for a in living) for key, read in mine.items() if not _empty(body.get(key))
    )


def attribute_finder(event: Event, body: Body) -> Callable[[Attribute], bool]:
    """Whether a search of attributes finds one of an event's, deleted ones included."""
    if not _common(event, body, so_far=True):
        return lambda _: False
    mine: dict[str, Callable[[Attribute], tuple[Any, ...]]] = {
        **_attribute_filters(),
        "uuid": lambda a: (a.uuid, event.uuid),
        "tags": lambda a: (*a.tags, *event.tags),
    }
    asked = [(read, body[key]) for key, read in mine.items() if not _empty(body.get(key))]
    when = body.get("timestamp")
    return lambda a: _within(a.timestamp, when) and all(_matches(read(a), wanted) for read, wanted in asked)


def _attribute_filters() -> dict[str, Callable[[Attribute], tuple[Any, ...]]]:
    return {
        "type": lambda a: (a.type,),
        "category": lambda a: (a.category,),
        "value": lambda a: (a.value, *a.value.split("|")),
        "to_ids": lambda a: (int(a.to_ids),),
    }


def _on_event(event: Event, body: Body) -> bool:
    """Filters that mean something else, or nothing, where attributes are searched."""
    inside = event.attributes
    tags = body.get("tags") or []
    facts: list[tuple[Iterable[str], Any]] = [
        ((*event.tags, *(tag for a in inside for tag in a.tags)), [t for t in tags if not t.startswith("!")]),
        # What is negated is looked for among the event's own tags alone.
        (event.tags, [t for t in tags if t.startswith("!")]),
        (event.tags, body.get("event_tags")),
        ((event.uuid, *(a.uuid for a in inside)), body.get("uuid")),
    ]
    told = all(_matches(mine, wanted) for mine, wanted in facts if not _empty(wanted))
    return told and _within(event.timestamp, body.get("timestamp"))


def _common(event: Event, body: Body, *, so_far: bool) -> bool:
    facts: dict[str, tuple[Any, ...]] = {
        "eventid": (event.uuid, str(event.id)),
        "org": (event.orgc.name, event.orgc.uuid, str(event.orgc.id)),
        "eventinfo": (event.info,),
        "sharinggroup": (str(event.group.id),) if event.group else (),
    }
    if not all(_matches(facts[key], body[key]) for key in facts if not _empty(body.get(key))):
        return False
    if body.get("published") is not None and event.published is not bool(body["published"]):
        return False
    dates = (body.get("from") or "", body.get("to") or "9999")
    return (
        so_far
        and dates[0] <= event.date <= dates[1]
        and _within(event.publish_timestamp, body.get("publish_timestamp"))
        and _within(event.timestamp, body.get("event_timestamp"))
    )


def _matches(facts: Iterable[Any], wanted: Any) -> bool:
    """One of the values, and none of those that are negated."""
    told = list(map(str, facts))
    values = [str(value) for value in (wanted if isinstance(wanted, list) else [wanted])]
    yes = [value for value in values if not value.startswith("!")]
    no = [value[1:] for value in values if value.startswith("!")]
    either = not yes or any(_like(fact, value) for fact in told for value in yes)
    return either and not any(_like(fact, value) for fact in told for value in no)


def _like(fact: str, value: str) -> bool:
    bare = value.strip("%").lower()
    begins, ends = not value.startswith("%"), not value.endswith("%")
    if begins and ends:
        return fact.lower() == bare
    if begins or ends:
        return fact.lower().startswith(bare) if begins else fact.lower().endswith(bare)
    return bare in fact.lower()


def _within(moment: int, wanted: Any) -> bool:
    if wanted is None:
        return True
    first, last = sorted(wanted) if isinstance(wanted, list) else (wanted, 1 << 40)
    return bool(int(first) <= moment <= int(last))


def _empty(value: Any) -> bool:
    """As PHP's `empty`, except for `to_ids`, which MISP asks by `isset`: 0 comes as a number there only."""
    return value is None or (value in ("", "0", []) and not isinstance(value, int))
