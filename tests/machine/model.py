"""What the destinations must hold by DESIGN.md 2, 4 and 5: plain dictionaries, and nothing of the package.

A view is what MISP showed of an event at one moment; `read_view` makes it from MISP's own JSON. Evidence is kept by
(event, attribute, observable); what a destination must hold follows from it.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

Observable = tuple[str, str]
Json = dict[str, Any]

PICK = "microsoft:push"
TLP = {"tlp:clear": 0, "tlp:green": 1, "tlp:amber": 2, "tlp:amber+strict": 3, "tlp:red": 4}
DEFAULT_TLP = "tlp:amber"
DAY = 86_400
WINDOW = 120 * DAY
GRACE = 14 * DAY
#: MISP sets the flag after the workflow that brought the event: it is looked for again so soon, then ever less often.
SOON = 15
SEVERITIES = {1: "High", 2: "Medium", 3: "Low", 4: "Informational"}

HASH = "5a" * 32
OTHER_HASH = "c4" * 32
HOST, OTHER_HOST, ADDRESS = (
    ("domain-name", "evil.example"),
    ("domain-name", "worse.example"),
    ("ipv4-addr", "203.0.113.7"),
)
FILE, LINK, MAIL = ("file-sha256", HASH), ("url", "http://evil.example/a"), ("email-addr", "mallory@evil.example")
#: The values that attributes have, by type and value, with the observables in them (DESIGN.md 4, rule 2).
POOL: dict[tuple[str, str], tuple[Observable, ...]] = {
    ("domain", "evil.example"): (HOST,),
    ("hostname", "EVIL.example."): (HOST,),
    ("domain", "worse.example"): (OTHER_HOST,),
    ("domain|ip", "evil.example|203.0.113.7"): (HOST, ADDRESS),
    ("ip-dst", "203.0.113.7"): (ADDRESS,),
    ("sha256", HASH): (FILE,),
    ("filename|sha256", f"invoice.exe|{HASH}"): (FILE,),
    ("url", "http://evil.example/a"): (LINK,),
    ("email-src", "mallory@evil.example"): (MAIL,),
    # Never an indicator, anywhere.
    ("ip-dst", "10.0.0.1"): (),
    ("text", "a note"): (),
}


def stix_id(observable: Observable, generation: int) -> str:
    """DESIGN.md 4, rule 3."""
    space = uuid.uuid5(uuid.NAMESPACE_DNS, "misp-modules-ext")
    return f"indicator--{uuid.uuid5(space, ':'.join(observable) + (f'#{generation}' if generation else ''))}"


@dataclass
class Attribute:
    """An attribute in a view; tags are (name, exportable, local)."""

    uuid: str
    observables: tuple[Observable, ...]
    to_ids: bool
    deleted: bool
    timestamp: int
    tags: frozenset[tuple[str, bool, bool]]
    comment: str = ""


@dataclass
class View:
    """An event in a view, without its attributes in `header`, which evidence keeps."""

    event: str
    title: str
    date: str
    severity: str
    timestamp: int
    publish_timestamp: int
    tags: frozenset[tuple[str, bool, bool]]
    published: bool
    complete: bool
    picked: bool
    attributes: list[Attribute] = field(default_factory=list)


def read_view(event: Json, *, published: bool, only: list[Json] | None = None) -> View:
    """Read MISP's JSON of an event.

    Args:
        event: `Event`.
        published: it counts as published.
        only: where a workflow filtered, the attributes that it let through.
    """
    every = [_attribute(a, deleted=False) for a in event.get("Attribute", [])]
    for holder in event.get("Object", []):
        every += [_attribute(a, deleted=holder["deleted"]) for a in holder["Attribute"]]
    shown = every
    if only is not None:
        let_through = {a["uuid"] for a in only}
        shown = [a for a in every if a.uuid in let_through]
    return View(
        event=event["uuid"],
        title=event["info"],
        date=event["date"],
        severity=SEVERITIES[int(event["threat_level_id"])],
        timestamp=int(event["timestamp"]),
        publish_timestamp=int(event["publish_timestamp"]),
        tags=_tags(event),
        published=published,
        complete=sum(not a.deleted for a in every) == int(event["attribute_count"]),
        picked=any(_is_picked(a) for a in every if not a.deleted),
        attributes=shown,
    )


def _attribute(row: Json, *, deleted: bool) -> Attribute:
    observables = POOL[row["type"], row["value"]]
    gone = bool(row["deleted"]) or deleted
    return Attribute(row["uuid"], observables, row["to_ids"], gone, int(row["timestamp"]), _tags(row), row["comment"])


def _tags(row: Json) -> frozenset[tuple[str, bool, bool]]:
    return frozenset((tag["name"], bool(tag["exportable"]), bool(tag["local"])) for tag in row.get("Tag", []))


def _is_picked(attribute: Attribute) -> bool:
    return any(name == PICK for name, _, _ in attribute.tags)


@dataclass
class Evidence:
    """What one attribute says of one observable, as the view `header` showed it.

    Attributes:
        taken: when it was first taken, with any value.
        vouches: MISP still says so, as far as it is known.
        spared: it keeps counting although others are picked.
    """

    header: View
    attribute: Attribute
    taken: int
    vouches: bool = True
    spared: bool = False


@dataclass
class Wanted:
    """What a destination must hold for one observable."""

    title: str
    severity: str
    tlp: str
    labels: list[str]
    comments: set[str]
    until: int
    events: set[str]


@dataclass
class Place:
    """A destination.

    Attributes:
        max_tlp: the strictest that may go there.
        kinds: what it has a place for.
        taken: what others have put there before us.
        held: what people keep away.
        sent: until when what was sent there counts.
        until: the same of whatever was last sent.
        generations: how often each has been withdrawn.
        behind: what requests to other destinations alone may have changed, until something brings it in line here: our
            own reading does, unless MISP no longer shows the event.
    """

    max_tlp: str
    kinds: frozenset[str]
    taken: frozenset[Observable] = frozenset()
    held: set[Observable] = field(default_factory=set)
    sent: set[Observable] = field(default_factory=set)
    until: dict[Observable, int] = field(default_factory=dict)
    generations: Counter[Observable] = field(default_factory=Counter)
    behind: set[Observable] = field(default_factory=set)


@dataclass
class EventState:
    """What is known of an event.

    Attributes:
        timestamp: of the newest view, whoever showed it.
        places: where somebody asked to have it sent.
        read_at: when it is to be read from MISP; `None` for not.
        failures: readings that failed in a row.
    """

    timestamp: int = -1
    own_timestamp: int = -1
    places: set[str] = field(default_factory=set)
    read_at: int | None = None
    failures: int = 0
    unpublished_since: int | None = None
    missing_since: int | None = None


class Model:
    """The rules.

    Args:
        places: the destinations by name.
    """

    def __init__(self, places: dict[str, Place]) -> None:
        self.places = places
        self.events: dict[str, EventState] = {}
        self.evidence: dict[str, dict[str, dict[Observable, Evidence]]] = {}

    # -- what comes in -------------------------------------------------------------------------------------------

    def request(self, view: View, places: list[str], now: int) -> None:
        """A request adds and updates, and takes nothing away."""
        event = self.events.setdefault(view.event, EventState())
        event.places |= set(places)
        event.read_at, event.failures = now, 0
        if view.timestamp < event.timestamp:
            self._sent_with(view, places, now)
            return
        event.timestamp = view.timestamp
        view = replace(view, publish_timestamp=max(view.publish_timestamp, self._published(view.event)))
        for attribute in view.attributes:
            known = self.evidence.setdefault(view.event, {}).setdefault(attribute.uuid, {})
            for observable, stored in known.items():
                if attribute.timestamp >= stored.attribute.timestamp:
                    self._add_to(observable, stored, view, attribute)
            self._take_new(known, view, attribute, places, now)
        for name in event.places - set(places):
            self.places[name].behind |= self.of_event(view.event)
        self._sent_with(view, places, now)

    def _published(self, event: str) -> int:
        """When an event was last published, as far as what counts goes by it: no request undoes that."""
        pieces = (stored for known in self.evidence.get(event, {}).values() for stored in known.values())
        return max((stored.header.publish_timestamp for stored in pieces if stored.vouches), default=0)

    def _sent_with(self, view: View, places: list[str], now: int) -> None:
        """What a view says may go is brought in line at once."""
        for name in places:
            passing = [a for a in view.attributes if self._passes(Evidence(view, a, now), name)]
            self.in_line(name, {observable for a in passing for observable in a.observables}, now)

    def _add_to(self, observable: Observable, stored: Evidence, view: View, attribute: Attribute) -> None:
        """A request's version replaces the stored one where it is worse nowhere."""
        fresh = Evidence(view, attribute, stored.taken)
        says_so = observable in attribute.observables
        here = self.events[view.event].places
        before = {name for name in here if self._passes(stored, name)}
        after = {name for name in here if says_so and self._passes(fresh, name)}
        if before <= after and (stored.vouches or after):
            stored.header, stored.attribute, stored.vouches, stored.spared = view, attribute, True, False

    def _take_new(
        self, known: dict[Observable, Evidence], view: View, attribute: Attribute, places: list[str], now: int
    ) -> None:
        taken = min((stored.taken for stored in known.values()), default=now)
        for observable in attribute.observables:
            if observable not in known:
                fresh = Evidence(view, attribute, taken)
                if any(self._passes(fresh, name) for name in places):
                    known[observable] = fresh

    def own_reading(self, view: View, now: int) -> None:
        """Our own reading of an event settles what it says."""
        event = self.events[view.event]
        before = {name: self._passing(name) for name in event.places}
        event.failures, event.missing_since = 0, None
        event.timestamp = event.own_timestamp = view.timestamp
        frozen = self._freeze(event, view, now)
        seen = set()
        for attribute in view.attributes:
            seen.add(attribute.uuid)
            known = self.evidence.setdefault(view.event, {}).setdefault(attribute.uuid, {})
            for observable, stored in known.items():
                self._settle(observable, stored, view, attribute, frozen=frozen)
            self._take_new(known, view, attribute, sorted(event.places), now)
        if view.complete:
            for uuid_, known in self.evidence.get(view.event, {}).items():
                if uuid_ not in seen:
                    for stored in known.values():
                        stored.vouches = False
        for name in event.places:
            self.in_line(name, self.of_event(view.event), now, self._lost(name, before[name]))

    def _freeze(self, event: EventState, view: View, now: int) -> bool:
        """Note whether our own reading found it published; whether it is frozen, and then read again for that."""
        event.read_at = None
        if view.published:
            event.unpublished_since = None
            return False
        if event.unpublished_since is None:
            event.unpublished_since = now
        since = event.unpublished_since
        if now >= since + GRACE:
            return False
        event.read_at = min(since + GRACE, now + max(SOON, now - since))
        return True

    def _passing(self, name: str) -> set[tuple[str, str, Observable]]:
        """The evidence that counts at a destination."""
        return {
            (event, uuid_, observable)
            for event, attributes in self.evidence.items()
            if name in self.events[event].places
            for uuid_, known in attributes.items()
            for observable, stored in known.items()
            if self._passes(stored, name)
        }

    def _lost(self, name: str, before: set[tuple[str, str, Observable]]) -> set[Observable]:
        """What has lost some of the evidence that counted."""
        return {observable for _, _, observable in before - self._passing(name)}

    def _settle(
        self, observable: Observable, stored: Evidence, view: View, attribute: Attribute, *, frozen: bool
    ) -> None:
        if attribute.deleted:
            stored.vouches = False
        elif frozen:
            if not attribute.to_ids:
                stored.vouches = False
        elif observable not in attribute.observables:
            stored.vouches = False
        else:
            here = self.events[view.event].places
            fresh = Evidence(view, attribute, stored.taken)
            if not stored.vouches and not any(self._passes(fresh, name) for name in here):
                return
            if view.picked and not _is_picked(attribute) and not _is_picked(stored.attribute):
                spared = Evidence(view, attribute, stored.taken, spared=True)
                fresh.spared = any(self._passes(stored, name) and self._passes(spared, name) for name in here)
            stored.header, stored.attribute, stored.spared, stored.vouches = view, attribute, fresh.spared, True

    def missing(self, event_uuid: str, now: int) -> None:
        """Our own reading did not find an event."""
        event = self.events[event_uuid]
        event.failures = 0
        if event.missing_since is None:
            event.missing_since = now
        over = now >= event.missing_since + GRACE
        before = {name: self._passing(name) for name in event.places}
        event.read_at = None if over else event.missing_since + GRACE
        if over:
            for known in self.evidence.get(event_uuid, {}).values():
                for stored in known.values():
                    stored.vouches = False
            for name in event.places:
                self.in_line(name, self.of_event(event_uuid), now, self._lost(name, before[name]))

    def unread(self, event_uuid: str, now: int) -> None:
        """Our own reading failed."""
        event = self.events[event_uuid]
        event.read_at = now + min(2 * 2**event.failures, 900)
        event.failures += 1

    def to_read(self, now: int) -> list[str]:
        """The events that are to be read, in the order in which they are: whose expiry comes first is damped less."""
        due = [(event.read_at, name) for name, event in self.events.items() if event.read_at is not None]
        return [name for at, name in sorted(due, key=lambda entry: entry[0]) if at <= now]

    # -- what follows --------------------------------------------------------------------------------------------

    def _passes(self, stored: Evidence, place: str) -> bool:
        """The gates of a destination."""
        attribute, header = stored.attribute, stored.header
        if not stored.vouches or attribute.deleted or not attribute.to_ids or not header.published:
            return False
        if header.picked and not stored.spared and not _is_picked(attribute):
            return False
        return TLP[_tlp(stored)] <= TLP[self.places[place].max_tlp]

    def content(self, name: str) -> dict[Observable, Wanted]:
        """What the evidence that counts at a destination says, whether or not it is over."""
        place = self.places[name]
        pieces: dict[Observable, list[Evidence]] = {}
        for event, attributes in self.evidence.items():
            if name not in self.events[event].places:
                continue
            for known in attributes.values():
                for observable, stored in known.items():
                    if self._passes(stored, name) and observable[0] in place.kinds:
                        pieces.setdefault(observable, []).append(stored)
        return {observable: _merged(those) for observable, those in pieces.items()}

    def wanted(self, name: str, now: int) -> dict[Observable, Wanted]:
        """What a destination must hold."""
        place = self.places[name]
        away = place.held | place.taken
        return {o: entry for o, entry in self.content(name).items() if o not in away and entry.until > now}

    def unseen(self) -> set[Observable]:
        """What events vouch for that MISP does not show."""
        missing = (name for name, event in self.events.items() if event.missing_since is not None)
        return {observable for name in missing for observable in self.of_event(name)}

    # -- what goes where nothing fails ---------------------------------------------------------------------------

    def in_line(
        self, name: str, observables: Iterable[Observable], now: int, lost: Collection[Observable] = ()
    ) -> None:
        """Some observables are sent to a destination, or withdrawn, as what is known of them asks.

        What is there and has time left goes when it has lost evidence, not because what is left would be over.
        """
        place, content = self.places[name], self.content(name)
        for observable in observables:
            place.behind.discard(observable)
            if observable in place.held | place.taken:
                continue
            entry = content.get(observable)
            if entry is not None and entry.until <= now < place.until.get(observable, 0) and observable in place.sent:
                if observable in lost:
                    self._gone(place, observable)
            elif entry is not None:
                self._present(place, observable, entry, now)
            elif observable in place.sent:
                self._gone(place, observable)

    def _present(self, place: Place, observable: Observable, entry: Wanted, now: int) -> None:
        until, before = entry.until, place.until.get(observable, 0)
        if before > now and 0 < until - before < WINDOW // 10:
            until = before
        place.sent.discard(observable)
        if until > now:
            place.sent.add(observable)
            place.until[observable] = until

    def _gone(self, place: Place, observable: Observable) -> None:
        place.sent.remove(observable)
        place.generations[observable] += 1

    def expire(self, now: int) -> None:
        """What is over is gone without being withdrawn."""
        for place in self.places.values():
            place.sent = {observable for observable in place.sent if place.until[observable] > now}

    def hold(self, names: Iterable[str], observable: Observable) -> None:
        """A person takes a value back."""
        for name in names:
            place = self.places[name]
            place.held.add(observable)
            if observable in place.sent:
                self._gone(place, observable)

    def deleted(self, name: str, observable: Observable) -> None:
        """Somebody has deleted it at Microsoft's side, and we have seen that."""
        place = self.places[name]
        place.held.add(observable)
        self._gone(place, observable)

    def release(self, names: Iterable[str], observable: Observable, now: int) -> None:
        """And lets it go again."""
        for name in names:
            if observable in self.places[name].held:
                self.places[name].held.remove(observable)
                self.in_line(name, [observable], now)

    def of_event(self, event: str) -> set[Observable]:
        """All that an event ever vouched for."""
        return {observable for known in self.evidence.get(event, {}).values() for observable in known}


