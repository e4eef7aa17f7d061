"""`sync` against a MISP over HTTP: first run, later runs, removals, what it says, two at once."""

from __future__ import annotations

import sys
import time

import pytest
from sqlalchemy import insert, select, text

from misp_modules_ext.cli import main
from misp_modules_ext.config import load
from misp_modules_ext.delivery.reading import read_soon
from misp_modules_ext.delivery.rounds import Rounds
from misp_modules_ext.delivery.submit import Order, submit
from misp_modules_ext.ledger import Origin, open_ledger, schema, syncs
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.misp.client import MispClient
from tests.support.misp_server import Fault
from tests.support.synced import (
    DAY,
    KEY,
    ONLY,
    VETTED,
    Run,
    Scene,
    event_row,
    fail,
    off,
    pass_time,
)


def test_the_first_run_takes_what_was_published_in_a_day(scene: Scene, run: Run) -> None:
    """And of that what carries the tag, on the attribute or on the event; the rest has its reason."""
    scene.event("old", ago=2 * DAY)
    event = scene.event("tagged")
    scene.clock[0] = int(time.time())
    scene.misp.add_attribute(event, "domain", "untagged.evil.example")
    scene.publish(event)
    whole = scene.event("whole", tag="")
    scene.misp.tag(whole, VETTED.upper())
    scene.publish(whole)
    code, said = run()
    assert (code, scene.there()) == (0, ["tagged", "whole"])
    assert said["events"]["listed"] == said["events"]["read"] == 2
    for destination in said["destinations"]:
        assert destination["counts"]["read"] == 3
        assert (destination["counts"]["accepted"], destination["counts"]["skipped"]) == (2, 1)


def test_a_later_run_reads_what_was_published_since(scene: Scene, run: Run) -> None:
    """With an overlap of an hour, in which nothing is sent twice."""
    scene.event("first", ago=7200)
    run()
    scene.event("second")
    requests = len(scene.world.uploads())
    code, said = run()
    assert (code, said["events"]["read"], said["events"]["changed"]) == (0, 1, 1)
    assert scene.there() == ["first", "second"]
    assert len(scene.world.uploads()) > requests
    requests = len(scene.world.uploads())
    assert run()[1]["events"]["changed"] == 0
    assert [r["path"] for r in scene.world.uploads()[requests:]] == []


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("rows", ["shown", "hidden"])
def test_what_misp_takes_back_is_withdrawn(scene: Scene, run: Run, rows: str) -> None:
    """PEERS 23: lost tags, flags and attributes, whether this key is shown deleted rows or not."""
    scene.misp.users[0].deleted_rows = rows  # type: ignore[assignment]
    event = scene.event("stays", "untagged", "off", "deleted", "gone")
    run()
    assert scene.there() == ["deleted", "gone", "off", "stays", "untagged"]
    scene.clock[0] = int(time.time())
    scene.misp.untag(scene.attribute(event, "untagged"), VETTED)
    scene.misp.set_to_ids(scene.attribute(event, "off"), on=False)
    scene.misp.delete_attribute(scene.attribute(event, "deleted"))
    scene.misp.delete_attribute(scene.attribute(event, "gone"), hard=True)
    scene.publish(event)
    code, said = run()
    assert (code, scene.there()) == (0, ["stays"])
    # What is gone without a trace has no attribute to stand at.
    assert all(d["counts"]["withdrawn"] + d["removed"] == 4 for d in said["destinations"])


def test_an_event_that_is_gone_is_withdrawn_after_its_grace_by_a_full_run(scene: Scene, run: Run) -> None:
    """An ordinary run does not see that it is missing; a full one freezes it first."""
    event = scene.event("one")
    other = scene.event("two")
    run()
    scene.misp.delete_event(event)
    scene.misp.unpublish(other)
    assert run()[1]["events"]["missing"] == []
    code, said = run("--full")
    assert (code, said["events"]["missing"], scene.there()) == (0, [event], ["one", "two"])
    pass_time(scene, 15 * DAY)
    assert run("--full")[0] == 0
    assert scene.there() == []


def test_a_second_one_says_who_runs(scene: Scene, run: Run) -> None:
    """And ends well: cron must not send mail for it."""
    scene.event("one")
    ledger = open_ledger(scene.world.ledger)
    turn = ledger.write(lambda c: syncs.begin(c, scene.server.url, "another"))
    assert isinstance(turn, syncs.Turn)
    code, said = run()
    assert code == 0
    assert "Another run of sync" in said["words"]
    assert "another" in said["words"]
    assert scene.there() == []
    ledger.write(lambda c: syncs.end(c, turn, whole=False))
    assert run()[0] == 0
    assert scene.there() == ["one"]


