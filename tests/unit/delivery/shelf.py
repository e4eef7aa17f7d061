"""A real ledger in a file and one destination in memory: draining without a socket."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, update

from misp_modules_ext.config.settings import DestinationSettings, Selection
from misp_modules_ext.delivery.drain import Drained, Place, drain
from misp_modules_ext.delivery.sender import Policy
from misp_modules_ext.destinations.interface import ItemResult
from misp_modules_ext.ledger import Ledger, Origin, Store, Taken, holdings, lease, register, schema, take
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.model.indicator import Due, Kind, Observable
from misp_modules_ext.model.misp import Attribute
from tests.support.build import attribute, destination, event
from tests.support.memory import MemoryDestination

#: One attempt, so that what fails has failed.
ONCE = Policy(attempts=1, first_wait=0.0, longest_wait=5.0)
SETTINGS = destination(selection=Selection(allow_documentation_ranges=True))


def domain(number: int) -> Observable:
    """`hostN.example`."""
    return Observable(Kind.DOMAIN_NAME, f"host{number}.example")


def nothing(_: int) -> None:
    """Happens before a request, unless a test plans something."""


class Shelved(MemoryDestination):
    """Withdrawals can fail as well, and are counted."""

    def __init__(self, before: Callable[[int], None], **fields: Any) -> None:
        super().__init__(before=before, **fields)
        self.withdrawals: list[int] = []
        self._before_withdrawing = before

    def withdraw(self, batch: Sequence[Due], timeout: float) -> list[ItemResult]:
        """Forget."""
        self.withdrawals.append(len(batch))
        self._before_withdrawing(len(self.withdrawals))
        return super().withdraw(batch, timeout)


@dataclass
class Shelf:
    """The ledger, the destination, and a MISP event that grows.

    Attributes:
        start: when the attributes were made, seconds since 1970 UTC.
        moment: when the event was changed last.
        before: called before each request with its number; may raise.
        traits: of the destination, see `MemoryDestination`.
    """

    ledger: Ledger
    settings: DestinationSettings = SETTINGS
    before: Callable[[int], None] = nothing
    start: int = field(default_factory=lambda: int(time.time()) - 3600)
    moment: int = 0
    traits: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the destination."""
        self.moment = self.moment or self.start
        self.destination = Shelved(self._before, settings=self.settings, **{"size": 2, **self.traits})

    def _before(self, number: int) -> None:
        """What a test plans may change between two requests."""
        self.before(number)

    def attributes(self, *numbers: int, **fields: object) -> list[Attribute]:
        """Attributes `hostN.example` that may go; an edit has a later `timestamp`, such as `moment`."""
        return [attribute("domain", domain(n).value, **{"timestamp": self.start, **fields}) for n in numbers]

    def take(self, *attributes: Attribute, own: bool = False) -> Taken:
        """A later view of the event: a request, or our own complete reading."""
        self.moment += 1
        view = replace(event(*attributes), timestamp=self.moment, complete=own)
        origin = Origin.OWN_READING if own else Origin.REQUEST
        return self.ledger.write(lambda connection: take(connection, [view], origin, [self.store(connection)], ""))

    def store(self, connection: Connection) -> Store:
        """The destination in the ledger."""
        (store,) = register(connection, [(self.settings, self.destination.refuses)])
        return store

    def place(self, holder: str = "test", **fields: object) -> Place:
        """The destination with what draining needs."""
        store = self.ledger.write(self.store)
        made = Place(self.ledger, store, self.destination, holder, policy=ONCE)
        return made._replace(**fields)  # type: ignore[arg-type]

    def drain(self, *, patient: bool = True) -> Drained:
        """Send what is due."""
        return drain(self.place(), patient=patient)

    def row(self, number: int) -> holdings.Holding:
        """The row of `hostN.example`."""
        wanted = observable_id(domain(number))
        return self.ledger.write(lambda connection: holdings.read(connection, self.store(connection), [wanted]))[wanted]

    def states(self, *numbers: int) -> list[int]:
        """The states of some rows."""
        return [self.row(n).state for n in numbers]

    def pause(self) -> lease.Pause | None:
        """The pause that is on."""
        return self.ledger.write(lambda c: lease.paused(c, self.store(c).destination_id))

    def change(self, number: int, **values: object) -> None:
        """Put something else into a row, as time or another process would."""
        wanted = schema.holding.c.observable_id == observable_id(domain(number))
        self.ledger.write(lambda connection: connection.execute(update(schema.holding).where(wanted).values(**values)))

    def end_pause(self) -> None:
        """Let the pause be over; how many failures there were stays known."""
        self.ledger.write(lambda connection: connection.execute(update(schema.destination).values(paused_until_ms=1)))

    def fail_with(self, error: Exception) -> None:
        """Let every request fail from now on."""

        def before(_: int) -> None:
            raise error

        self.before = before

    def under(self, **changed: object) -> Shelf:
        """The same ledger and destination under a changed configuration."""
        made = replace(self, settings=self.settings.model_copy(update=changed))
        made.destination.held |= self.destination.held
        return made


def shelf_in(folder: Path, **traits: object) -> Shelf:
    """An empty one; `traits` as in `MemoryDestination`."""
    return Shelf(Ledger(f"sqlite:///{folder / 'ledger.db'}"), traits=traits)
