"""One event from the pages in which MISP gives it: each page is parsed into records at once and its JSON dropped.

Pure. A page is put into the shape of an event and read by `parse`, so an attribute is the same record whether it came
in a request or in a page. Whatever makes the view doubtful makes it incomplete, and what cannot be placed is left out:
an incomplete view says nothing about attributes that are absent from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from misp_modules_ext.misp.coerce import flag, text, uuid_or_none
from misp_modules_ext.misp.parse import NO_OBJECT, first_siblings, parse_event
from misp_modules_ext.misp.shapes import Raw, listed, mapping
from misp_modules_ext.model.misp import Attribute, Event, ObjectContext

#: What is kept of an object's header.
_HEADER = ("uuid", "name", "comment", "deleted", "distribution", "SharingGroup")


class Pages:
    """What has been seen of one event.

    Args:
        header: the event without attributes and objects, as MISP sends it.
    """

    def __init__(self, header: Raw) -> None:
        self.event = parse_event({"Event": header})
        self.trusted = True
        self._tags: dict[str, bool] = {
            text(tag["name"]): flag(tag["exportable"]) is True
            for tag in map(mapping, listed(header.get("Tag")))
            if "name" in tag and "exportable" in tag
        }
        self._groups: dict[str, str] = {}
        self.learn_group(text(mapping(header.get("SharingGroup")).get("id")), header.get("SharingGroup"))
        self._objects: dict[str, dict[str, Any]] = {}
        self._plain: list[Attribute] = []
        self._inside: dict[str, list[Attribute]] = {}
        self._seen: set[str] = set()

    def unknown_groups(self, rows: Iterable[object]) -> set[str]:
        """Ids of the sharing groups in a page (of attributes or objects) whose UUID is not known yet."""
        found = {_group(mapping(row)) for row in rows}
        return found - NO_OBJECT - self._groups.keys()

    def learn_group(self, group: str, answer: object) -> None:
        """Remember a sharing group by its id; an answer without a UUID leaves it unnamed, which closes the gates."""
        self._groups[group] = text(mapping(answer).get("uuid"))

    def unknown_tags(self, rows: Iterable[object]) -> dict[str, str]:
        """Tags of a page of which neither MISP nor an earlier page said whether they are exportable.

        Returns:
            The UUID of an attribute that carries it, by the tag's name.
        """
        return {
            text(tag["name"]): text(row.get("uuid"))
            for row in map(mapping, rows)
            for tag in map(mapping, listed(row.get("Tag")))
            if "name" in tag and "exportable" not in tag and text(tag["name"]) not in self._tags
            # With decay scores MISP shows the event's tags as well; what they are the event's header says.
            if flag(tag.get("inherited")) is not True
        }

    def learn_tags(self, asked: Mapping[str, str], exportable_only: Iterable[object]) -> None:
        """Note which tags are exportable.

        Args:
            asked: what `unknown_tags` gave.
            exportable_only: the same attributes as MISP shows them without `includeAllTags`. A tag that is not shown
                there is not exportable.
        """
        shown = {
            text(mapping(tag).get("name")) for row in map(mapping, exportable_only) for tag in listed(row.get("Tag"))
        }
        self._tags |= {name: name in shown for name in asked}

    def add_objects(self, rows: Iterable[object]) -> int:
        """Take a page of objects without their attributes; gives how many were new."""
        before = len(self._objects)
        for row in map(mapping, rows):
            known = text(row.get("id"))
            if known in NO_OBJECT or known in self._objects:
                self.trusted = False
                continue
            self._name_group(row)
            self._objects[known] = {key: row[key] for key in _HEADER if key in row}
        return len(self._objects) - before

    def add_attributes(self, rows: Iterable[object], *, deleted_only: bool = False, scored: bool = False) -> int:
        """Take a page of attributes; gives how many were new.

        Args:
            rows: as MISP sends them.
            deleted_only: MISP was asked for deleted ones; others are ignored, as not every version understands that.
            scored: MISP was asked for decay scores and has answered.
        """
        before = len(self._seen)
        plain: list[object] = []
        inside: dict[str, list[object]] = {}
        for row in rows:
            source = mapping(row)
            if deleted_only and flag(source.get("deleted")) is not True:
                continue
            if self._belongs(source):
                self._prepare(source, scored=scored)
                holder = text(source.get("object_id"))
                (inside.setdefault(holder, []) if holder in self._objects else plain).append(row)
        self._parse(plain, inside)
        return len(self._seen) - before

    @property
    def held(self) -> int:
        """Attributes, or objects if these are more, that are in memory."""
        return max(len(self._seen), len(self._objects))

    @property
    def counted(self) -> int:
        """Attributes seen that MISP counts: those that are not deleted, in objects that are not deleted."""
        every = (self._plain, *self._inside.values())
        return sum(1 for part in every for a in part if not a.gone)

    @property
    def all_seen(self) -> bool:
        """As many attributes were seen as MISP counts."""
        return self.event.attribute_count is not None and self.counted >= self.event.attribute_count

    @property
    def any_deleted(self) -> bool:
        """Whether MISP shows this key deleted attributes."""
        return any(a.deleted for part in (self._plain, *self._inside.values()) for a in part)

    def finish(self, last_header: Raw) -> Event:
        """The event.

        Args:
            last_header: the event's header, read again after the last page.
        """
        attributes = [*self._plain]
        for part in self._inside.values():
            attributes += _with_all_siblings(part)
        return replace(self.judged(last_header), attributes=tuple(attributes))

    def judged(self, last_header: Raw) -> Event:
        """The event without attributes, and whether all of them were seen; see `finish`."""
        last = parse_event({"Event": last_header})
        unchanged = _state(last) == _state(self.event)
        # Of an event that was edited meanwhile: the newest marks, but no claim to be as new, and published only if it
        # was so before and after.
        return replace(
            last,
            timestamp=self.event.timestamp,
            counts_as_published=self.event.counts_as_published and last.counts_as_published,
            complete=self.trusted and unchanged and self.counted == self.event.attribute_count,
        )

    def _belongs(self, row: Raw) -> bool:
        """Whether an attribute is this event's, new, and can be placed; if not, the view is doubtful."""
        identity, holder = uuid_or_none(row.get("uuid")), text(row.get("object_id"))
        foreign = text(row.get("event_id")) not in {"", self.event.id}
        # Whose object is not shown may be for fewer eyes than it says itself. A deleted one goes nowhere anyway.
        astray = holder not in NO_OBJECT and holder not in self._objects and flag(row.get("deleted")) is not True
        if not identity or identity in self._seen or foreign or astray:
            self.trusted = False
            return False
        self._seen.add(identity)
        return True

    def _prepare(self, row: Raw, *, scored: bool) -> None:
        """Add what pages leave out: the sharing group's UUID, whether tags are exportable, that nothing was found."""
        self._name_group(row)
        for tag in listed(row.get("Tag")):
            if isinstance(tag, dict) and "exportable" not in tag:
                tag["exportable"] = self._tags.get(text(tag.get("name")), False)
        # MISP looks only at attributes with to_ids, and says nothing of those that no list holds.
        if flag(row.get("to_ids")) and isinstance(row, dict):
            row.setdefault("warnings", [])
        # An attribute whose type has no decay model; a MISP that knows no sightings here knows no decay either.
        if scored and "Sighting" in row and isinstance(row, dict):
            row.setdefault("decay_score", [])

    def _name_group(self, row: Raw) -> None:
        known = self._groups.get(_group(row))
        if known and isinstance(row, dict):
            row.setdefault("SharingGroup", {"uuid": known})

    def _parse(self, plain: list[object], inside: Mapping[str, list[object]]) -> None:
        holders = [{**self._objects[holder], "Attribute": rows} for holder, rows in inside.items()]
        read = iter(parse_event({"Event": {"uuid": self.event.uuid, "Attribute": plain, "Object": holders}}).attributes)
        self._plain += islice(read, len(plain))
        for holder, rows in inside.items():
            self._inside.setdefault(holder, []).extend(islice(read, len(rows)))


def _group(row: Raw) -> str:
    return text(row.get("sharing_group_id"))


def _state(event: Event) -> tuple[object, ...]:
    """What of the header changes when anything of the event does."""
    return (event.timestamp, event.publish_timestamp, event.published, event.attribute_count, event.sharing, event.tags)


def _with_all_siblings(part: list[Attribute]) -> list[Attribute]:
    """An object's attributes, each with the context that all pages together give."""
    contexts: dict[int, ObjectContext] = {id(a.object): a.object for a in part if a.object is not None}
    if len(contexts) <= 1:
        return part
    told = (sibling for context in contexts.values() for sibling in context.siblings)
    whole = replace(next(iter(contexts.values())), siblings=first_siblings(told))
    return [replace(a, object=whole) for a in part]
