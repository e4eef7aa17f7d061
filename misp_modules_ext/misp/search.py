"""References to what MISP finds: the UUIDs of events, and where only they are meant, of their attributes.

MISP (2.5.1 read in source): `events/restSearch` and `attributes/restSearch` give what they find in pages of `limit`, in
the order of `order`; past the last one an empty list. A server's allowed list takes rows out of pages afterwards, so
only an empty page is the last. What stops being found while pages are read makes those behind it move up: a list of
several pages is read again until nothing new turns up, as the list of events is (`misp.client`). Each page is dropped
when its references were taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from misp_modules_ext.errors import TO_DO, MispError
from misp_modules_ext.misp.answers import host_of, no_misp
from misp_modules_ext.misp.client import MOST_LISTS, PAGE, MispClient
from misp_modules_ext.misp.coerce import text, uuid_or_none
from misp_modules_ext.misp.filters import Query
from misp_modules_ext.misp.shapes import mapping

#: Headers of events in one answer: each may carry hundreds of tags.
EVENTS_PAGE = 500
#: Numbers of events that are asked for at once.
NUMBERS = 100
#: As little as MISP shows of each.
_HEADERS: Mapping[str, Any] = {"metadata": True, "excludeGalaxy": 1, "sg_reference_only": True, "order": "Event.id"}
_ATTRIBUTES: Mapping[str, Any] = {"include_event_uuid": True, "sg_reference_only": True, "order": "Attribute.id"}

#: UUIDs of events, each with those of its attributes that were found; empty when the whole event is meant.
References = dict[str, set[str]]


def find(client: MispClient, query: Query, page: int | None = None) -> References:
    """What a search finds, in MISP's order.

    Args:
        client: of the MISP to search.
        query: what to look for.
        page: events, or attributes, in one answer.

    Raises:
        MispRefused: MISP does not take the key.
        MispError: MISP cannot be read, or its pages cannot be trusted: what was found so far is worth nothing.
    """
    found: References = {}
    every_time = _HEADERS if query.controller == "events" else _ATTRIBUTES
    size = page or (EVENTS_PAGE if query.controller == "events" else PAGE)

    def take(rows: Iterable[object]) -> set[str]:
        taken = [_of_event(client, row) if query.controller == "events" else _of_attribute(client, row) for row in rows]
        for event, attribute in taken:
            inside = found.setdefault(event, set())
            if query.level == "attribute":
                inside.add(attribute)
        return {attribute or event for event, attribute in taken}

    def count() -> int:
        return len(found) + sum(map(len, found.values()))

    for _ in range(MOST_LISTS):
        before = count()
        pages = _each_page(client, query.controller, {**query.arguments, **every_time}, size, take)
        if pages <= 1 or count() == before:
            break
    return found


def uuids_of(client: MispClient, numbers: Sequence[str]) -> dict[str, str]:
    """Which events numbers are in this MISP.

    Args:
        client: of the MISP whose numbers they are.
        numbers: `NUMBERS` at most.

    Returns:
        UUIDs by number; without those that MISP does not show to the key.

    Raises:
        MispRefused: MISP does not take the key.
        MispError: MISP cannot be read.
    """
    asked = {"eventid": list(numbers), "page": 1, "limit": len(numbers)}
    rows = client.rows("events", {**asked, **_HEADERS})
    if rows is None:
        raise no_misp(client.settings.url, client.settings.name)
    found = {text(_event(row).get("id")): _of_event(client, row)[0] for row in rows}
    # Nothing but MISP says which event a number is; what was not asked for is not taken for it.
    return {number: found[number] for number in numbers if number in found}


def _each_page(
    client: MispClient,
    controller: str,
    query: Mapping[str, Any],
    size: int,
    take: Callable[[Iterable[object]], set[str]],
) -> int:
    """Hand over page by page until one is empty; how many there were before it."""
    seen: set[str] = set()
    number = 0
    while True:
        rows = client.rows(controller, {**query, "page": number + 1, "limit": size})
        if rows is None:
            raise no_misp(client.settings.url, client.settings.name)
        if not rows:
            return number
        new = take(rows)
        if len(rows) > size or new <= seen:
            raise _no_pages(client)
        seen |= new
        number += 1


def _of_event(client: MispClient, row: object) -> tuple[str, str]:
    uuid = uuid_or_none(_event(row).get("uuid"))
    if uuid is None:
        raise no_misp(client.settings.url, client.settings.name)
    return uuid, ""


def _of_attribute(client: MispClient, row: object) -> tuple[str, str]:
    """The UUIDs of its event and its own."""
    source = mapping(row)
    event = uuid_or_none(source.get("event_uuid")) or uuid_or_none(mapping(source.get("Event")).get("uuid"))
    own = uuid_or_none(source.get("uuid"))
    if event is None or own is None:
        raise no_misp(client.settings.url, client.settings.name)
    return event, own


def _event(row: object) -> Mapping[str, Any]:
    return mapping(mapping(row).get("Event"))


def _no_pages(client: MispClient) -> MispError:
    return MispError(
        f"{host_of(client.settings.url)} does not give what it finds page by page: a page came again, or was longer "
        f"than asked for. So nobody knows whether that was all.{TO_DO}see whether `url` of [{client.settings.name}] is "
        "the address of MISP itself and nothing answers in its place from a cache; or name the events by UUID."
    )
