"""What Microsoft holds against what the ledger says it should: a comparison, which changes nothing.

It rests on whole lists only: when a page is missing, nothing is concluded. What was sent a short time ago, or is under
way, is left aside, since Microsoft shows it with a delay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection

from misp_modules_ext.config.settings import Api
from misp_modules_ext.delivery.drain import Place
from misp_modules_ext.delivery.drift import Comparison, Drift, Finding
from misp_modules_ext.delivery.sender import TROUBLE
from misp_modules_ext.delivery.slots import entries_of
from misp_modules_ext.delivery.standing import day
from misp_modules_ext.destinations.interface import Entry
from misp_modules_ext.errors import DestinationError
from misp_modules_ext.ledger import evictions, holdings, manner, repairs, schema
from misp_modules_ext.ledger.content import Stored
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.holdings import Holding
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.ledger.placing import Ready, damped
from misp_modules_ext.ledger.repairs import There
from misp_modules_ext.model.indicator import Due, Observable, Stamp
from misp_modules_ext.model.outcome import State

#: Seconds for one reading of a list.
PATIENCE = 900.0
#: What `Destination.differs` says of what a destination's own keys decide; see `ledger.manner`.
_MANNER = ("severity is ", "alert is ", "device groups is ")

#: The names of what differs in the words of `Destination.differs`.
_FIELD = re.compile(r"(?:^|; )([a-z ]+?) (?:is|lack) ")


def compare(place: Place, settle_ms: int, patience: float = PATIENCE) -> Comparison:
    """Compare one destination.

    Args:
        place: the destination.
        settle_ms: what was sent within so many milliseconds is left aside.
        patience: seconds for one reading of the list.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    found = Comparison(place, message=place.destination.cannot_list)
    clock = place.ledger.read(now_ms)
    since = place.ledger.write(lambda connection: manner.since_ms(connection, place.store))
    entries: list[Entry] = []
    if found.message:
        found.state = State.MISCONFIGURED
    else:
        try:
            entries = entries_of(place, patience=patience)
            found.listed = True
        except DestinationError as error:
            found.state, found.message = TROUBLE[type(error)][0], str(error)
    work = _Comparing(found, entries, clock - settle_ms, since)
    after = -1
    while page := place.ledger.read(partial(work.page, after)):
        after = page[-1][0].observable_id
    if found.listed:
        place.ledger.read(work.unknown)
        found.held_back = work.held_back()
    return found


class _Content(NamedTuple):
    """What a row should hold today; `over` when its time is over."""

    ready: Ready | None
    over: bool


