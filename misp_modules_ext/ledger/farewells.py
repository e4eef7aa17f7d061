"""What is said of an indicator when it is withdrawn: what its destination holds, and nothing that it does not.

Sentinel takes a withdrawal as a whole object. By then the evidence may say what is not for this destination: a stricter
marking, another comment, another organisation's event. So the content is kept when its evidence goes, and whatever is
to be sent must have the digest of what was sent; failing that, no more than the value is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, delete

from misp_modules_ext.ledger import schema
from misp_modules_ext.ledger.bulk import chunks, rows_by, upsert
from misp_modules_ext.ledger.content import Stored
from misp_modules_ext.ledger.documents import read_indicator, write_indicator
from misp_modules_ext.ledger.holdings import Holding, names
from misp_modules_ext.ledger.placing import as_held
from misp_modules_ext.ledger.stores import Store
from misp_modules_ext.model.indicator import Action, Indicator, Kind, Observable, Severity
from misp_modules_ext.model.misp import Tlp

_TABLE = schema.farewell
_KEY = ("destination_id", "observable_id")


def keep(connection: Connection, store: Store, indicators: Mapping[int, Indicator]) -> None:
    """Keep what a destination holds of some observables, until it is withdrawn there."""
    rows = [(store.destination_id, number, write_indicator(indicators[number])) for number in sorted(indicators)]
    upsert(connection, _TABLE, [*_KEY, "document"], _KEY, rows)


def forget(connection: Connection, store: Store, numbers: Collection[int]) -> None:
    """They are withdrawn."""
    here = _TABLE.c.destination_id == store.destination_id
    for chunk in chunks(sorted(numbers)):
        connection.execute(delete(_TABLE).where(here, _TABLE.c.observable_id.in_(chunk)))


def farewells(connection: Connection, store: Store, rows: Mapping[int, Holding], base_url: str) -> dict[int, Indicator]:
    """What to say of observables that leave a destination.

    Args:
        connection: in a transaction.
        store: the destination.
        rows: their rows there, by observable id.
        base_url: address of MISP for links.
    """
    if not rows:
        return {}
    here = _TABLE.c.destination_id == store.destination_id
    found = rows_by(connection, _TABLE.c.observable_id, sorted(rows), _TABLE.c.document, where=here)
    kept = {number: read_indicator(bytes(document)) for number, document in found}
    said = Stored(connection, rows.keys() - kept.keys(), base_url).content(store)
    named = names(rows, connection)
    result = {}
    for number, row in rows.items():
        indicator = kept.get(number)
        if indicator is None and number in said:
            indicator = as_held(said[number].indicator, row, store.rules)
        if indicator is None or indicator.content_hash() != row.sent_hash:
            indicator = _bare(Observable(Kind(named[number][0]), named[number][1]), row)
        result[number] = indicator
    return result


def _bare(observable: Observable, row: Holding) -> Indicator:
    start = (row.created_ms or 0) // 1000
    return Indicator(
        observable=observable,
        title=observable.value,
        severity=Severity.INFORMATIONAL,
        confidence=0,
        threat_type="WatchList",
        action=Action.AUDIT,
        # The value alone was there before, so this marking gives nothing away; it is what unmarked data counts as.
        tlp=Tlp.AMBER,
        labels=(),
        facts=(),
        references=(),
        valid_from=start,
        valid_until=max(row.valid_until or 0, start + 1),
    )
