"""What `check` prints and finds."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from misp_modules_ext.cli import check
from misp_modules_ext.config.settings import ActionRules, LedgerSettings, Settings
from misp_modules_ext.destinations.interface import Finding
from misp_modules_ext.errors import LedgerError
from misp_modules_ext.ledger import Ledger, open_ledger
from misp_modules_ext.ledger.marks import mark
from tests.support.build import destination


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_finding_is_one_line_in_a_pipe(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    """As long as it is, and without what the encoding lacks."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", out)
    settings = Settings(path=Path("/etc/☃/rh-isac.conf"), warnings=("note " * 40,))
    finding = Finding("token", False, "answer ☃ " * 30, "remedy " * 30)
    check._print_list(settings, (destination(),), {"microsoft": [finding]}, [], ["host.example"] * 20)
    out.flush()
    assert isinstance(out.buffer, io.BytesIO)
    lines = out.buffer.getvalue().decode(encoding).splitlines()
    assert [line.split()[0] for line in lines] == [
        "Configuration:",
        "note:",
        "[microsoft]",
        "1.",
        "What",
        "This",
        "Hosts",
    ]


def test_a_store_of_another_ledger_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every push to it is refused, so not all is well; looking marks nothing."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    settings = Settings(path=tmp_path / "x.conf", destinations=(destination(),), ledger=LedgerSettings(url=url))
    assert [c.code for c in check._ledger(settings, settings.destinations)] == [0, 0]
    other = Ledger(f"sqlite:///{tmp_path / 'other.db'}")
    mark(settings, destination(), other)
    found = check._ledger(settings, settings.destinations)
    assert [c.code for c in found] == [0, 2, 0]
    assert "belongs to another ledger" in found[1].answer
    with pytest.raises(LedgerError):
        mark(settings, destination(), open_ledger(url))


def test_destinations_that_may_do_more_than_alert_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that nobody switches that on unnoticed."""
    rules = ActionRules(
        block_tags=frozenset({"a", "b"}), block_orgs=frozenset({"org"}), never_block=frozenset({"example.org"})
    )
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    settings = Settings(path=tmp_path / "x.conf")
    (found,) = check._acting(settings, (destination(), destination(name="microsoft two", actions=rules)))
    assert found.remedy.startswith("Until there is an index nothing blocks.")
    assert found.answer == (
        "[microsoft two] may do more than alert: Audit without a tag, Block by 2 tags; for events of 1 organisation; "
        "in neverBlock 1."
    )
