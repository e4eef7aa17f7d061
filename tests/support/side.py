"""One of several Microsofts that one MISP's events go to, with a ledger at any address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from misp_modules_ext.emulator import Emulator
from misp_modules_ext.ledger import Ledger
from tests.support.keys import misp_key
from tests.support.world import World

KEY = misp_key()
BOTH = ("microsoft", "microsoft defender")


@dataclass(frozen=True)
class Side(World):
    """As `World`, with the ledger at any address."""

    address: str

    @property
    def ledger(self) -> str:
        """The address of the ledger."""
        return self.address

    def there(self) -> list[str]:
        """The values at Defender; Sentinel has the same."""
        values = self.defender()
        assert self.patterns() == [f"[domain-name:value = '{value}']" for value in values]
        return values


def source(folder: Path) -> str:
    """As what a side's indicators are sent."""
    return f"Test {folder.name}"


@contextmanager
def side(folder: Path, address: str, url: str) -> Iterator[Side]:
    """A configuration that reads one MISP as its own and as RH-ISAC's; nothing holds withdrawals back."""
    folder.mkdir()
    Ledger(address).close()
    with Emulator(state=folder / "emulator", rates=False) as emulator:
        made = Side(emulator, folder / "rh-isac.conf", address)
        keys = {"url": url, "key": KEY}
        # Two ledgers must not send to one store.
        own = {"maxWithdraw": "100000", "sourceSystem": source(folder)}
        made.configure(only=BOTH, wipe=False, misp=keys, more={"RH-ISAC MISP": keys}, **own)
        yield made
