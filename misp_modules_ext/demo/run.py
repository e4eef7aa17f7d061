"""The steps of the demonstration."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from rich.console import Console

from misp_modules_ext.config import load
from misp_modules_ext.config.settings import Settings
from misp_modules_ext.delivery.submit import Order, submit
from misp_modules_ext.demo.service import Service
from misp_modules_ext.emulator import Emulator
from misp_modules_ext.errors import TO_DO, LedgerError
from misp_modules_ext.ledger import open_ledger, submissions
from misp_modules_ext.misp.requests import read_export
from misp_modules_ext.model.account import Account
from misp_modules_ext.report import exit_code, from_json, to_terminal

TENANT = "11111111-1111-4111-8111-111111111111"
APPLICATION = "22222222-2222-4222-8222-222222222222"
WORKSPACE = "33333333-3333-4333-8333-333333333333"

#: Seconds for the service to keep the account of what it has answered.
_PATIENCE = 60

_CONFIGURATION = """\
# Written by `misp-microsoft demo`. Three destinations, all of them the local emulator.
[misp]
url = https://misp.example

[ledger]
url = sqlite:///{ledger}

[selection]
# The demonstration's values come from ranges reserved for documentation, which are refused otherwise.
allowDocumentationRanges = true

[microsoft]
product = Microsoft Sentinel
workspaceId = {workspace}
{common}

[microsoft defender]
product = Microsoft Defender
{common}

[microsoft graph]
product = Azure Sentinel
api = graph
{common}
"""

_COMMON = """\
tenantId = {tenant}
appId = {application}
appSecret = demonstration
endpoint.login = {url}
endpoint.api = {url}
ca = {ca}"""


def configuration(emulator: Emulator, ledger: Path) -> str:
    """An rh-isac.conf for three destinations at the emulator, with a ledger of its own."""
    common = _COMMON.format(tenant=TENANT, application=APPLICATION, url=emulator.url, ca=emulator.ca)
    return _CONFIGURATION.format(workspace=WORKSPACE, common=common, ledger=ledger.resolve())


def request(now: int) -> dict[str, Any]:
    """The recorded request, as if the event had been published just now.

    Args:
        now: seconds since 1970 UTC; the recording's own dates would expire.
    """
    recorded: dict[str, Any] = json.loads(files("misp_modules_ext.demo").joinpath("request.json").read_text("utf-8"))
    event = recorded["data"][0]["Event"]
    event["timestamp"] = event["publish_timestamp"] = str(now)
    return recorded


def demonstrate(folder: Path, report: Path, out: Console, *, keep: bool) -> int:
    """Run the whole way once and say what was seen.

    Args:
        folder: for the demonstration's own files.
        report: where the HTML report goes.
        out: where to print.
        keep: leave the emulator and the service running until interrupted.

    Returns:
        0 when everything arrived, else the exit code that `push` would give.
    """
    # Which ledger a store belongs to is noted in the state directory; the demonstration's stores are no real ones.
    os.environ["XDG_STATE_HOME"] = str(folder / "state")
    out.print("1. Starting the local emulator of Microsoft's endpoints (TLS, loopback only).", soft_wrap=True)
    with Emulator(state=folder / "emulator", rates=False) as emulator:
        config = folder / "rh-isac.conf"
        config.write_text(configuration(emulator, folder / "ledger.db"), encoding="utf-8")
        config.chmod(0o600)
        out.print(
            "2. Starting the real misp-modules service with our modules in it (this takes some seconds).",
            soft_wrap=True,
        )
        with Service(config, folder / "misp-modules.log") as service:
            code = _press_the_button(service, emulator, config, report, out)
            if keep:
                _stay(service, emulator, config, out)
    return code


def _press_the_button(service: Service, emulator: Emulator, config: Path, report: Path, out: Console) -> int:
    ours = sorted(m["name"] for m in service.get("/modules") if "microsoft" in m["name"])
    out.print(f"   It offers to MISP: {', '.join(ours)}", soft_wrap=True)
    body = request(int(time.time()))
    out.print("3. Sending an event as MISP does for Download as… > Export To Microsoft.", soft_wrap=True)
    began = time.monotonic()
    answer = service.query(body)
    took = time.monotonic() - began
    report.write_bytes(base64.b64decode(answer["data"]))
    arrived = _holdings(emulator)
    out.print(f"   Done in {took:.1f} s. At the emulator now: {_listed(arrived)}.", soft_wrap=True)
    settings = load(config)
    account = _account_of_the_last(settings)
    to_terminal(account, out)
    out.print(
        "4. The same event once more, through the library: nothing has changed, so nothing is sent.", soft_wrap=True
    )
    second = submit(read_export(json.dumps(body)).events, settings, Order("cli"))
    unchanged = {one.name: one.counts["unchanged"] for one in second.destinations}
    again = _holdings(emulator)
    out.print(f"   Unchanged: {_listed(unchanged)}. At the emulator still: {_listed(again)}.", soft_wrap=True)
    out.print(f"\nReport: {report.resolve()} (open it in a browser; it is what the analyst downloads)", soft_wrap=True)
    out.print(
        "Next: misp-microsoft demo --keep leaves it running; README.md says how to put it into your MISP.",
        soft_wrap=True,
    )
    return exit_code(account) or exit_code(second) or int(arrived != again)


def _account_of_the_last(settings: Settings) -> Account:
    """What the service kept of the submission: that of the page, whose HTML no terminal shows.

    It is kept while the answer is on its way, without which MISP would wait for it: a moment later it is there.

    Raises:
        LedgerError: it is not there after `_PATIENCE` either, or the service took nothing.
    """
    ledger = open_ledger(settings.ledger.url.get_secret_value())
    latest = ledger.read(lambda connection: submissions.latest(connection, 1))
    if not latest:
        raise LedgerError(f"The service took nothing.{TO_DO}Read in the report why, and run the demonstration again.")
    (last,) = latest
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        (kept,) = ledger.read(lambda connection: submissions.find(connection, last.submission_id))
        if kept.document:
            return from_json(kept.document)
        time.sleep(0.05)
    raise LedgerError(
        f"The service kept no account of submission {last.submission_id} within {_PATIENCE} seconds."
        f"{TO_DO}Run the demonstration again."
    )


def _holdings(emulator: Emulator) -> dict[str, int]:
    state = emulator.state()
    return {api: sum(len(store) for store in state[api].values()) for api in ("sentinel", "defender", "graph")}


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} in {place}" for place, count in counts.items())


def _stay(service: Service, emulator: Emulator, config: Path, out: Console) -> None:
    out.print(f"\nRunning until Ctrl-C:\n  emulator      {emulator.url}\n  misp-modules  {service.url}", soft_wrap=True)
    out.print(f"  configuration {config}", soft_wrap=True)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        out.print("Ended.", soft_wrap=True)
