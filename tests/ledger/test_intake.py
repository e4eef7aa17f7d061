"""What views of events change in the ledger: requests add, our own reading takes away (DESIGN.md 2 and 4)."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from sqlalchemy import Connection, select

from misp_modules_ext.ledger import Ledger, Origin, Taken, register, schema, take
from misp_modules_ext.ledger.documents import read_attribute
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.model.indicator import Indicator, Kind, Observable
from misp_modules_ext.model.misp import Attribute, Event, Tag
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.planning import RuleSet
from tests.ledger.house import NARROW, WIDE, House, domain
from tests.support.build import NOW, attribute, event

#: Long before the ledger takes them.
BEFORE = NOW - 30 * 86_400
ONE = attribute("domain", "one.evil.example", timestamp=BEFORE)
TWO = attribute("domain", "two.evil.example", timestamp=BEFORE)
BOTH = event(ONE, TWO, timestamp=NOW, tags=["tlp:amber"])
OTHER = "0e0e0e0e-0000-4000-8000-000000000000"


def _changed(given: Attribute, **fields: object) -> Attribute:
    return replace(given, timestamp=given.timestamp + 10, **fields)  # type: ignore[arg-type]


def _later(*attributes: Attribute, **fields: object) -> Event:
    return replace(event(*attributes, tags=["tlp:amber"]), timestamp=NOW + 10, **fields)  # type: ignore[arg-type]


def test_what_is_taken_is_due_where_the_gates_let_it(house: House) -> None:
    """Amber goes to the first destination, not to the one that takes green at most."""
    house.take(BOTH)
    row = house.row(domain("one.evil.example"))
    assert row is not None
    assert (row.state, row.sent_hash, row.flight_hash) == (schema.DUE, None, None)
    assert house.row(domain("one.evil.example"), store=1) is None


def test_the_second_time_nothing_is_due(house: House) -> None:
    """Rule 7: unchanged is not sent."""
    house.take(BOTH)
    house.send()
    taken = house.take(BOTH)
    assert house.send() == []
    standings = next(iter(taken.settled.values())).standings
    assert {s.state for s in standings.values()} == {schema.SETTLED}
    assert not any(s.fresh for s in standings.values())


def test_a_change_is_due_again_and_nothing_else(house: House) -> None:
    """A comment is content; the other attribute is untouched."""
    house.take(BOTH)
    house.send()
    house.take(_later(_changed(ONE, comment="seen again"), TWO))
    assert [row.observable_id for row in house.send()] == [observable_id(domain("one.evil.example"))]


def test_what_is_new_elsewhere_is_not_new_here(house: House) -> None:
    """As many values come for the one destination as the other has already: its rows are looked at all the same."""
    green = attribute("domain", "one.evil.example", tags=("tlp:green",), timestamp=BEFORE)
    house.take(event(green, timestamp=NOW))
    for store in (0, 1):
        house.send(store)
    amber = attribute("domain", "two.evil.example", tags=("tlp:amber",), timestamp=BEFORE)
    house.take(replace(event(green, amber), timestamp=NOW + 10))
    states = [[house.row(domain(f"{name}.evil.example"), store) for name in ("one", "two")] for store in (0, 1)]
    assert [[row and row.state for row in rows] for rows in states] == [
        [schema.SETTLED, schema.DUE],
        [schema.SETTLED, None],
    ]


def test_destinations_with_the_same_rules_share_no_more_than_what_they_have_place_for(house: House) -> None:
    """Two decide by the same function, one by another; each has rows and standings of its own."""
    there = "55555555-5555-4555-8555-{:012}"
    chosen = [WIDE.model_copy(update={"name": f"microsoft {n}", "workspace_id": there.format(n)}) for n in range(3)]

    def no_names(indicator: Indicator) -> tuple[Reason, str] | None:
        return (Reason.KIND_NOT_HELD, "no names") if indicator.observable.kind is Kind.FILE_NAME else None

    def no_domains(indicator: Indicator) -> tuple[Reason, str] | None:
        return (Reason.KIND_NOT_HELD, "no domains") if indicator.observable.kind is Kind.DOMAIN_NAME else None

    view = event(ONE, attribute("filename", "evil.exe", timestamp=BEFORE), timestamp=NOW, tags=["tlp:amber"])

    def work(connection: Connection) -> tuple[Taken, list[set[tuple[int, int]]]]:
        answers = (no_names, no_names, no_domains)
        stores = register(connection, list(zip(chosen, answers, strict=True)))
        taken = take(connection, [view], Origin.REQUEST, stores, "https://misp.example")
        columns = (schema.holding.c.observable_id, schema.holding.c.attempts)
        rows = [
            {
                tuple(row)
                for row in connection.execute(select(*columns).where(schema.holding.c.destination_id == number))
            }
            for number in [store.destination_id for store in stores]
        ]
        return taken, rows

    taken, rows = house.ledger.write(work)
    name, file = observable_id(domain("one.evil.example")), observable_id(Observable(Kind.FILE_NAME, "evil.exe"))
    assert rows == [{(name, 0)}, {(name, 0)}, {(file, 0)}]
    first, second, third = taken.settled.values()
    assert [set(settled.ready) for settled in (first, second, third)] == [{name}, {name}, {file}]
    assert [settled.standings[file].reason for settled in (first, second)] == [Reason.KIND_NOT_HELD] * 2
    assert third.standings[name].message == "no domains"
    first.ready.clear()
    first.standings.clear()
    assert set(second.ready) == {name}
    assert set(second.standings) == {name, file}


def test_a_request_never_takes_away(house: House) -> None:
    """`to_ids` off, deleted, a stricter marking, missing, unpublished: all wait for our own reading."""
    house.take(BOTH)
    house.send()
    for view in (
        _later(_changed(ONE, to_ids=False), TWO),
        _later(_changed(ONE, deleted=True), TWO),
        replace(_later(ONE, TWO), tags=event(tags=["tlp:red"]).tags),
        _later(TWO, complete=True),
        _later(ONE, TWO, published=False, counts_as_published=False),
    ):
        house.take(view)
        assert house.send() == []
    assert house.holds() == {"one.evil.example", "two.evil.example"}


def test_our_own_reading_takes_away_what_it_sees_gone(house: House) -> None:
    """The flag off; the value stays known, so the withdrawal says what was sent."""
    house.take(BOTH)
    house.send()
    taken = house.read(_later(_changed(ONE, to_ids=False), TWO))
    # It never counted where green is the most that may go.
    assert taken.lost_by == {RuleSet.of(WIDE): {ONE.uuid}, RuleSet.of(NARROW): set()}
    row = house.row(domain("one.evil.example"))
    assert row is not None
    assert (row.state, row.due_hash) == (schema.DUE, None)
    house.send()
    assert house.holds() == {"two.evil.example"}


def test_absent_from_a_complete_reading_only(house: House) -> None:
    """A partial reading says nothing about what it does not show."""
    house.take(BOTH)
    house.send()
    house.take(_later(TWO), own=True)
    assert house.send() == []
    taken = house.read(_later(TWO))
    assert taken.absent == {observable_id(domain("one.evil.example"))}
    house.send()
    assert house.holds() == {"two.evil.example"}


def test_a_value_that_comes_back_gets_another_id(house: House) -> None:
    """STIX makes a revocation permanent for an id."""
    house.take(BOTH)
    house.send()
    house.read(_later(TWO))
    house.send()
    house.take(replace(_later(ONE, TWO), timestamp=NOW + 20))
    house.send()
    row = house.row(domain("one.evil.example"))
    assert row is not None
    assert (row.generation, row.state) == (1, schema.SETTLED)
    assert row.sent_hash is not None


def test_an_older_view_changes_nothing(house: House) -> None:
    """A request that was under way for long, or is sent again."""
    house.take(_later(_changed(ONE, comment="new"), TWO))
    house.send()
    taken = house.take(BOTH)
    assert taken.stale == {BOTH.uuid}
    assert house.send() == []


def test_nobody_can_hold_off_our_own_reading(house: House) -> None:
    """A request that claims to be from tomorrow does not outweigh what we read ourselves."""
    house.take(BOTH)
    house.send()
    house.take(_later(_changed(ONE, comment="forged"), TWO, info="forged"))
    house.read(replace(BOTH, attributes=(replace(ONE, to_ids=False), TWO)))
    house.send()
    assert house.holds() == {"two.evil.example"}


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("timestamp", [0, 4_000_000_000])
def test_a_view_that_does_not_say_when_is_not_older(house: House, own: bool, timestamp: int) -> None:
    """No timestamp, and one that nobody can believe, are not said: the view counts, and what is known stays."""
    house.take(BOTH)
    house.read(BOTH)
    house.send()
    unsaid = replace(_later(replace(ONE, comment="corrected", timestamp=timestamp), TWO), timestamp=timestamp)
    taken = house.take(replace(unsaid, complete=True), own=own)
    assert taken.stale == set()
    assert [row.observable_id for row in house.send()] == [observable_id(domain("one.evil.example"))]
    # An older view is still one, of the event and of the attribute.
    assert house.take(replace(BOTH, timestamp=NOW - 1)).stale == {BOTH.uuid}
    house.take(_later(replace(ONE, comment="of old", timestamp=BEFORE - 10), TWO))
    assert house.send() == []


def test_an_attribute_without_a_timestamp_keeps_its_expiry(house: House) -> None:
    """It is the same content by whichever door it comes."""
    late = replace(ONE, timestamp=NOW - 3600)
    house.take(event(late, timestamp=NOW))
    house.send()
    house.take(event(replace(late, timestamp=0), timestamp=NOW))
    assert house.send() == []


def test_our_own_reading_with_no_destination_left_changes_nothing(house: House) -> None:
    """Their sections were taken out of the configuration: there are no rules to judge it by, and no grace."""
    house.take(BOTH)
    house.send()
    settings, house.settings = house.settings, ()
    taken = house.read(_later(_changed(ONE, to_ids=False)))
    assert (taken.settled, taken.absent, taken.lost_by) == ({}, set(), {})
    assert house.missing(BOTH.uuid) is False
    house.pass_time(365 * 86_400)
    assert house.missing(BOTH.uuid) is False
    house.settings = settings
    house.read(_later(ONE, TWO))
    assert house.send() == []
    house.read(_later(TWO))
    house.send()
    assert house.holds() == {"two.evil.example"}


@pytest.mark.parametrize("of", ["attribute", "event"])
def test_what_our_own_reading_cannot_judge_stays(house: House, of: str) -> None:
    """Rule 5: one distribution that cannot be read is no evidence that it is gone."""
    house.take(BOTH)
    house.send()
    problem = "Its distribution, 'x', cannot be read."
    if of == "event":
        house.read(_later(_changed(ONE), problem=problem))
    else:
        house.read(_later(_changed(ONE, problem=problem, comment="edited"), TWO))
    assert house.send() == []
    assert house.holds() == {"one.evil.example", "two.evil.example"}
    house.read(_later(_changed(ONE, to_ids=False), TWO))
    house.send()
    assert house.holds() == {"two.evil.example"}


def test_unpublished_is_frozen_until_the_grace_is_over(house: House) -> None:
    """MISP clears the flag at every edit; only `to_ids` off and deletions count meanwhile."""
    three = attribute("domain", "three.evil.example")
    house.take(BOTH)
    house.send()
    edited = _later(_changed(ONE, comment="draft"), _changed(TWO, to_ids=False), three)
    unpublished = replace(edited, published=False, counts_as_published=False)
    house.read(unpublished)
    house.send()
    assert house.holds() == {"one.evil.example"}
    assert house.row(domain("three.evil.example")) is None
    house.pass_time(15 * 86_400)
    house.read(unpublished)
    house.send()
    assert house.holds() == set()


def test_published_again_in_time_nothing_was_withdrawn(house: House) -> None:
    """The edit comes with the publication."""
    house.take(BOTH)
    house.send()
    house.read(_later(_changed(ONE, comment="draft"), TWO, published=False, counts_as_published=False))
    house.pass_time(86_400)
    assert house.send() == []
    house.read(replace(_later(_changed(ONE, comment="draft"), TWO), timestamp=NOW + 20))
    assert [row.observable_id for row in house.send()] == [observable_id(domain("one.evil.example"))]


def test_an_event_that_is_not_found_is_frozen_first(house: House) -> None:
    """Deleted or no longer shown to our key looks alike."""
    house.take(BOTH)
    house.send()
    assert house.missing(BOTH.uuid) is False
    assert house.send() == []
    house.pass_time(15 * 86_400)
    assert house.missing(BOTH.uuid) is True
    house.send()
    assert house.holds() == set()


def test_peers_19_22_two_events_vouch_for_one_value(house: House) -> None:
    """PEERS 19 and 22: the second event's marking counts, and removing one leaves the other's."""
    second = replace(event(ONE, timestamp=NOW, tags=["tlp:green"], info="Second"), uuid=OTHER)
    house.take(replace(BOTH, tags=event(tags=["tlp:green"]).tags))
    house.send()
    house.take(replace(second, tags=event(tags=["tlp:green", "actor:x"]).tags))
    assert len(house.send()) == 1
    house.read(_later(TWO))
    house.send()
    assert house.holds() == {"one.evil.example", "two.evil.example"}
    house.read(replace(second, attributes=(), timestamp=NOW + 30))
    house.send()
    assert house.holds() == {"two.evil.example"}


def test_what_fails_a_gate_neither_shows_nor_vetoes(house: House) -> None:
    """An amber event beside a green one: the narrow destination has the green one's content."""
    green = replace(event(ONE, timestamp=NOW, tags=["tlp:green"], info="Green"), uuid=OTHER)
    house.take(green)
    house.send(store=1)
    house.take(replace(BOTH, tags=event(tags=["tlp:amber", "secret"]).tags))
    assert house.send(store=1) == []
    assert len(house.send(store=0)) == 2


