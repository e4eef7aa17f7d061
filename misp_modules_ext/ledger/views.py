"""One view of an event as it comes in, and the same event as the ledger holds it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntFlag
from typing import NamedTuple

from sqlalchemy import Connection, insert, select

from misp_modules_ext.ledger import schema
from misp_modules_ext.ledger.bulk import rows_by
from misp_modules_ext.ledger.documents import read_attribute, read_header, write_attribute
from misp_modules_ext.ledger.keys import uuid_bytes, uuid_text
from misp_modules_ext.model.misp import Attribute, Event, ObjectContext, Sightings, Tag

#: A date may lie so many seconds ahead, since clocks differ; what lies further ahead is a wrong clock or a typing error
#: and counts as not said: believed, it would keep an indicator for centuries.
AHEAD = 86_400


class Origin(IntFlag):
    """Who says so: a request, that anyone could have sent, or our own reading of MISP.

    `AS_READ`: it stands as our own reading saw it, its event's header included, so that it may act. What a request
    changes about it takes that away, and so does a reading that leaves it in doubt (`comparison`). Not all of it need
    be the reading's own words: sightings, decay and hits that it did not tell were carried into it (`carried`), and
    where others were picked, its header says that nothing is.
    """

    REQUEST = 1
    OWN_READING = 2
    AS_READ = 4


@dataclass(frozen=True, slots=True)
class View:
    """A view with the documents of its attributes, in their order."""

    event: Event
    documents: tuple[bytes, ...]


class Row(NamedTuple):
    """A piece of evidence as it is stored."""

    observable_id: int
    attribute: bytes
    header_id: int
    taken: int
    timestamp: int
    origins: int
    vouches: int
    document: bytes


@dataclass(slots=True)
class Known:
    """What the ledger holds of an event.

    Attributes:
        timestamp: of the latest view, 0 when it did not say, -1 for none.
        own_timestamp: of our own latest reading, 0 when it did not say, -1 for none.
        rows: its evidence by attribute.
        headers: documents by header id.
    """

    event_id: int
    timestamp: int
    own_timestamp: int
    unpublished_since_ms: int | None
    rows: dict[bytes, list[Row]] = field(default_factory=dict)
    headers: dict[int, bytes] = field(default_factory=dict)

    def taken(self) -> dict[str, int]:
        """When the ledger first took each attribute."""
        return {
            uuid_text(key): rows[0].taken if len(rows) == 1 else min(row.taken for row in rows)
            for key, rows in self.rows.items()
        }


def prepared(event: Event, now: int) -> View:
    """The view without what cannot be kept: dates far ahead, and text that is no Unicode."""
    attributes: list[Attribute] = []
    documents: list[bytes] = []
    changed = False
    for attribute in event.attributes:
        kept = _believable(attribute, now)
        try:
            document = write_attribute(kept)
        except TypeError:
            kept = _unicode(kept)
            document = write_attribute(kept)
        changed = changed or kept is not attribute
        attributes.append(kept)
        documents.append(document)
    if changed:
        event = replace(event, attributes=tuple(attributes))
    return View(_believable_header(event, now), tuple(documents))


def dated(view: View, known: Known) -> View:
    """The view, in which attributes without a timestamp have the one that is known: what is not said is not older."""
    attributes = view.event.attributes
    if all(attribute.timestamp for attribute in attributes):
        return view
    # Documents hold no timestamp.
    return replace(view, event=replace(view.event, attributes=tuple(_dated(a, known) for a in attributes)))


def _dated(attribute: Attribute, known: Known) -> Attribute:
    if attribute.timestamp:
        return attribute
    latest = max((row.timestamp for row in known.rows.get(uuid_bytes(attribute.uuid), ())), default=0)
    return replace(attribute, timestamp=latest) if latest else attribute


def carried(view: View, known: Known, origin: Origin) -> View:
    """The view with the facts that one door brings and another does not (rule 4): these keep their stored value.

    They are tags that MISP does not give to everybody (local ones, and those that may not be exported), the hits of
    warninglists, sightings and decay. What no longer vouches is no fact any more.

    - Our own reading: sightings and decay, where MISP did not say this time. It says all tags. Where nobody could be
      asked for hits this time, those of the same value stay, and that there was none stays where we saw it ourselves.
    - A request: what our own reading saw, or confirmed. Before that, what a request says of sightings counts as far as
      it adds to what was said before; it never ends anything. That there was no hit stays known whoever said so: else
      doors that ask and doors that do not would change it by turns. Hits are of a value: a new one has none of them.
    """
    if not known.rows:
        return view
    event = view.event
    if origin is Origin.REQUEST:
        event = _carried_header(event, known)
    attributes, documents = list(event.attributes), list(view.documents)
    for index, attribute in enumerate(attributes):
        for row in known.rows.get(uuid_bytes(attribute.uuid), ()):
            if row.vouches and row.document != documents[index]:
                stored = read_attribute(attribute.uuid, row.timestamp, row.document)
                attributes[index] = _carried(attributes[index], stored, origin, row)
                documents[index] = write_attribute(attributes[index])
    return View(replace(event, attributes=tuple(attributes)), tuple(documents))


def lacks(view: View, whole: View) -> bool:
    """Whether a view says less than it does with what is carried into it, as far as gates or content go by it."""
    pairs = zip(view.event.attributes, whole.event.attributes, strict=True)
    changed = ((before, after) for before, after in pairs if before is not after)
    said, known = view.event, whole.event
    return (
        said.tags != known.tags
        or said.publish_timestamp != known.publish_timestamp
        or any(_without_verdict(s) != _without_verdict(k) for s, k in changed)
    )


def _without_verdict(attribute: Attribute) -> Attribute:
    """No hit of a warninglist and nobody asked are the same, but for blocking."""
    return replace(attribute, warninglists=attribute.warninglists or None)


def _carried_header(event: Event, known: Known) -> Event:
    """A request's event with the tags that it may not have seen, and the latest publication."""
    rows = [row for rows in known.rows.values() for row in rows if row.vouches]
    numbers = {row.header_id for row in rows}
    headers = {number: read_header(event.uuid, known.headers[number])[0] for number in numbers}
    seen = (headers[number] for number in {row.header_id for row in rows if _is_seen(row)})
    hidden = {tag for header in seen for tag in header.tags if _is_hidden(tag)}
    published = max((header.publish_timestamp for header in headers.values()), default=0)
    return replace(event, tags=_with(event.tags, hidden), publish_timestamp=max(event.publish_timestamp, published))


