"""An event that is too large for memory: its attributes lie on disk while it is read, and are given in slices.

A slice is the event with some of its attributes. What of the whole event decides about each of them is known by then:
whether the view is complete, which tags attributes carry (of which one may pick others), and what an object's
attributes tell of each other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from types import TracebackType
from typing import Any, NamedTuple

from misp_modules_ext.errors import TO_DO, MispError
from misp_modules_ext.misp.coerce import flag, text, uuid_or_none
from misp_modules_ext.misp.pages import Pages
from misp_modules_ext.misp.parse import NO_OBJECT, first_siblings, parse_event
from misp_modules_ext.misp.shapes import Raw, mapping
from misp_modules_ext.misp.spool import Spool
from misp_modules_ext.misp.tags import ATTRIBUTE_TAGS, read_tags
from misp_modules_ext.model.misp import Attribute, Event, ObjectContext, Tag

#: Of an object with more attributes than a slice holds, so many are looked at together.
_TOGETHER = 2000
#: `object.rank` is the position of its first attribute, 0 before it has any: objects come in the order of `Pages`.
_TABLES = (
    "CREATE TABLE object (id BLOB PRIMARY KEY, rank INTEGER NOT NULL, header TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE attribute (position INTEGER PRIMARY KEY, uuid BLOB NOT NULL UNIQUE, rank INTEGER NOT NULL,"
    " object BLOB NOT NULL, row TEXT NOT NULL, left_out INTEGER NOT NULL DEFAULT 0)",
    "CREATE INDEX attribute_in_order ON attribute (rank, position)",
    "CREATE TABLE again (uuid BLOB PRIMARY KEY) WITHOUT ROWID",
)


class _Row(NamedTuple):
    """An attribute as it lies there; see `_TABLES`. `header` is its object's."""

    rank: int
    position: int
    uuid: bytes
    row: str
    header: str | None


class LargePages(Pages):
    """As `Pages`, with one page in memory.

    Args:
        header: the event without attributes and objects, as MISP sends it.
        spool: an empty one.
    """

    def __init__(self, header: Raw, spool: Spool) -> None:
        super().__init__(header)
        self._spool = spool
        self._counted = 0
        self._position = 0
        self._any_deleted = False
        self._carried: dict[str, Tag] = {}
        for statement in _TABLES:
            spool.run(statement)

    def add_objects(self, rows: Iterable[object]) -> int:
        """As of `Pages`."""
        page = list(rows)
        self._look_up_objects(text(mapping(row).get("id")) for row in page)
        known = set(self._objects)
        new = super().add_objects(page)
        made = [(_packed(id_), 0, _written(header)) for id_, header in self._objects.items() if id_ not in known]
        self._spool.run_all("INSERT INTO object VALUES (?, ?, ?)", made)
        return new

    def add_attributes(self, rows: Iterable[object], *, deleted_only: bool = False, scored: bool = False) -> int:
        """As of `Pages`."""
        page = list(rows)
        self._look_up_objects(text(mapping(row).get("object_id")) for row in page)
        identities = (uuid_or_none(mapping(row).get("uuid")) for row in page)
        keys = {_key(identity) for identity in identities if identity}
        found = self._spool.rows_by("SELECT uuid FROM attribute WHERE uuid IN", keys)
        self._seen = {_identity(key) for (key,) in found}
        return super().add_attributes(page, deleted_only=deleted_only, scored=scored)

    @property
    def counted(self) -> int:
        """As of `Pages`."""
        return self._counted

    @property
    def any_deleted(self) -> bool:
        """As of `Pages`."""
        return self._any_deleted

    def finish_large(self, last_header: Raw) -> LargeEvent:
        """The event; see `finish`."""
        return LargeEvent(self.judged(last_header), tuple(self._carried.values()), self._spool)

    def _look_up_objects(self, ids: Iterable[str]) -> None:
        wanted = map(_packed, set(ids) - NO_OBJECT)
        found = self._spool.rows_by("SELECT id, header FROM object WHERE id IN", wanted)
        self._objects = {_unpacked(key): json.loads(header) for key, header in found}

    def _parse(self, plain: list[object], inside: Mapping[str, list[object]]) -> None:
        rows = [self._row(row, 0, "") for row in plain]
        ranks = dict(self._spool.rows_by("SELECT id, rank FROM object WHERE id IN", map(_packed, inside)))
        first = {}
        for holder, those in inside.items():
            key = _packed(holder)
            if not ranks[key]:
                ranks[key] = first[key] = self._position + 1
            rows += [self._row(row, ranks[key], holder) for row in those]
        insert = "INSERT INTO attribute (position, uuid, rank, object, row) VALUES (?, ?, ?, ?, ?)"
        self._spool.run_all(insert, rows)
        self._spool.run_all("UPDATE object SET rank = ? WHERE id = ?", [(rank, key) for key, rank in first.items()])

    def _row(self, row: object, rank: int, holder: str) -> tuple[int, bytes, int, bytes, str]:
        source = mapping(row)
        deleted = flag(source.get("deleted")) is True
        self._any_deleted = self._any_deleted or deleted
        if not deleted:
            self._carried |= {tag.name: tag for tag in read_tags((source, ATTRIBUTE_TAGS))[0]}
            self._counted += flag(self._objects.get(holder, {}).get("deleted")) is not True
        self._position += 1
        return self._position, _key(uuid_or_none(source.get("uuid")) or ""), rank, _packed(holder), _written(row)


