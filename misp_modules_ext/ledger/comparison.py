"""What a view of an event changes in the evidence (DESIGN.md 2 and 4).

A request adds and updates: where its version of an attribute would no longer pass a gate that the stored one passes,
the stored one stays until our own reading settles it. So does, where destinations may block, what our own reading saw
of an event whose creator may ask for that: a request neither blocks nor ends a block, and the event is read again right
after it. Our own reading takes away what MISP no longer says:

- an attribute that is deleted, absent from a complete view, or whose value changed no longer vouches;
- one whose flag, tags or other gates changed is written down as it is now, and fails its gates from then on;
- one that MISP ended, by an Expiration sighting or a decay model, is written down, and what is there of it goes;
- while the event is unpublished everything stays as it was, but for attributes that are deleted or have `to_ids` off;
- when others are picked, one that never was keeps the evidence it had;
- one that cannot be read keeps it as well.

Where an action is more than an alert, what stays that way does not act any more: while the event is unpublished when it
asks for less now, when the event says something else and the attribute is not shown, and when either cannot be read. A
reading of ours may lower an action, whatever it lacks; it takes all of it to raise one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sqlalchemy import Connection, insert

from misp_modules_ext.ledger import schema
from misp_modules_ext.ledger.content import Witness
from misp_modules_ext.ledger.documents import read_attribute, read_header, write_header
from misp_modules_ext.ledger.keys import Numbers, observable_id, uuid_bytes, uuid_text
from misp_modules_ext.ledger.views import Known, Origin, Row, View
from misp_modules_ext.misp.selection import carries, picks
from misp_modules_ext.model.indicator import BLOCKING, Action, Observable
from misp_modules_ext.model.misp import Attribute, Event
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.planning import PlannedAttribute, RuleSet, judge
from misp_modules_ext.translate import ends, observe

#: The columns of `Changes.rows`.
COLUMNS = (
    "observable_id",
    "event_id",
    "attribute",
    "header_id",
    "taken",
    "timestamp",
    "origins",
    "vouches",
    "document",
)
KEY = COLUMNS[:3]
#: Plain numbers: a flag's own operators take ten times as long, and databases want none.
_AS_READ = Origin.AS_READ.value
_AUDIT = Action.AUDIT
RowValues = tuple[int, int, bytes, int, int, int, int, int, bytes]


@dataclass(slots=True)
class Changes:
    """What a view changes.

    Attributes:
        rows: evidence to write, by observable and attribute.
        gone: evidence that no longer vouches.
        named: the observables that the view names, by id.
        lost: by rule set, observables for which some evidence passed its gates and no longer does, or that MISP ended.
        lost_by: by rule set, the attributes (UUIDs) whose evidence that was; not those that are gone themselves.
        kept: by rule set, attributes (UUIDs) that a request says no longer pass: what they said stays for now.
        odd: observables whose content this view alone does not tell.
        absent: observables of attributes that have another value now, or are absent from a complete view of our own.
        seen: the attributes of the view.
        losing: attributes of which something is lost or gone.
        undecided: it says of something what this view does not settle, so it is compared each time.
        unread: the view as a whole cannot be judged, so that nothing of it stands behind what stays.
    """

    rows: dict[tuple[int, bytes], RowValues] = field(default_factory=dict)
    gone: set[tuple[int, bytes]] = field(default_factory=set)
    named: dict[int, Observable] = field(default_factory=dict)
    lost: dict[RuleSet, set[int]] = field(default_factory=dict)
    lost_by: dict[RuleSet, set[str]] = field(default_factory=dict)
    kept: dict[RuleSet, set[str]] = field(default_factory=dict)
    odd: set[int] = field(default_factory=set)
    absent: set[int] = field(default_factory=set)
    seen: set[bytes] = field(default_factory=set)
    losing: set[bytes] = field(default_factory=set)
    undecided: bool = False
    unread: bool = False

    def put_off(self, stored: Mapping[bytes, Sequence[Row]], going: Collection[int]) -> None:
        """Leave what is stored of attributes that lose something as it is, for now; what is new of them is written.

        Args:
            stored: what is stored, by attribute.
            going: the observables of what passes: the others keep their content until then.
        """
        for key in self.losing:
            for row in stored[key]:
                self.rows.pop((row.observable_id, key), None)
                if row.observable_id not in going:
                    self.odd.discard(row.observable_id)
        for sets in (self.lost, self.lost_by):
            for part in sets.values():
                part.clear()
        self.gone.clear()
        self.absent.clear()


class Headers:
    """The header rows of an event, made when they are needed.

    Args:
        connection: in a transaction.
        known: the event.
        event: the view.
        rule_sets: their pick tags are what a header remembers of its attributes' tags.
    """

    def __init__(self, connection: Connection, known: Known, event: Event, rule_sets: Iterable[RuleSet]) -> None:
        self._connection = connection
        self._known = known
        self._event = event
        tags = dict.fromkeys(rules.selection.pick_tag for rules in rule_sets)
        self.picked = tuple(sorted(tag for tag in tags if picks(event, tag)))
        self.current = self._id_of(write_header(event, self.picked))

    def unpicked(self) -> int:
        """The header that says the same, but that nothing is picked."""
        return self._id_of(write_header(self._event, ()))

    def _id_of(self, document: bytes) -> int:
        for header_id, known in self._known.headers.items():
            if known == document:
                return header_id
        made = self._connection.execute(
            insert(schema.header).values(
                event_id=self._known.event_id, digest=hashlib.sha256(document).digest(), document=document
            )
        )
        header_id = int(made.inserted_primary_key[0])  # type: ignore[index] # of one row
        self._known.headers[header_id] = document
        return header_id


class Frame(NamedTuple):
    """What a comparison goes by.

    Attributes:
        frozen: our own reading found the event unpublished, and the grace is not over.
        now: seconds since 1970 UTC.
        elsewhere: the rule sets of destinations that are not asked for.
        only: the view is about some attributes, and nobody means the others.
    """

    origin: Origin
    frozen: bool
    base_url: str
    now: int
    elsewhere: tuple[RuleSet, ...] = ()
    only: bool = False


class Comparison:
    """Compares one view with what the ledger holds of its event."""

    def __init__(
        self,
        view: View,
        known: Known,
        plans: Mapping[RuleSet, Sequence[PlannedAttribute]],
        headers: Headers,
        frame: Frame,
        numbers: Numbers,
    ) -> None:
        self._view = view
        self._numbers = numbers
        self._known = known
        self._rule_sets = tuple(plans)
        self._acting = tuple(rules for rules in (*plans, *frame.elsewhere) if rules.actions.acts)
        self._may_block: frozenset[str] = frozenset().union(*(rules.actions.block_orgs for rules in self._acting))
        self._acts = bool(self._acting)
        self._planned = tuple(plans.values())
        self._headers = headers
        self._frame = frame
        self._read_headers: dict[int, tuple[Event, tuple[str, ...]]] = {}
        self.changes = Changes(
            lost={rules: set() for rules in plans},
            lost_by={rules: set() for rules in plans},
            kept={rules: set() for rules in plans},
        )

    def run(self) -> Changes:
        """Compare attribute by attribute, then look for those that are absent."""
        seen, written, named, numbers = self.changes.seen, self.changes.rows, self.changes.named, self._numbers
        stored, event_id, header_id = self._known.rows, self._known.event_id, self._headers.current
        now, origin = self._frame.now, self._origins(0, as_read=True)
        for attribute, document, *planned in zip(
            self._view.event.attributes, self._view.documents, *self._planned, strict=True
        ):
            key = uuid_bytes(attribute.uuid)
            if key in seen:
                # Listed twice: the first one counts, so the plan knows more than the ledger will.
                self.changes.odd.update(self._numbers[p.observable] for plan in planned for p in plan.parts)
                continue
            seen.add(key)
            if key in stored:
                self._attribute(key, stored[key], attribute, document, planned)
                continue
            # Nothing is known of most that comes. It is written here: to call `_write` takes as long as what it does.
            timestamp = attribute.timestamp
            for observable in [part.observable for plan in planned for part in plan.parts if part.reason is None]:
                number = numbers[observable]
                named[number] = observable
                written[number, key] = (number, event_id, key, header_id, now, timestamp, origin, 1, document)
        self._look_for_absent()
        return self.changes

    def _look_for_absent(self) -> None:
        own, seen = self._frame.origin is Origin.OWN_READING, self.changes.seen
        for key, rows in self._known.rows.items():
            if key in seen:
                continue
            for row in rows:
                if own and self._view.event.complete:
                    self._vanish(row, absent=True)
                elif row.vouches:
                    self.changes.odd.add(row.observable_id)
                    if own and not self._frame.only and row.header_id != self._headers.current:
                        self._doubt(row)

    def doubt(self) -> Changes:
        """What is left of what stands when our own reading of the event cannot be judged: all, but nothing acts."""
        self.changes.undecided = self.changes.unread = True
        for rows in self._known.rows.values():
            for row in rows:
                self._doubt(row)
        return self.changes

    def _attribute(
        self, key: bytes, stored: list[Row], attribute: Attribute, document: bytes, planned: list[PlannedAttribute]
    ) -> None:
        """One of which something is stored."""
        passing = [self._passing(plan) for plan in planned]
        if attribute.problem and self._frame.origin is Origin.OWN_READING:
            self.changes.odd.update(row.observable_id for row in stored if row.vouches)
            self.changes.undecided = True
            for row in stored:
                self._doubt(row)
            return
        for number in passing[0].union(*passing[1:]).difference([row.observable_id for row in stored]):
            # When the ledger first took the attribute, also where its value is a new one.
            taken = min(row.taken for row in stored)
            self._write(key, number, attribute, document, taken, self._headers.current)
        for row in stored:
            same = row.document == document and row.header_id == self._headers.current and row.vouches
            if not same or row.timestamp != attribute.timestamp:
                passes = [row.observable_id in ids for ids in passing]
                self._again(row, attribute, document, planned, passes)
            elif self._acts:
                self._the_same(row, attribute, document)

    def _the_same(self, row: Row, attribute: Attribute, document: bytes) -> None:
        """What stands says what is said, where it matters who has said it last."""
        if self._frame.origin is Origin.REQUEST and self._decides(row):
            # The view alone would say Audit.
            self.changes.odd.add(row.observable_id)
        elif self._frame.origin is Origin.OWN_READING and not row.origins & _AS_READ:
            self._write(row.attribute, row.observable_id, attribute, document, row.taken, row.header_id, row.origins)

    def _decides(self, row: Row) -> bool:
        """Whether an action may hang on it: our own reading saw it so, in an event whose creator may block."""
        if not self._may_block or not row.vouches or not row.origins & _AS_READ:
            return False
        return self._stored_header(row)[0].creator_uuid in self._may_block

    def _doubt(self, row: Row) -> None:
        """What stands may not be what MISP says any more: it goes on, and does not act.

        What says that nothing should act keeps its say: less knowledge raises no action.
        """
        if not row.vouches or not row.origins & _AS_READ:
            return
        stored, before = self._stored_header(row), self._stored_attribute(row)
        if self._acting and all(self._action(row, stored, before, rules) is _AUDIT for rules in self._acting):
            return
        self.changes.odd.add(row.observable_id)
        event_id, origins = self._known.event_id, row.origins & ~_AS_READ
        self.changes.rows[row.observable_id, row.attribute] = (
            row.observable_id,
            event_id,
            row.attribute,
            row.header_id,
            row.taken,
            row.timestamp,
            origins,
            row.vouches,
            row.document,
        )

    def _lowers(self, row: Row, attribute: Attribute) -> bool:
        """Whether the view asks for less than what stands, if its event were published."""
        if not row.vouches or not row.origins & _AS_READ:
            return False
        stored, before = self._stored_header(row), self._stored_attribute(row)
        here = (replace(self._view.event, published=True, counts_as_published=True), self._headers.picked)
        for rules in self._acting:
            stands = self._action(row, stored, before, rules)
            if stands is not _AUDIT and not _as_much(self._action(row, here, attribute, rules), stands):
                return True
        return False

    def _action(self, row: Row, header: tuple[Event, tuple[str, ...]], attribute: Attribute, rules: RuleSet) -> Action:
        """What an attribute of our own reading asks for: Audit where it asks for nothing, or fails a gate."""
        event, picked = header
        some_picked = rules.selection.pick_tag in picked
        parts = judge(event, attribute, rules, self._frame.base_url, row.taken, some_picked, reread=True).parts
        said = (p.evidence for p in parts if observable_id(p.observable) == row.observable_id)
        evidence = next(said, None)
        return _AUDIT if evidence is None else evidence.action or _AUDIT

    def _stored_attribute(self, row: Row) -> Attribute:
        return read_attribute(uuid_text(row.attribute), row.timestamp, row.document)

    def _passing(self, planned: PlannedAttribute) -> set[int]:
        """The observables for which an attribute passes the gates of one rule set."""
        ids = set()
        for part in planned.parts:
            if part.reason is None:
                number = self._numbers[part.observable]
                self.changes.named[number] = part.observable
                ids.add(number)
        return ids

    def _write(
        self,
        key: bytes,
        number: int,
        attribute: Attribute,
        document: bytes,
        taken: int,
        header_id: int,
        origins: int = 0,
        *,
        as_read: bool = True,
    ) -> None:
        self.changes.rows[number, key] = (
            number,
            self._known.event_id,
            key,
            header_id,
            taken,
            attribute.timestamp,
            self._origins(origins, as_read=as_read),
            1,
            document,
        )

    def _origins(self, before: int, *, as_read: bool) -> int:
        """Who says so, with those who did before; `as_read` when our own reading would see it exactly so."""
        origins = before & ~_AS_READ | self._frame.origin.value
        return origins | _AS_READ if as_read and self._frame.origin is Origin.OWN_READING else origins

    def _again(
        self, row: Row, attribute: Attribute, document: bytes, planned: list[PlannedAttribute], passes: list[bool]
    ) -> None:
        """An attribute that has this evidence already is seen again, and says something else."""
        own = self._frame.origin is Origin.OWN_READING
        if not own and attribute.timestamp < row.timestamp:
            self.changes.odd.add(row.observable_id)
        elif own and attribute.gone:
            self._vanish(row)
        elif own and self._has_another_value(row, attribute):
            self._vanish(row, absent=True)
        elif row.vouches or any(passes):
            self._update(row, attribute, document, planned, passes)

    def _has_another_value(self, row: Row, attribute: Attribute) -> bool:
        """Whether MISP no longer says this of the attribute: a new value counts once the event is published again."""
        if self._frame.frozen and attribute.to_ids is not False:
            return False
        return all(observable_id(o) != row.observable_id for o in observe(attribute).observables)

    def _update(
        self, row: Row, attribute: Attribute, document: bytes, planned: list[PlannedAttribute], passes: list[bool]
    ) -> None:
        failing = [index for index, ok in enumerate(passes) if not ok]
        lost = [index for index in failing if self._passed(row, self._rule_sets[index])]
        header_id, as_read = self._headers.current, True
        if self._frame.origin is Origin.REQUEST and (
            lost or self._shortens(row, attribute) or self._lost_elsewhere(row, attribute) or self._decides(row)
        ):
            self.changes.odd.add(row.observable_id)
            self.changes.undecided = True
            for index in lost:
                self.changes.kept[self._rule_sets[index]].add(attribute.uuid)
            return
        if lost and self._frame.frozen:
            self.changes.odd.add(row.observable_id)
            lowers = self._lowers(row, attribute)
            if attribute.to_ids is not False:
                if lowers:
                    self._doubt(row)
                return
            # In the event as it was: only the flag counts while the event is unpublished.
            header_id, as_read = row.header_id, bool(row.origins & _AS_READ) and not lowers
            lost = [
                i for i in lost if not self._would_pass(row, self._stored_header(row), attribute, self._rule_sets[i])
            ]
        elif spared := self._only_unpicked(row, attribute, planned, lost):
            self.changes.odd.add(row.observable_id)
            header_id = self._headers.unpicked()
            lost = [index for index in lost if index not in spared]
        self._write(
            row.attribute,
            row.observable_id,
            attribute,
            document,
            row.taken,
            header_id,
            row.origins,
            as_read=as_read,
        )
        self._note_lost(row, lost)
        self._note_ended(row, attribute, passes)

    def _shortens(self, row: Row, attribute: Attribute) -> bool:
        """Whether MISP's own end of it would come sooner than what is stored says."""
        end = ends(attribute)
        if end is None:
            return False
        before = ends(read_attribute(attribute.uuid, row.timestamp, row.document))
        return before is None or end < before

    def _note_ended(self, row: Row, attribute: Attribute, passes: Iterable[bool]) -> None:
        """Where nothing else vouches, what MISP itself ended goes: its end at the destination may lie far ahead."""
        end = ends(attribute)
        if self._frame.origin is Origin.REQUEST or self._frame.frozen or end is None or end > self._frame.now:
            return
        self.changes.odd.add(row.observable_id)
        for rules, passing in zip(self._rule_sets, passes, strict=True):
            if passing:
                self.changes.lost[rules].add(row.observable_id)
                self.changes.losing.add(row.attribute)

    def _lost_elsewhere(self, row: Row, attribute: Attribute) -> bool:
        """Whether it would no longer pass for a destination that this request does not name."""
        here = (self._view.event, self._headers.picked)
        return any(
            self._passed(row, rules) and not self._would_pass(row, here, attribute, rules)
            for rules in self._frame.elsewhere
        )

    def _only_unpicked(
        self, row: Row, attribute: Attribute, planned: list[PlannedAttribute], lost: list[int]
    ) -> set[int]:
        """Where it fails only because others are picked, and was never picked itself."""
        if not lost:
            return set()
        before = read_attribute(attribute.uuid, row.timestamp, row.document)
        here = (self._view.event, ())
        passing = {index for index in lost if self._would_pass(row, here, attribute, self._rule_sets[index])}
        spared = {
            index
            for index in passing
            if planned[index].reason is Reason.NOT_PICKED
            and not carries(before.tags, self._rule_sets[index].selection.pick_tag)
        }
        # That nothing is picked is written down for all rule sets: where it should go all the same, it would stay.
        return spared if spared == passing else set()

    def _would_pass(
        self, row: Row, header: tuple[Event, tuple[str, ...]], attribute: Attribute, rules: RuleSet
    ) -> bool:
        event, picked = header
        some_picked = rules.selection.pick_tag in picked
        parts = judge(event, attribute, rules, self._frame.base_url, row.taken, some_picked).parts
        return any(p.reason is None and observable_id(p.observable) == row.observable_id for p in parts)

    def _passed(self, row: Row, rules: RuleSet) -> bool:
        """Whether the stored evidence passes the gates as they are today."""
        if not row.vouches:
            return False
        event, picked = self._stored_header(row)
        stored = self._stored_attribute(row)
        found = observe(stored).observables
        observable = next((o for o in found if observable_id(o) == row.observable_id), None)
        if observable is None:
            return False
        return (
            Witness(observable, self._known.event_id, event, picked, stored, row.taken).passes(
                rules, self._frame.base_url
            )
            is not None
        )

    def _stored_header(self, row: Row) -> tuple[Event, tuple[str, ...]]:
        if row.header_id not in self._read_headers:
            document = self._known.headers[row.header_id]
            self._read_headers[row.header_id] = read_header(self._view.event.uuid, document, self._view.event.misp)
        return self._read_headers[row.header_id]

    def _vanish(self, row: Row, *, absent: bool = False) -> None:
        if not row.vouches:
            return
        lost = [i for i, rules in enumerate(self._rule_sets) if self._passed(row, rules)]
        self._note_lost(row, lost, absent=absent)
        self.changes.gone.add((row.observable_id, row.attribute))
        self.changes.losing.add(row.attribute)
        if absent:
            self.changes.absent.add(row.observable_id)

    def _note_lost(self, row: Row, lost: Iterable[int], *, absent: bool = False) -> None:
        for index in lost:
            rules = self._rule_sets[index]
            self.changes.lost[rules].add(row.observable_id)
            self.changes.losing.add(row.attribute)
            if not absent:
                self.changes.lost_by[rules].add(uuid_text(row.attribute))
        # What still vouches may be elsewhere.
        self.changes.odd.add(row.observable_id)


def _as_much(action: Action, stands: Action) -> bool:
    """Whether an action is the one that stands, or more of the same."""
    both = action in BLOCKING and stands in BLOCKING
    return action is stands or (both and BLOCKING.index(action) > BLOCKING.index(stands))
