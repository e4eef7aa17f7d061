"""`push` of events that are named, listed or searched for, from a MISP over HTTP to Microsoft."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from misp_modules_ext.cli import main
from misp_modules_ext.ledger import open_ledger, schema
from tests.support.keys import misp_key
from tests.support.misp_server import Fault, MispServer
from tests.support.misp_world import World as Misp
from tests.support.world import World

KEY = misp_key()
ONLY = ("microsoft defender",)


@dataclass
class Scene:
    """Our MISP and that of a partner, and what is at Defender."""

    misp: Misp
    server: MispServer
    partner: Misp
    world: World

    def event(self, *values: str, misp: Misp | None = None, info: str = "Campaign", tag: str = "") -> str:
        """A published event of domains; gives its UUID."""
        where = misp or self.misp
        uuid = where.add_event(where.orgs[0], info)
        for value in values:
            where.add_attribute(uuid, "domain", f"{value}.evil.example")
        if tag:
            where.tag(uuid, tag)
        where.publish(uuid)
        return uuid

    def there(self) -> list[str]:
        """The names at Defender."""
        return [value.removesuffix(".evil.example") for value in self.world.defender()]

    def number(self, uuid: str) -> str:
        """The event's number in our MISP."""
        return str(self.misp.events[uuid].id)


def _misp() -> Misp:
    made = Misp(lambda: int(time.time()))
    made.add_user(KEY, made.add_org("Members"))
    return made


