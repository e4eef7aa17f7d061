"""Our own read of events.

PyMISP, unmodified, makes the queries and reads the answers; its requests go through `misp.adapter`.

What MISP gives, and how far that is known (2.5.1 and a file of 2026 read in source; nothing of it seen on a live MISP):

* `events/restSearch` with `metadata`: the header with Orgc, sharing group, all tags (`includeAllTags`) and
  `attribute_count`, the same whoever asks (seen in recordings); an empty list for an event that is not for us.
* Local tags of events are kept from a role with perm_sync that is no site admin's, unless `excludeLocalTags` says
  otherwise (`Event::fetchEvent` of 2.4, 2.5 and 2026, read in source); those of attributes are shown to all. Gates and
  picks count them, so they are always asked for.
* `objects/restSearch` with `metadata`: the objects without attributes, deleted ones included unless `deleted` is given,
  which makes a query that fails.
* `attributes/restSearch`: the attributes of the event and of its objects, with `object_id`, in pages. Its order is the
  database's unless `order` is given. A server's allowed list takes rows out of pages afterwards, so a short page need
  not be the last. Tags come with `local` but without `exportable`: one carrier of each is asked for once more without
  `includeAllTags`. Sharing groups come as numbers: their UUIDs are asked for one by one, and where that is refused, the
  group stays unnamed and the gates closed. Warninglist hits are looked up by MISP for attributes with to_ids only.
* `events/index` with `minimal`: UUID and timestamp of each event by `publish_timestamp` (that or later), sorted by
  `id`, in pages (2.5.1 read in source); one that MISP does not show to the key is not there, so a short page need not
  be the last. When an event is deleted, or does not meet the conditions any more, those behind it move up, one of them
  from a page that is still to come to one that was read: a list of several pages is therefore read again until nothing
  new turns up. A single page is one answer, in which nothing moves.
* Sightings (`includeSightings`: those that the key may see, an empty list when there are none) and decay scores
  (`includeDecayScore`, with the models' parameters by `includeFullModel`) are looked up attribute by attribute. The
  scores fail the whole query where sightings are shown to their reporters only (`Sightings_policy` 1) and nobody has
  reported any, or where a model's formula cannot be loaded: a reading that failed is therefore repeated with less, and
  what the ledger holds of that stays. With scores come the event's tags, marked `inherited`.
* Deleted attributes: 2.5.1 shows them with `deleted: [0, 1]` to whoever sees the attribute; in 2026 that works for
  roles with perm_sync only, and others need `"only"` (MISP issue 10949), which finds nothing in 2.5.1. So both are
  asked; a key that is shown none still sees a complete view, which counts the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from misp_modules_ext import __version__
from misp_modules_ext.config.settings import MispSettings
from misp_modules_ext.errors import TO_DO, EventNotFound, MispError, MispRefused, UsageError
from misp_modules_ext.misp.adapter import Adapter
from misp_modules_ext.misp.answers import no_misp, not_found
from misp_modules_ext.misp.coerce import flag, seconds, text, uuid_or_none
from misp_modules_ext.misp.large import LargeEvent, LargePages
from misp_modules_ext.misp.pages import Pages
from misp_modules_ext.misp.shapes import Raw, mapping
from misp_modules_ext.misp.spool import Spool
from misp_modules_ext.model.misp import Event

if TYPE_CHECKING:
    from pymisp import PyMISP

_T = TypeVar("_T")

#: Attributes, or objects, in one answer.
PAGE = 2000
#: Attributes, or objects, of an event that is read into memory: some 2 kB each, and as much again when it is taken.
MOST_AT_ONCE = 20_000
#: Events in one answer of the list, each of which takes some 150 bytes.
EVENTS_PAGE = 5000
#: A list of several pages is read so many times at most: what still turns up then was published just now.
MOST_LISTS = 5
#: What else is asked of attributes: when a reading has failed, less, and then nothing.
_SIGHTINGS: Mapping[str, int] = {"includeSightings": 1}
_SCORES: Mapping[str, int] = {"includeDecayScore": 1, "includeFullModel": 1}
_EXTRAS: tuple[Mapping[str, int], ...] = ({**_SIGHTINGS, **_SCORES}, _SIGHTINGS, {})
#: Conditions that MISP's list of events takes, as PyMISP's `search_index` names them.
EVENT_FILTERS = frozenset(
    {"attribute", "eventinfo", "org", "tags", "threatlevel", "distribution", "analysis", "sharinggroup", "date_from"}
    | {"date_to", "eventid"}
)

#: What PyMISP is told instead of the key.
_NO_KEY = "added-on-the-wire"


class Look(NamedTuple):
    """What tells one state of an event from another.

    Attributes:
        uuid: lower case.
        timestamp: last change, seconds since 1970 UTC; 0 when MISP does not say.
        published: since when it has been published, seconds since 1970 UTC; `None` when it is not. Neither publishing
            nor the opposite moves the timestamp.
    """

    uuid: str
    timestamp: int
    published: int | None


class _TooMany(Exception):
    """More attributes or objects than are wanted, deleted ones included, which MISP does not count."""


class MispClient:
    """One MISP, read with one key. For one thread at a time.

    Args:
        settings: with `key`.
        timeout: seconds that each answer may take.
        page: attributes, or objects, in one answer; `None` for `PAGE`.
        events_page: events in one answer of the list.

    Attributes:
        before_each: called before each question; what it raises ends the reading.

    Raises:
        UsageError: the section has no key.
    """

    def __init__(
        self, settings: MispSettings, timeout: float = 60, page: int | None = None, events_page: int = EVENTS_PAGE
    ) -> None:
        if settings.key is None or not settings.has_key:
            raise UsageError(f"[{settings.name}] has no key, so nothing can be read from MISP.{TO_DO}add `key` to it.")
        #: The section of MISP.
        self.settings = settings
        self._page = PAGE if page is None else page
        self._events_page = events_page
        self.before_each: Callable[[], object] = lambda: None
        self._adapter = Adapter(settings, settings.key, timeout)
        self._pymisp: PyMISP | None = None
        self._extras = _EXTRAS[0]
        #: Whether the last reading failed at what it asked of attributes: less may be answered.
        self._asked_too_much = False

    def read_event(self, uuid: str, *, failed: int = 0, most: int | None = None) -> Event:
        """Read everything of one event that the key may see, soft-deleted attributes included.

        Its `complete` says that all attributes MISP counts were seen, and that the event stood still meanwhile.

        Args:
            uuid: the event's.
            failed: how often this has failed before. Every second and third time less is asked of attributes.
            most: attributes, or objects, that it may have; `None` for any number.

        Raises:
            UsageError: that is no UUID, or there are more than `most`.
            EventNotFound: MISP shows this key no such event.
            MispRefused: MISP does not take the key.
            MispError: MISP cannot be read.
        """
        wanted = self._begin(uuid, failed)
        seen = Pages(self._header(wanted))
        try:
            if most is not None and (seen.event.attribute_count or 0) > most:
                raise _TooMany
            return seen.finish(self._read(wanted, seen, most))
        except _TooMany:
            raise UsageError(
                f"Event {wanted} has more than {most} attributes or objects, which is too much to read for a part of "
                f"it.{TO_DO}push all of it: `misp-microsoft push {wanted}`."
            ) from None

    def read_of_any_size(self, uuid: str, *, failed: int = 0) -> Event | LargeEvent:
        """As `read_event`; one of more than `MOST_AT_ONCE` attributes or objects is kept on disk.

        Whoever gets a `LargeEvent` closes it.
        """
        wanted = self._begin(uuid, failed)
        header = self._header(wanted)
        seen = Pages(header)
        if (seen.event.attribute_count or 0) <= MOST_AT_ONCE:
            try:
                return seen.finish(self._read(wanted, seen, MOST_AT_ONCE))
            except _TooMany:
                header = self._header(wanted)
        spool = Spool()
        try:
            large = LargePages(header, spool)
            return large.finish_large(self._read(wanted, large))
        except BaseException:
            spool.close()
            raise

    def _begin(self, uuid: str, failed: int) -> str:
        """The UUID as MISP writes it; what is asked of attributes depends on how often it has failed."""
        wanted = uuid_or_none(uuid)
        if wanted is None:
            raise UsageError(f"{uuid[:60]!r} is no UUID of an event.{TO_DO}copy it from the event's page in MISP.")
        self._extras, self._asked_too_much = _EXTRAS[failed % len(_EXTRAS)], False
        return wanted

    def _read(self, uuid: str, seen: Pages, most: int | None = None) -> Raw:
        """Read all of an event; gives its header as it is then.

        Raises:
            _TooMany: there are more than `most`.
        """
        self._read_objects(uuid, seen, most)
        self._read_attributes(uuid, seen, [0, 1], most)
        if not seen.any_deleted:
            self._read_attributes(uuid, seen, "only", most)
        return self._header(uuid)

    def published_since(self, since: int, only: Mapping[str, str] = MappingProxyType({})) -> dict[str, int]:
        """The events that were published since a moment, as far as MISP shows them to this key.

        Not by tag: what lost its tag has to be seen, too. An event that was unpublished afterwards is there as well.

        Args:
            since: seconds since 1970 UTC.
            only: further conditions, names as in `EVENT_FILTERS`.

        Returns:
            Their timestamps by UUID, in the order of MISP's own numbers.

        Raises:
            MispRefused: MISP does not take the key.
            MispError: MISP cannot be read, or its list cannot be trusted.
        """
        found: dict[str, int] = {}
        for _ in range(MOST_LISTS):
            before = len(found)
            pages = self._list(since, only, found)
            if pages <= 1 or len(found) == before:
                break
        return found

    def _list(self, since: int, only: Mapping[str, str], found: dict[str, int]) -> int:
        """Read the list once and add what it shows; how many pages it has."""
        number = 0
        seen: set[str] = set()
        while True:
            rows = {self._uuid_of(row): seconds(row.get("timestamp")) or 0 for row in self._events(since, only, number)}
            # Without anything new, a server that ignores `page` would give its first one for ever.
            if rows.keys() <= seen:
                return number
            seen |= rows.keys()
            found |= rows
            number += 1

    def _uuid_of(self, row: Raw) -> str:
        uuid = uuid_or_none(row.get("uuid"))
        if uuid is None:
            raise self._no_misp()
        return uuid

    def _events(self, since: int, only: Mapping[str, str], before: int) -> list[Raw]:
        """The rows of the page after so many."""
        page = {"limit": self._events_page, "page": before + 1}
        query: dict[str, Any] = {"minimal": True, "sort": "id", **page, **only}
        answer = self._ask(lambda misp: misp.search_index(publish_timestamp=since, **query))
        if not isinstance(answer, list):
            raise self._no_misp()
        return [mapping(row) for row in answer]

    def read_event_at_once(self, uuid: str, most: int | None = None) -> Event:
        """As `read_event`, for those who do not come back: where less may be answered, less is asked at once."""
        return self._at_once(lambda failed: self.read_event(uuid, failed=failed, most=most))

    def read_of_any_size_at_once(self, uuid: str) -> Event | LargeEvent:
        """As `read_of_any_size`, likewise."""
        return self._at_once(lambda failed: self.read_of_any_size(uuid, failed=failed))

    def _at_once(self, read: Callable[[int], _T]) -> _T:
        for failed in range(len(_EXTRAS)):
            try:
                return read(failed)
            except (EventNotFound, MispRefused):
                raise
            except MispError:
                if not self._asked_too_much:
                    raise
        raise self._no_misp()

    def look(self, event: str) -> Look:
        """Find an event by MISP's own number, or by UUID, without reading what is in it.

        Raises:
            UsageError: that is neither.
            EventNotFound: MISP shows this key no such event.
            MispRefused: MISP does not take the key.
            MispError: MISP cannot be read.
        """
        wanted = event if event.isascii() and event.isdecimal() else uuid_or_none(event)
        if wanted is None:
            raise UsageError(f"{event[:60]!r} is neither the number of an event nor its UUID.")
        header = self._header(wanted)
        uuid = uuid_or_none(header.get("uuid"))
        if uuid is None:
            raise self._no_misp()
        published = seconds(header.get("publish_timestamp")) or 0 if flag(header.get("published")) else None
        return Look(uuid, seconds(header.get("timestamp")) or 0, published)

    def _header(self, event: str) -> Raw:
        """The event with this UUID, or number."""
        tags = {"includeAllTags": 1, "excludeLocalTags": 0}
        query: dict[str, Any] = {"eventid": event, "metadata": True, "excludeGalaxy": 1, **tags}
        try:
            answer = self._ask(lambda misp: misp.search("events", **query), may_be_missing=True)
        except EventNotFound:
            answer = []
        if answer == []:
            raise not_found(event, self.settings.url)
        headers = [mapping(mapping(entry).get("Event")) for entry in answer] if isinstance(answer, list) else []
        name = "id" if event.isdecimal() else "uuid"
        for header in headers:
            if text(header.get(name)).lower() == event:
                return header
        raise self._no_misp()

    def _read_objects(self, uuid: str, seen: Pages, most: int | None) -> None:
        def _take(rows: list[object]) -> bool:
            objects = [mapping(row).get("Object") for row in rows]
            self._name_groups(seen, objects)
            return bool(seen.add_objects(objects)) and len(rows) >= self._page

        self._each_page(_take, seen, "objects", {"eventid": uuid, "metadata": True}, most)

    def _read_attributes(self, uuid: str, seen: Pages, deleted: list[int] | str, most: int | None) -> None:
        query = {"eventid": uuid, "deleted": deleted}
        only = deleted == "only"

        def _take(rows: list[object]) -> bool:
            self._name_groups(seen, rows)
            unknown = seen.unknown_tags(rows)
            if unknown:
                carriers = sorted(set(unknown.values()))
                shown = self.rows("attributes", query | {"uuid": carriers, "page": 1, "limit": len(carriers)})
                if shown is None:
                    raise self._no_misp()
                seen.learn_tags(unknown, shown)
            new = seen.add_attributes(rows, deleted_only=only, scored="includeDecayScore" in self._extras)
            # Without `new`, a server that ignores `page` would give its first one for ever.
            return bool(new) and (len(rows) >= self._page or not (only or seen.all_seen))

        wishes = {"includeAllTags": 1, "includeWarninglistHits": 1, "order": "Attribute.id"}
        self._each_page(_take, seen, "attributes", query | wishes, most)

    def _each_page(
        self,
        take: Callable[[list[object]], bool],
        seen: Pages,
        controller: str,
        query: Mapping[str, Any],
        most: int | None,
    ) -> None:
        """Hand over page by page for as long as `take` wants more, and keep none. One that is no list is the last."""

        def _page(number: int) -> list[object]:
            asked = {**query, "page": number, "limit": self._page}
            rows = self.rows(controller, asked) if controller == "objects" else self._attribute_rows(asked)
            seen.trusted = seen.trusted and rows is not None
            return rows or []

        number = 1
        while take(_page(number)):
            if most is not None and seen.held > most:
                raise _TooMany
            number += 1

    def _attribute_rows(self, query: Mapping[str, Any]) -> list[object] | None:
        """A page of attributes, with sightings and decay scores as far as they are asked for."""
        self._asked_too_much = bool(self._extras)
        rows = self.rows("attributes", {**query, **self._extras})
        self._asked_too_much = False
        return rows

    def rows(self, controller: str, query: Mapping[str, Any]) -> list[object] | None:
        """One page of a search, as MISP sends it; `None` when that is no list.

        Args:
            controller: `events`, `attributes` or `objects`.
            query: arguments of PyMISP's `search`.

        Raises:
            MispRefused: MISP does not take the key.
            MispError: MISP cannot be read.
        """
        answer = self._ask(lambda misp: misp.search(controller, **query))
        if "errors" in mapping(answer):
            raise self._no_misp()
        rows = mapping(answer).get("Attribute") if controller == "attributes" else answer
        return rows if isinstance(rows, list) else None

    def _name_groups(self, seen: Pages, rows: Iterable[object]) -> None:
        for group in sorted(seen.unknown_groups(rows)):
            seen.learn_group(group, self._sharing_group(group) if group.isdecimal() else None)

    def _sharing_group(self, number: str) -> object:
        try:
            answer = self._ask(lambda misp: misp.get_sharing_group(number), may_be_missing=True)
        except (MispRefused, EventNotFound):
            return None
        group = mapping(answer).get("SharingGroup")
        if uuid_or_none(mapping(group).get("uuid")) is None:
            # Nobody refused: by an answer that is none no gate is closed.
            raise self._no_misp()
        return group

    def _no_misp(self) -> MispError:
        return no_misp(self.settings.url, self.settings.name)

    def _connect(self) -> PyMISP:
        if self._pymisp is None:
            from pymisp import PyMISP  # noqa: PLC0415 - slow to import, and most calls never need it

            # Always https to PyMISP, which uses the adapter for that alone; the adapter puts http back if `url` has it.
            address = "https://" + self.settings.url.partition("://")[2].rstrip("/") + "/"
            self._pymisp = PyMISP(address, _NO_KEY, https_adapter=self._adapter, tool=f"misp-modules-ext/{__version__}")
        return self._pymisp

    def _ask(self, call: Callable[[PyMISP], Any], *, may_be_missing: bool = False) -> Any:
        """Ask MISP.

        Args:
            call: the question.
            may_be_missing: a 404 is about what was asked for, not about the address of MISP.
        """
        self.before_each()
        try:
            return call(self._connect())
        except Exception as error:  # noqa: BLE001 - PyMISP's own errors are of any kind, and quote what MISP sent
            failure = _ours(error) or self._no_misp()
        if isinstance(failure, EventNotFound) and not (may_be_missing and self._pymisp):
            failure = MispError(str(failure))
        raise failure


def _ours(error: BaseException | None) -> MispError | None:
    """The error that the adapter raised, where PyMISP has wrapped it in one of its own."""
    while error is not None and not isinstance(error, MispError):
        error = error.__cause__ or error.__context__
    return error
