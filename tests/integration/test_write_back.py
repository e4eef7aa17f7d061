"""Tags back to MISP, against the emulator and a MISP over HTTP: put there, taken away, refused, and never read back."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import select

from misp_modules_ext.cli import main
from misp_modules_ext.config import load
from misp_modules_ext.delivery.rounds import Rounds
from misp_modules_ext.demo.service import Service
from misp_modules_ext.ledger import open_ledger, schema, written_back
from tests.support.keys import misp_key
from tests.support.misp_server import Fault, MispServer
from tests.support.misp_views import action_request
from tests.support.misp_world import User
from tests.support.misp_world import World as Misp
from tests.support.world import World

KEY = misp_key()
SENT = "misp-microsoft:sent"
BOTH = ("microsoft", "microsoft defender")
RIGHTS = frozenset({"perm_tagger", "perm_tag_editor"})

Run = Callable[..., int]


@dataclass
class Scene:
    """A MISP with one published event of one domain, and a Microsoft without it."""

    misp: Misp
    server: MispServer
    world: World
    event: str

    @property
    def user(self) -> User:
        """The user of the key."""
        return self.misp.users[0]

    def tags(self) -> dict[str, bool]:
        """The event's tags in MISP, and whether each is local."""
        return dict(self.misp.events[self.event].tags)

    def calls(self) -> list[str]:
        """What was asked of MISP about tags since the last time."""
        found = [path.rpartition("/")[2] for _, path, _ in self.server.requests if path.startswith("/tags/")]
        self.server.requests.clear()
        return found

    def configure(self, only: tuple[str, ...] = BOTH, **keys: str) -> None:
        """Write the configuration, with `keys` of [write-back]."""
        misp = {"url": self.server.url, "key": KEY}
        self.world.configure(only=only, misp=misp, more={"write-back": keys} if keys else None, wipe=False)

    def sent(self) -> dict[tuple[int, int], tuple[bytes, bytes]]:
        """What each destination should hold and holds, by the ledger."""
        row = schema.holding
        wanted = select(row.c.destination_id, row.c.observable_id, row.c.due_hash, row.c.sent_hash)
        rows = open_ledger(self.world.ledger).read(lambda c: c.execute(wanted).all())
        return {(place, number): (due, sent) for place, number, due, sent in rows}


@pytest.fixture
def scene(world: World) -> Iterator[Scene]:
    """Nothing was sent yet; the key may tag."""
    made = Misp(lambda: int(time.time()) - 60)
    made.add_user(KEY, made.add_org("Ours")).rights = RIGHTS
    event = made.add_event(made.orgs[0], "Campaign")
    made.add_attribute(event, "domain", "one.evil.example")
    made.publish(event)
    with MispServer(made) as server:
        found = Scene(made, server, world, event)
        world.configure()
        found.configure(tags="yes")
        yield found


@pytest.fixture
def spoken() -> list[str]:
    """What commands have said on standard error."""
    return []


