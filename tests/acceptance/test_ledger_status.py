"""What the ledger tells: status, show, report, a preview as a diff, events by UUID, check."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from misp_modules_ext.ledger import open_ledger, submissions
from tests.support.databases import prepared
from tests.support.keys import misp_key
from tests.support.misp_server import Fault, MispServer
from tests.support.misp_world import World as Misp
from tests.support.world import World

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]

KEY = misp_key()
BOTH = ("microsoft", "microsoft defender")


class Analyst:
    """A MISP with one published event of three domains, and hands that change it."""

    def __init__(self, server: MispServer) -> None:
        self.server = server
        self.misp = server.world
        org = self.misp.add_org("Ours")
        self.misp.add_user(KEY, org)
        self.event = self.misp.add_event(org, distribution=1)
        self.misp.tag(self.event, "tlp:green")
        self.names = ("one", "two", "three")
        self.attributes = {
            name: self.misp.add_attribute(self.event, "domain", f"{name}.evil.example") for name in self.names
        }
        self.misp.publish(self.event)

    @property
    def section(self) -> dict[str, str]:
        """The keys of [misp]."""
        return {"url": self.server.url, "key": KEY}

    def edit(self) -> None:
        """One loses its flag, one gets a tag, one is deleted for good; a second later, as MISP's clock tells."""
        time.sleep(1.1)
        self.misp.set_to_ids(self.attributes["one"], on=False)
        self.misp.tag(self.attributes["two"], "malware:x")
        self.misp.delete_attribute(self.attributes["three"], hard=True)
        self.misp.publish(self.event)


@pytest.fixture
def analyst() -> Iterator[Analyst]:
    """An analyst with a MISP of their own."""
    with MispServer(Misp(lambda: int(time.time()))) as server:
        yield Analyst(server)


def _json(done: subprocess.CompletedProcess[bytes]) -> Any:
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return json.loads(done.stdout)


def _file(folder: Path, *names: str, **fields: Any) -> Path:
    """A published event of domains in a file."""
    event = {
        "uuid": "5f0c9a3e-8f5b-4c2b-9d4e-7c1a2b3c4d5e",
        "info": "Campaign",
        "date": "2026-11-20",
        "published": True,
        "timestamp": str(int(time.time())),
        "Tag": [{"name": "tlp:green"}],
        "Attribute": [
            {
                "uuid": f"0a0a0a0a-0000-4000-8000-{number:012}",
                "type": "domain",
                "value": f"{name}.evil.example",
                "to_ids": True,
                "timestamp": str(int(time.time()) - 60),
            }
            for number, name in enumerate(names)
        ],
    }
    path = folder / "event.json"
    path.write_text(json.dumps({"Event": event | fields}))
    return path


def _with_ledger(world: World, url: str) -> None:
    """Have the configuration name another ledger."""
    world.config.write_text(world.config.read_text().replace(world.ledger, url))


def test_status_of_what_arrived(run: Run, world: World, tmp_path: Path) -> None:
    """How much is where; who drains, and what cannot be done without a key."""
    world.configure(only=BOTH)
    assert run("push", _file(tmp_path, "one", "two"), "--config", world.config).returncode == 0
    done = run("status", "--config", world.config)
    assert done.returncode == 0
    shown = done.stdout.decode()
    assert "microsoft: there 2\n" in shown
    assert "microsoft defender: there 2\n" in shown
    assert "additions and updates" in shown
    assert "No drain is alive" in shown
    assert str(world.ledger) in shown
    assert " cli" in shown


def test_status_of_what_waits(run: Run, world: World, tmp_path: Path) -> None:
    """Refused credentials: how many, why, until when, and exit code 4; the other destination is not concerned."""
    world.configure(only=BOTH)
    world.emulator.fault(api="sentinel", status=403)
    assert run("push", _file(tmp_path, "one", "two"), "--config", world.config).returncode == 4
    done = run("status", "--config", world.config, "--json")
    assert done.returncode == 4
    sentinel, defender = _json(done)["destinations"]
    assert sentinel["counts"] | {"create": 2, "there": 0} == sentinel["counts"]
    assert defender["counts"]["there"] == 2
    assert sentinel["pause"]["reason"] == "permission-refused"
    assert "Contributor" in sentinel["pause"]["message"]
    assert defender["pause"] is None
    shown = run("status", "--config", world.config, "-d", "microsoft").stdout.decode()
    assert "to create 2" in shown
    assert "paused until" in shown
    assert "(permission-refused)" in shown
    assert "defender" not in shown


