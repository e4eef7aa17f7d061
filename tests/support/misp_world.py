"""A small MISP without HTTP: events, attributes, objects, tags and users, changed as MISP's own buttons change them.

Facts from MISP's source (2.5.1): every edit, deletion and global tag clears `published` and moves the event's
timestamp; local tags move nothing; publishing moves only `publish_timestamp`, the unpublish button no timestamp;
`attribute_count` counts non-deleted attributes, those of objects included, whoever asks. `tests/support/misp_views.py`
says what MISP shows of this to whom, `tests/support/misp_server.py` serves that.
"""

from __future__ import annotations

import itertools
import uuid as uuids
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.support.secrecy import register

_SPACE = uuids.UUID("5d1b8f0c-1d6c-4b58-9a33-0a2a3c1b7a10")


@dataclass(eq=False)
class Org:
    """An organisation."""

    id: int
    name: str
    uuid: str


@dataclass(eq=False)
class SharingGroup:
    """Who may see what has distribution 4."""

    id: int
    uuid: str
    orgs: list[Org]


@dataclass(eq=False)
class User:
    """Someone with a key.

    Attributes:
        perm_auth: the role may use the API.
        deleted_rows: which of the ways to ask for deleted attributes works: `shown` as in 2.5.1 (`deleted: [0, 1]`),
            `asked` as in 2026 without perm_sync (`deleted: "only"`), `hidden` for none.
        sees_groups: may look at sharing groups.
        rights: further rights of the role, for example `perm_site_admin`.
    """

    key: str
    org: Org
    perm_auth: bool = True
    deleted_rows: Literal["shown", "asked", "hidden"] = "shown"
    sees_groups: bool = True
    rights: frozenset[str] = frozenset()


@dataclass(eq=False)
class Tag:
    """A tag of the instance."""

    id: int
    name: str
    exportable: bool = True


@dataclass(eq=False)
class Sighting:
    """Somebody's word on an attribute: 0 seen, 1 false positive, 2 expiration (then `date` is its end)."""

    id: int
    uuid: str
    type: int
    date: int
    org: Org
    source: str = ""


@dataclass(eq=False)
class DecayingModel:
    """A decay model that is enabled, for some attribute types."""

    id: int
    name: str
    types: tuple[str, ...]
    lifetime: float = 120
    decay_speed: float = 2
    threshold: float = 30
    base_score: float = 80
    formula: str = "Polynomial"


@dataclass(eq=False, kw_only=True)
class Row:
    """What events, objects and attributes have in common; `tags` says for each whether it was set locally."""

    id: int
    uuid: str
    distribution: int = 5
    group: SharingGroup | None = None
    timestamp: int = 0
    tags: dict[str, bool] = field(default_factory=dict)


@dataclass(eq=False, kw_only=True)
class Event(Row):
    """An event."""

    info: str
    orgc: Org
    date: str = "2026-11-20"
    published: bool = False
    publish_timestamp: int = 0
    analysis: int = 1
    threat_level: int = 2
    objects: list[MispObject] = field(default_factory=list)
    attributes: list[Attribute] = field(default_factory=list)

    @property
    def attribute_count(self) -> int:
        """MISP's global count."""
        return sum(1 for a in self.attributes if not a.deleted)


@dataclass(eq=False, kw_only=True)
class MispObject(Row):
    """An object."""

    event: Event
    name: str
    comment: str = ""
    deleted: bool = False


@dataclass(eq=False, kw_only=True)
class Attribute(Row):
    """An attribute, of an event or of one of its objects."""

    event: Event
    type: str
    value: str
    object: MispObject | None = None
    relation: str | None = None
    category: str = "Network activity"
    to_ids: bool = True
    comment: str = ""
    deleted: bool = False
    first_seen: str | None = None
    last_seen: str | None = None
    warnings: tuple[str, ...] = ()
    sightings: list[Sighting] = field(default_factory=list)


