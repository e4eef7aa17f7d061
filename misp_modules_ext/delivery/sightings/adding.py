"""Telling each MISP what is noted for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from misp_modules_ext.config.settings import MispSettings
from misp_modules_ext.delivery.sightings.account import Done
from misp_modules_ext.delivery.sightings.asking import goes_on
from misp_modules_ext.errors import EventNotFound, MispError, MispRefused
from misp_modules_ext.ledger import Ledger, schema, sightings, syncs
from misp_modules_ext.ledger.sightings import Told
from misp_modules_ext.misp.adding import SightingsClient

#: Attributes that MISP is asked about at once.
PORTION = 100
#: A MISP is told no more in this run when it refuses so many in a row.
MOST_REFUSED = 3


@dataclass(slots=True)
class Telling:
    """Tells MISP, and notes what became of it.

    Attributes:
        detail: whether it is told where and how often, too.
    """

    ledger: Ledger
    detail: bool
    done: Done

    def go(self, misps: Mapping[str, MispSettings], most: int, turn: syncs.Turn) -> None:
        """Tell each MISP what waits for it.

        Raises:
            LedgerError: another run has the turn.
        """
        waiting = self.ledger.read(lambda connection: sightings.waiting(connection, list(misps), most))
        for name in dict.fromkeys(one.misp for one in waiting):
            client = SightingsClient(misps[name])
            mine = [one for one in waiting if one.misp == name]
            try:
                for start in range(0, len(mine), PORTION):
                    goes_on(self.ledger, turn)
                    self._some(client, mine[start : start + PORTION])
            except MispError as error:
                self.done.failures.append(str(error))
                self.done.refused |= isinstance(error, MispRefused)
                self.done.unreachable |= not isinstance(error, MispRefused)

    def _some(self, client: SightingsClient, portion: Sequence[Told]) -> None:
        """Tell a MISP some; it is asked first what it has, since an earlier run may not have heard its answer.

        Raises:
            MispRefused: MISP does not let us, several times in a row or at the end.
            MispError: MISP cannot be asked.
        """
        there = client.ours(sorted({one.attribute for one in portion}))
        refused: list[MispRefused] = []
        for one in portion:
            ours = there.get(one.attribute)
            if ours is None:
                self.done.gone += 1
                self._note(one, schema.GONE)
            elif (one.kind, one.day) in ours:
                self.done.known += 1
                self._note(one, schema.TOLD)
            elif self._added(client, one, refused.append):
                refused.clear()
            if len(refused) == MOST_REFUSED:
                break
        if refused:
            raise refused[-1]

    def _added(self, client: SightingsClient, one: Told, refuse: Callable[[MispRefused], object]) -> bool:
        """Add a sighting; whether MISP took, or could have taken, it."""
        try:
            client.add(one.attribute, one.kind, one.seen, one.detail if self.detail else "")
        except EventNotFound:
            self.done.gone += 1
            self._note(one, schema.GONE)
            return True
        except MispRefused as error:
            # Tried last next time: it may be this attribute alone.
            self._note(one, schema.WAITS)
            refuse(error)
            return False
        self.done.told += 1
        self._note(one, schema.TOLD)
        return True

    def _note(self, one: Told, state: int) -> None:
        self.ledger.write(lambda connection: sightings.note(connection, one, state))
