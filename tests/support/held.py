"""What a ledger holds of an event, for comparing one ledger with another: without times and numbers of its own."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from misp_modules_ext.ledger import Ledger, schema
from misp_modules_ext.ledger.documents import read_header

_HOLDING = ("state", "due_hash", "sent_hash", "flight_hash", "generation", "valid_until", "grade", "reason")


def held(ledger: Ledger, uuid: str, of: str, misp: str = "") -> dict[str, Any]:
    """The event's row and evidence, and the rows of all destinations for some values.

    Args:
        ledger: the ledger.
        uuid: the event's.
        of: a pattern of LIKE that its values match.
        misp: as in `Event.misp`.
    """
    return ledger.write(lambda connection: _look(connection, uuid, of, misp))


def _look(connection: Connection, uuid: str, of: str, misp: str) -> dict[str, Any]:
    header, evidence, event, holding = schema.header, schema.evidence, schema.event, schema.holding
    row = connection.execute(select(event).where(event.c.uuid == uuid, event.c.misp == misp)).one()
    documents = {
        h: read_header(uuid, bytes(d), "")
        for h, d in connection.execute(
            select(header.c.header_id, header.c.document).where(header.c.event_id == row.event_id)
        )
    }
    found = connection.execute(select(evidence).where(evidence.c.event_id == row.event_id))
    said = {
        (e.observable_id, bytes(e.attribute)): (
            documents[e.header_id],
            e.timestamp,
            e.origins,
            e.vouches,
            bytes(e.document),
        )
        for e in found
    }
    mine = select(schema.observable.c.observable_id).where(schema.observable.c.value.like(of))
    holdings = select(holding).where(holding.c.observable_id.in_(mine))
    rows = {
        (h.destination_id, h.observable_id): tuple(getattr(h, name) for name in _HOLDING)
        for h in connection.execute(holdings)
    }
    farewells = connection.execute(select(schema.farewell).where(schema.farewell.c.observable_id.in_(mine))).all()
    return {
        "event": (row.timestamp, row.own_timestamp, row.unpublished_since_ms is None, row.read_message),
        "evidence": said,
        "holdings": rows,
        "farewells": {(f.destination_id, f.observable_id): bytes(f.document) for f in farewells},
    }