def _carried(attribute: Attribute, stored: Attribute, origin: Origin, row: Row) -> Attribute:
    """An attribute with the facts of what is stored of it."""
    if (attribute.type, attribute.value) != (stored.type, stored.value):
        stored = replace(stored, warninglists=None)
    if origin is Origin.OWN_READING:
        kept = stored.warninglists if stored.warninglists or row.origins & Origin.AS_READ else None
        lists = kept if attribute.warninglists is None else attribute.warninglists
        sightings = stored.sightings if attribute.sightings is None else attribute.sightings
        decay = stored.decay if attribute.decay is None else attribute.decay
        return replace(attribute, warninglists=lists, sightings=sightings, decay=decay)
    if not _is_seen(row):
        unlisted = attribute.warninglists is None and stored.warninglists == ()
        lists = () if unlisted else attribute.warninglists
        sightings = _added(stored.sightings, attribute.sightings)
        return replace(attribute, warninglists=lists, sightings=sightings, decay=stored.decay)
    tags = _with(attribute.tags, {tag for tag in stored.tags if _is_hidden(tag)})
    lists = _all_lists(attribute.warninglists, stored.warninglists)
    return replace(attribute, tags=tags, warninglists=lists, sightings=stored.sightings, decay=stored.decay)


def _added(before: Sightings | None, said: Sightings | None) -> Sightings | None:
    """What a request's sightings add: more of them, a later one, and with it a later end or none; not an end."""
    if before is None or said is None:
        return said._replace(expires=None) if said is not None else before
    counts = (max(before.seen, said.seen), max(before.false_positives, said.false_positives))
    last = max(before.last or 0, said.last or 0)
    expires = before.expires and max(before.expires, said.expires or 0)
    return Sightings(*counts, expires if expires and last <= expires else None, last or None)


def _is_seen(row: Row) -> bool:
    """Whether it stands as our own reading saw it, or confirmed it."""
    return bool(row.vouches and row.origins & Origin.OWN_READING)


