"""What the machine plays on: an emulated Microsoft, a served MISP, a ledger and a configuration, emptied in between."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import delete, select, update
from typer.testing import CliRunner

from misp_modules_ext.cli.app import app
from misp_modules_ext.config import Settings, load
from misp_modules_ext.delivery.rounds import Rounds
from misp_modules_ext.delivery.sender import Policy
from misp_modules_ext.delivery.submit import Order, keep, submit
from misp_modules_ext.emulator import Emulator
from misp_modules_ext.emulator.calls import Call
from misp_modules_ext.ledger import open_ledger, schema
from misp_modules_ext.logs import Wish, set_up
from misp_modules_ext.misp.requests import ModuleRequest
from misp_modules_ext.model.account import Account
from misp_modules_ext.report import json_pieces
from tests.crash.recorder import Recorder
from tests.machine.clock import START, Clock
from tests.support.keys import misp_key
from tests.support.misp_server import MispServer
from tests.support.misp_world import World

#: As long as MISP's keys are.
KEY = misp_key()
SENTINEL, DEFENDER = "microsoft", "microsoft defender"
#: Microsoft's errors are met, and not waited for.
POLICY = Policy(attempts=2, first_wait=0.001, longest_wait=0.5, request_timeout=10.0)


class Stage:
    """All of it.

    Args:
        emulator: goes by `clock`.
        recorder: listens at it.
        server: serves the world of an example.
        ledger: address of a database that is there.
        folder: for the configuration.
        clock: everybody's.
    """

    def __init__(
        self, emulator: Emulator, recorder: Recorder, server: MispServer, ledger: str, folder: Path, clock: Clock
    ) -> None:
        self.emulator = emulator
        self.recorder = recorder
        self.server = server
        self.clock = clock
        self.tenant, self.workspace = str(uuid.uuid4()), str(uuid.uuid4())
        self.ledger = open_ledger(ledger)
        clock.rule(self.ledger.engine)
        self._address = ledger
        self._config = folder / "rh-isac.conf"
        self._application = ""
        self._rounds = Rounds("machine", "worker", POLICY)
        self.settings: Settings

    def clear(self) -> World:
        """Forget everything; gives an empty MISP, which is served."""
        self.clock.now = START
        # Microsoft's rates are kept in real time, for each application: examples follow each other faster.
        self._application = str(uuid.uuid4())
        self.emulator.reset()
        self.recorder.clear()
        self.ledger.write(
            lambda connection: [
                connection.execute(delete(table))
                for table in reversed(schema.metadata.sorted_tables)
                if table is not schema.meta
            ]
        )
        self.server.faults.clear()
        self.server.requests.clear()
        self.server.world = World(self.clock)
        return self.server.world

    def configure(self, places: Mapping[str, Mapping[str, str]]) -> None:
        """Write the configuration and read it; `places` are keys of each destination."""
        common = {
            "tenantId": self.tenant,
            "appId": self._application,
            "appSecret": "machine-secret",
            "endpoint.login": self.emulator.url,
            "endpoint.api": self.emulator.url,
            "ca": str(self.emulator.ca),
        }
        sections: dict[str, Mapping[str, str]] = {
            "misp": {"url": self.server.url, "key": KEY},
            "selection": {"allowDocumentationRanges": "yes"},
            "ledger": {"url": self._address},
        }
        products = {
            SENTINEL: {"product": "Microsoft Sentinel", "workspaceId": self.workspace},
            DEFENDER: {"product": "Microsoft Defender"},
        }
        sections |= {name: common | products[name] | dict(keys) for name, keys in places.items()}
        lines: list[str] = []
        for name, keys in sections.items():
            lines += [f"[{name}]", *(f"{key} = {value}" for key, value in keys.items()), ""]
        self._config.write_text("\n".join(lines), encoding="utf-8")
        self._config.chmod(0o600)
        self.settings = load(self._config)

    def push(self, door: str, request: ModuleRequest, destinations: tuple[str, ...]) -> Account:
        """Do what a door does with a request, but for waking the drain: what goes when is the machine's to say."""
        order = Order(door, destinations, read_later=True)
        account = submit(request.events, self.settings, order, POLICY)
        keep(self.settings, account.submission, json_pieces(account))
        return account

    def drain(self) -> None:
        """One round of reading and sending."""
        self._rounds.go(self.settings, wait=True)

    def read_all_later(self) -> None:
        """Make all events due for our own reading."""
        self.ledger.write(lambda c: c.execute(update(schema.event).values(read_due_ms=self.clock.now * 1000)))

    def command(self, *words: str) -> None:
        """A command of a person's; nothing may go wrong but what waits or is rejected."""
        result = CliRunner().invoke(app, [*words, "--config", str(self._config)])
        # What is logged after it would go to the command's standard error, which is closed.
        set_up(Wish())
        assert result.exit_code in (0, 1, 3), result.output

    def is_due(self) -> bool:
        """Whether anything is to be sent, now or later."""
        due = select(schema.holding.c.observable_id).where(schema.holding.c.state == schema.DUE)
        return self.ledger.read(lambda connection: connection.execute(due).first()) is not None

    def colleague(self, value: str, kind: str) -> None:
        """Another application puts an entry into Defender."""
        entry = {
            "indicatorValue": value,
            "indicatorType": kind,
            "action": "Block",
            "title": "By hand",
            "description": "x",
        }
        self._by_colleague("POST", "/api/indicators", json.dumps(entry).encode())

    def colleague_deletes(self, value: str) -> None:
        """Another person deletes an entry of Defender's."""
        (entry,) = (e for e in self.defender() if e["indicatorValue"] == value)
        self._by_colleague("DELETE", f"/api/indicators/{entry['id']}", b"")

    def _by_colleague(self, method: str, path: str, body: bytes) -> None:
        core = self.emulator.core
        form = {"grant_type": "client_credentials", "client_id": "soc", "client_secret": "soc"}
        form["scope"] = "https://api.securitycenter.microsoft.com/.default"
        login = Call.read("POST", f"/{self.tenant}/oauth2/v2.0/token", body=urlencode(form).encode())
        token = core.handle(login).answer
        assert token is not None
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token.json()['access_token']}"}
        answer = core.handle(Call.read(method, path, headers=headers, body=body)).answer
        assert answer is not None
        assert answer.status < 300, answer.body

    def uploads(self) -> int:
        """How many requests changed something at Microsoft, or tried to."""
        return sum(1 for r in self.emulator.requests() if r["method"] != "GET" and r["api"] != "login")

    def sentinel(self) -> dict[str, dict[str, Any]]:
        """What Sentinel holds that is live, by STIX id."""
        held: dict[str, dict[str, Any]] = self.emulator.state()["sentinel"].get(self.workspace, {})
        return {
            name: o for name, o in held.items() if not o.get("revoked") and seconds(o["valid_until"]) > self.clock()
        }

    def history(self) -> list[dict[str, Any]]:
        """All that Sentinel took, oldest first."""
        return [row["Data"] for row in self.emulator.history(100_000)["rows"]]

    def defender(self) -> list[dict[str, Any]]:
        """What Defender holds, of whomever."""
        held: list[dict[str, Any]] = self.emulator.state()["defender"].get(self.tenant, [])
        return held


def seconds(text: str) -> int:
    """A moment in seconds since 1970 UTC."""
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())
