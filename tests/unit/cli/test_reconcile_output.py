"""What `reconcile` prints, and with which code it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from misp_modules_ext.cli.reconcile import _exit_code, _lines
from misp_modules_ext.delivery.drain import Place
from misp_modules_ext.delivery.drift import Comparison, Drift, Finding
from misp_modules_ext.destinations import create
from misp_modules_ext.ledger import Ledger, register
from tests.support.build import destination


def _comparison(tmp_path: Path, *actions: str) -> Comparison:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    (store,) = ledger.write(lambda connection: register(connection, [(destination(), lambda _: None)]))
    findings = [Finding(Drift.UNKNOWN, None, "a name", "It differs.", action=action) for action in actions]
    return Comparison(Place(ledger, store, create(store.settings), "me"), listed=True, findings=findings)


@pytest.mark.parametrize(
    ("actions", "code"),
    [
        (("sent", "on hold"), 0),
        (("sent", "rejected: No."), 1),
        (("rejected: No.", ""), 3),
        (("rejected: No.", "pending: Slow down."), 3),
    ],
)
def test_a_rejected_repair_ends_with_1_and_what_is_left_with_3(
    tmp_path: Path, actions: tuple[str, ...], code: int
) -> None:
    """As everywhere: pending counts before rejected."""
    assert _exit_code([_comparison(tmp_path, *actions)]) == code


@pytest.mark.parametrize(("actions", "words"), [((), "nothing to compare"), (("",), "nothing else")])
def test_the_head_agrees_with_the_findings(tmp_path: Path, actions: tuple[str, ...], words: str) -> None:
    """There was something to compare when differences follow."""
    assert next(_lines(_comparison(tmp_path, *actions))).endswith(f": {words}")