class _Comparing:
    """A comparison under way.

    Args:
        found: what it writes into.
        entries: Microsoft's list.
        calm_ms: what was sent after this moment is left aside.
        manner_ms: since when the destination sends in today's manner.
    """

    def __init__(self, found: Comparison, entries: Sequence[Entry], calm_ms: int, manner_ms: int) -> None:
        self._found = found
        self._place = found.place
        self._calm_ms = calm_ms
        self._manner_ms = manner_ms
        self._now = 0
        self._present = 0
        self._compared = 0
        #: For each edited entry the names of what differs.
        self._edited: list[frozenset[str]] = []
        self._sentinel = found.place.store.settings.api is Api.SENTINEL
        ours = [entry for entry in entries if entry.ours]
        self._by_name = {name: entry for entry in ours if (name := self._name(entry))}
        self._by_number: dict[int, list[Entry]] = {}
        for entry in ours:
            if entry.observable is not None:
                self._by_number.setdefault(observable_id(entry.observable), []).append(entry)
        self._open = {id(entry): entry for entry in ours if not entry.revoked}
        self._rows: dict[int, Holding] = {}

    def _name(self, entry: Entry) -> str:
        """By what an entry is known: Sentinel's upload gives no ids of its own."""
        return entry.stix_id if self._sentinel else entry.remote_id

    def page(self, after: int, connection: Connection) -> list[tuple[Holding, Observable]]:
        """Compare a page of the ledger's rows."""
        store = self._place.store
        rows = repairs.pages(connection, store, after)
        self._now = now_ms(connection) // 1000
        numbers = [row.observable_id for row, _ in rows if row.sent_hash is not None or row.state == schema.SETTLED]
        content = Stored(connection, numbers, self._place.base_url).content(store)
        held = holdings.held(connection, store, numbers)
        for row, observable in rows:
            number = row.observable_id
            merged = content.get(number)
            today = _Content(None, False)
            if merged is not None:
                today = self._today(row, Ready(merged.indicator, merged.indicator.content_hash()))
            if number in self._by_number:
                self._rows[number] = row
            if not self._drifted(row, observable, today) and number not in held:
                self._judge_rules(row, observable, today)
        return rows

    def _today(self, row: Holding, ready: Ready) -> _Content:
        if row.valid_until is not None and row.valid_until > self._now:
            ready = Ready(*damped(*ready, row.valid_until, self._place.store.rules))
        return _Content(ready, ready.indicator.valid_until <= self._now)

    def _drifted(self, row: Holding, observable: Observable, today: _Content) -> bool:
        """Compare a row with the list; whether no more is to be said of it."""
        if row.flight_hash is not None:
            self._pass(row, observable, "settling")
            return True
        if not self._found.listed:
            return False
        if self._is_recent(row):
            self._pass(row, observable, "settling")
            return False
        if row.sent_hash is None:
            return self._absent(row, observable)
        return self._there(row, observable, self._current(row, observable), today)

    def _is_recent(self, row: Holding) -> bool:
        """Whether it was sent, or withdrawn, so lately that Microsoft may not show it yet."""
        answered = row.due_ms if row.state in (schema.SETTLED, schema.ON_HOLD) and row.created_ms else 0
        return max(row.modified_ms or 0, answered) > self._calm_ms

    def _current(self, row: Holding, observable: Observable) -> Entry | None:
        """The entry that a row stands for."""
        if self._sentinel:
            return self._by_name.get(observable.stix_id(row.generation))
        if row.remote_id:
            return self._by_name.get(row.remote_id)
        return next((e for e in self._of(row) if e.stix_id == observable.stix_id(row.generation)), None)

    def _of(self, row: Holding) -> list[Entry]:
        return self._by_number.get(row.observable_id, [])

    def _pass(self, row: Holding, observable: Observable, what: str) -> None:
        """Nothing is said of a row and of the entries for its value."""
        self._found.counts[what] += 1
        current = self._current(row, observable)
        self._present += current is not None
        for entry in (*self._of(row), *([current] if current is not None else [])):
            self._open.pop(id(entry), None)

    def _there(self, row: Holding, observable: Observable, entry: Entry | None, today: _Content) -> bool:
        if row.state == schema.ON_HOLD or row.due_hash is None or evictions.is_evicted(row):
            self._pass(row, observable, "held" if row.state == schema.ON_HOLD else "waiting")
            return True
        if row.valid_until is not None and row.valid_until <= self._now:
            # Whoever drains next will say so.
            self._pass(row, observable, "right")
            return True
        if entry is None:
            return self._note(Drift.DELETED, observable, row, "Somebody has deleted it.")
        self._open.pop(id(entry), None)
        self._present += 1
        if entry.revoked:
            return self._note(Drift.DELETED, observable, row, "Somebody has revoked it.")
        if today.ready is not None and today.ready.digest == row.sent_hash:
            return self._same(row, observable, entry, today.ready)
        self._found.counts["right"] += 1
        return False

    def _same(self, row: Holding, observable: Observable, entry: Entry, ready: Ready) -> bool:
        """Whether an entry says otherwise than what was sent."""
        stamp = Stamp(observable.stix_id(row.generation), row.created_ms or 0, row.modified_ms or 0)
        words = self._place.destination.differs(entry, Due(ready.indicator, stamp, row.remote_id or ""))
        self._compared += 1
        if not words:
            self._found.counts["right"] += 1
            return False
        there = There(observable, entry.remote_id, row.generation)
        if (row.modified_ms or 0) < self._manner_ms and all(p.startswith(_MANNER) for p in words.split("; ")):
            return self._note(
                Drift.RULES, observable, row, f"It went before the configuration changed: {words}.", there
            )
        self._edited.append(frozenset(_FIELD.findall(words)))
        return self._note(Drift.EDITED, observable, row, f"Somebody has edited it: {words}.", there)

    def _absent(self, row: Holding, observable: Observable) -> bool:
        live = [entry for entry in self._of(row) if id(entry) in self._open and not self._is_over(entry)]
        for entry in live:
            there = There(observable, entry.remote_id, self._generation(row, observable, entry))
            if row.state == schema.EXPIRED and there.generation == row.generation:
                self._open.pop(id(entry))
                until = "has no end" if entry.valid_until is None else f"ends on {day(entry.valid_until)}"
                return self._note(
                    Drift.EDITED, observable, row, f"It expired, and now somebody has it that it {until}.", there
                )
            if row.due_hash is None and 0 <= there.generation < row.generation:
                self._open.pop(id(entry))
                return self._note(
                    Drift.LEFT_OVER,
                    observable,
                    row,
                    "It was withdrawn and is still there.",
                    self._again(row, there),
                    leaving=True,
                )
        if row.state == schema.ON_HOLD:
            self._found.counts["held"] += 1
        return False

    def _again(self, row: Holding, there: There) -> There | None:
        """What can be withdrawn once more; at Sentinel not with an id that is older than the last one."""
        if self._sentinel and there.generation != row.generation - 1:
            return None
        return there._replace(generation=row.generation - 1)

    def _generation(self, row: Holding | None, observable: Observable, entry: Entry) -> int:
        """Which of our ids for its value an entry has, -1 for none of them."""
        known = range((row.generation if row is not None else 0) + 1)
        return next((k for k in known if observable.stix_id(k) == entry.stix_id), -1)

    def _is_over(self, entry: Entry) -> bool:
        return entry.valid_until is not None and entry.valid_until <= self._now

    def _judge_rules(self, row: Holding, observable: Observable, today: _Content) -> None:
        if row.state != schema.SETTLED or today.over:
            return
        ready = today.ready
        if ready is None:
            if row.due_hash is not None:
                self._note(Drift.RULES, observable, row, "Today's rules would not let it go.", leaving=True)
        elif (refused := self._place.store.refuses(ready.indicator)) is not None:
            if row.maybe_there and row.due_hash is not None:
                self._note(Drift.RULES, observable, row, f"Today's rules refuse it: {refused[1]}", leaving=True)
        elif ready.digest != row.due_hash:
            words = "would let it go" if row.due_hash is None else "give it another content"
            self._note(Drift.RULES, observable, row, f"Today's rules {words}.")

    def _note(
        self,
        drift: Drift,
        observable: Observable,
        row: Holding,
        message: str,
        there: There | None = None,
        *,
        leaving: bool = False,
    ) -> bool:
        name = observable.stix_id(row.generation)
        self._found.findings.append(Finding(drift, observable, name, message, row, there, leaving))
        return True

    def unknown(self, connection: Connection) -> None:
        """Entries with our name that no row stands for."""
        left = [entry for entry in self._open.values() if not self._is_over(entry)]
        numbers = {observable_id(entry.observable) for entry in left if entry.observable is not None}
        store = self._place.store
        content = Stored(connection, numbers, self._place.base_url).content(store)
        held = holdings.held(connection, store, numbers)
        going = {
            n for n, m in content.items() if m.indicator.valid_until > self._now and store.refuses(m.indicator) is None
        }
        for entry in left:
            self._found.findings.append(self._unknown(entry, going, held))

    def _unknown(self, entry: Entry, going: set[int], held: Mapping[int, str]) -> Finding:
        name = entry.stix_id or entry.remote_id
        if entry.observable is None:
            return Finding(Drift.UNKNOWN, None, name, "It carries our name, and what it is about cannot be told.")
        number = observable_id(entry.observable)
        row = self._rows.get(number)
        generation = self._generation(row, entry.observable, entry)
        there = There(entry.observable, entry.remote_id, max(generation, 0 if row is None else row.generation))
        tell = partial(Finding, Drift.UNKNOWN, entry.observable, name)
        if row is not None and row.maybe_there:
            return tell("There is a second entry for this value under our name; the ledger holds the other.")
        if self._sentinel and generation < 0:
            return tell("It carries our name, and an id that is none of ours.")
        if number in held:
            return tell(f"This ledger did not make it, and its value is on hold ({held[number]}).")
        if number in going:
            return tell("This ledger did not make it; --adopt takes it over.", row, there)
        return tell("This ledger did not make it, and nothing in it vouches for it.", row, there, leaving=True)

    def held_back(self) -> str:
        """Why nothing is concluded.

        A wrong address looks like a store in which everything was deleted, and a list that writes something down in a
        way of its own like one in which everything was edited.
        """
        if len(self._edited) == self._compared > 1 and len(set(self._edited)) == 1:
            fields = ", ".join(sorted(self._edited[0]))
            return (
                f"All {self._compared} that were compared differ in the same ({fields}), as they would if Microsoft's "
                "list wrote that in another way than it was sent. So nothing is concluded from this list. If people "
                "have edited them all, take them back with `misp-microsoft withdraw`, which puts them on hold."
            )
        missing = sum(finding.drift is Drift.DELETED for finding in self._found.findings)
        if self._present or not missing:
            return ""
        settings = self._place.store.settings
        keys = "`workspaceName`" if self._sentinel else "`tenantId` or the application's permissions"
        return (
            f"All {missing} that should be there are missing, as they would be with a wrong {keys} of "
            f"[{settings.name}]. So nothing is concluded from this list. If somebody has emptied the store, put it on "
            f"hold with `misp-microsoft withdraw --all --destination '{settings.name}'`, and end that with `release`."
        )