def _tlp(stored: Evidence) -> str:
    marks = [name for name, _, _ in stored.attribute.tags | stored.header.tags if name in TLP]
    return max(marks, key=lambda name: TLP[name], default=DEFAULT_TLP)


def _merged(pieces: list[Evidence]) -> Wanted:
    """One indicator (DESIGN.md 4, rule 4)."""
    steps = list(SEVERITIES.values())

    def order(piece: Evidence) -> tuple[Any, ...]:
        newest_first = tuple(-ord(letter) for letter in piece.header.date)
        return (steps.index(piece.header.severity), newest_first, piece.header.event, piece.attribute.uuid)

    leading = min(pieces, key=order)
    labels = {
        name
        for piece in pieces
        for name, exportable, local in piece.attribute.tags | piece.header.tags
        if exportable and not local and name not in TLP and name != PICK
    }
    return Wanted(
        title=leading.header.title,
        severity=leading.header.severity,
        tlp=max((_tlp(piece) for piece in pieces), key=lambda name: TLP[name]),
        labels=sorted(labels),
        until=max(
            max(piece.attribute.timestamp, piece.header.publish_timestamp, piece.taken) + WINDOW for piece in pieces
        ),
        comments={piece.attribute.comment for piece in pieces} - {""},
        events={piece.header.event for piece in pieces},
    )