def test_a_changed_value_leaves_the_old_one_only_by_our_own_reading(house: House) -> None:
    """An attribute whose value was corrected."""
    house.take(event(ONE, timestamp=NOW))
    house.send()
    corrected = _changed(ONE, value="right.evil.example")
    house.take(replace(event(corrected), timestamp=NOW + 10))
    house.send()
    assert house.holds() == {"one.evil.example", "right.evil.example"}
    taken = house.read(replace(event(corrected), timestamp=NOW + 10))
    # Told apart from the attribute, which is there with its new value.
    assert taken.absent == {observable_id(domain("one.evil.example"))}
    assert not any(taken.lost_by.values())
    house.send()
    assert house.holds() == {"right.evil.example"}


def test_a_request_is_told_what_stays_only_where_it_counts(house: House) -> None:
    """Amber never went to the destination that takes green at most, so nothing of it stays there."""
    house.take(BOTH)
    house.send()
    taken = house.take(_later(_changed(ONE, to_ids=False), TWO))
    assert taken.kept == {RuleSet.of(WIDE): {ONE.uuid}, RuleSet.of(NARROW): set()}


def test_not_picked_goes_only_where_something_else_closes_too(house: House) -> None:
    """One reading finds another one picked and a stricter marking: it stays where the marking may go."""
    green = event(tags=["tlp:green"]).tags
    house.read(replace(event(ONE, TWO, timestamp=NOW), tags=green))
    house.take(replace(event(ONE, TWO, timestamp=NOW), tags=green))
    house.send(0)
    house.send(1)
    picked = _changed(TWO, tags=event(tags=["microsoft:push"]).tags)
    taken = house.read(_later(ONE, picked))
    wide, narrow = taken.settled.values()
    number = observable_id(domain("one.evil.example"))
    assert number not in wide.withdrawing
    assert number in narrow.withdrawing
    house.send(0)
    house.send(1)
    assert "one.evil.example" in house.holds(0)
    assert house.holds(1) == set()


