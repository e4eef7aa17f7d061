"""An emulated Microsoft with a configuration that points to it: what integration and acceptance tests stand on."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from misp_modules_ext.emulator import Emulator
from misp_modules_ext.ledger.schema import metadata
from tests.support.secrecy import register

TENANT = "11111111-1111-4111-8111-111111111111"
WORKSPACE = "33333333-3333-4333-8333-333333333333"
#: Where the emulator's resource manager has the workspace: its name there is its id.
PLACE = {
    "subscriptionId": "44444444-4444-4444-8444-444444444444",
    "resourceGroup": "soc",
    "workspaceName": WORKSPACE,
}
SECRET = "world-secret"
#: Keys of a configuration whose values are secrets.
SECRET_KEYS = frozenset({"key", "appSecret", "certificatePassword"})

PRODUCTS: Mapping[str, Mapping[str, str]] = {
    "microsoft": {"product": "Microsoft Sentinel", "workspaceId": WORKSPACE},
    "microsoft defender": {"product": "Microsoft Defender"},
    "microsoft graph": {"product": "Azure Sentinel", "api": "graph"},
}


@dataclass(frozen=True)
class World:
    """An emulator, and where the configuration for it stands."""

    emulator: Emulator
    config: Path

    @property
    def ledger(self) -> str:
        """The address of the ledger, which is beside the configuration."""
        return f"sqlite:///{self._file}"

    @property
    def _file(self) -> Path:
        return self.config.with_name("ledger.db")

    def _wipe(self) -> None:
        """Empty all tables but the one with the ledger's identity."""
        if not self._file.exists():
            return
        with closing(sqlite3.connect(self._file, timeout=30)) as connection, connection:
            there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            for name in sorted(there & metadata.tables.keys() - {"meta"}):
                connection.execute(f"DELETE FROM {name}")

    def configure(
        self,
        selection: Mapping[str, str] | None = None,
        only: tuple[str, ...] = tuple(PRODUCTS),
        wipe: bool = True,
        misp: Mapping[str, str] | None = None,
        more: Mapping[str, Mapping[str, str]] | None = None,
        **every: str,
    ) -> Path:
        """Write the configuration: `every` goes into each destination, `selection` into [selection].

        Args:
            selection: keys of [selection].
            only: the destinations.
            wipe: empty the ledger, as if nothing had ever been sent.
            misp: keys of [misp].
            more: further sections.
            every: keys of every destination.
        """
        if wipe:
            self._wipe()
        common = {
            "tenantId": TENANT,
            # Another application for each test: tokens and request rates are remembered by application.
            "appId": str(uuid.uuid4()),
            "appSecret": register(SECRET, "the secret of the application"),
            "endpoint.login": self.emulator.url,
            "endpoint.api": self.emulator.url,
            "ca": str(self.emulator.ca),
        }
        sections: dict[str, Mapping[str, str]] = {
            "misp": {"url": "https://misp.example"} | dict(misp or {}),
            "selection": {"allowDocumentationRanges": "true"} | dict(selection or {}),
            "ledger": {"url": self.ledger},
        }
        sections |= dict(more or {})
        for keys in (*sections.values(), every):
            for name in SECRET_KEYS & keys.keys():
                register(keys[name], f"the key {name} of a configuration")
        sections |= {name: common | dict(PRODUCTS[name]) | every for name in only}
        lines: list[str] = []
        for name, keys in sections.items():
            lines += [f"[{name}]", *(f"{key} = {value}" for key, value in keys.items()), ""]
        # A new file in its place, as an editor writes it: the service notices a change by that.
        fresh = self.config.with_suffix(".new")
        fresh.write_text("\n".join(lines), encoding="utf-8")
        fresh.chmod(0o600)
        fresh.replace(self.config)
        return self.config

    def patterns(self) -> list[str]:
        """Patterns of the indicators in Sentinel that are not revoked."""
        held = self.emulator.state()["sentinel"].get(WORKSPACE, {})
        return sorted(o["pattern"] for o in held.values() if not o.get("revoked"))

    def defender(self) -> list[str]:
        """Values of the indicators in Defender."""
        return sorted(entity["indicatorValue"] for entity in self.emulator.state()["defender"].get(TENANT, []))

    def graph(self) -> list[dict[str, Any]]:
        """The tiIndicators in Graph."""
        held: list[dict[str, Any]] = self.emulator.state()["graph"].get(TENANT, [])
        return held

    def uploads(self) -> list[dict[str, Any]]:
        """The requests that carried indicators, oldest first."""
        return [r for r in self.emulator.requests() if r["method"] == "POST" and r["api"] != "login"]


@dataclass(frozen=True)
class Elsewhere(World):
    """A world whose ledger is in another database."""

    url: str = ""

    @property
    def ledger(self) -> str:
        """The address of that database."""
        return self.url