class LargeEvent:
    """An event whose attributes lie on disk until it is closed.

    Args:
        header: the event without attributes.
        carried: the tags that any of its attributes carries that is not deleted.
        spool: where they are.

    Attributes:
        header: the event without attributes, as if it were all of it: `complete` is about the whole event.
        spool: where they are; whoever takes the event may keep notes there.
    """

    def __init__(self, header: Event, carried: Sequence[Tag], spool: Spool) -> None:
        self.spool = spool
        self._last_context: tuple[int, ObjectContext | None] = (0, None)
        self._narrow: Callable[[Event], Event] = lambda event: event
        # `picks` asks all attributes of an event: this one answers for those that are not in a slice.
        stand_in = Attribute("", "", "", tags=tuple(carried))
        self.header = replace(header, kept_out=(stand_in,) if carried else ())

    def __enter__(self) -> LargeEvent:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove what lies on disk."""
        self.spool.close()

    def change(self, narrow: Callable[[Event], Event]) -> None:
        """Show less of it from now on.

        Args:
            narrow: makes of an event with some of its attributes one that may show fewer.
        """
        before = self._narrow
        self._narrow = lambda event: narrow(before(event))
        self.header = narrow(self.header)

    def slices(self, most: int, *, again: bool = False) -> Iterator[Event]:
        """The event with so many of its attributes at most, until all were there, in the order of `Pages`.

        Args:
            most: attributes in a slice.
            again: only those that `repeat` names.
        """
        query = (
            "SELECT attribute.rank, position, attribute.uuid, row, header FROM attribute"
            " LEFT JOIN object ON object.id = attribute.object WHERE (attribute.rank, position) > (?, ?)"
            " AND (? OR attribute.uuid IN (SELECT uuid FROM again)) ORDER BY attribute.rank, position LIMIT ?"
        )
        last = (0, 0)
        while rows := [_Row(*row) for row in self.spool.run(query, (*last, not again, most))]:
            last = rows[-1][:2]
            whole = replace(self.header, attributes=tuple(self._attributes(rows)))
            shown = self._narrow(whole)
            self._leave_out(whole, shown)
            if shown.attributes:
                yield shown

    def repeat(self, uuids: Iterable[str]) -> None:
        """Name attributes that are to be given once more."""
        self.spool.run_all("INSERT OR IGNORE INTO again VALUES (?)", ((_key(uuid),) for uuid in uuids))

    def _leave_out(self, whole: Event, shown: Event) -> None:
        """Note what is not shown: to whoever asks for what is absent it is."""
        kept = {attribute.uuid for attribute in shown.attributes}
        left = [(_key(a.uuid),) for a in whole.attributes if a.uuid not in kept] if shown is not whole else []
        self.spool.run_all("UPDATE attribute SET left_out = 1 WHERE uuid = ?", left)

    def _attributes(self, rows: Sequence[_Row]) -> Iterator[Attribute]:
        inside: dict[int, list[_Row]] = {}
        for row in rows:
            inside.setdefault(row.rank, []).append(row)
        plain = inside.pop(0, [])
        sizes = self._sizes(inside)
        holders = [_holder(those) for those in inside.values()]
        read = iter(self._parsed([json.loads(row.row) for row in plain], holders))
        yield from islice(read, len(plain))
        for rank, those in inside.items():
            part = list(islice(read, len(those)))
            if sizes[rank] == len(those):
                yield from part
            else:
                context = self._context(rank)
                yield from (replace(attribute, object=context) for attribute in part)

    def _sizes(self, ranks: Iterable[int]) -> dict[int, int]:
        """How many attributes each of these objects has."""
        one = "SELECT count(*) FROM attribute WHERE rank = ?"
        return {rank: self.spool.run(one, (rank,))[0][0] for rank in ranks}

    def _context(self, rank: int) -> ObjectContext | None:
        """What all attributes of an object together tell of it: found once, however many slices they are in."""
        if self._last_context[0] != rank:
            self._last_context = (rank, self._found_context(rank))
        return self._last_context[1]

    def _found_context(self, rank: int) -> ObjectContext | None:
        query = (
            "SELECT attribute.rank, position, attribute.uuid, row, header FROM attribute"
            " JOIN object ON object.id = attribute.object"
            " WHERE attribute.rank = ? AND position > ? ORDER BY position LIMIT ?"
        )
        first: ObjectContext | None = None
        told: tuple[tuple[str, str], ...] = ()
        last = 0
        while rows := [_Row(*row) for row in self.spool.run(query, (rank, last, _TOGETHER))]:
            last = rows[-1].position
            context = self._parsed([], [_holder(rows)])[0].object
            first = first or context
            told = first_siblings((*told, *(context.siblings if context else ())))
        return first and replace(first, siblings=told)

    def _parsed(self, plain: list[Any], holders: list[dict[str, Any]]) -> Sequence[Attribute]:
        return parse_event({"Event": {"uuid": self.header.uuid, "Attribute": plain, "Object": holders}}).attributes


def _holder(rows: Sequence[_Row]) -> dict[str, Any]:
    """An object with these of its attributes, as MISP shows it in an event."""
    return {**json.loads(rows[0].header or "{}"), "Attribute": [json.loads(row.row) for row in rows]}


def _written(row: object) -> str:
    """A row as JSON.

    Raises:
        MispError: it is nested more deeply than Python follows; whoever has sent it is no MISP.
    """
    try:
        return json.dumps(row)
    except RecursionError:
        raise MispError(
            "MISP sent lists within lists, a thousand deep, where an attribute or an object was to be."
            f"{TO_DO}see whether its `url` is the address of MISP itself."
        ) from None


def _packed(id_: str) -> bytes:
    """MISP's number of an object; a server may send any text, also one that is no Unicode."""
    return id_.encode("utf-8", "surrogatepass")


def _unpacked(key: bytes) -> str:
    return key.decode("utf-8", "surrogatepass")


def _key(uuid: str) -> bytes:
    return bytes.fromhex(uuid.replace("-", ""))


def _identity(key: bytes) -> str:
    written = key.hex()
    return f"{written[:8]}-{written[8:12]}-{written[12:16]}-{written[16:20]}-{written[20:]}"
