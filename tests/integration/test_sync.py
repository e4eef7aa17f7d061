"""`sync` against a MISP over HTTP: first run, later runs, removals, failures at every page, two at once."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update

from misp_modules_ext.cli import looking, main
from misp_modules_ext.cli.status import codes, look
from misp_modules_ext.config import load
from misp_modules_ext.delivery.reading import read_soon
from misp_modules_ext.delivery.rounds import Rounds
from misp_modules_ext.delivery.submit import Order, submit
from misp_modules_ext.ledger import Origin, open_ledger, schema, syncs
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.misp.client import MispClient
from tests.support.keys import misp_key
from tests.support.misp_server import Fault, MispServer
from tests.support.misp_world import World as Misp
from tests.support.world import World

KEY = misp_key()
VETTED = "rhisac: vetted"
DAY = 86_400
ONLY = ("microsoft", "microsoft defender")

Run = Callable[..., tuple[int, dict[str, Any]]]


@dataclass
class Scene:
    """RH-ISAC's MISP as a test server, with an organisation to write events.

    Attributes:
        now: the clock of MISP.
    """

    misp: Misp
    server: MispServer
    world: World
    clock: list[int]

    def event(self, *values: str, tag: str = VETTED, ago: int = 60, info: str = "Campaign") -> str:
        """A published event of domains, all with a tag of their own; gives its UUID."""
        self.clock[0] = int(time.time()) - ago
        uuid = self.misp.add_event(self.misp.orgs[0], info)
        for value in values:
            attribute = self.misp.add_attribute(uuid, "domain", f"{value}.evil.example")
            if tag:
                self.misp.tag(attribute, tag)
        self.misp.publish(uuid)
        return uuid

    def attribute(self, event: str, value: str) -> str:
        """The UUID of one of its attributes."""
        return next(a.uuid for a in self.misp.events[event].attributes if a.value == f"{value}.evil.example")

    def publish(self, event: str) -> None:
        """Publish it now."""
        self.clock[0] = int(time.time())
        self.misp.publish(event)

    def there(self) -> list[str]:
        """The names at Defender, as far as they differ."""
        return [value.removesuffix(".evil.example") for value in self.world.defender()]


@pytest.fixture
def scene(world: World) -> Iterator[Scene]:
    """A MISP without events, and a configuration that reads it."""
    clock = [int(time.time())]
    misp = Misp(lambda: clock[0])
    misp.add_user(KEY, misp.add_org("Members"))
    with MispServer(misp) as server:
        made = Scene(misp, server, world, clock)
        configure(made)
        yield made


@pytest.fixture(params=[20_000, 1], ids=["whole", "parts"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events are taken whole, or one attribute after another."""
    monkeypatch.setattr("misp_modules_ext.misp.client.MOST_AT_ONCE", request.param)


def configure(scene: Scene, **keys: str) -> None:
    """Write the configuration; `keys` go into the section of RH-ISAC's MISP."""
    section = {"url": scene.server.url, "key": KEY} | keys
    scene.world.configure(only=ONLY, more={"RH-ISAC MISP": section})