def test_not_picked_keeps_what_it_had(house: House) -> None:
    """Others are picked: what went before stays, what never went does not go; an unpicked one goes away."""
    three = attribute("domain", "three.evil.example")
    house.take(BOTH)
    house.send()
    picked = _changed(TWO, tags=event(tags=["microsoft:push"]).tags)
    house.read(_later(ONE, picked, three))
    house.send()
    assert house.holds() == {"one.evil.example", "two.evil.example"}
    unpicked = replace(TWO, timestamp=TWO.timestamp + 20)
    other = _changed(three, tags=event(tags=["microsoft:push"]).tags)
    house.read(replace(_later(ONE, unpicked, other), timestamp=NOW + 20))
    house.send()
    assert house.holds() == {"one.evil.example", "three.evil.example"}


@pytest.mark.parametrize(("window", "sent"), [(120, 0), (5, 2)])
def test_an_expiry_moves_by_a_tenth_of_the_window_at_least(url: str, window: int, sent: int) -> None:
    """Published again a day later: a day is little of 120 days, and much of five."""
    rules = WIDE.indicator.model_copy(update={"window": window * 86_400})
    house = House(Ledger(url), [WIDE.model_copy(update={"indicator": rules})])
    house.take(BOTH)
    house.send()
    house.take(replace(BOTH, publish_timestamp=int(time.time()) + 86_000))
    assert len(house.send()) == sent
    house.ledger.close()


