"""Random lives of events, their indicators at Microsoft, and the model that says what must be there."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from misp_modules_ext.misp.requests import read_action, read_export
from misp_modules_ext.model.account import Account
from tests.machine.model import (
    ADDRESS,
    DAY,
    HOST,
    POOL,
    WINDOW,
    Model,
    Observable,
    Place,
    View,
    Wanted,
    read_view,
    stix_id,
)
from tests.machine.stage import DEFENDER, KEY, SENTINEL, Stage, seconds
from tests.support import misp_views as views
from tests.support.keys import misp_key
from tests.support.misp_server import Fault
from tests.support.misp_world import Attribute

SENTINEL_KINDS = frozenset({"domain-name", "ipv4-addr", "file-sha256", "url", "email-addr"})
DEFENDER_KINDS = SENTINEL_KINDS - {"email-addr"}
WHICH = st.integers(0, 5)
VALUES = st.sampled_from(sorted(POOL))
TITLES = st.sampled_from(["Loader", "Phish"])
TAGS = st.sampled_from(["tlp:clear", "tlp:green", "tlp:amber", "tlp:red", "campaign:x", *["microsoft:push"] * 2])
PLACES = st.sampled_from([(), (), ("microsoft",), ("defender",)])
#: Whether a change is published, to whom, and whether our own reading follows.
THEN = st.sampled_from([None, None, ((), False), ((), True), (("microsoft",), False), (("defender",), True)])
OBSERVABLES = st.sampled_from(sorted({observable for those in POOL.values() for observable in those}))
TROUBLES = st.sampled_from(
    [
        {"status": 429, "retryAfter": 1},
        {"status": 429},
        {"status": 500},
        {"status": 400},
        {"status": 403},
        {"drop": "before"},
        {"drop": "after"},
        {"drop": "after"},
        {"itemErrors": [0]},
        {"itemErrors": [1]},
    ]
)

Then = tuple[tuple[str, ...], bool] | None


class Body(NamedTuple):
    """A request, and what the model makes of it."""

    door: str
    text: str
    view: View


class Machine(RuleBasedStateMachine):
    """One MISP, one Sentinel, one Defender."""

    stage: Stage

    def __init__(self) -> None:
        super().__init__()
        self.world = self.stage.clear()
        self.clock = self.stage.clock
        self.ours, self.others = self.world.add_org("Ours"), self.world.add_org("Others")
        self.key = self.world.add_user(KEY, self.ours)
        self.reader = self.world.add_user(misp_key("reader"), self.others)
        self.model = Model({})
        self.bodies: list[Body] = []
        self.faulty = False
        self.seen = 0
        self.unclear: set[str] = set()
        self.foreign: list[dict[str, Any]] = []

    @initialize(
        limits=st.sampled_from([("green", "amber+strict"), ("amber+strict", "green"), ("amber", "amber")]),
        deleted=st.sampled_from(["shown", "asked", "hidden"]),
        colleague=st.sampled_from([None, None, HOST, ADDRESS]),
        events=st.lists(st.lists(VALUES, min_size=1, max_size=3), min_size=1, max_size=3),
        green=st.booleans(),
    )
    def begin(
        self,
        limits: tuple[str, str],
        deleted: Any,
        colleague: Observable | None,
        events: list[list[tuple[str, str]]],
        green: bool,
    ) -> None:
        """Some events are published and have arrived."""
        self.key.deleted_rows = deleted
        self.stage.configure({SENTINEL: {"maxTlp": limits[0]}, DEFENDER: {"maxTlp": limits[1]}})
        if colleague is not None:
            self.stage.colleague(colleague[1], {"ipv4-addr": "IpAddress"}.get(colleague[0], "DomainName"))
        self.foreign = self.stage.defender()
        taken = frozenset({colleague}) if colleague is not None else frozenset()
        self.model.places[SENTINEL] = Place(f"tlp:{limits[0]}", SENTINEL_KINDS)
        self.model.places[DEFENDER] = Place(f"tlp:{limits[1]}", DEFENDER_KINDS, taken)
        for number, values in enumerate(events):
            self.new_event(f"Campaign {number}", 1 + number, ours=True, values=values)
        for uuid in list(self.world.events):
            if green:
                self.world.tag(uuid, "tlp:green")
            self._publish(uuid, ())
        self._drain()

    # -- MISP ----------------------------------------------------------------------------------------------------

    def _event(self, which: int) -> str:
        return list(self.world.events)[which % len(self.world.events)]

    def _attribute(self, which: int) -> Attribute:
        return self._attributes()[which % len(self._attributes())]

    def _attributes(self) -> list[Attribute]:
        return [a for e in self.world.events.values() for a in e.attributes]

    def _tick(self) -> None:
        self.clock.now += 1

    def _then(self, event: str, then: Then) -> None:
        if then is not None and event in self.world.events:
            places, drained = then
            self._publish(event, places)
            if drained:
                self._drain()

    @precondition(lambda self: len(self.world.events) < 4)
    @rule(title=TITLES, level=st.integers(1, 4), ours=st.booleans(), values=st.lists(VALUES, max_size=3))
    def new_event(self, title: str, level: int, ours: bool, values: list[tuple[str, str]]) -> None:
        """Not published yet."""
        self._tick()
        event = self.world.add_event(self.ours if ours else self.others, title, threat_level=level)
        for value in values:
            self.world.add_attribute(event, *value)

    @precondition(lambda self: self.world.events and len(self._attributes()) < 10)
    @rule(event=WHICH, value=VALUES, hidden=st.booleans(), then=THEN)
    def add(self, event: int, value: tuple[str, str], hidden: bool, then: Then) -> None:
        """An attribute, perhaps one that only its owners see."""
        self._tick()
        uuid = self._event(event)
        self.world.add_attribute(uuid, *value, distribution=0 if hidden else 5)
        self._then(uuid, then)

    @precondition(lambda self: self._attributes())
    @rule(
        attribute=WHICH,
        change=st.one_of(
            st.tuples(st.just("value"), VALUES),
            st.tuples(st.just("to_ids"), st.booleans()),
            st.tuples(st.just("tag"), TAGS),
            st.tuples(st.just("tag"), TAGS),
            st.tuples(st.just("comment"), st.sampled_from(["seen in mail", "seen on disk"])),
            st.tuples(st.just("delete"), st.booleans()),
        ),
        then=THEN,
    )
    def edit(self, attribute: int, change: tuple[str, Any], then: Then) -> None:
        """An attribute."""
        self._tick()
        row, (what, how) = self._attribute(attribute), change
        if what == "value":
            self.world.edit(row.uuid, type=how[0], value=how[1])
        elif what == "to_ids":
            self.world.set_to_ids(row.uuid, how)
        elif what == "tag":
            self._toggle(row.uuid, how)
        elif what == "comment":
            self.world.edit(row.uuid, comment=how)
        else:
            self.world.delete_attribute(row.uuid, hard=how)
        self._then(row.event.uuid, then)

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
        then=THEN,
    )
    def edit_event(self, event: int, change: tuple[str, Any], then: Then) -> None:
        """Its title or tags; or it goes."""
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
        self._then(uuid, then)

    def _toggle(self, uuid: str, tag: str) -> None:
        if tag in self.world.row(uuid).tags:
            self.world.untag(uuid, tag)
        else:
            self.world.tag(uuid, tag)

    # -- requests ------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.events)
    @rule(event=WHICH, places=PLACES)
    def publish(self, event: int, places: tuple[str, ...]) -> None:
        """MISP asks the workflow first."""
        self._tick()
        self._publish(self._event(event), places)

    def _publish(self, uuid: str, places: tuple[str, ...]) -> None:
        body = views.action_request(self.world, uuid)
        self._request("action", body, read_view(body["data"]["Event"], published=True), places)
        self.world.publish(uuid)

    @precondition(lambda self: self.world.events)
    @rule(event=WHICH, places=PLACES, keep=st.sets(st.integers(0, 3)))
    def publish_filtered(self, event: int, places: tuple[str, ...], keep: set[int]) -> None:
        """A "Filter :: Generic" node lets some attributes through."""
        self._tick()
        uuid = self._event(event)
        body = views.action_request(self.world, uuid)
        shown = body["data"]["Event"]
        kept = [a for number, a in enumerate(shown["_AttributeFlattened"]) if number in keep]
        shown["_AttributeFlattened"] = {str(number): a for number, a in enumerate(kept)}
        body["data"]["enabledFilters"] = {"A": {"selector": "Event._AttributeFlattened.{n}"}}
        self._request("action", body, read_view(shown, published=True, only=kept), places)
        self.world.publish(uuid)

    @precondition(lambda self: self._attributes())
    @rule(attribute=WHICH, places=PLACES)
    def trigger(self, attribute: int, places: tuple[str, ...]) -> None:
        """A workflow on a single attribute."""
        row = self._attribute(attribute)
        if row.deleted:
            return
        body = views.action_request(self.world, row.event.uuid)
        shown = body["data"]["Event"]
        shown["Attribute"] = [a for a in shown["Attribute"] if a["uuid"] == row.uuid]
        shown["_AttributeFlattened"] = shown["Attribute"]
        del shown["Object"]
        self._request("action", body, read_view(shown, published=row.event.published), places)

    @precondition(lambda self: self.world.events)
    @rule(event=WHICH, places=PLACES, mine=st.booleans())
    def export(self, event: int, places: tuple[str, ...], mine: bool) -> None:
        """Somebody presses the button, and may not see all."""
        uuid = self._event(event)
        user = self.key if mine else self.reader
        if views.sees(self.world.events[uuid], user):
            body = views.export_request(self.world, uuid, user)
            shown = body["data"][0]["Event"]
            self._request("export", body, read_view(shown, published=shown["published"]), places)

    @precondition(lambda self: self.bodies)
    @rule(which=st.integers(0, 8), places=PLACES)
    def late(self, which: int, places: tuple[str, ...]) -> None:
        """An earlier request arrives once more."""
        self._push(self.bodies[which % len(self.bodies)], places)

    def _request(self, door: str, body: dict[str, Any], view: View, places: tuple[str, ...]) -> None:
        self.bodies.append(Body(door, json.dumps(body), view))
        self._push(self.bodies[-1], places)

    def _push(self, body: Body, places: tuple[str, ...]) -> None:
        names = [f"microsoft {name}".removesuffix(" microsoft") for name in places] or [SENTINEL, DEFENDER]
        self.model.request(body.view, names, self.clock.now)
        read = read_action if body.door == "action" else read_export
        for again in (False, True):
            before = self.stage.uploads()
            account = self.stage.push(body.door, read(body.text), places)
            self._check_account(account, body.view)
            if again and not self.faulty:
                assert self.stage.uploads() == before, "the same again sends nothing"
            if self.faulty:
                break
        self._check()

    def _check_account(self, account: Account, view: View) -> None:
        assert not account.problem
        for destination in account.destinations:
            counts = dict(destination.counts)
            read = counts.pop("read")
            assert read == sum(counts.values()) == len(view.attributes), counts

    # -- time and the background ---------------------------------------------------------------------------------

    @rule(step=st.sampled_from([1, 60, 60, 3600, 3600, DAY, DAY, 5 * DAY, 15 * DAY, 130 * DAY]))
    def wait(self, step: int) -> None:
        """Time passes."""
        self.clock.now += step

    @rule()
    def drain(self) -> None:
        """In the background: our own reading, and what is due."""
        self._drain()

    @rule(fault=st.sampled_from([Fault(status=500), Fault(status=403), Fault(drop=True), Fault(truncate=True)]))
    def drain_without_misp(self, fault: Fault) -> None:
        """MISP does not answer."""
        self.stage.server.faults = [fault] * 100
        for uuid in self.model.to_read(self.clock.now):
            self.model.unread(uuid, self.clock.now)
        self.stage.drain()
        self.stage.server.faults.clear()
        self.model.expire(self.clock.now)
        self._check()

    def _drain(self) -> None:
        for uuid in self.model.to_read(self.clock.now):
            event = self.world.events.get(uuid)
            if event is None or not views.sees(event, self.key):
                self.model.missing(uuid, self.clock.now)
            else:
                shown = self.key.deleted_rows != "hidden"
                said = views.core_event(self.world, uuid, self.key, deleted=shown, all_tags=True)
                self.model.own_reading(read_view(said, published=event.published), self.clock.now)
        self.stage.drain()
        self.model.expire(self.clock.now)
        self._check()

    @rule(api=st.sampled_from(["sentinel", "defender", "defender", "login"]), how=TROUBLES, times=st.integers(1, 3))
    def trouble(self, api: str, how: dict[str, Any], times: int) -> None:
        """Microsoft fails at the next requests."""
        self.faulty = True
        self.stage.emulator.fault(api=api, times=times, **how)

    # -- people --------------------------------------------------------------------------------------------------

    @rule(observable=OBSERVABLES, place=st.sampled_from(["", SENTINEL, DEFENDER]))
    def take_back(self, observable: Observable, place: str) -> None:
        """A person withdraws a value."""
        self._command("withdraw", observable, place, self.model.hold)

    @rule(observable=OBSERVABLES, place=st.sampled_from(["", "", SENTINEL, DEFENDER]))
    def release(self, observable: Observable, place: str) -> None:
        """A person lets it go again."""
        self._command(
            "release", observable, place, lambda names, value: self.model.release(names, value, self.clock.now)
        )

    @precondition(lambda self: not self.faulty)
    @rule(which=WHICH)
    def deleted_by_others(self, which: int) -> None:
        """A colleague deletes entries of ours at Defender, and `reconcile` finds out: they stay away until released."""
        self._drain()
        # Microsoft's list lags behind: what was sent lately is not judged.
        self.clock.now += DAY
        self.model.expire(self.clock.now)
        there = sorted(self._at_defender())
        if len(there) > 1:
            gone = there[which % len(there)]
            self.stage.colleague_deletes(gone[1])
            self.model.deleted(DEFENDER, gone)
        self.stage.command("reconcile", "--apply", "--yes", "--destination", DEFENDER)
        self._check()

    def _command(
        self, command: str, observable: Observable, place: str, model: Callable[[list[str], Observable], None]
    ) -> None:
        if not any(observable in self.model.of_event(event) for event in self.model.events):
            return
        self.stage.emulator.clear_faults()
        model([place] if place else [SENTINEL, DEFENDER], observable)
        words = ["--yes"] if command == "withdraw" else []
        self.stage.command(command, observable[1], *words, *(["--destination", place] if place else []))
        self.model.expire(self.clock.now)
        self._check()

    # -- what must hold ------------------------------------------------------------------------------------------

    def _check(self) -> None:
        """Times never go back, what was revoked never lives again, and nothing is taken that must be there.

        But a withdrawal that Microsoft may have taken is finished, whatever is wanted by then: such an id is spent.
        """
        rows = self.stage.history()
        modified: dict[str, str] = {}
        created: dict[str, str] = {}
        revoked: set[str] = set()
        for row in rows:
            assert row["modified"] >= modified.get(row["id"], ""), row
            assert row["created"] == created.setdefault(row["id"], row["created"]), row
            assert row["id"] not in revoked or row.get("revoked"), row
            modified[row["id"]] = row["modified"]
            if row.get("revoked"):
                revoked.add(row["id"])
        wanted = {pattern(o) for o in self.model.wanted(SENTINEL, self.clock.now)}
        carried = self.stage.recorder.carried
        for asked in carried[self.seen :]:
            if asked.api == "sentinel" and not asked.content:
                assert asked.value not in wanted or asked.stix_id in self.unclear, asked
                if asked.unclear:
                    self.unclear.add(asked.stix_id)
                elif asked.accepted:
                    self.unclear.discard(asked.stix_id)
        self.seen = len(carried)
        assert [e for e in self.stage.defender() if e["createdByDisplayName"] == "soc"] == self.foreign
        if not self.faulty:
            self._check_exactly()

    def _check_exactly(self) -> None:
        """Where nothing ever failed, it is known what has been sent."""
        for name, there in ((SENTINEL, self._at_sentinel()), (DEFENDER, self._at_defender())):
            place = self.model.places[name]
            sent = {o for o in place.sent if place.until[o] > self.clock.now}
            expected = {o: (stix_id(o, place.generations[o]), place.until[o]) for o in sent}
            assert there == expected, name

    def _at_sentinel(self) -> dict[Observable, tuple[str, int]]:
        known = {pattern(o): o for those in POOL.values() for o in those}
        return {known[o["pattern"]]: (id_, seconds(o["valid_until"])) for id_, o in self.stage.sentinel().items()}

    def _at_defender(self) -> dict[Observable, tuple[str, int]]:
        known = {o[1]: o for those in POOL.values() for o in those}
        return {
            known[e["indicatorValue"]]: (e["externalId"], seconds(e["expirationTime"]))
            for e in self.stage.defender()
            if e not in self.foreign
        }

    def teardown(self) -> None:
        """When everything is well again, all is as the model says, and saying it again sends nothing."""
        if not self.model.places:
            return
        self.stage.emulator.clear_faults()
        self.clock.now += 3600
        self._read_all()
        self._drain()
        if self.faulty:
            self.stage.command("retry")
            self.clock.now += 3600
            self._drain()
        assert not self.stage.is_due()
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

    def _wanted(self, name: str) -> tuple[dict[Observable, Wanted], set[Observable]]:
        """What a destination must hold, and what is not in line there, since MISP does not show its event any more."""
        behind = self.model.places[name].behind
        assert behind <= self.model.unseen()
        wanted = self.model.wanted(name, self.clock.now)
        return {observable: entry for observable, entry in wanted.items() if observable not in behind}, behind

    def _compare(self) -> None:
        wanted, behind = self._wanted(SENTINEL)
        left_aside = set(map(pattern, behind))
        held = {o["pattern"]: o for o in self.stage.sentinel().values() if o["pattern"] not in left_aside}
        assert sorted(held) == sorted(map(pattern, wanted))
        for observable, entry in wanted.items():
            shown = held[pattern(observable)]
            assert shown["name"] == entry.title
            assert shown["labels"] == [*entry.labels, entry.tlp]
            assert {
                c for c in ("seen in mail", "seen on disk") if f"comment: {c}" in shown["description"]
            } == entry.comments
            assert {r["external_id"] for r in shown["external_references"]} == entry.events
            assert 0 <= entry.until - seconds(shown["valid_until"]) < WINDOW // 10
        wanted, behind = self._wanted(DEFENDER)
        left_aside = {value for _, value in behind}
        ours = [e for e in self.stage.defender() if e not in self.foreign]
        entries = {e["indicatorValue"]: e for e in ours if e["indicatorValue"] not in left_aside}
        assert sorted(entries) == sorted(value for _, value in wanted)
        for observable, entry in wanted.items():
            shown = entries[observable[1]]
            assert (shown["title"], shown["severity"]) == (entry.title, entry.severity)
            assert 0 <= entry.until - seconds(shown["expirationTime"]) < WINDOW // 10


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
