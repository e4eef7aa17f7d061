"""What the client holds at its peak while it reads a large event, or what a search finds, page by page.

Measured in a process of its own beside the server's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.misp_server import MispServer
from tests.support.misp_world import Org, World

ROOT = Path(__file__).resolve().parents[2]
ATTRIBUTES = 5000

_MEASURE = """
import json, sys, tracemalloc
from misp_modules_ext.misp.client import MispClient
from tests.misp.conftest import settings

url, uuid, other, page = sys.argv[1:]
client = MispClient(settings(url), page=int(page))
client.read_event(other)  # what is imported and connected once is no part of it
tracemalloc.start()
event = client.read_event(uuid)
held, peak = tracemalloc.get_traced_memory()
print(json.dumps({"held": held, "peak": peak, "attributes": len(event.attributes), "complete": event.complete}))
"""


@pytest.fixture
def large(world: World, ours: Org) -> str:
    """An event of 5,000 attributes, a third of them in objects."""
    uuid = world.add_event(ours, "Large")
    holder = None
    for number in range(ATTRIBUTES):
        if number % 30 == 0:
            holder = world.add_object(uuid, "file")
        within = holder if number % 3 == 0 else None
        made = world.add_attribute(uuid, "domain", f"host-{number}.example", within=within, comment="seen")
        world.events[uuid].attributes[-1].tags = {"tlp:amber": False}
        if number == 0:
            world.tag(made, "tlp:amber")
    world.publish(uuid)
    return uuid


def _run(script: str, *words: str) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    figures: dict[str, int] = json.loads(done.stdout)
    return figures


def _measured(server: MispServer, uuid: str, other: str, page: int) -> dict[str, int]:
    return _run(_MEASURE, server.url, uuid, other, str(page))


def test_pages_keep_the_peak_low(server: MispServer, large: str, event: str) -> None:
    """Above the records that stay, a page of it; unpaged, all of the JSON."""
    paged, whole = _measured(server, large, event, 500), _measured(server, large, event, 10_000)
    for figures in (paged, whole):
        assert (figures["attributes"], figures["complete"]) == (ATTRIBUTES, True)
    above = {"paged": paged["peak"] - paged["held"], "whole": whole["peak"] - whole["held"]}
    assert above["paged"] * 4 < above["whole"], (paged, whole)


_SEARCH = """
import json, sys, tracemalloc
from misp_modules_ext.misp.client import MispClient
from misp_modules_ext.misp.filters import query
from misp_modules_ext.misp.search import find
from tests.misp.conftest import settings

url, page, *words = sys.argv[1:]
client = MispClient(settings(url))
find(client, query(["value=nothing"], None, 0))  # what is imported and connected once is no part of it
tracemalloc.start()
found = find(client, query(words, None, 0), int(page))
held, peak = tracemalloc.get_traced_memory()
print(json.dumps({"held": held, "peak": peak, "found": sum(map(len, found.values()))}))
"""


def test_a_search_holds_references_and_a_page(server: MispServer, large: str) -> None:
    """Of thousands of attributes only their UUIDs stay."""
    figures = {}
    for page in (200, 10_000):
        done = _run(_SEARCH, server.url, str(page), "type=domain")
        figures[page] = done["peak"] - done["held"]
        assert done["found"] == ATTRIBUTES
        assert done["held"] < ATTRIBUTES * 300
    assert figures[200] * 4 < figures[10_000], figures