def test_status_judges_by_todays_rules(run: Run, world: World, tmp_path: Path) -> None:
    """A stricter rule withdraws nothing by itself; its effect is shown when it is asked for."""
    world.configure(only=("microsoft",))
    run("push", _file(tmp_path, "one", "two"), "--config", world.config)
    world.configure(only=("microsoft",), wipe=False, selection={"maxTlp": "clear"})
    (at,) = _json(run("status", "--config", world.config, "--json", "--rules"))["destinations"]
    assert at["againstRules"]["count"] == 2
    assert at["againstRules"]["reasons"] == {"tlp": 2}
    assert {example["value"] for example in at["againstRules"]["examples"]} == {"one.evil.example", "two.evil.example"}
    assert len(world.patterns()) == 2


def test_show_tells_a_values_story(run: Run, world: World, analyst: Analyst) -> None:
    """In any spelling: who vouches, where it is, under which id, until when, and what the rules say today."""
    world.configure(only=BOTH, misp=analyst.section)
    run("push", analyst.event, "--config", world.config)
    (found,) = _json(run("show", "TWO[.]evil[.]Example.", "--config", world.config, "--json"))["found"]
    assert (found["kind"], found["value"]) == ("domain-name", "two.evil.example")
    (evidence,) = found["evidence"]
    assert (evidence["event"], evidence["attribute"]) == (analyst.event, analyst.attributes["two"])
    assert (evidence["tlp"], evidence["byOwnReading"], evidence["byRequest"]) == ("tlp:green", True, False)
    sentinel, defender = found["destinations"]
    held = world.emulator.state()["sentinel"]["33333333-3333-4333-8333-333333333333"]
    assert sentinel["indicator"] in held
    assert sentinel["there"]
    assert sentinel["rules"]["goes"]
    assert defender["remoteId"]
    shown = run("show", sentinel["indicator"], "--config", world.config).stdout.decode()
    assert "domain-name two.evil.example" in shown
    assert f"attribute {analyst.attributes['two']}" in shown
    assert "microsoft: there" in shown
    assert "today's rules: it goes" in shown
    unknown = run("show", "never.example", "--config", world.config)
    assert unknown.returncode == 0
    assert b"never seen never.example" in unknown.stdout


def test_a_push_by_uuid_also_takes_away(run: Run, world: World, analyst: Analyst) -> None:
    """First a preview as a diff, which sends and keeps nothing; then what it said is so, and the report says it."""
    world.configure(only=BOTH, misp=analyst.section)
    push = ("push", analyst.event, "--config", world.config)
    preview = run(*push, "--dry-run")
    assert preview.stdout.decode().count("  + domain-name one.evil.example") == 2
    assert world.emulator.requests() == []
    assert run(*push).returncode == 0
    assert len(world.patterns()) == len(world.defender()) == 3
    analyst.edit()
    uploads = len(world.uploads())
    shown = run(*push, "--dry-run").stdout.decode()
    assert "microsoft: 1 to update, 2 to withdraw" in shown
    assert "  ~ domain-name two.evil.example: labels +malware:x" in shown
    assert "  - domain-name one.evil.example: to-ids-off" in shown
    assert "  - domain-name three.evil.example: the attribute is gone" in shown
    assert len(world.uploads()) == uploads
    report = _json(run(*push, "--json"))
    assert world.patterns() == ["[domain-name:value = 'two.evil.example']"]
    assert world.defender() == ["two.evil.example"]
    for place in report["destinations"]:
        # Defender shows no labels, so that nothing is sent to it.
        told = "accepted" if place["api"] == "sentinel" else "unchanged"
        assert place["counts"] | {"read": 2, told: 1, "withdrawn": 1} == place["counts"]
        assert [(gone["value"], gone["outcome"]) for gone in place["removed"]] == [("three.evil.example", "withdrawn")]


def test_events_that_misp_does_not_give(run: Run, world: World, analyst: Analyst) -> None:
    """One that is not there costs itself alone and means exit code 2; a wrong key means 4; and both are sentences."""
    world.configure(only=("microsoft",), misp=analyst.section)
    missing = "0e0e0e0e-0000-4000-8000-000000000000"
    done = run("push", missing, analyst.event, "--config", world.config)
    assert done.returncode == 2
    assert missing.encode() in done.stderr
    assert len(world.patterns()) == 3
    world.configure(only=("microsoft",), misp={"url": analyst.server.url, "key": misp_key("a-wrong-one")})
    refused = run("push", analyst.event, "--config", world.config)
    assert refused.returncode == 4
    assert b"Traceback" not in refused.stderr
    mixed = run("push", analyst.event, "-", "--config", world.config)
    assert mixed.returncode == 2
    assert b"one after the other" in mixed.stderr