@pytest.fixture
def run(world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], spoken: list[str]) -> Run:
    """Runs a command; gives its exit code."""

    def go(*argv: str) -> int:
        monkeypatch.setattr(sys, "argv", ["misp-microsoft", *argv, "--config", str(world.config)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        assert KEY not in out + err
        spoken.append(err)
        return int(ended.value.code or 0)

    return go


def _work(run: Run) -> None:
    assert run("worker", "--once") == 0


def _push_two(scene: Scene, run: Run) -> str:
    """Push the event, and another one: its UUID."""
    second = scene.misp.add_event(scene.misp.orgs[0], "Another")
    scene.misp.add_attribute(second, "domain", "two.evil.example")
    scene.misp.publish(second)
    assert run("push", scene.event) == 0
    assert run("push", second) == 0
    return second


def test_an_event_is_tagged_once_and_stands_as_it_was(scene: Scene, run: Run) -> None:
    """Not by the push, but after it; the tag is local and moves nothing; what is unchanged asks nothing."""
    before = replace(scene.misp.events[scene.event])
    assert run("push", scene.event) == 0
    assert scene.calls() == []
    _work(run)
    assert (scene.tags(), scene.calls()) == ({SENT: True}, ["attachTagToObject"])
    after = scene.misp.events[scene.event]
    assert (after.timestamp, after.published) == (before.timestamp, before.published)
    assert run("push", scene.event) == 0
    _work(run)
    assert scene.calls() == []


def test_our_tags_are_never_evidence(scene: Scene, run: Run) -> None:
    """Reading the event again, also with the tag set globally by a person, makes nothing due and changes no content."""
    assert run("push", scene.event) == 0
    before, uploads = scene.sent(), len(scene.world.uploads())
    scene.configure(tags="yes", detail="yes")
    _work(run)
    scene.misp.tag(scene.event, f'{SENT}="by hand"')
    scene.misp.publish(scene.event)
    assert run("push", scene.event) == 0
    _work(run)
    assert (scene.sent(), len(scene.world.uploads())) == (before, uploads)


def test_detail_names_each_destination(scene: Scene, run: Run) -> None:
    """And the names go when it is switched off; without the tag for any of them nothing is told."""
    scene.configure(tags="yes", detail="yes")
    assert run("push", scene.event, "--destination", "microsoft") == 0
    _work(run)
    assert scene.tags() == {SENT: True, f'{SENT}="microsoft"': True}
    assert run("push", scene.event) == 0
    _work(run)
    assert scene.tags().keys() == {SENT, f'{SENT}="microsoft"', f'{SENT}="microsoft defender"'}
    scene.configure(tags="yes")
    _work(run)
    assert scene.tags() == {SENT: True}


def test_what_is_withdrawn_loses_its_tag(scene: Scene, run: Run) -> None:
    """That of a destination when nothing is there any more; the one for any of them with the last of them."""
    scene.configure(tags="yes", detail="yes")
    assert run("push", scene.event) == 0
    _work(run)
    assert run("withdraw", "one.evil.example", "--destination", "microsoft", "--yes") == 0
    _work(run)
    assert scene.tags() == {SENT: True, f'{SENT}="microsoft defender"': True}
    attribute = scene.misp.events[scene.event].attributes[0].uuid
    scene.misp.set_to_ids(attribute, on=False)
    scene.misp.publish(scene.event)
    assert run("push", scene.event) == 0
    published = scene.misp.events[scene.event].published
    _work(run)
    assert (scene.world.defender(), scene.tags()) == ([], {})
    assert published is scene.misp.events[scene.event].published is True
    scene.calls()
    _work(run)
    assert scene.calls() == []


def test_a_key_that_may_synchronise_takes_tags_away(scene: Scene, run: Run) -> None:
    """MISP keeps local tags of events from such a role, unless asked: then none would seem to be there."""
    scene.user.rights = RIGHTS | {"perm_sync"}
    assert run("push", scene.event) == 0
    _work(run)
    assert run("withdraw", "one.evil.example", "--yes") == 0
    _work(run)
    assert scene.tags() == {}


@pytest.mark.parametrize("said", [b'{"saved": false, "errors": "Failed"}', b"{}", b"[]"])
def test_a_tag_is_there_until_misp_says_that_it_is_gone(scene: Scene, run: Run, said: bytes) -> None:
    """An answer that does not say so is asked for again."""
    assert run("push", scene.event) == 0
    _work(run)
    assert run("withdraw", "one.evil.example", "--yes") == 0
    scene.server.faults.append(Fault("removeTagFromObject", body=said))
    _work(run)
    # The server has done it, and not said so.
    scene.misp.tag(scene.event, SENT, local=True)
    scene.calls()
    _work(run)
    assert (scene.tags(), scene.calls()) == ({}, ["removeTagFromObject"])


def test_a_tag_that_a_person_has_set_globally_stays(scene: Scene, run: Run) -> None:
    """Taking it away would unpublish the event."""
    scene.misp.tag(scene.event, SENT)
    scene.misp.publish(scene.event)
    assert run("push", scene.event) == 0
    _work(run)
    assert run("withdraw", "one.evil.example", "--yes") == 0
    _work(run)
    assert scene.tags() == {SENT: False}
    assert scene.misp.events[scene.event].published
    assert scene.calls() == ["attachTagToObject"]


@pytest.mark.parametrize("rights", [frozenset(), frozenset({"perm_tagger"})], ids=["no tagger", "no tag editor"])
def test_a_key_without_the_right_is_told_with_the_remedy(
    scene: Scene, run: Run, rights: frozenset[str], spoken: list[str]
) -> None:
    """Nothing else fails for it, and with the right it goes on."""
    scene.user.rights = rights
    assert run("push", scene.event) == 0
    _work(run)
    told = " ".join(spoken[-1].split())
    assert told.count("cannot be tagged") == 1
    assert "perm_tagger" in told
    assert "perm_tag_editor" in told
    assert scene.tags() == {}
    scene.user.rights = RIGHTS
    _work(run)
    assert scene.tags() == {SENT: True}


def test_a_key_of_another_organisation_is_told(scene: Scene, run: Run, spoken: list[str]) -> None:
    """Local tags are for users of the organisation that runs the MISP."""
    scene.user.org = scene.misp.add_org("Theirs")
    assert run("push", scene.event) == 0
    _work(run)
    assert spoken[-1].count("cannot be tagged") == 1
    assert "MISP.host_org_id" in spoken[-1]


@pytest.mark.parametrize(
    "fault", [Fault("/tags/", drop=True), Fault("/tags/", status=500), Fault("/tags/", body=b"<html>")], ids=str
)
def test_a_misp_that_fails_is_tried_later(scene: Scene, run: Run, fault: Fault) -> None:
    """What was sent stays sent, the worker ends well, and the next one tags."""
    scene.server.faults.append(replace(fault))
    assert run("push", scene.event) == 0
    _work(run)
    assert scene.calls().count("attachTagToObject") == 1
    _work(run)
    assert scene.tags() == {SENT: True}


def test_an_event_that_fails_each_time_keeps_no_other_waiting(
    scene: Scene, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MISP is left alone for a while then; after that the others come first, and it has its turn again at the end."""
    second = _push_two(scene, run)
    monkeypatch.setattr("misp_modules_ext.delivery.writing_back.FIRST_WAIT", 0.05)
    monkeypatch.setattr("misp_modules_ext.delivery.writing_back.PERIOD", 0.0)
    rounds, settings = Rounds("one process", "worker"), load(scene.world.config)
    scene.server.faults.append(Fault("/tags/", status=500))
    rounds.go(settings, wait=True)
    assert (scene.calls(), scene.misp.events[second].tags) == (["attachTagToObject"], {})
    time.sleep(0.2)
    # The first one would fail again.
    scene.server.faults.append(Fault("/tags/", status=500, after=1))
    rounds.go(settings, wait=True)
    assert (scene.calls(), scene.misp.events[second].tags) == (["attachTagToObject"], {SENT: True})
    scene.server.faults.clear()
    rounds.go(settings, wait=True)
    assert (scene.calls(), scene.tags()) == (["attachTagToObject"], {SENT: True})


def test_an_answer_that_was_lost_is_asked_again(scene: Scene, run: Run) -> None:
    """As after a crash between MISP's answer and the ledger's note: the same again changes nothing."""
    scene.server.faults.append(Fault("/tags/", truncate=True))
    assert run("push", scene.event) == 0
    _work(run)
    assert scene.tags() == {SENT: True}
    _work(run)
    assert scene.calls() == ["attachTagToObject"] * 2
    _work(run)
    assert (scene.tags(), scene.calls()) == ({SENT: True}, [])


def test_a_tag_that_may_be_there_goes_with_what_it_tells_of(scene: Scene, run: Run) -> None:
    """The answer was lost, as when the worker dies. What was sent is withdrawn before MISP is asked again."""
    scene.server.faults.append(Fault("/tags/", truncate=True))
    assert run("push", scene.event) == 0
    _work(run)
    assert scene.tags() == {SENT: True}
    assert run("withdraw", "one.evil.example", "--yes") == 0
    _work(run)
    assert scene.tags() == {}
    scene.calls()
    _work(run)
    assert scene.calls() == []


def test_tags_of_an_event_that_comes_back_go(scene: Scene, run: Run) -> None:
    """It had a tag, MISP did not show it for a while, and meanwhile all of it was withdrawn."""
    assert run("push", scene.event) == 0
    _work(run)
    assert run("withdraw", "one.evil.example", "--yes") == 0
    hidden = scene.misp.events.pop(scene.event)
    _work(run)
    assert hidden.tags == {SENT: True}
    scene.misp.events[scene.event] = hidden
    scene.misp.edit(scene.event, info="Campaign, again")
    scene.misp.events[scene.event].timestamp += 5
    scene.misp.publish(scene.event)
    run("push", scene.event)
    _work(run)
    assert scene.tags() == {}


def test_two_workers_do_not_ask_for_the_same(scene: Scene, run: Run) -> None:
    """While one waits for MISP's answer the other leaves the event alone, and nothing is undone."""
    assert run("push", scene.event) == 0
    scene.server.faults.append(Fault("/tags/", delay=4))
    first = subprocess.Popen(
        [sys.executable, "-m", "misp_modules_ext", "worker", "--once", "--config", str(scene.world.config)]
    )
    end = time.monotonic() + 30
    while time.monotonic() < end and not any(path.startswith("/tags/") for _, path, _ in scene.server.requests):
        time.sleep(0.05)
    _work(run)
    assert scene.calls() == ["attachTagToObject"]
    assert first.wait(30) == 0
    assert (scene.tags(), scene.calls()) == ({SENT: True}, [])


def test_a_destination_with_another_name_gets_another_tag(scene: Scene, run: Run) -> None:
    """The one with its earlier name goes first."""
    scene.configure(tags="yes", detail="yes")
    assert run("push", scene.event) == 0
    _work(run)
    text = scene.world.config.read_text()
    scene.world.config.write_text(text.replace("[microsoft]", "[microsoft emea]"))
    _work(run)
    _work(run)
    assert scene.tags().keys() == {SENT, f'{SENT}="microsoft emea"', f'{SENT}="microsoft defender"'}


def test_an_event_that_misp_does_not_show_waits_for_a_change(scene: Scene, run: Run) -> None:
    """It is asked for once."""
    assert run("push", scene.event) == 0
    hidden = scene.misp.events.pop(scene.event)
    _work(run)
    _work(run)
    assert scene.calls() == ["attachTagToObject"]
    scene.misp.events[scene.event] = hidden
    scene.misp.edit(scene.event, info="Campaign, again")
    # Not in the same second as all before.
    scene.misp.events[scene.event].timestamp += 5
    scene.misp.publish(scene.event)
    assert run("push", scene.event) == 0
    _work(run)
    assert scene.tags() == {SENT: True}


def test_another_events_value_is_not_this_ones(scene: Scene, run: Run) -> None:
    """An event that may not go has nothing at Microsoft, even where another one has put the same value there."""
    red = scene.misp.add_event(scene.misp.orgs[0], "Not for others")
    scene.misp.add_attribute(red, "domain", "one.evil.example")
    scene.misp.tag(red, "tlp:red")
    scene.misp.publish(red)
    assert run("push", scene.event, red) == 0
    _work(run)
    assert SENT not in scene.misp.events[red].tags
    assert scene.tags() == {SENT: True}


def test_events_that_are_as_they_were_are_looked_at_together(
    scene: Scene, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All events are gone through each minute: one question about each would keep a ledger of thousands busy."""
    second = _push_two(scene, run)
    monkeypatch.setattr("misp_modules_ext.delivery.writing_back.PERIOD", 0.0)
    rounds, settings, asked = Rounds("one process", "worker"), load(scene.world.config), []
    rounds.go(settings, wait=True)
    for name in ("still_there", "witness", "is_leaving"):
        monkeypatch.setattr(written_back, name, _counted(getattr(written_back, name), asked))
    rounds.go(settings, wait=True)
    assert asked == ["still_there"] * len(BOTH)
    assert (scene.tags(), scene.misp.events[second].tags) == ({SENT: True}, {SENT: True})
    assert run("withdraw", "two.evil.example", "--yes") == 0
    rounds.go(settings, wait=True)
    assert (scene.tags(), scene.misp.events[second].tags) == ({SENT: True}, {})


def _counted(work: Callable[..., Any], asked: list[str]) -> Callable[..., Any]:
    def counting(*args: Any, **named: Any) -> Any:
        asked.append(work.__name__)
        return work(*args, **named)

    return counting


def test_switched_off_misp_is_not_asked(scene: Scene, run: Run) -> None:
    """As it is unless the configuration says so; `detail` alone tells nothing."""
    for keys in ({}, {"detail": "yes"}):
        scene.configure(**keys)
        assert run("push", scene.event) == 0
        _work(run)
        assert scene.calls() == []
    assert scene.tags() == {}


def test_the_service_tags_in_the_background(served: tuple[Service, World]) -> None:
    """What a workflow has brought, without a worker, and soon."""
    service, world = served
    made = Misp(lambda: int(time.time()))
    made.add_user(KEY, made.add_org("Ours")).rights = RIGHTS
    event = made.add_event(made.orgs[0], "Campaign")
    made.add_attribute(event, "domain", "one.evil.example")
    with MispServer(made) as server:
        misp = {"url": server.url, "key": KEY}
        world.configure(only=("microsoft defender",), misp=misp, more={"write-back": {"tags": "yes"}})
        answer = service.query({"module": "push_to_microsoft", "params": {}, **action_request(made, event)})
        assert answer == {"data": True}
        made.publish(event)
        end = time.monotonic() + 60
        while time.monotonic() < end and not made.events[event].tags:
            time.sleep(0.2)
        assert made.events[event].tags == {SENT: True}
        assert made.events[event].published
        world.configure()