@pytest.fixture
def run(scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the command; gives its exit code and what it says."""

    def sync(*options: str) -> tuple[int, dict[str, Any]]:
        argv = ["misp-microsoft", "sync", "--json", "--config", str(scene.world.config), *options]
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        assert KEY not in out + err
        return int(ended.value.code or 0), (json.loads(out) if out else {"words": err})

    return sync


def _pass_time(scene: Scene, seconds: int) -> None:
    """Let events have been seen unpublished, or missing, so much earlier."""
    columns = (schema.event.c.unpublished_since_ms, schema.event.c.missing_since_ms)
    earlier = {column: column - seconds * 1000 for column in columns}
    open_ledger(scene.world.ledger).write(lambda c: c.execute(update(schema.event).values(earlier)))


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
    _pass_time(scene, 15 * DAY)
    assert run("--full")[0] == 0
    assert scene.there() == []


FAULTS = {
    "error": {"status": 500},
    "truncated": {"truncate": True},
    "dropped": {"drop": True},
    "no list": {"body": b"{}"},
}


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("after", range(6))
def test_nothing_is_withdrawn_by_a_failure_and_the_next_run_goes_on(
    scene: Scene, run: Run, fault: dict[str, Any], after: int
) -> None:
    """PEERS 21: whichever request fails."""
    scene.event("one")
    scene.event("two")
    run()
    third = scene.event("three")
    requests = len(scene.server.requests)
    scene.server.faults.append(Fault(after=after, **fault))
    code, said = run()
    assert scene.there() in (["one", "three", "two"], ["one", "two"])
    if code == 5:
        assert said["events"]["failures"]
        seen = len(scene.server.requests)
        assert seen > requests
        assert run()[0] == 0
    assert scene.there() == ["one", "three", "two"]
    assert third


def test_a_web_server_that_has_lost_misp_does_not_move_the_checkpoint(scene: Scene, run: Run) -> None:
    """Its 404 is no word of MISP's about the event: it would be missing, and its publication never read."""
    run()
    event = scene.event("one")
    scene.server.faults.append(Fault("events/restSearch", event=event, status=404, body=b"<html>Not Found</html>"))
    code, said = run()
    assert (code, said["events"]["missing"], len(said["events"]["failures"])) == (5, [], 1)
    assert run()[0] == 0
    assert scene.there() == ["one"]


def test_a_run_that_was_interrupted_goes_on_where_it_was(scene: Scene, run: Run) -> None:
    """What it had read is not read again; what it had not is, also when the next run comes days later."""
    for number in range(4):
        scene.event(f"e{number}")
    # Attributes are asked for three times for each event.
    scene.server.faults += [Fault(path="/attributes/restSearch", after=3, status=500) for _ in range(20)]
    code, said = run()
    assert code == 5
    read = said["events"]["read"]
    assert 0 < read < 4
    scene.server.faults.clear()
    code, said = run()
    assert (code, said["events"]["read"], said["events"]["readBefore"]) == (0, 4 - read, read)
    assert scene.there() == ["e0", "e1", "e2", "e3"]


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


def test_a_run_with_choices_of_its_own_moves_no_checkpoint(scene: Scene, run: Run) -> None:
    """A shorter time, another tag, a type or a condition leave things out that the next ordinary run must see."""
    run()
    scene.event("old", ago=7200)
    other = scene.event("other", info="Other")
    scene.misp.tag(scene.attribute(other, "other"), "mine")
    scene.publish(other)
    assert run("--tag", "nobody's")[1]["events"]["listed"] == 1
    assert scene.there() == []
    assert run("--tag", "Mine")[1]["events"]["changed"] == 1
    assert scene.there() == ["other"]
    assert run("--since", "2026-01-01", "--type", "url")[1]["events"]["listed"] == 2
    assert run("--since", "2026-01-01", "--event-filter", "eventinfo=Other")[1]["events"]["listed"] == 1
    assert scene.there() == ["other"]
    assert run("--last", "1 day")[1]["events"]["listed"] == 2
    assert scene.there() == ["old", "other"]


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
    _fail(scene, bad)
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


def _fail(scene: Scene, *events: str) -> None:
    """Have MISP fail at these events for as long as the faults stand."""
    scene.server.faults += [Fault(event=event, status=500) for event in events for _ in range(60)]


def _off(scene: Scene, event: str, value: str) -> None:
    """Switch an IDS flag off, and publish that."""
    scene.clock[0] = int(time.time()) + 1
    scene.misp.set_to_ids(scene.attribute(event, value), on=False)
    scene.misp.publish(event)


def _row(scene: Scene) -> tuple[int | None, int | None, int | None]:
    """Where the unfinished run began, when that was, and the checkpoint."""
    table = schema.sync
    wanted = select(table.c.since, table.c.began_ms, table.c.checkpoint)
    found = open_ledger(scene.world.ledger).read(lambda c: c.execute(wanted).one())
    return found.since, found.began_ms, found.checkpoint


def _tried(scene: Scene) -> dict[str, syncs.Tried]:
    return open_ledger(scene.world.ledger).read(lambda c: syncs.tried(c, scene.server.url))


def _event_row(scene: Scene, uuid: str, misp: str) -> Any:
    this = (schema.event.c.uuid == uuid) & (schema.event.c.misp == misp)
    return open_ledger(scene.world.ledger).read(lambda c: c.execute(select(schema.event).where(this)).one())


def test_an_event_that_cannot_be_read_freezes_no_other(scene: Scene, run: Run) -> None:
    """For as long as it fails runs are unfinished: what changes meanwhile is read, also what `--full` alone finds."""
    bad = scene.event("bad")
    event = scene.event("one", "two", "three")
    gone = scene.event("gone")
    _fail(scene, bad)
    assert run()[0] == 5
    assert scene.there() == ["gone", "one", "three", "two"]
    _off(scene, event, "one")
    code, said = run()
    assert (code, said["events"]["read"], said["events"]["readBefore"]) == (5, 1, 1)
    assert scene.there() == ["gone", "three", "two"]
    scene.misp.delete_event(gone)
    code, said = run("--full")
    assert (code, said["events"]["missing"]) == (5, [gone])
    scene.server.faults.clear()
    assert run()[0] == 0
    assert scene.there() == ["bad", "gone", "three", "two"]
    assert _row(scene)[0] is None
    assert _tried(scene) == {}


def test_what_was_unpublished_when_it_was_read_is_read_again(scene: Scene, run: Run) -> None:
    """Publishing changes no timestamp, so an unfinished run cannot tell by that."""
    bad, event = scene.event("bad"), scene.event("one")
    _fail(scene, bad)
    scene.clock[0] = int(time.time())
    scene.misp.add_attribute(event, "domain", "new.evil.example")
    scene.misp.tag(event, VETTED)
    assert run()[0] == 5
    assert scene.there() == []
    scene.misp.publish(event)
    assert run()[0] == 5
    assert scene.there() == ["new", "one"]


@pytest.mark.parametrize("options", [("--destination", "microsoft"), ("--type", "url"), ("--tag", "mine")])
def test_a_narrow_run_in_between_does_not_count_for_an_unfinished_one(
    scene: Scene, run: Run, options: tuple[str, str]
) -> None:
    """It takes half of what it reads; the next ordinary run takes the other half before the checkpoint moves."""
    events = [scene.event(f"e{number}") for number in range(3)]
    for event in events:
        url = scene.misp.add_attribute(event, "url", "https://urls.evil.example/")
        scene.misp.tag(url, VETTED)
        scene.misp.tag(url, "mine")
        scene.publish(event)
    _fail(scene, events[2])
    assert run()[0] == 5
    scene.server.faults.clear()
    assert run(*options)[0] == 0
    assert "e2" not in scene.there()
    assert _row(scene)[0] is not None
    assert run()[0] == 0
    assert [name for name in scene.there() if name.startswith("e")] == ["e0", "e1", "e2"]
    assert _row(scene)[0] is None


def test_three_events_that_cannot_be_read_block_no_new_one(scene: Scene, run: Run) -> None:
    """They end a run, and come last in the next, the one that was tried first before the others."""
    bad = [scene.event(f"bad{number}") for number in range(4)]
    scene.event("one")
    _fail(scene, *bad)
    assert (run()[0], scene.there()) == (5, [])
    assert (run()[0], scene.there()) == (5, ["one"])
    scene.event("two")
    assert (run()[0], scene.there()) == (5, ["one", "two"])
    scene.server.faults = [fault for fault in scene.server.faults if fault.event != bad[3]]
    run()
    assert scene.there() == ["bad3", "one", "two"]
    scene.server.faults.clear()
    assert run()[0] == 0
    assert scene.there() == ["bad0", "bad1", "bad2", "bad3", "one", "two"]


def test_a_shorter_run_does_not_finish_an_unfinished_one(scene: Scene, run: Run) -> None:
    """The very first run failed at an event of two hours ago: one that looks back an hour leaves it out."""
    old = scene.event("old", ago=7200)
    scene.event("new")
    _fail(scene, old)
    assert run()[0] == 5
    scene.server.faults.clear()
    assert run("--last", "1 hour")[0] == 0
    assert scene.there() == ["new"]
    assert run()[0] == 0
    assert scene.there() == ["new", "old"]


@pytest.mark.parametrize("option", [("--last", "1 hour"), ("--since", "2126-01-01")])
def test_a_shorter_run_is_not_the_first_one(scene: Scene, run: Run, option: tuple[str, str]) -> None:
    """Somebody tries it with an hour before cron does it: what was published earlier that day is still to come."""
    scene.event("old", ago=7200)
    assert run(*option)[0] == 0
    assert scene.there() == []
    assert run()[0] == 0
    assert scene.there() == ["old"]
    scene.event("older", ago=2 * 86_400)
    run("--last", "7 days")
    assert scene.there() == ["old", "older"]


def test_a_longer_run_is_the_first_one(scene: Scene, run: Run) -> None:
    """The next one begins where it began."""
    scene.event("old", ago=2 * 86_400)
    run("--last", "7 days")
    assert run()[1]["events"]["listed"] == 0
    assert scene.there() == ["old"]


def test_a_dry_run_leaves_no_trace(scene: Scene, run: Run) -> None:
    """Neither where it began nor what it read, whether it ends well or not; what was unfinished stays so."""
    bad = scene.event("bad", ago=7200)
    scene.event("one")
    assert run("--dry-run", "--last", "3 hours")[0] == 0
    assert (_row(scene), _tried(scene)) == ((None, None, None), {})
    _fail(scene, bad)
    assert run("--dry-run")[0] == 5
    assert (_row(scene), _tried(scene)) == ((None, None, None), {})
    assert run()[0] == 5
    before = (_row(scene), _tried(scene))
    scene.server.faults.clear()
    assert run("--dry-run")[0] == 0
    assert (_row(scene), _tried(scene)) == before
    assert run()[1]["events"]["readBefore"] == 1


def _due(scene: Scene) -> None:
    """Let everything that is to be read later be due now."""
    later = schema.event.c.read_due_ms.is_not(None)
    now = update(schema.event).where(later).values(read_due_ms=1)
    open_ledger(scene.world.ledger).write(lambda c: c.execute(now))


@pytest.mark.usefixtures("size")
def test_an_event_of_which_misp_shows_only_part_is_read_again(scene: Scene, run: Run) -> None:
    """Once more at once, then by the drain, again and again for a day; it is named, and keeps nothing else back."""
    scene.misp.allowed_list.add("hidden.evil.example")
    event = scene.event("one", "hidden")
    code, said = run()
    assert (code, said["events"]["incomplete"], scene.there()) == (0, [event], ["one"])
    headers = [b for _, p, b in scene.server.requests if "events/restSearch" in p and b.get("eventid") == event]
    assert len(headers) == 4
    assert _row(scene)[2] is not None
    first = _event_row(scene, event, scene.server.url)
    assert first.read_due_ms - first.read_ms >= 60_000
    rounds = Rounds("test", "worker")
    for _ in range(2):
        _due(scene)
        rounds.go(load(scene.world.config), wait=True)
        assert _event_row(scene, event, scene.server.url).read_due_ms > first.read_due_ms - 1
    scene.misp.allowed_list.clear()
    _due(scene)
    rounds.go(load(scene.world.config), wait=True)
    assert scene.there() == ["hidden", "one"]
    assert _event_row(scene, event, scene.server.url).read_due_ms is None


@pytest.mark.usefixtures("size")
def test_an_event_of_which_nothing_that_goes_was_shown_is_read_again(scene: Scene, run: Run) -> None:
    """Its publication is over with this run: nothing else would ever read it."""
    scene.misp.allowed_list.add("hidden.evil.example")
    event = scene.event("hidden")
    scene.misp.add_attribute(event, "comment", "nothing to send")
    scene.publish(event)
    code, said = run()
    assert (code, said["events"]["incomplete"], scene.there()) == (0, [event], [])
    scene.misp.allowed_list.clear()
    _due(scene)
    settings, ledger = load(scene.world.config), open_ledger(scene.world.ledger)
    everywhere = looking.places(ledger, settings, ())
    assert codes(look(ledger, settings, everywhere)) == {3}
    Rounds("test", "worker").go(settings, wait=True)
    assert scene.there() == ["hidden"]
    assert codes(look(ledger, settings, everywhere)) == set()


def test_an_event_that_is_never_complete_is_left_alone_after_a_day(scene: Scene, run: Run) -> None:
    """Some attributes are for other eyes, and MISP counts them all the same."""
    scene.misp.allowed_list.add("hidden.evil.example")
    event = scene.event("one", "hidden", ago=2 * DAY)
    scene.publish(event)
    assert run()[1]["events"]["incomplete"] == [event]
    assert _event_row(scene, event, scene.server.url).read_due_ms is not None
    _due(scene)
    Rounds("test", "worker").go(load(scene.world.config), wait=True)
    assert _event_row(scene, event, scene.server.url).read_due_ms is None


def test_the_line_names_what_is_incomplete(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """So that a person can look."""
    scene.misp.allowed_list.add("hidden.evil.example")
    event = scene.event("one", "hidden")
    monkeypatch.setattr(sys, "argv", ["misp-microsoft", "sync", "--config", str(scene.world.config)])
    with pytest.raises(SystemExit):
        main()
    assert f"1 incomplete: {event}" in capfd.readouterr().out


def test_an_event_that_was_edited_while_it_was_read_is_read_at_once_again(scene: Scene, run: Run) -> None:
    """Then it is whole."""
    event = scene.event("one")

    def edit() -> None:
        scene.clock[0] = int(time.time()) + 1
        attribute = scene.misp.add_attribute(event, "domain", "two.evil.example")
        scene.misp.tag(attribute, VETTED)
        scene.misp.publish(event)

    scene.server.faults.append(Fault("/attributes/restSearch", after=1, before=edit))
    code, said = run()
    assert (code, said["events"]["incomplete"], scene.there()) == (0, [], ["one", "two"])


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("option", ["--type", "--tag"])
def test_a_narrow_run_takes_part_of_each_event_and_says_nothing_of_the_rest(
    scene: Scene, run: Run, option: str
) -> None:
    """What syncTags does not let through stays out, and what was lost meanwhile is withdrawn by the next full view."""
    event = scene.event("stays", "off", "untagged")
    address = scene.misp.add_attribute(event, "ip-dst", "198.51.100.7")
    scene.misp.tag(address, "MINE")
    scene.misp.tag(address, VETTED)
    other = scene.misp.add_attribute(event, "ip-dst", "198.51.100.8")
    scene.misp.tag(other, "mine")
    scene.clock[0] = int(time.time()) - 30
    scene.misp.publish(event)
    chosen = (option, "ip-dst" if option == "--type" else "mine")
    code, said = run(*chosen)
    assert (code, scene.there()) == (0, ["198.51.100.7"])
    assert all((d["counts"]["read"], d["counts"]["skipped"]) == (2, 1) for d in said["destinations"])
    run()
    assert scene.there() == ["198.51.100.7", "off", "stays", "untagged"]
    scene.clock[0] = int(time.time())
    scene.misp.set_to_ids(scene.attribute(event, "off"), on=False)
    scene.misp.untag(scene.attribute(event, "untagged"), VETTED)
    scene.misp.publish(event)
    assert run(*chosen)[1]["events"]["changed"] == 0
    assert scene.there() == ["198.51.100.7", "off", "stays", "untagged"]
    run()
    assert scene.there() == ["198.51.100.7", "stays"]


@pytest.mark.usefixtures("size")
def test_the_rest_does_not_follow_a_narrow_run(scene: Scene, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the drain reads the event again, for whatever reason; an ordinary run brings it."""
    event = scene.event("one", "two")
    for value in ("198.51.100.7", "198.51.100.8"):
        scene.misp.tag(scene.misp.add_attribute(event, "ip-dst", value), VETTED)
    scene.publish(event)
    assert run("--type", "ip-dst")[0] == 0
    assert scene.there() == ["198.51.100.7", "198.51.100.8"]
    address = next(a for a in scene.misp.events[event].attributes if a.value == "198.51.100.8")
    scene.misp.set_to_ids(address.uuid, on=False)
    scene.publish(event)
    soon = update(schema.event).values(read_due_ms=1)
    open_ledger(scene.world.ledger).write(lambda connection: connection.execute(soon))
    monkeypatch.setattr(sys, "argv", ["misp-microsoft", "worker", "--once", "--config", str(scene.world.config)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert scene.there() == ["198.51.100.7"]
    run()
    assert scene.there() == ["198.51.100.7", "one", "two"]


@pytest.mark.parametrize("option", [("--type", "url"), ("--tag", "mine")])
def test_a_narrow_run_leaves_what_waits_and_the_destinations_as_they_are(
    scene: Scene, run: Run, option: tuple[str, str]
) -> None:
    """Rules are those of the configuration: rows that are due by them stay due, and go."""
    scene.event("one")
    scene.world.emulator.fault(api="defender", status=403)
    scene.world.emulator.fault(api="sentinel", status=403)
    assert run()[0] == 4
    ledger = open_ledger(scene.world.ledger)
    columns = (schema.destination.c.store, schema.destination.c.configuration)
    before = ledger.read(lambda c: sorted(c.execute(select(*columns)).all()))
    scene.world.emulator.clear_faults()
    ended = update(schema.destination).values(paused_until_ms=1)
    ledger.write(lambda c: c.execute(ended))
    assert run(*option)[0] == 0
    assert scene.there() == ["one"]
    assert ledger.read(lambda c: sorted(c.execute(select(*columns)).all())) == before


@pytest.mark.usefixtures("size")
def test_a_narrow_run_sees_which_attributes_are_picked(scene: Scene, run: Run) -> None:
    """One of them carries the pick tag, so the others stay behind, also when it is not of the type asked for."""
    event = scene.event("picked")
    scene.misp.tag(scene.attribute(event, "picked"), "microsoft:push")
    address = scene.misp.add_attribute(event, "ip-dst", "198.51.100.7")
    scene.misp.tag(address, VETTED)
    scene.publish(event)
    code, said = run("--type", "ip-dst")
    assert (code, said["events"]["read"], scene.there()) == (0, 1, [])
    run()
    assert scene.there() == ["picked"]


def test_one_misp_under_two_names_is_read_for_both(scene: Scene, run: Run) -> None:
    """What was pushed stands apart from what was synced: when the event changes, or is gone, both see it."""
    served = {"url": scene.server.url, "key": KEY}
    scene.world.configure(only=ONLY, misp=served)
    event = scene.event("one", "two", tag="")
    settings = load(scene.world.config)
    pushed = MispClient(settings.misp).read_event(event)  # type: ignore[arg-type] # configured above
    submit([pushed], settings, Order("cli", origin=Origin.OWN_READING))
    assert scene.there() == ["one", "two"]
    _off(scene, event, "one")
    assert run("--misp", "misp")[0] == 0
    assert scene.there() == ["two"]
    before = _event_row(scene, event, "").read_ms
    run("--misp", "misp")
    assert _event_row(scene, event, "").read_ms == before
    scene.misp.delete_event(event)
    assert run("--misp", "misp", "--full")[1]["events"]["missing"] == [event]
    assert _event_row(scene, event, "").missing_since_ms is not None


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
        _off(scene, event, value)
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