class World:
    """All of it.

    Args:
        clock: seconds since 1970 UTC.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self.clock = clock
        self.orgs: list[Org] = []
        self.users: list[User] = []
        self.groups: list[SharingGroup] = []
        self.tags: dict[str, Tag] = {}
        self.events: dict[str, Event] = {}
        self.models: list[DecayingModel] = []
        #: Whether `attributes/restSearch` knows sightings and decay scores.
        self.scores = True
        #: Values that MISP takes out of what it has found for a page, so that the page is short.
        self.allowed_list: set[str] = set()
        #: What `servers/getVersion` says.
        self.version = "2.5.34"
        #: Settings that are not at their defaults, and modules that MISP sees: `misp_settings.setting`.
        self.settings: dict[str, Any] = {}
        self.modules: set[str] = set()
        self._ids = itertools.count(1)

    def add_org(self, name: str) -> Org:
        """A new organisation."""
        self.orgs.append(Org(next(self._ids), name, self._uuid()))
        return self.orgs[-1]

    def add_user(self, key: str, org: Org, **rights: Any) -> User:
        """A new user; `rights` as in `User`."""
        self.users.append(User(register(key, "a key of MISP's"), org, **rights))
        return self.users[-1]

    def add_group(self, *orgs: Org) -> SharingGroup:
        """A new sharing group."""
        self.groups.append(SharingGroup(next(self._ids), self._uuid(), list(orgs)))
        return self.groups[-1]

    def add_event(self, orgc: Org, info: str = "Campaign", **fields: Any) -> str:
        """A new, empty, unpublished event for all communities; gives its UUID."""
        event = Event(info=info, orgc=orgc, **self._new(distribution=3) | fields)
        self.events[event.uuid] = event
        return event.uuid

    def add_object(self, event: str, name: str, **fields: Any) -> str:
        """A new object without attributes; gives its UUID."""
        holder = self.events[event]
        holder.objects.append(MispObject(event=holder, name=name, **self._new() | fields))
        self._edited(holder)
        return holder.objects[-1].uuid

    def add_attribute(self, event: str, type_: str, value: str, *, within: str | None = None, **fields: Any) -> str:
        """A new attribute; gives its UUID.

        Args:
            event: UUID.
            type_: MISP attribute type.
            value: any.
            within: UUID of the object it belongs to.
            fields: as in `Attribute`.
        """
        holder = self.events[event]
        place = next((o for o in holder.objects if o.uuid == within), None)
        new = self._new(object=place) | fields
        holder.attributes.append(Attribute(event=holder, type=type_, value=value, **new))
        self._edited(holder)
        return holder.attributes[-1].uuid

    def edit(self, uuid: str, **fields: Any) -> None:
        """Change fields of an attribute, object or event."""
        row = self.row(uuid)
        for name, value in fields.items():
            setattr(row, name, value)
        self._touched(row)

    def set_to_ids(self, uuid: str, on: bool) -> None:
        """The IDS flag of an attribute."""
        self.edit(uuid, to_ids=on)

    def tag(self, uuid: str, name: str, *, local: bool = False, exportable: bool = True) -> None:
        """Put a tag on an attribute or event; whether a tag is exportable is decided where it is first used."""
        self.tags.setdefault(name, Tag(next(self._ids), name, exportable))
        row = self.row(uuid)
        row.tags[name] = local
        if not local:
            self._touched(row)

    def untag(self, uuid: str, name: str) -> None:
        """Take a tag off an attribute or event."""
        row = self.row(uuid)
        if not row.tags.pop(name):
            self._touched(row)

    def sight(self, uuid: str, kind: int = 0, *, date: int | None = None, source: str = "") -> None:
        """Report a sighting of an attribute, as the first organisation: it moves no timestamp and no `published`.

        Args:
            uuid: the attribute's.
            kind: 0 seen, 1 false positive, 2 expiration; of these an organisation has one.
            date: now when it is `None`.
            source: free text.
        """
        row = self.row(uuid)
        assert isinstance(row, Attribute)
        org = self.orgs[0]
        if kind == 2:
            row.sightings = [s for s in row.sightings if not (s.type == 2 and s.org is org)]
        when = self.clock() if date is None else date
        row.sightings.append(Sighting(next(self._ids), self._uuid(), kind, when, org, source))

    def add_model(self, name: str, *types: str, **fields: Any) -> DecayingModel:
        """Enable a decay model for some types; `fields` as in `DecayingModel`."""
        self.models.append(DecayingModel(next(self._ids), name, types, **fields))
        return self.models[-1]

    def delete_attribute(self, uuid: str, *, hard: bool = False) -> None:
        """Soft: the row stays with `deleted`. Hard: it is gone."""
        row = self.row(uuid)
        assert isinstance(row, Attribute)
        if hard:
            row.event.attributes.remove(row)
            self._edited(row.event)
        else:
            self.edit(uuid, deleted=True)

    def delete_object(self, uuid: str) -> None:
        """Soft, with its attributes."""
        for attribute in self._attributes():
            if attribute.object is not None and attribute.object.uuid == uuid:
                self.edit(attribute.uuid, deleted=True)
        self.edit(uuid, deleted=True)

    def delete_event(self, uuid: str) -> None:
        """MISP keeps nothing of it."""
        del self.events[uuid]

    def publish(self, uuid: str) -> None:
        """As the button does, once the workflow has run."""
        self.events[uuid].published = True
        self.events[uuid].publish_timestamp = self.clock()

    def unpublish(self, uuid: str) -> None:
        """As the button does."""
        self.events[uuid].published = False

    def row(self, uuid: str) -> Row:
        """The event, object or attribute of that UUID."""
        rows = (*self.events.values(), *self._attributes(), *(o for e in self.events.values() for o in e.objects))
        return next(row for row in rows if row.uuid == uuid)

    def _attributes(self) -> Iterator[Attribute]:
        return (a for e in self.events.values() for a in e.attributes)

    def _touched(self, row: Row) -> None:
        row.timestamp = self.clock()
        if isinstance(row, (Attribute, MispObject)):
            self._edited(row.event)
        elif isinstance(row, Event):
            self._edited(row)

    def _edited(self, event: Event) -> None:
        event.published = False
        event.timestamp = self.clock()

    def _new(self, **fields: Any) -> dict[str, Any]:
        return {"id": next(self._ids), "uuid": self._uuid(), "timestamp": self.clock()} | fields

    def _uuid(self) -> str:
        return str(uuids.uuid5(_SPACE, str(next(self._ids))))