def test_a_date_in_the_future_is_not_believed(house: House) -> None:
    """It would keep the indicator for centuries, and block every later view."""
    house.take(event(replace(ONE, timestamp=4_000_000_000, last_seen=4_000_000_000), timestamp=4_000_000_000))
    row = house.row(domain("one.evil.example"))
    assert row is not None
    assert row.valid_until is not None
    assert row.valid_until < NOW + 200 * 86_400
    house.send()
    house.take(event(replace(ONE, comment="later"), timestamp=NOW))
    assert len(house.send()) == 1


def test_the_same_attribute_twice_does_not_flip(house: House) -> None:
    """A file may hold it twice, with other comments."""
    twice = event(replace(ONE, comment="a"), replace(ONE, comment="b"), timestamp=NOW)
    house.take(twice)
    house.send()
    house.take(twice)
    assert house.send() == []


def test_what_a_destination_has_no_place_for_has_no_row(house: House) -> None:
    """It is told, and costs nothing."""
    name = attribute("filename", "a.exe")
    taken = house.take(event(name, timestamp=NOW))
    standing = next(iter(taken.settled.values())).standings[observable_id(Observable(Kind.FILE_NAME, "a.exe"))]
    assert standing.reason is Reason.KIND_NOT_HELD
    assert house.row(Observable(Kind.FILE_NAME, "a.exe")) is None


