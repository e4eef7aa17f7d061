"""A ledger that cannot be used: every door says so in MISP's form, and nothing is taken."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from misp_modules_ext.doors import action, export
from tests.support.recordings import recording

CONFIGURATION = """\
[selection]
published = no
[ledger]
url = sqlite:///{ledger}
[microsoft]
product = Microsoft Sentinel
tenantId = 11111111-1111-4111-8111-111111111111
appId = 22222222-2222-4222-8222-222222222222
appSecret = not-a-secret
workspaceId = 33333333-3333-4333-8333-333333333333
"""


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the configuration says that the ledger is."""
    path = tmp_path / "kept" / "ledger.db"
    config = tmp_path / "rh-isac.conf"
    config.write_text(CONFIGURATION.format(ledger=path))
    config.chmod(0o600)
    monkeypatch.setenv("RH_ISAC_CONF", str(config))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path.parent.mkdir()
    return path


def _folder(path: Path) -> None:
    path.mkdir()


def _garbage(path: Path) -> None:
    path.write_bytes(b"this is no database but it is long enough " * 100)


def _no_folder(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text("a file where the folder should be")


@pytest.mark.parametrize("spoil", [_folder, _garbage, _no_folder])
def test_every_door_says_what_to_do(ledger: Path, spoil: Callable[[Path], None]) -> None:
    """The export with a page, the actions with an error that is one string; the address of the ledger is in both."""
    spoil(ledger)
    request = json.dumps(recording("export_event_require_standard_format")).encode()
    page = base64.b64decode(export.handle(request)["data"]).decode()
    assert "The ledger cannot be used" in page
    assert "ledger.db" in page
    body = json.dumps(_action()).encode()
    for handle in (action.handle, action.handle_or_stop):
        (error,) = handle(body).values()
        assert isinstance(error, str)
        assert "ledger.db" in error
        assert any(word in error for word in ("Give the service's user", "restore it"))


def _action() -> dict[str, Any]:
    body = recording("action_event_publish_plain")
    return {**body, "params": {}}
