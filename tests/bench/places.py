"""Three destinations with a place for everything: workspaces of Sentinel at an emulator, or at an address of nobody."""

from __future__ import annotations

import uuid
from pathlib import Path

from sqlalchemy import Connection, update

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations import create
from misp_modules_ext.emulator import Emulator
from misp_modules_ext.ledger import Ledger, Origin, Store, Taken, register, schema, submissions, take
from misp_modules_ext.model.misp import Event
from tests.support.build import destination

NAMES = ("microsoft", "microsoft second", "microsoft third")
MISP = "https://misp.example"


def destinations() -> list[DestinationSettings]:
    """They refuse nothing and have no brakes, so that every observable is due at each of them."""
    return [destination(name=name, workspace_id=str(uuid.uuid4()), max_per_event=0, max_per_day=0) for name in NAMES]


def configuration(emulator: Emulator, ledger: str, folder: Path) -> Path:
    """An `rh-isac.conf` that says the same, with the emulator for Microsoft; new stores each time."""
    common = {
        "product": "Microsoft Sentinel",
        "tenantId": str(uuid.uuid4()),
        "appId": str(uuid.uuid4()),
        "appSecret": "bench-secret",
        "endpoint.login": emulator.url,
        "endpoint.api": emulator.url,
        "ca": str(emulator.ca),
        "maxPerEvent": "0",
        "maxPerDay": "0",
    }
    sections = {"misp": {"url": MISP}, "ledger": {"url": ledger}}
    sections |= {name: common | {"workspaceId": str(uuid.uuid4())} for name in NAMES}
    lines: list[str] = []
    for name, keys in sections.items():
        lines += [f"[{name}]", *(f"{key} = {value}" for key, value in keys.items()), ""]
    path = folder / "rh-isac.conf"
    path.write_text("\n".join(lines), encoding="utf-8")
    path.chmod(0o600)
    return path


def commit(ledger: Ledger, event: Event, chosen: list[DestinationSettings]) -> tuple[list[Store], Taken]:
    """What a door does with an event until it is committed (`delivery.submit`)."""

    def work(connection: Connection) -> tuple[list[Store], Taken]:
        stores = register(connection, [(settings, create(settings).refuses) for settings in chosen])
        submissions.begin(connection, str(uuid.uuid4()), "export")
        return stores, take(connection, [event], Origin.REQUEST, stores, MISP)

    return ledger.write(work)


def accept(ledger: Ledger) -> None:
    """As if Microsoft had accepted all that is due."""
    table = schema.holding
    accepted = {"sent_hash": table.c.due_hash, "state": schema.SETTLED, "flight_hash": None}
    ledger.write(lambda connection: connection.execute(update(table).values(accepted)))