def test_a_report_says_what_became_of_it(run: Run, world: World, tmp_path: Path) -> None:
    """What waited then has arrived since; by the beginning of its id, for a terminal, a program and a browser."""
    world.configure(only=("microsoft",))
    world.emulator.fault(api="sentinel", status=503, times=100)
    push = ("push", _file(tmp_path, "one", "two"), "--config", world.config)
    first = run(*push, "--json")
    assert first.returncode == 3
    submission = _json(first)["submission"]
    world.emulator.clear_faults()
    assert run(*push).returncode == 0
    done = run("report", submission[:8], "--config", world.config, "--json", "--html", tmp_path / "r.html")
    assert done.returncode == 0
    assert b"2 outcomes changed" in done.stderr
    report = _json(done)
    assert report["submission"] == submission
    assert report["asOf"] >= report["finished"]
    (place,) = report["destinations"]
    assert place["counts"] | {"accepted": 2, "pending": 0} == place["counts"]
    assert "Brought up to date" in (tmp_path / "r.html").read_text()
    assert b"this is how it stands at" in run("report", submission, "--config", world.config).stdout


def test_reports_that_are_not_there(run: Run, world: World, tmp_path: Path) -> None:
    """Unknown, not unique, or interrupted before the account was written."""
    run("push", _file(tmp_path, "one"), "--config", world.config)
    ledger = open_ledger(world.ledger)
    for name in ("aaaa0001", "aaaa0002"):
        identity = f"{name}-0000-4000-8000-000000000000"
        ledger.write(partial(submissions.begin, submission_id=identity, door="export"))
    unknown = run("report", "ffffffff", "--config", world.config)
    assert (unknown.returncode, b"knows no submission" in unknown.stderr) == (2, True)
    several = run("report", "aaaa", "--config", world.config)
    assert (several.returncode, b"More than one" in several.stderr) == (2, True)
    interrupted = run("report", "aaaa0001", "--config", world.config)
    assert interrupted.returncode == 3
    assert b"has not finished" in interrupted.stdout
    assert b"not finished: it still runs or was interrupted" in run("status", "--config", world.config).stdout


def test_check_tells_of_ledger_drain_and_misp(run: Run, world: World, analyst: Analyst) -> None:
    """Where the ledger is, that nobody drains it, and whether events can be read."""
    world.configure(only=("microsoft",), misp=analyst.section)
    done = run("check", "--config", world.config, "--json")
    assert done.returncode == 0
    document = _json(done)
    found = {entry["code"]: entry for entry in document["installation"] + document["misp"][0]["findings"]}
    assert world.ledger in found["I02"]["answer"]
    assert "No drain is alive" in found["I04"]["remedy"]
    assert found["M01"]["ok"]
    assert analyst.server.url in found["M01"]["answer"]
    analyst.server.faults.append(Fault(status=500))
    down = run("check", "--config", world.config)
    assert down.returncode == 5
    assert "M01 FAILED MISP" in down.stdout.decode()
    world.configure(only=("microsoft",), misp={"url": analyst.server.url, "key": misp_key("a-wrong-one")})
    refused = run("check", "--config", world.config)
    assert refused.returncode == 4
    assert "nothing is withdrawn" in refused.stdout.decode()


def test_check_of_a_ledger_that_cannot_be_used(run: Run, world: World) -> None:
    """Exit code 2 with a sentence; the destinations are checked all the same."""
    Path(world.ledger.removeprefix("sqlite:///")).write_bytes(b"this is no database" * 100)
    done = run("check", "--config", world.config)
    assert done.returncode == 2
    shown = done.stdout.decode()
    assert "I02 FAILED ledger" in shown
    assert "Entra gave a token" in shown


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_the_same_on_a_server(run: Run, world: World, analyst: Analyst, tmp_path: Path, kind: str) -> None:
    """Push, status, show, report and a preview with the ledger on PostgreSQL and MariaDB."""
    with prepared(kind, tmp_path) as url:
        world.configure(only=("microsoft",), misp=analyst.section)
        _with_ledger(world, url)
        assert run("push", analyst.event, "--config", world.config).returncode == 0
        analyst.edit()
        shown = run("push", analyst.event, "--config", world.config, "--dry-run").stdout.decode()
        assert "microsoft: 1 to update, 2 to withdraw" in shown
        found = _json(run("status", "--config", world.config, "--json", "--rules"))
        assert found["destinations"][0]["counts"]["there"] == 3
        submission = found["submissions"][0]["submission"]
        assert run("report", submission[:9], "--config", world.config).returncode == 0
        told = _json(run("show", "three.evil.example", "--config", world.config, "--json"))
        assert told["found"][0]["destinations"][0]["there"]
