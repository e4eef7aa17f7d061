"""The demonstration shows what the service keeps after its answer, and says so when that never comes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from pydantic import SecretStr

from misp_modules_ext.config.settings import LedgerSettings, Settings
from misp_modules_ext.demo import run
from misp_modules_ext.errors import LedgerError
from misp_modules_ext.ledger import Ledger, open_ledger, schema, submissions
from misp_modules_ext.model.account import Account
from misp_modules_ext.report import to_json
from tests.support.build import destination

ACCOUNT = Account("0e0e0e0e-0000-4000-8000-000000000000", "export", 1_790_000_000, 1_790_000_001)


def _begun(folder: Path) -> tuple[Settings, Ledger]:
    url = f"sqlite:///{folder / 'ledger.db'}"
    settings = Settings(
        path=folder / "rh-isac.conf", destinations=(destination(),), ledger=LedgerSettings(url=SecretStr(url))
    )
    ledger = open_ledger(url)
    ledger.write(lambda connection: submissions.begin(connection, ACCOUNT.submission, "export"))
    return settings, ledger


def test_it_waits_until_the_account_is_kept(tmp_path: Path) -> None:
    """MISP has its answer before that."""
    settings, ledger = _begun(tmp_path)
    document = submissions.compressed([to_json(ACCOUNT)])
    later = threading.Timer(
        0.3, lambda: ledger.write(lambda connection: submissions.finish(connection, ACCOUNT.submission, document))
    )
    later.start()
    found = run._account_of_the_last(settings)
    later.join()
    assert found.submission == ACCOUNT.submission


def test_an_account_that_never_comes_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do."""
    settings, _ = _begun(tmp_path)
    monkeypatch.setattr(run, "_PATIENCE", 0.2)
    with pytest.raises(LedgerError, match=r"kept no account of submission .*What to do: Run"):
        run._account_of_the_last(settings)


def test_a_service_that_takes_nothing_is_a_sentence(tmp_path: Path) -> None:
    """Its report says why."""
    settings, ledger = _begun(tmp_path)
    ledger.write(lambda connection: connection.execute(schema.submission.delete()))
    with pytest.raises(LedgerError, match=r"took nothing.*What to do: Read in the report"):
        run._account_of_the_last(settings)
