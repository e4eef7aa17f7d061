"""What the end of a hold means for a value that nothing vouches for."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, update

from misp_modules_ext.cli import release
from misp_modules_ext.delivery.acting import Acted
from misp_modules_ext.ledger import Ledger, Origin, holds, register, schema, take
from misp_modules_ext.ledger.holds import Hold
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.outcome import State
from tests.support.build import attribute, destination, event

VALUE = Observable(Kind.DOMAIN_NAME, "c2.evil-domain.com")
NUMBER = observable_id(VALUE)


@pytest.mark.parametrize("there", [True, False])
def test_only_what_was_there_leaves(tmp_path: Path, there: bool) -> None:
    """What was gone long before is not withdrawn by its release."""
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")

    def work(connection: Connection) -> tuple[dict[int, dict[int, Hold]], list[release._Moves]]:
        stores = register(connection, [(destination(), lambda _: None)])
        take(connection, [event(attribute("domain", VALUE.value))], Origin.REQUEST, stores, "")
        connection.execute(update(schema.evidence).values(vouches=0))
        digest = schema.holding.c.due_hash if there else None
        values = {"state": schema.ON_HOLD, "sent_hash": digest, "due_hash": digest, "created_ms": 1, "modified_ms": 1}
        connection.execute(update(schema.holding).values(**values))
        holds.put(connection, {NUMBER: Hold("me", "why")}, schema.EVERYWHERE)
        return release._end(connection, list(stores), {NUMBER}, "", everywhere=True)

    ended, (moves,) = ledger.write(work)
    expected = {NUMBER} if there else set()
    assert (moves.told, moves.leaving) == (expected, expected)
    silent = Acted("microsoft", "Microsoft Sentinel", "sentinel", State.OK, "", {})
    told = release._notes({NUMBER: VALUE}, ended, [silent])
    assert told[-1] == "Nothing asks for domain-name c2.evil-domain.com at these destinations any more."