@pytest.mark.parametrize(
    ("seen", "kept"),
    [
        (("Of the index",), ("Misp's own", "Of the index")),
        ((), ("Misp's own",)),
        (None, ("Misp's own",)),
    ],
)
def test_a_request_adds_what_the_index_says_to_what_misp_told_our_reading(
    house: House, seen: tuple[str, ...] | None, kept: tuple[str, ...]
) -> None:
    """The index answers in every door, MISP's own lists only to our reading: neither makes the other forgotten."""
    house.take(event(ONE, timestamp=NOW))
    house.read(event(replace(ONE, warninglists=("Misp's own",)), timestamp=NOW))
    house.take(event(replace(ONE, warninglists=seen, comment="new"), timestamp=NOW))
    assert _stored(house).warninglists == kept


def test_no_verdict_is_kept_apart_from_no_hit(house: House) -> None:
    """Who was not looked up by our reading either has none; a request without an index keeps that there was one."""
    house.take(event(ONE, timestamp=NOW))
    assert _stored(house).warninglists is None
    house.read(event(replace(ONE, warninglists=()), timestamp=NOW))
    assert _stored(house).warninglists == ()
    house.take(event(replace(ONE, comment="new"), timestamp=NOW))
    assert (_stored(house).warninglists, _stored(house).comment) == ((), "new")


