"""Telling each MISP what is noted for it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from misp_modules_ext.config.settings import MispSettings
from misp_modules_ext.delivery.sightings.account import Done
from misp_modules_ext.delivery.sightings.asking import goes_on
from misp_modules_ext.errors import EventNotFound, MispError, MispRefused
from misp_modules_ext.ledger import Ledger, schema, sightings, syncs
from misp_modules_ext.ledger.sightings import Told
from misp_modules_ext.misp.adding import Ours, SightingsClient

#: Attributes that MISP is asked about at once.
PORTION = 100
#: A MISP is told no more in this run when it refuses, or fails at, so many questions in a row.
MOST_FAILED = 3
#: Seconds between two times that a run is heard of while a MISP is told: it may take its time for each sighting.
HEARD_EVERY = 60.0


@dataclass(slots=True)
class Telling:
    """Tells MISP, and notes what became of it.

    Attributes:
        detail: whether it is told where and how often, too.
        turn: the run's.
    """

    ledger: Ledger
    detail: bool
    done: Done
    turn: syncs.Turn
    _heard: float = 0.0

    def go(self, misps: Mapping[str, MispSettings], most: int) -> None:
        """Tell each MISP what waits for it.

        What one MISP does not take leaves the others the room that it would have taken.

        Args:
            misps: by what `Event.misp` calls them.
            most: sightings that are settled at most.

        Raises:
            LedgerError: another run has the turn.
        """
        for name, settings in misps.items():
            self._misp(name, SightingsClient(settings), most - self.done.settled)

    def _misp(self, name: str, client: SightingsClient, most: int) -> None:
        """Tell one MISP, until it has failed too often in a row. One sighting that it never takes holds up no other."""
        client.before_each = self._be_heard_of
        waiting = self.ledger.read(lambda connection: sightings.waiting(connection, name, most))
        failures: list[MispError] = []
        in_a_row = 0
        for failure in self._each(client, waiting):
            if failure is None:
                in_a_row = 0
                continue
            failures.append(failure)
            in_a_row += 1
            if in_a_row == MOST_FAILED:
                break
        self.done.failures += dict.fromkeys(map(str, failures))
        self.done.refused |= any(isinstance(failure, MispRefused) for failure in failures)
        self.done.unreachable |= any(not isinstance(failure, MispRefused) for failure in failures)

    def _be_heard_of(self) -> None:
        now = time.monotonic()
        if now >= self._heard + HEARD_EVERY:
            self._heard = now
            goes_on(self.ledger, self.turn)

    def _each(self, client: SightingsClient, waiting: Sequence[Told]) -> Iterator[MispError | None]:
        """Ask MISP what it has, since an earlier run may not have heard its answer, and add what it lacks.

        Yields:
            For each question why it failed; `None` when it did not.
        """
        for start in range(0, len(waiting), PORTION):
            portion = waiting[start : start + PORTION]
            try:
                there = client.ours(sorted({one.attribute for one in portion}))
            except MispError as error:
                self._put_off(*portion)
                yield error
                continue
            yield None
            for one in portion:
                if not self._is_settled(one, there.get(one.attribute)):
                    yield self._add(client, one)

    def _is_settled(self, one: Told, ours: Ours | None) -> bool:
        """Whether there is nothing to add; `ours` is what MISP has, `None` where it does not show the attribute."""
        if ours is None:
            self._gone(one)
            return True
        if (one.kind, one.day) in ours:
            self.done.known += 1
            self._note(one, schema.TOLD)
            return True
        return False

    def _add(self, client: SightingsClient, one: Told) -> MispError | None:
        try:
            client.add(one.attribute, one.kind, one.seen, one.detail if self.detail else "")
        except EventNotFound:
            self._gone(one)
        except MispError as error:
            # It may be this attribute alone.
            self._put_off(one)
            return error
        else:
            self.done.told += 1
            self._note(one, schema.TOLD)
        return None

    def _gone(self, one: Told) -> None:
        self.done.gone += 1
        self._note(one, schema.GONE)

    def _put_off(self, *those: Told) -> None:
        """The next run tries them last."""
        for one in those:
            self._note(one, schema.WAITS)

    def _note(self, one: Told, state: int) -> None:
        self.ledger.write(lambda connection: sightings.note(connection, one, state))
