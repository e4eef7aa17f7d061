"""A ledger with destinations whose answers a test decides: what views change, row by row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, update

from misp_modules_ext.config.settings import DestinationSettings, Selection
from misp_modules_ext.ledger import (
    Ledger,
    Origin,
    Store,
    Taken,
    event_missing,
    flight,
    holdings,
    lease,
    let_go,
    register,
    schema,
)
from misp_modules_ext.ledger import take as take_views
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.model.indicator import Action, Indicator, Kind, Observable
from misp_modules_ext.model.misp import Event, Tlp
from misp_modules_ext.model.outcome import Reason
from tests.support.build import destination

WIDE = destination(name="microsoft", selection=Selection(allow_documentation_ranges=True))
NARROW = destination(
    name="microsoft narrow",
    workspace_id="44444444-4444-4444-8444-444444444444",
    selection=Selection(allow_documentation_ranges=True, max_tlp=Tlp.GREEN),
)


def domain(value: str) -> Observable:
    """A domain name."""
    return Observable(Kind.DOMAIN_NAME, value)


def _refuses(indicator: Indicator) -> tuple[Reason, str] | None:
    if indicator.observable.kind is Kind.FILE_NAME:
        return Reason.KIND_NOT_HELD, "no place for file names"
    # As Defender has it.
    refused = indicator.observable.kind is Kind.X509_SHA1 and indicator.action is Action.AUDIT
    return (Reason.KIND_NOT_HELD, "certificates are not audited") if refused else None


@dataclass
class House:
    """The ledger with its destinations."""

    ledger: Ledger
    settings: Sequence[DestinationSettings] = (WIDE, NARROW)

    def stores(self, connection: Connection) -> list[Store]:
        """The destinations in the ledger."""
        return register(connection, [(settings, _refuses) for settings in self.settings])

    def take(self, *events: Event, own: bool = False) -> Taken:
        """Take views; `own` ones are complete unless they say otherwise."""
        origin = Origin.OWN_READING if own else Origin.REQUEST
        return self.ledger.write(lambda c: take_views(c, events, origin, self.stores(c), "https://misp.example"))

    def read(self, event: Event) -> Taken:
        """Our own complete reading of an event."""
        return self.take(replace(event, complete=True), own=True)

    def missing(self, uuid: str) -> bool:
        """Our own reading does not find an event."""
        gone = self.ledger.write(lambda c: event_missing(c, uuid, "", self.stores(c)))
        self.let_go(uuid, gone or ())
        return gone is not None

    def let_go(self, uuid: str, numbers: Sequence[int]) -> None:
        """It vouches for these no more."""
        self.ledger.write(lambda c: let_go(c, uuid, "", self.stores(c), "https://misp.example", numbers))

    def row(self, observable: Observable, store: int = 0) -> holdings.Holding | None:
        """A row at the first or another destination."""
        number = observable_id(observable)

        def look(connection: Connection) -> holdings.Holding | None:
            return holdings.read(connection, self.stores(connection)[store], [number]).get(number)

        return self.ledger.write(look)

    def send(self, store: int = 0, *, only: Callable[[flight.DueRow], bool] = lambda _: True) -> list[flight.DueRow]:
        """Send what is due, and have it accepted."""

        def work(connection: Connection) -> list[flight.DueRow]:
            place = self.stores(connection)[store]
            rows = [row for row in flight.due_rows(connection, place, now_ms(connection), 1000) if only(row)]
            held = lease.acquire(connection, place.destination_id, "test")
            assert held is not None
            for leaving in (True, False):
                part = [row for row in rows if (row.due_hash is None) is leaving]
                wanted = {row.observable_id: row.due_hash or holdings.WITHDRAWING for row in part}
                begun = flight.begin(connection, place, held, wanted, live=0)
                answers = [flight.Answer(row.observable_id, accepted=True) for row in begun]
                flight.record(connection, place, held, answers, withdrawn=leaving)
            lease.release(connection, held)
            return rows

        return self.ledger.write(work)

    def holds(self, store: int = 0) -> set[str]:
        """The values that a destination holds."""

        def look(connection: Connection) -> set[str]:
            here = schema.holding.c.destination_id == self.stores(connection)[store].destination_id
            joined = schema.holding.join(
                schema.observable, schema.observable.c.observable_id == schema.holding.c.observable_id
            )
            wanted = joined.select().where(here, schema.holding.c.sent_hash.is_not(None))
            return {row.value for row in connection.execute(wanted)}

        return self.ledger.write(look)

    def pass_time(self, seconds: int) -> None:
        """Let the event have been seen unpublished, or missing, so much earlier."""
        columns = schema.event.c
        earlier = {
            column: column - seconds * 1000 for column in (columns.unpublished_since_ms, columns.missing_since_ms)
        }
        self.ledger.write(lambda connection: connection.execute(update(schema.event).values(earlier)))
