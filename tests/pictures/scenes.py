"""What is in the pictures: answers of the real module and the real command, with the emulator as Microsoft."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import requests

from misp_modules_ext.demo.service import Service
from tests.support.recordings import recording
from tests.support.world import World

#: The value that is looked up: of an address that the recorded event holds.
VALUE = "203.0.113.77"
BOTH = ("microsoft", "microsoft defender")
MISP = "https://misp.example.org"
ESTATE = {"lookup": {"estate": "yes", "sources": "\n  statistics\n  hunting\n  logs"}}
COMMAND = ("lookup", "--estate", "203[.]0[.]113[.]77", "hxxps://unknown[.]example/a")
DAY = 86_400
COLUMNS = ("Category", "Type", "Value", "IDS", "Correlation", "Comment", "Distribution")
DISTRIBUTIONS = {"0": "Your organisation only"}
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")


class Scene(NamedTuple):
    """One picture.

    Attributes:
        name: of its files.
        look: how it is laid out: MISP's pop-over, MISP's table of proposed attributes, or a terminal.
        heading: what a person did.
        rows: attributes as the module answered them, or for a terminal the lines.
    """

    name: str
    look: Literal["hover", "table", "terminal"]
    heading: str
    rows: tuple[Any, ...]

    @property
    def text(self) -> str:
        """All that was answered; one line for each attribute, or each line of the terminal."""
        lines = [row if isinstance(row, str) else " | ".join(cells(row)) for row in self.rows]
        return "\n".join([self.heading, *lines]) + "\n"


def cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """What MISP's table of proposed attributes shows of one, by `COLUMNS`."""
    distribution = DISTRIBUTIONS[row["distribution"]]
    flags = ("yes" if row["to_ids"] else "no", "no" if row["disable_correlation"] else "yes")
    return (row["category"], row["type"], row["value"], *flags, row["comment"], distribution)


def masked(text: str) -> str:
    """Without the moments, which are other ones each time."""
    return _TIME.sub("(time)", text)


def scenes(service: Service, world: World) -> list[Scene]:
    """All pictures' answers, of today.

    Args:
        service: misp-modules with our modules.
        world: an empty Microsoft and the configuration that the service has.
    """
    world.configure(only=BOTH, misp={"url": MISP}, more=ESTATE)
    _push(service)
    _see(world)
    hover = _answer(service, "expansion_hover_misp_standard")
    enriched = _answer(service, "expansion_misp_standard_attribute")
    typed = _typed(world)
    # Another application: nothing is known of its answers yet.
    world.configure(only=BOTH, misp={"url": MISP}, more=ESTATE, wipe=False)
    world.emulator.fault(api="logs", status=403)
    world.emulator.fault(api="defender", delay=20)
    troubled = _answer(service, "expansion_hover_misp_standard")
    world.emulator.clear_faults()
    return [
        Scene("lookup-hover", "hover", f"Pointing at {VALUE}", hover),
        Scene("lookup-enrichment", "table", f"Enriching {VALUE}, with estate = yes in [lookup]", enriched),
        Scene("lookup-trouble", "hover", f"Pointing at {VALUE}: one API refuses, another one hangs", troubled),
        Scene("lookup-command-line", "terminal", f"$ misp-microsoft {' '.join(COMMAND)}", typed),
    ]


def _push(service: Service) -> None:
    body = recording("action_event_publish") | {"module": "push_to_microsoft", "params": {}, "timeout": 30}
    body.pop("filteredItems", None)
    answer = service.query(body)
    assert answer == {"data": True}, answer


def _see(world: World) -> None:
    first, last = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * DAY)) for days in (8, 1))
    seen = [
        {"value": VALUE, "count": 7, "devices": 3, "first": first, "last": last, "table": table}
        for table in ("statistics", "DeviceNetworkEvents", "CommonSecurityLog")
    ]
    emulator = world.emulator
    url = f"{emulator.url}/_emulator/sightings"
    requests.post(url, json=seen, verify=str(emulator.ca), timeout=10).raise_for_status()


def _answer(service: Service, name: str) -> tuple[dict[str, Any], ...]:
    body = recording(name) | {"module": "lookup_in_microsoft", "config": {"destinations": None}}
    return tuple(service.query(body)["results"]["Attribute"])


def _typed(world: World) -> tuple[str, ...]:
    command = [sys.executable, "-m", "misp_modules_ext", *COMMAND, "--config", str(world.config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return tuple(done.stdout.splitlines())