def _all_lists(seen: tuple[str, ...] | None, stored: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The warninglists of both; `None` when nobody was asked either time."""
    if not seen or not stored:
        return seen or stored or (seen if stored is None else stored)
    return tuple(sorted({*seen, *stored}))


def _is_hidden(tag: Tag) -> bool:
    return tag.local or not tag.exportable


def _with(tags: tuple[Tag, ...], more: set[Tag]) -> tuple[Tag, ...]:
    """The tags, and those of `more` that are not among them."""
    names = {tag.name for tag in tags}
    return (*tags, *sorted(tag for tag in more if tag.name not in names))


def _believable(attribute: Attribute, now: int) -> Attribute:
    latest = now + AHEAD
    sightings = attribute.sightings
    if sightings is not None and sightings.last is not None and sightings.last > latest:
        attribute = replace(attribute, sightings=sightings._replace(last=None))
    if attribute.timestamp <= latest and (attribute.last_seen is None or attribute.last_seen <= latest):
        return attribute
    last_seen = attribute.last_seen if attribute.last_seen is not None and attribute.last_seen <= latest else None
    return replace(attribute, timestamp=_unless_ahead(attribute.timestamp, latest), last_seen=last_seen)


def _unless_ahead(seconds: int, latest: int) -> int:
    return seconds if seconds <= latest else 0


def _believable_header(event: Event, now: int) -> Event:
    latest = now + AHEAD
    event = replace(
        event,
        timestamp=_unless_ahead(event.timestamp, latest),
        publish_timestamp=_unless_ahead(event.publish_timestamp, latest),
    )
    texts = (event.info, event.creator_name, event.problem, *(tag.name for tag in event.tags))
    if all(_is_unicode(text) for text in texts):
        return event
    return replace(
        event,
        info=storable(event.info),
        creator_name=storable(event.creator_name),
        problem=storable(event.problem),
        tags=_tags(event.tags),
    )


def _is_unicode(text: str) -> bool:
    return text.isascii() or text == storable(text)


def storable(text: str) -> str:
    """A text as databases keep it: what a file or a shell passes on may be no Unicode."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _tags(tags: Iterable[Tag]) -> tuple[Tag, ...]:
    return tuple(tag._replace(name=storable(tag.name)) for tag in tags)


def _unicode(attribute: Attribute) -> Attribute:
    return replace(
        attribute,
        type=storable(attribute.type),
        value=storable(attribute.value),
        category=storable(attribute.category),
        comment=storable(attribute.comment),
        relation=storable(attribute.relation),
        tags=_tags(attribute.tags),
        warninglists=attribute.warninglists and tuple(map(storable, attribute.warninglists)),
        decay=attribute.decay and attribute.decay._replace(model=storable(attribute.decay.model)),
        object=attribute.object and _object(attribute.object),
        problem=storable(attribute.problem),
    )


def _object(holder: ObjectContext) -> ObjectContext:
    siblings = tuple((storable(relation), storable(value)) for relation, value in holder.siblings)
    return replace(holder, name=storable(holder.name), comment=storable(holder.comment), siblings=siblings)


def find_event(connection: Connection, uuid: str, misp: str) -> Known:
    """The event's row, made when there is none; its evidence is not read. `misp` as in `Event.misp`."""
    table = schema.event
    columns = (table.c.event_id, table.c.timestamp, table.c.own_timestamp, table.c.unpublished_since_ms)
    here = (table.c.uuid == uuid) & (table.c.misp == misp)
    found = connection.execute(select(*columns).where(here)).one_or_none()
    if found is None:
        made = connection.execute(insert(table).values(uuid=uuid, misp=misp, timestamp=-1))
        return Known(int(made.inserted_primary_key[0]), -1, -1, None)  # type: ignore[index] # of one row
    event_id, timestamp, own_timestamp, since = found
    return Known(event_id, timestamp, -1 if own_timestamp is None else own_timestamp, since)


def read_evidence(connection: Connection, known: Known) -> None:
    """Add what the ledger holds of an event."""
    read_headers(connection, known)
    for row in _rows(connection, known.event_id):
        known.rows.setdefault(row.attribute, []).append(row)


def read_headers(connection: Connection, known: Known) -> None:
    """Add the headers that the evidence of an event goes by."""
    table = schema.header
    headers = select(table.c.header_id, table.c.document).where(table.c.event_id == known.event_id)
    known.headers = {header_id: bytes(document) for header_id, document in connection.execute(headers)}


def _rows(connection: Connection, event_id: int) -> Sequence[Row]:
    table = schema.evidence
    columns = [getattr(table.c, name) for name in Row._fields]
    return [
        Row(number, bytes(key), header, taken, timestamp, origins, vouches, bytes(document))
        for _, number, key, header, taken, timestamp, origins, vouches, document in rows_by(
            connection, table.c.event_id, [event_id], *columns
        )
    ]
