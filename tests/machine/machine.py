"""Random lives of events, their indicators at Microsoft, and the model that says what must be there."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from misp_modules_ext.misp.requests import read_action, read_export
from misp_modules_ext.model.account import Account
from tests.machine.model import DAY, POOL, Model, Observable, Place, View, read_view, stix_id
from tests.machine.stage import DEFENDER, KEY, SENTINEL, Stage, seconds
from tests.support import misp_views as views
from tests.support.misp_world import Attribute, User

SENTINEL_KINDS = frozenset({"domain-name", "ipv4-addr", "file-sha256", "url", "email-addr"})
DEFENDER_KINDS = SENTINEL_KINDS - {"email-addr"}
WHICH = st.integers(0, 5)
VALUES = st.sampled_from(sorted(POOL))
TAGS = st.sampled_from(["tlp:clear", "tlp:green", "tlp:amber", "tlp:red", "campaign:x", "microsoft:push"])
TITLES = st.sampled_from(["Loader", "Phish"])
PLACES = st.sampled_from([(), ("microsoft",), ("defender",)])


STATS: list[Any] = []


class Machine(RuleBasedStateMachine):
    """One MISP, one Sentinel, one Defender."""

    stage: Stage

    def __init__(self) -> None:
        super().__init__()
        self.world = self.stage.clear()
        self.clock = self.stage.clock
        self.ours, self.others = self.world.add_org("Ours"), self.world.add_org("Others")
        self.key = self.world.add_user(KEY, self.ours)
        self.reader = self.world.add_user("r" * 40, self.others)
        self.faulty = False
        self.seen_rows = 0

    @initialize(
        limits=st.sampled_from([("green", "amber+strict"), ("amber+strict", "green")]),
        deleted=st.sampled_from(["shown", "asked", "hidden"]),
        events=st.lists(st.lists(VALUES, min_size=1, max_size=3), min_size=1, max_size=2),
    )
    def begin(self, limits: tuple[str, str], deleted: Any, events: list[list[tuple[str, str]]]) -> None:
        self.key.deleted_rows = deleted
        self.stage.configure({SENTINEL: {"maxTlp": limits[0]}, DEFENDER: {"maxTlp": limits[1]}})
        places = {
            SENTINEL: Place(f"tlp:{limits[0]}", SENTINEL_KINDS),
            DEFENDER: Place(f"tlp:{limits[1]}", DEFENDER_KINDS),
        }
        self.model = Model(places)
        for number, values in enumerate(events):
            self.new_event(f"Campaign {number}", 1 + number, ours=True, values=values)

    # -- MISP ----------------------------------------------------------------------------------------------------

    def _event(self, which: int) -> str:
        return list(self.world.events)[which % len(self.world.events)]

    def _attribute(self, which: int) -> Attribute:
        return self._attributes()[which % len(self._attributes())]

    def _attributes(self) -> list[Attribute]:
        return [a for e in self.world.events.values() for a in e.attributes]

    def _tick(self) -> None:
        self.clock.now += 1

    @precondition(lambda self: len(self.world.events) < 4)
    @rule(title=TITLES, level=st.integers(1, 4), ours=st.booleans(), values=st.lists(VALUES, max_size=3))
    def new_event(self, title: str, level: int, ours: bool, values: list[tuple[str, str]]) -> None:
        self._tick()
        event = self.world.add_event(self.ours if ours else self.others, title, threat_level=level)
        for value in values:
            self.world.add_attribute(event, *value)

    @precondition(lambda self: self.world.events and len(self._attributes()) < 10)
    @rule(event=WHICH, value=VALUES, hidden=st.booleans())
    def add(self, event: int, value: tuple[str, str], hidden: bool) -> None:
        self._tick()
        self.world.add_attribute(self._event(event), *value, distribution=0 if hidden else 5)

    @precondition(lambda self: self._attributes())
    @rule(
        attribute=WHICH,
        change=st.one_of(
            st.tuples(st.just("value"), VALUES),
            st.tuples(st.just("to_ids"), st.booleans()),
            st.tuples(st.just("tag"), TAGS),
            st.tuples(st.just("delete"), st.booleans()),
        ),
        again=st.booleans(),
    )
    def edit(self, attribute: int, change: tuple[str, Any], again: bool) -> None:
        self._tick()
        row, (what, how) = self._attribute(attribute), change
        if what == "value":
            self.world.edit(row.uuid, type=how[0], value=how[1])
        elif what == "to_ids":
            self.world.set_to_ids(row.uuid, how)
        elif what == "tag":
            self._toggle(row.uuid, how)
        else:
            self.world.delete_attribute(row.uuid, hard=how)
        if again:
            self._publish(row.event.uuid, ())

    @precondition(lambda self: self.world.events)
    @rule(
        event=WHICH,
        change=st.one_of(
            st.tuples(st.just("title"), TITLES),
            st.tuples(st.just("tag"), TAGS),
            st.tuples(st.just("tag"), TAGS),
            st.tuples(st.just("unpublish"), st.none()),
            st.tuples(st.just("delete"), st.integers(0, 3)),
        ),
    )
    def edit_event(self, event: int, change: tuple[str, Any]) -> None:
        self._tick()
        uuid, (what, how) = self._event(event), change
        if what == "title":
            self.world.edit(uuid, info=how)
        elif what == "tag":
            self._toggle(uuid, how)
        elif what == "unpublish":
            self.world.unpublish(uuid)
        elif how == 0:
            self.world.delete_event(uuid)

    def _toggle(self, uuid: str, tag: str) -> None:
        if tag in self.world.row(uuid).tags:
            self.world.untag(uuid, tag)
        else:
            self.world.tag(uuid, tag)

    # -- requests ------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.events)
    @rule(event=WHICH, places=PLACES)
    def publish(self, event: int, places: tuple[str, ...]) -> None:
        self._tick()
        self._publish(self._event(event), places)

    def _publish(self, uuid: str, places: tuple[str, ...]) -> None:
        self._act(views.action_request(self.world, uuid), places)
        self.world.publish(uuid)

    def _act(self, body: dict[str, Any], places: tuple[str, ...]) -> None:
        event = body["data"]["Event"]
        view = read_view(event, published=True)
        assert view.complete
        self._request("action", body, view, places)

    @precondition(lambda self: self.world.events)
    @rule(event=WHICH, places=PLACES, mine=st.booleans())
    def export(self, event: int, places: tuple[str, ...], mine: bool) -> None:
        uuid = self._event(event)
        user = self.key if mine else self.reader
        if not views.sees(self.world.events[uuid], user):
            return
        body = views.export_request(self.world, uuid, user)
        event_ = body["data"][0]["Event"]
        self._request("export", body, read_view(event_, published=event_["published"]), places)

    def _request(self, door: str, body: dict[str, Any], view: View, places: tuple[str, ...]) -> None:
        names = [f"microsoft {name}".removesuffix(" microsoft") for name in places] or [SENTINEL, DEFENDER]
        self.model.request(view, names, self.clock.now)
        read = read_action if door == "action" else read_export
        account = self.stage.push(door, read(json.dumps(body)), places)
        self._check_account(account, view)
        self._check_history()

    def _check_account(self, account: Account, view: View) -> None:
        for destination in account.destinations:
            counts = dict(destination.counts)
            read = counts.pop("read")
            assert read == sum(counts.values()) == len(view.attributes), counts

    # -- time and the background ---------------------------------------------------------------------------------

    @rule(step=st.sampled_from([1, 60, 60, 3600, 3600, DAY, DAY, 5 * DAY, 15 * DAY, 130 * DAY]))
    def wait(self, step: int) -> None:
        self.clock.now += step

    @rule()
    def drain(self) -> None:
        self._drain()

    def _drain(self) -> None:
        for uuid in sorted(self.model.to_read(self.clock.now)):
            event = self.world.events.get(uuid)
            if event is None or not views.sees(event, self.key):
                self.model.missing(uuid, self.clock.now)
            else:
                shown = self.key.deleted_rows != "hidden"
                said = views.core_event(self.world, uuid, self.key, deleted=shown, all_tags=True)
                self.model.own_reading(read_view(said, published=event.published), self.clock.now)
        self.stage.drain()
        self._check_history()

    # -- what must hold ------------------------------------------------------------------------------------------

    def _check_history(self) -> None:
        """Times never go back, and what was revoked never lives again."""
        rows = self.stage.history()
        modified: dict[str, str] = {}
        revoked: set[str] = set()
        for row in rows:
            assert row["modified"] >= modified.get(row["id"], ""), row
            assert row["id"] not in revoked or row.get("revoked"), row
            modified[row["id"]] = row["modified"]
            if row.get("revoked"):
                revoked.add(row["id"])
        wanted = {pattern(o) for o in self.model.wanted(SENTINEL, self.clock.now)}
        for row in rows[self.seen_rows :]:
            assert not (row.get("revoked") and row["pattern"] in wanted), row
        self.seen_rows = len(rows)

    def teardown(self) -> None:
        if hasattr(self, "model"):
            self._finish()

    def _finish(self) -> None:
        """When everything is well again, all is as the model says, and saying it again sends nothing."""
        self.stage.emulator.clear_faults()
        self.stage.server.faults.clear()
        self.clock.now += 3600
        self._read_all()
        for _ in range(3):
            self._drain()
            self.clock.now += 1
        self._compare()
        before = self.stage.uploads()
        self._read_all()
        self._drain()
        assert self.stage.uploads() == before
        self._compare()

    def _read_all(self) -> None:
        self.stage.read_all_later()
        for event in self.model.events.values():
            event.read_at = self.clock.now

    def _compare(self) -> None:
        STATS.append((len(self.stage.history()), len(self.model.wanted(SENTINEL, self.clock.now)), len(self.model.wanted(DEFENDER, self.clock.now))))
        wanted = self.model.wanted(SENTINEL, self.clock.now)
        held = {o["pattern"]: o for o in self.stage.sentinel().values()}
        assert sorted(held) == sorted(map(pattern, wanted))
        for observable, entry in wanted.items():
            shown = held[pattern(observable)]
            assert shown["name"] == entry.title
            assert shown["labels"] == [*entry.labels, entry.tlp]
            assert 0 <= entry.until - seconds(shown["valid_until"]) < 12 * 86_400
        entries = {e["indicatorValue"]: e for e in self.stage.defender()}
        wanted = self.model.wanted(DEFENDER, self.clock.now)
        assert sorted(entries) == sorted(value for _, value in wanted)
        for observable, entry in wanted.items():
            shown = entries[observable[1]]
            assert (shown["title"], shown["severity"]) == (entry.title, entry.severity)
            assert 0 <= entry.until - seconds(shown["expirationTime"]) < 12 * 86_400


_PATHS = {
    "domain-name": "domain-name:value",
    "ipv4-addr": "ipv4-addr:value",
    "file-sha256": "file:hashes.'SHA-256'",
    "url": "url:value",
    "email-addr": "email-addr:value",
}


def pattern(observable: Observable) -> str:
    """As STIX 2.1 writes it."""
    kind, value = observable
    return f"[{_PATHS[kind]} = '{value}']"
