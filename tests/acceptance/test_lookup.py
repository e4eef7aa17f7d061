"""`misp-microsoft lookup` as a person types it."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.world import SECRET, World

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
BOTH = ("microsoft", "microsoft defender")
HOST = "one.evil.example"


@pytest.fixture
def pushed(world: World, tmp_path: Path, run: Run) -> World:
    """One domain at both."""
    world.configure(only=BOTH)
    attribute = {"uuid": "0a0a0a0a-0000-4000-8000-000000000001", "type": "domain", "value": HOST, "to_ids": True}
    event = {
        "uuid": "0a0a0a0a-0000-4000-8000-000000000000",
        "info": "Campaign",
        "published": True,
        "distribution": "3",
        "Attribute": [attribute | {"distribution": "5"}],
    }
    path = tmp_path / "event.json"
    path.write_text(json.dumps({"Event": event}))
    done = run("push", path, "--config", world.config)
    assert done.returncode == 0, done.stderr.decode()
    return world


def _json(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    document = json.loads(done.stdout)
    assert (document["schema"], document["command"]) == (1, "lookup")
    found: list[dict[str, Any]] = document["found"]
    return found


def test_in_words(pushed: World, run: Run) -> None:
    """Defanged, and one that is not there."""
    done = run("lookup", "one[.]evil[.]example", "203.0.113.9", "--config", pushed.config)
    said = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    assert f"domain-name {HOST}\n  [microsoft] Microsoft Sentinel: there, ours\n" in said
    assert "Defender's indicators: active, ours, action Audit, severity " in said
    assert "ipv4-addr 203.0.113.9\n  [microsoft] Microsoft Sentinel: not there\n" in said
    assert SECRET not in said + done.stderr.decode()


def test_as_json_from_standard_input(pushed: World, run: Run) -> None:
    """Comments and empty lines are none."""
    done = run("lookup", "-", "--json", "--config", pushed.config, stdin=f"# ours\n\n{HOST}\n".encode())
    assert done.returncode == 0, done.stderr.decode()
    found = {one["destination"]: one for one in _json(done) if one["kind"] == "domain-name"}
    assert set(found) == set(BOTH)
    for one in found.values():
        assert one["ledger"]["state"] == "there"
        assert one["ledger"]["events"] == 1
        (entry,) = one["presence"][0]["found"]
        assert (entry["state"], entry["ours"]) == ("active", True)
        assert one["estate"] == []


def test_one_destination_alone(pushed: World, run: Run) -> None:
    """And a kind."""
    done = run(
        *("lookup", HOST, "--kind", "file-name", "--destination", "defender", "--json"), *("--config", pushed.config)
    )
    (one,) = _json(done)
    assert (one["destination"], one["kind"], one["summary"]) == (
        "microsoft defender",
        "file-name",
        "never there by the ledger",
    )


def test_many_values_are_few_questions(pushed: World, run: Run) -> None:
    """50 values: one query for whether they are there, and one for whether they were seen, at each API."""
    emulator = pushed.emulator
    others = [f"c{number}.evil.example" for number in range(49)]
    seen = [
        {"value": name, "count": 7, "table": table} for name, table in ((HOST, "DnsEvents"), (others[7], "EmailEvents"))
    ]
    url = f"{emulator.url}/_emulator/sightings"
    requests.post(url, json=seen, verify=str(emulator.ca), timeout=10).raise_for_status()
    pushed.configure(only=BOTH, wipe=False, more={"lookup": {"estate": "yes", "sources": "\n  hunting\n  logs"}})
    before = len(emulator.requests())
    values = "\n".join([HOST, *others]).encode()
    done = run("lookup", "-", "--estate", "--kind", "domain-name", "--json", "--config", pushed.config, stdin=values)
    assert done.returncode == 0, done.stderr.decode()
    found = {(one["value"], one["destination"]): one for one in _json(done)}
    assert len(found) == 100
    asked = Counter(one["api"] for one in emulator.requests()[before:] if one["api"] != "login")
    # Defender's list ends with a page that is empty.
    assert asked == {"logs": 2, "hunting": 1, "defender": 2}
    sightings = {
        key: [hit["source"] for answer in one["estate"] for hit in answer["found"]] for key, one in found.items()
    }
    assert {key: hits for key, hits in sightings.items() if hits} == {
        (HOST, "microsoft"): ["DnsEvents"],
        (others[7], "microsoft defender"): ["EmailEvents"],
    }
    there = {key for key, one in found.items() if any(answer["found"] for answer in one["presence"])}
    assert there == {(HOST, name) for name in BOTH}


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ({"api": "logs", "status": 403}, 4, "Log Analytics Reader"),
        ({"api": "logs", "status": 500}, 3, "Log Analytics: "),
        ({"api": "login", "status": 401}, 4, "Log Analytics: "),
    ],
)
def test_what_is_refused_is_said_in_full(pushed: World, run: Run, fault: dict[str, Any], code: int, words: str) -> None:
    """With the remedy, and an exit code; what the others say stands beside it."""
    pushed.emulator.fault(**fault, times=20)
    done = run("lookup", HOST, "--config", pushed.config, "--destination", "microsoft")
    said = done.stdout.decode()
    assert (done.returncode, words in said) == (code, True), said
    assert "Ledger: there; since " in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("lookup", "-"), "There is no value to look up"),
        (("lookup", "x", "--kind", "domain"), "Did you mean domain-name?"),
        (("lookup", HOST, "--estate"), "set `estate = yes` there"),
        (("lookup", HOST, "--destination", "nowhere"), "There is no destination called nowhere"),
    ],
)
def test_wrong_words(pushed: World, run: Run, arguments: tuple[str, ...], words: str) -> None:
    """Exit code 2, and what to do."""
    done = run(*arguments, "--config", pushed.config)
    assert done.returncode == 2
    assert words in done.stderr.decode()