def test_a_dry_run_keeps_and_sends_nothing(scene: Scene, run: Run) -> None:
    """It counts."""
    scene.event("one")
    code, said = run("--dry-run")
    assert (code, scene.there()) == (0, [])
    assert said["destinations"][0]["counts"]["accepted"] == 1
    assert run()[1]["events"]["read"] == 1
    assert scene.there() == ["one"]


def test_the_line_for_the_mail(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What a dry run would do is no claim that it was done; a failure is told once; a list is no event."""

    def said(*options: str) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["misp-microsoft", "sync", "--config", str(scene.world.config), *options])
        with pytest.raises(SystemExit):
            main()
        return capfd.readouterr()

    scene.event("one")
    line, _ = said("--dry-run")
    assert line.startswith("Dry run, nothing was sent: 1 event read of [RH-ISAC MISP] since ")
    line, _ = said()
    assert line.startswith("1 event read of [RH-ISAC MISP] since ")
    assert line.endswith("(1 changed); microsoft: accepted 1; microsoft defender: accepted 1\n")
    scene.server.faults.append(Fault(status=500, echo="The cellar is flooded"))
    line, words = said()
    assert line.startswith("0 events read of [RH-ISAC MISP] since ")
    assert line.endswith(" (MISP's list of events could not be read)\n")
    assert words.count("The cellar is flooded") == 1
    bad = scene.event("two")
    fail(scene, bad)
    line, _ = said()
    assert "(1 not read)" in line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--last", "soon"], "--last"),
        (["--since", "yesterday"], "--since"),
        (["--last", "1 day", "--since", "2026-01-01"], "not both"),
        (["--event-filter", "evil=1"], "one of these keys"),
        (["--misp", "misp nowhere"], "no section"),
        (["--destination", "nowhere"], "no destination"),
    ],
)
def test_wrong_options_are_a_sentence(scene: Scene, run: Run, options: list[str], words: str) -> None:
    """Exit code 2, and nothing was asked."""
    code, said = run(*options)
    assert code == 2
    assert words in said["words"]
    assert scene.server.requests == []


def test_a_key_that_misp_refuses_is_exit_code_4(scene: Scene, run: Run) -> None:
    """Nothing is withdrawn."""
    scene.event("one")
    run()
    scene.misp.users.clear()
    assert run()[0] == 4
    assert scene.there() == ["one"]


def test_the_members_own_misp_may_be_read_too(scene: Scene, run: Run) -> None:
    """`[misp]` without `syncTags`: all that the rules let through."""
    scene.event("anything", tag="")
    scene.world.configure(only=ONLY, misp={"url": scene.server.url, "key": KEY})
    code, said = run("--misp", "misp")
    assert (code, scene.there()) == (0, ["anything"])
    assert said["misp"] == scene.server.url


def test_one_misp_under_two_names_is_read_for_both(scene: Scene, run: Run) -> None:
    """What was pushed stands apart from what was synced: when the event changes, or is gone, both see it."""
    served = {"url": scene.server.url, "key": KEY}
    scene.world.configure(only=ONLY, misp=served)
    event = scene.event("one", "two", tag="")
    settings = load(scene.world.config)
    pushed = MispClient(settings.misp).read_event(event)  # type: ignore[arg-type] # configured above
    submit([pushed], settings, Order("cli", origin=Origin.OWN_READING))
    assert scene.there() == ["one", "two"]
    off(scene, event, "one")
    assert run("--misp", "misp")[0] == 0
    assert scene.there() == ["two"]
    before = event_row(scene, event, "").read_ms
    run("--misp", "misp")
    assert event_row(scene, event, "").read_ms == before
    scene.misp.delete_event(event)
    assert run("--misp", "misp", "--full")[1]["events"]["missing"] == [event]
    assert event_row(scene, event, "").missing_since_ms is not None


@pytest.mark.parametrize("command", ["check", "status"])
def test_a_misp_whose_address_changed_is_named(
    scene: Scene, run: Run, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], command: str
) -> None:
    """Its events are an orphan's: nobody reads them, until the address is back or what they said is taken back."""
    event = scene.event("one")
    run()

    def said() -> str:
        monkeypatch.setattr(sys, "argv", ["misp-microsoft", command, "--config", str(scene.world.config)])
        with pytest.raises(SystemExit):
            main()
        return capfd.readouterr().out

    assert "no section has this MISP" not in said()
    scene.world.configure(only=ONLY, wipe=False, more={"RH-ISAC MISP": {"url": "https://new.example", "key": KEY}})
    (line,) = [line for line in said().splitlines() if "no section has this MISP" in line]
    assert f"1 event of {scene.server.url}, for example {event}" in line
    monkeypatch.setattr(
        sys, "argv", ["misp-microsoft", "withdraw", "--event", event, "--yes", "--config", str(scene.world.config)]
    )
    with pytest.raises(SystemExit):
        main()
    capfd.readouterr()
    assert "no section has this MISP" not in said()


def test_a_round_that_is_waited_for_ends_though_misp_fails(scene: Scene, run: Run) -> None:
    """Each reading fails and is due again after two seconds, before the others have failed."""
    events = [scene.event(f"e{number}") for number in range(3)]
    run()
    ledger = open_ledger(scene.world.ledger)
    for event in events:
        ledger.write(lambda c, uuid=event: read_soon(c, uuid, scene.server.url))  # type: ignore[misc] # mypy cannot infer it
    scene.server.faults += [Fault("events/restSearch", delay=1.1, status=500) for _ in range(9)]
    asked = len(scene.server.requests)
    Rounds("test", "worker").go(load(scene.world.config), wait=True)
    assert sum("events/restSearch" in path for _, path, _ in scene.server.requests[asked:]) == len(events)


def test_nobody_waits_for_what_is_due_later(scene: Scene, run: Run) -> None:
    """Another drain is alive, and what the cap holds back is looked at in an hour."""
    event = scene.event("one", "two", "three")
    scene.world.configure(only=ONLY, more={"RH-ISAC MISP": {"url": scene.server.url, "key": KEY}}, maxWithdraw="0")
    run()
    for value in ("one", "two"):
        off(scene, event, value)
    ledger = open_ledger(scene.world.ledger)
    alive = {"holder": "another", "kind": "worker", "host": "there", "pid": 1}
    ledger.write(lambda c: c.execute(insert(schema.drain).values(**alive, seen_ms=now_ms(c) + 3_600_000)))
    begun = time.monotonic()
    found = run()
    assert found[0] == 3, str(found[1]["destinations"])
    assert time.monotonic() - begun < 60
    assert scene.there() == ["one", "three", "two"]


def test_a_run_is_heard_of_while_it_reads_one_event(scene: Scene, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With each page, so that another does not take its turn."""
    monkeypatch.setattr("misp_modules_ext.delivery.sync.HEARD_EVERY", 0.0)
    scene.event("one")
    ledger = open_ledger(scene.world.ledger)
    seen: list[int] = []

    def look() -> None:
        seen.append(ledger.read(lambda c: c.execute(select(schema.sync.c.lease_until_ms)).scalar_one()))

    scene.server.faults += [Fault("/attributes/restSearch", before=look, delay=0.02) for _ in range(3)]
    assert run()[0] == 0
    assert len(set(seen)) == len(seen) > 1


def test_a_run_is_heard_of_while_it_judges_a_large_event(
    scene: Scene, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Part by part, also when nothing of it goes anywhere."""
    monkeypatch.setattr("misp_modules_ext.delivery.sync.HEARD_EVERY", 0.0)
    monkeypatch.setattr("misp_modules_ext.misp.client.MOST_AT_ONCE", 1)
    scene.event("one", "two", "three", tag="")
    seen: list[int] = []

    def judge(*_: object) -> bool:
        wanted = select(schema.sync.c.lease_until_ms)
        seen.append(open_ledger(scene.world.ledger).read(lambda c: c.execute(wanted).scalar_one()))
        time.sleep(0.02)
        return False

    monkeypatch.setattr("misp_modules_ext.delivery.sync._Run._wanted", judge)
    assert run()[0] == 0
    assert len(set(seen)) == len(seen) == 3


def test_a_run_that_cannot_begin_gives_its_turn_back(scene: Scene, run: Run) -> None:
    """The ledger does not let it look up what was tried."""
    scene.event("one")
    assert run()[0] == 0
    ledger = open_ledger(scene.world.ledger)
    ledger.write(lambda c: c.execute(text("ALTER TABLE sync_tried RENAME TO elsewhere")))
    assert run()[0] == 2
    ledger.write(lambda c: c.execute(text("ALTER TABLE elsewhere RENAME TO sync_tried")))
    assert ledger.read(lambda c: c.execute(select(schema.sync.c.holder)).scalar_one()) is None
    assert run()[1]["events"]["listed"] == 1
