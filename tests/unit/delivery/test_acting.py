"""What a person asks for waits for another process that sends just now."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import update

from misp_modules_ext.config.settings import LedgerSettings, Selection, Settings
from misp_modules_ext.delivery import acting
from misp_modules_ext.delivery.drain import BUSY, Drained
from misp_modules_ext.ledger import Origin, schema, take
from misp_modules_ext.ledger.flight import CAP_LIFTED
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.outcome import Reason
from tests.support.build import attribute, destination, event

HERE = destination(selection=Selection(allow_documentation_ranges=True))
VALUE = Observable(Kind.DOMAIN_NAME, "a.example")


@pytest.mark.parametrize(("reason", "looks"), [(CAP_LIFTED, 3), (None, 3), (Reason.THROTTLED.code, 1)])
def test_what_was_not_tried_waits_for_another_sender(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str | None, looks: int
) -> None:
    """A row whose cap was lifted has not been tried; one with a reason has."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    kept = LedgerSettings(url=SecretStr(f"sqlite:///{tmp_path / 'ledger.db'}"))
    settings = Settings(path=tmp_path / "rh-isac.conf", destinations=(HERE,), ledger=kept)
    (place,) = acting.places(settings, ())
    known = event(attribute("domain", VALUE.value))
    place.ledger.write(lambda c: take(c, [known], Origin.REQUEST, [place.store], ""))
    row = update(schema.holding).values(state=schema.DUE, due_hash=None, sent_hash=b"s" * 32, reason=reason)
    place.ledger.write(lambda c: c.execute(row))
    answers = [BUSY, BUSY, Drained()]
    seen: list[Drained] = []

    def drain(*_: object, **__: object) -> Drained:
        seen.append(answers[len(seen)])
        return seen[-1]

    monkeypatch.setattr(acting, "drain", drain)
    monkeypatch.setattr(acting, "LOOK", 0.0)
    number = observable_id(VALUE)
    acting.carry_out(place, {number}, {number})
    assert len(seen) == looks
