"""Which ledger a store belongs to, as far as this machine knows.

Two ledgers that send to one store undo each other's work, and neither knows what the other has sent. Microsoft offers
no place to write the owner down, so a small file in the state directory does, beside where the ledger is by default.
What other machines have sent shows when Microsoft's list is read (`reconcile`).
"""

from __future__ import annotations

import os
from pathlib import Path

import orjson

from misp_modules_ext.config import places
from misp_modules_ext.config.settings import DestinationSettings, Settings
from misp_modules_ext.errors import TO_DO, LedgerError
from misp_modules_ext.ledger.ledger import Ledger
from misp_modules_ext.ledger.stores import key_of


def mark(
    settings: Settings,
    destination: DestinationSettings,
    ledger: Ledger,
    *,
    adopt: bool = False,
    keep: bool = True,
) -> None:
    """Mark a store as this ledger's.

    Args:
        settings: the configuration, whose place says where marks are.
        destination: the store.
        ledger: the ledger.
        adopt: take it over from another one.
        keep: write the mark; without it only look whether it is another ledger's.

    Raises:
        LedgerError: it is another ledger's.
    """
    file = Path(places.state(settings.path, os.environ)) / "stores" / f"{key_of(destination).hex()}.json"
    found = _read(file)
    if found.get("ledger") == ledger.identity:
        return
    if found and not adopt:
        raise LedgerError(
            f"The store of [{destination.name}] belongs to another ledger ({found.get('where')}), and two would undo "
            f"each other's work. Nothing was taken.{TO_DO}Name that one with [ledger] url, or take the store over with "
            f"`misp-microsoft reconcile --adopt --destination '{destination.name}'`."
        )
    if keep:
        _write(file, {"ledger": ledger.identity, "where": ledger.where, "destination": destination.name})


def _read(file: Path) -> dict[str, str]:
    try:
        found = orjson.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(file: Path, content: dict[str, str]) -> None:
    """Put a new file in its place; a state directory that cannot be written keeps no marks, and harms nothing."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = file.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(orjson.dumps(content))
        fresh.replace(file)
    except OSError:
        return