def _stored(house: House) -> Attribute:
    wanted = select(schema.evidence.c.timestamp, schema.evidence.c.document)
    timestamp, document = house.ledger.read(lambda connection: connection.execute(wanted).one())
    return read_attribute(ONE.uuid, timestamp, document)


def test_text_that_is_no_unicode_costs_itself_alone(house: House) -> None:
    """A lone surrogate, from a file that was cut in the middle of a character."""
    house.take(event(replace(ONE, comment="\ud800"), TWO, timestamp=NOW, info="\udfff"))
    house.send()
    assert house.holds() == {"one.evil.example", "two.evil.example"}


def test_a_request_does_not_forget_what_only_our_reading_saw(house: House) -> None:
    """Rule 4: a local tlp:red and a warninglist hit, which the next workflow does not bring, still close the gates."""
    lists = ("List of known IPv4 public DNS resolvers",)
    house.settings = [
        WIDE.model_copy(update={"selection": WIDE.selection.model_copy(update={"warninglists": frozenset(lists)})})
    ]
    house.take(BOTH)
    house.send()
    red = event(tags=[Tag("tlp:red", exportable=False, local=True)]).tags
    house.read(_later(replace(ONE, warninglists=lists), _changed(TWO, tags=red)))
    house.send()
    assert house.holds() == set()
    house.take(replace(BOTH, timestamp=NOW + 20, attributes=(_changed(ONE), _changed(TWO))))
    assert house.send() == []
    # Nor does a reading of ours that could ask no warninglists.
    house.read(replace(BOTH, timestamp=NOW + 30, attributes=(_changed(ONE), _changed(TWO))))
    house.send()
    assert house.holds() == {"two.evil.example"}
    house.read(replace(BOTH, timestamp=NOW + 35, attributes=(replace(_changed(ONE), warninglists=()), _changed(TWO))))
    house.send()
    house.take(replace(BOTH, timestamp=NOW + 40))
    house.send()
    assert house.holds() == {"one.evil.example", "two.evil.example"}


def test_what_no_longer_vouches_is_forgotten(house: House) -> None:
    """A local tag of an attribute, and one of the event, that were gone when our reading found the attribute gone."""
    red = event(tags=[Tag("tlp:red", exportable=False, local=True)]).tags
    house.take(BOTH)
    house.read(_later(_changed(ONE, tags=red), TWO))
    house.read(replace(_later(TWO), timestamp=NOW + 20))
    house.take(replace(_later(_changed(ONE, comment="back"), TWO), timestamp=NOW + 30))
    house.send()
    assert house.holds() == {"one.evil.example", "two.evil.example"}


def test_a_local_tag_of_an_event_that_was_taken_off_is_forgotten(house: House) -> None:
    """Also when an attribute that saw it is gone: its header stays, and vouches for nothing."""
    house.take(BOTH)
    red = Tag("tlp:red", exportable=False, local=True)
    house.read(replace(_later(ONE, TWO), tags=(*BOTH.tags, red)))
    house.read(replace(_later(_changed(TWO)), timestamp=NOW + 20))
    assert len(house.send()) == 1
    house.take(replace(_later(_changed(TWO, comment="new")), timestamp=NOW + 30))
    assert len(house.send()) == 1