@pytest.fixture
def scene(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """Two MISPs without events, and a configuration that reads both; the current folder is empty."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    misp, partner = _misp(), _misp()
    with MispServer(misp) as server, MispServer(partner) as other:
        more = {"misp partner": {"url": other.url, "key": KEY}}
        world.configure(only=ONLY, misp={"url": server.url, "key": KEY}, more=more)
        yield Scene(misp, server, partner, world)


Push = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def push(scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Push:
    """Runs the command; gives its exit code, its JSON and what it says besides."""

    def run(*words: str, stdin: bytes = b"") -> tuple[int, dict[str, Any], str]:
        monkeypatch.setattr(
            sys, "argv", ["misp-microsoft", "push", "--json", "--config", str(scene.world.config), *words]
        )
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        assert KEY not in out + err
        return int(ended.value.code or 0), json.loads(out) if out else {}, err

    return run


def _events(report: dict[str, Any]) -> list[str]:
    return [event["uuid"] for event in report["events"]]


def test_numbers_and_uuids(scene: Scene, push: Push) -> None:
    """Mixed; one event named both ways is pushed once, and what MISP says no more is withdrawn as with a UUID."""
    one, two = scene.event("one", "gone"), scene.event("two")
    code, report, _ = push(scene.number(one), two, one)
    assert (code, _events(report), scene.there()) == (0, [one, two], ["gone", "one", "two"])
    gone = next(a for a in scene.misp.events[one].attributes if a.value.startswith("gone"))
    scene.misp.delete_attribute(gone.uuid)
    scene.misp.publish(one)
    code, report, _ = push(scene.number(one))
    assert (code, scene.there()) == (0, ["one", "two"])


def test_a_number_that_misp_does_not_show_costs_itself(scene: Scene, push: Push) -> None:
    """The others go; exit code 2, as with a UUID."""
    one = scene.event("one")
    code, report, said = push("4711", scene.number(one))
    assert (code, _events(report), scene.there()) == (2, [one], ["one"])
    assert "no event 4711" in said
    assert any("4711" in warning for warning in report["warnings"])


def test_numbers_when_misp_does_not_answer(scene: Scene, push: Push) -> None:
    """Exit code 5, and nothing is pushed by a number; the UUID beside them is."""
    one, two = scene.event("one"), scene.event("two")
    scene.server.faults.append(Fault("events/restSearch", status=500))
    code, _, said = push(scene.number(one), two)
    assert (code, scene.there()) == (5, ["two"])
    assert f"Not read: event {scene.number(one)}: " in said


def test_a_number_is_asked_of_the_misp_that_is_named(scene: Scene, push: Push) -> None:
    """The same number is another event there, and what it said is kept apart from what ours says."""
    ours = scene.event("ours")
    theirs = scene.event("theirs", misp=scene.partner)
    assert scene.number(ours) == str(scene.partner.events[theirs].id)
    scene.partner.events[theirs].uuid = other = ours.replace(ours[0], "f", 1)
    scene.partner.events[other] = scene.partner.events.pop(theirs)
    code, report, _ = push(scene.number(ours), "--misp", "partner")
    assert (code, _events(report), scene.there()) == (0, [other], ["theirs"])
    assert report["events"][0]["url"].startswith(f"http://127.0.0.1:{_port(scene.world, 'misp partner')}")
    assert push(scene.number(ours), "--misp", "misp")[1]["events"][0]["uuid"] == ours
    assert scene.there() == ["ours", "theirs"]


def _port(world: World, section: str) -> str:
    text = world.config.read_text()
    return text.partition(f"[{section}]")[2].partition("127.0.0.1:")[2].split()[0]


def test_one_event_of_two_misps_is_vouched_for_twice(scene: Scene, push: Push) -> None:
    """What the partner takes back stays for as long as ours says it."""
    ours = scene.event("shared")
    theirs = scene.event("shared", misp=scene.partner)
    assert ours == theirs
    push(ours)
    push(ours, "--misp", "misp partner")
    scene.partner.set_to_ids(scene.partner.events[ours].attributes[0].uuid, on=False)
    scene.partner.publish(ours)
    assert push(ours, "--misp", "misp partner")[0] == 0
    assert scene.there() == ["shared"]
    scene.misp.set_to_ids(scene.misp.events[ours].attributes[0].uuid, on=False)
    scene.misp.publish(ours)
    push(ours)
    assert scene.there() == []


@pytest.mark.parametrize("how", ["file", "--from -", "-"])
def test_a_list(scene: Scene, push: Push, how: str) -> None:
    """From a file or a pipe."""
    one, two = scene.event("one"), scene.event("two")
    scene.event("three")
    content = f"# two of three\n{scene.number(one)}\n\n{two}  # the other\n".encode()
    Path("list.txt").write_bytes(content)
    words = {"file": ("--from", "list.txt"), "--from -": ("--from", "-"), "-": ("-",)}[how]
    code, report, _ = push(*words, stdin=b"" if how == "file" else content)
    assert (code, _events(report), scene.there()) == (0, [one, two], ["one", "two"])


def test_a_list_with_a_wrong_line_pushes_nothing(scene: Scene, push: Push) -> None:
    """The line is named, and MISP was not asked."""
    one = scene.event("one")
    Path("list.txt").write_text(f"{one}\nfoo\n")
    code, _, said = push("--from", "list.txt")
    assert (code, scene.there(), scene.server.requests) == (2, [], [])
    assert "line 2: foo" in said


def test_an_empty_list_is_no_error(scene: Scene, push: Push) -> None:
    """It is said, and `--json` is JSON all the same."""
    Path("list.txt").write_text("# nothing this week\n")
    code, report, said = push("--from", "list.txt")
    assert (code, report["events"], report["destinations"]) == (0, [], [])
    assert "no event to push" in said


def test_misp_that_goes_away_is_not_asked_for_each(scene: Scene, push: Push) -> None:
    """After three failures in a row the rest is not tried; what was read goes."""
    uuids = [scene.event(f"host{number}") for number in range(6)]
    scene.server.faults += [Fault("events/restSearch", after=2, status=500) for _ in range(3)]
    code, report, said = push(*uuids)
    assert (code, _events(report)) == (5, uuids[:1])
    assert "2 further events" in said
    assert scene.there() == ["host0"]


def test_a_search_of_events(scene: Scene, push: Push) -> None:
    """Those found are pushed whole, as by UUID: what they say no more is withdrawn; others are left alone."""
    one = scene.event("one", "gone", tag="tlp:green")
    scene.event("two", tag="tlp:clear")
    code, report, said = push("--search", "tag=tlp:green")
    assert (code, _events(report), scene.there()) == (0, [one], ["gone", "one"])
    assert "1 event" in said
    assert report["events"][0]["complete"] is True
    scene.misp.delete_attribute(scene.misp.events[one].attributes[1].uuid, hard=True)
    scene.misp.publish(one)
    push("--search", "tag=tlp:green", "--search", "last=1h")
    assert scene.there() == ["one"]


def test_a_search_of_attributes_takes_those_alone(scene: Scene, push: Push) -> None:
    """It adds and updates them; of what it does not find it says neither that it is there nor that it is gone."""
    one = scene.event("one", "stays")
    scene.misp.add_attribute(one, "ip-dst", "198.51.100.9")
    scene.misp.publish(one)
    code, report, said = push("--search", "type=ip-dst")
    assert (code, _events(report), scene.world.defender()) == (0, [one], ["198.51.100.9"])
    assert report["destinations"][0]["counts"]["read"] == 1
    assert report["events"][0]["complete"] is False
    assert "1 attribute of 1 event" in said
    push(one)
    assert len(scene.world.defender()) == 3
    stays = next(a for a in scene.misp.events[one].attributes if a.value.startswith("stays"))
    scene.misp.delete_attribute(stays.uuid, hard=True)
    found = next(a for a in scene.misp.events[one].attributes if a.type == "ip-dst")
    scene.misp.set_to_ids(found.uuid, on=False)
    scene.misp.publish(one)
    push("--search", "value=198.51.100.9")
    assert scene.there() == ["one", "stays"]
    push(one)
    assert scene.there() == ["one"]


def test_the_rest_of_the_event_does_not_follow(scene: Scene, push: Push, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the event is read again, for whatever reason; what was found is changed by that, and nothing added."""
    event = scene.event("one", "two")
    push("--search", "value=one.evil.example")

    def read_again() -> None:
        soon = update(schema.event).values(read_due_ms=1)
        open_ledger(scene.world.ledger).write(lambda connection: connection.execute(soon))
        monkeypatch.setattr(sys, "argv", ["misp-microsoft", "worker", "--once", "--config", str(scene.world.config)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code

    read_again()
    assert scene.there() == ["one"]
    found = next(a for a in scene.misp.events[event].attributes if a.value.startswith("one"))
    scene.misp.set_to_ids(found.uuid, on=False)
    scene.misp.publish(event)
    read_again()
    assert scene.there() == []
    push(event)
    assert scene.there() == ["two"]


def test_a_search_by_attributes_may_mean_their_events(scene: Scene, push: Push) -> None:
    """With `--search-level event`."""
    one = scene.event("one", "two")
    scene.event("three")
    code, report, _ = push("--search", "value=one.evil.example", "--search-level", "event")
    assert (code, _events(report), scene.there()) == (0, [one], ["one", "two"])


def test_the_rules_hold_for_what_is_found(scene: Scene, push: Push) -> None:
    """A search chooses, and opens no gate; of a picked event only what is picked goes."""
    one, other = scene.event("plain", "picked"), scene.event("red")
    scene.misp.tag(scene.misp.events[one].attributes[1].uuid, "microsoft:push")
    scene.misp.tag(scene.misp.events[other].attributes[0].uuid, "tlp:red")
    for uuid in (one, other):
        scene.misp.publish(uuid)
    code, report, _ = push("--search", "value=red.evil.example", "--search", "value=plain.evil.example")
    assert (code, scene.there()) == (0, [])
    assert [item["reason"] for item in report["destinations"][0]["items"]] == ["not-picked", "tlp"]


def test_nothing_found_is_no_error(scene: Scene, push: Push) -> None:
    """Exit code 0; nothing is asked of Microsoft."""
    scene.event("one")
    code, report, said = push("--search", "tag=nobody:uses-it")
    assert (code, report["events"]) == (0, [])
    assert "nothing" in said
    assert scene.world.uploads() == []


@pytest.mark.parametrize("fault", [{"status": 500}, {"drop": True}, {"body": b"{}"}], ids=str)
@pytest.mark.parametrize(("after", "words"), [(0, "tag=tlp:green"), (1, "tag=tlp:green"), (1, "type=domain")])
def test_a_search_that_fails_pushes_nothing(
    scene: Scene, push: Push, fault: dict[str, Any], after: int, words: str
) -> None:
    """Whichever page fails: exit code 5, nothing is taken or sent."""
    scene.event("one", tag="tlp:green")
    path = "attributes/restSearch" if words.startswith("type") else "events/restSearch"
    scene.server.faults.append(Fault(path, after=after, **fault))
    code, report, said = push("--search", words)
    assert (code, report, scene.there()) == (5, {}, [])
    assert "What to do" in said
    assert scene.server.faults == []


def test_a_preview_keeps_nothing(scene: Scene, push: Push) -> None:
    """It says what would go."""
    scene.event("one", tag="tlp:green")
    code, report, _ = push("--search", "tag=tlp:green", "--dry-run")
    assert (code, report["destinations"][0]["counts"]["accepted"]) == (0, 1)
    assert scene.world.uploads() == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Say what to push"),
        (("--search-level", "event"), "give --search KEY=VALUE as well"),
        (("17", "--search", "tag=a"), "Give --search alone"),
        (("--from", "x", "--search", "tag=a"), "Give --search alone"),
        (("--search", "tga=a"), "Is `tag` meant?"),
        (("--search", "returnFormat=csv"), "MISP's JSON"),
        (("17", "--misp", "nobody"), "no section [nobody]"),
        (("event.json", "--misp", "misp"), "files are not read from one"),
        (("17", "event.json"), "one after the other"),
        (("-", "--from", "-"), "once"),
    ],
)
def test_wrong_words_are_a_sentence(scene: Scene, push: Push, words: tuple[str, ...], said: str) -> None:
    """Exit code 2, and nobody was asked."""
    code, report, told = push(*words)
    assert (code, report, scene.server.requests) == (2, {}, [])
    assert said in told


def test_a_file_named_by_number_is_the_file(scene: Scene, push: Push) -> None:
    """And it is said how to mean the event."""
    one = scene.event("one")
    number = scene.number(one)
    Path(number).write_text("{")
    code, _, said = push(number)
    assert (code, scene.there()) == (2, [])
    assert f"--search eventid={number}" in said
    assert push("--search", f"eventid={number}")[0] == 0
    assert scene.there() == ["one"]


def test_of_a_misp_with_sync_tags_only_what_carries_one_goes(scene: Scene, push: Push) -> None:
    """Whoever asks: the rules of the section are those of `sync`."""
    scene.event("one", "two", misp=scene.partner)
    tagged = scene.partner.events[next(iter(scene.partner.events))]
    scene.partner.tag(tagged.attributes[1].uuid, "rhisac: vetted")
    scene.partner.publish(tagged.uuid)
    scene.world.configure(
        only=ONLY,
        misp={"url": scene.server.url, "key": KEY},
        more={"RH-ISAC MISP": {"url": _url(scene.world, "misp partner"), "key": KEY}},
    )
    code, _, _ = push("--search", "eventinfo=Campaign", "--misp", "rh-isac misp")
    assert (code, scene.there()) == (0, ["two"])


def _url(world: World, section: str) -> str:
    return f"http://127.0.0.1:{_port(world, section)}"
