"""Every attribute's outcome at a destination: the account adds up whatever happened."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.config.settings import IndicatorRules, Selection
from misp_modules_ext.delivery.accounting import Result, Taken, account_for
from misp_modules_ext.model.account import DestinationAccount, Item
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.misp import Attribute, Decay, Sightings
from misp_modules_ext.model.outcome import Outcome, Reason, State
from misp_modules_ext.planning import PlannedAttribute, RuleSet, make_plan
from tests.support.build import NOW, attribute, event

RULES = RuleSet(Selection(allow_documentation_ranges=True), IndicatorRules())
ACCEPTED = Result(Outcome.ACCEPTED)
LATE = Result(Outcome.PENDING, Reason.NOT_IN_TIME)
NO_PLACE = Result(Outcome.SKIPPED, Reason.KIND_NOT_HELD, "no place")


def _items(
    *attributes: Attribute,
    results: Mapping[Observable, Result] | None = None,
    otherwise: Result = ACCEPTED,
    withdrawn: Taken | None = None,
) -> tuple[Item, ...]:
    plan = make_plan([event(*attributes)], RULES, "", {}, NOW)
    return account_for(plan, results or {}, otherwise, withdrawn)


def test_the_second_attribute_of_a_value_is_merged() -> None:
    """One indicator, one accepted attribute; the others are merged into it."""
    items = _items(attribute("domain", "same.evil.example"), attribute("hostname", "same.evil.example"))
    assert sorted(i.outcome for i in items) == [Outcome.ACCEPTED, Outcome.MERGED]
    assert len({i.observables[0].indicator for i in items}) == 1


def test_an_attribute_listed_twice_leads_once() -> None:
    """Files from the wild hold the same attribute UUID twice."""
    twice = attribute("domain", "same.evil.example")
    assert [i.outcome for i in _items(twice, twice)] == [Outcome.ACCEPTED, Outcome.MERGED]


def test_without_an_answer_everything_is_pending() -> None:
    """Nothing is accepted unless Microsoft said so."""
    items = _items(attribute("domain", "a.evil.example"), attribute("domain", "b.evil.example"), otherwise=LATE)
    assert [(i.outcome, i.reason) for i in items] == [(Outcome.PENDING, Reason.NOT_IN_TIME)] * 2
    assert all(o.expires is None for i in items for o in i.observables)


def test_the_worst_part_counts() -> None:
    """`domain|ip` of which the address was rejected is rejected."""
    both = attribute("domain|ip", "c2.evil.example|198.51.100.7")
    rejected = {Observable(Kind.IPV4_ADDR, "198.51.100.7"): Result(Outcome.REJECTED, Reason.REJECTED, "no")}
    (item,) = _items(both, results=rejected)
    assert (item.outcome, item.reason, item.message) == (Outcome.REJECTED, Reason.REJECTED, "no")
    assert [o.outcome for o in item.observables] == [Outcome.ACCEPTED, Outcome.REJECTED]


@pytest.mark.parametrize("value", ["c2.evil.example|198.51.100.7", "c2.evil.example|10.0.0.1"])
def test_a_part_without_a_place_is_a_note_when_another_went(value: str) -> None:
    """What a destination cannot hold, or what goes nowhere, does not spoil the other half."""
    no_place = {Observable(Kind.IPV4_ADDR, "198.51.100.7"): NO_PLACE}
    (item,) = _items(attribute("domain|ip", value), results=no_place)
    assert item.outcome is Outcome.ACCEPTED
    assert any(value.split("|")[1] in note for note in item.notes)


def test_an_internal_address_is_in_no_description() -> None:
    """The private half of `domain|ip` goes nowhere, so it does not go as context of the other half either."""
    plan = make_plan([event(attribute("domain|ip", "c2.evil.example|10.0.0.1"))], RULES, "", {}, NOW)
    assert "10.0.0.1" not in repr(plan.merged[0].indicator)


def test_a_part_without_a_place_counts_when_nothing_went() -> None:
    """Alone it is skipped, with its reason."""
    (item,) = _items(attribute("domain", "a.evil.example"), otherwise=NO_PLACE)
    assert (item.outcome, item.reason) == (Outcome.SKIPPED, Reason.KIND_NOT_HELD)
    assert item.notes == ()


def test_the_expiry_shown_is_the_one_that_stands_at_the_destination() -> None:
    """A damped expiry is not what the plan would say; what is not there has none."""
    there = Result(Outcome.UNCHANGED, valid_until=NOW + 5)
    waits = Result(Outcome.PENDING, Reason.THROTTLED, "later", NOW + 5)
    (unchanged,) = _items(attribute(), otherwise=there)
    (pending,) = _items(attribute(), otherwise=waits)
    assert [part.expires for item in (unchanged, pending) for part in item.observables] == [NOW + 5, None]
    assert (pending.outcome, pending.reason, pending.message) == (Outcome.PENDING, Reason.THROTTLED, "later")


def test_the_id_shown_carries_the_generation() -> None:
    """What came back after a withdrawal has a new id, and the report names that one."""
    domain = Observable(Kind.DOMAIN_NAME, "c2.evil.example")
    (item,) = _items(attribute(), results={domain: Result(Outcome.ACCEPTED, generation=2)})
    assert item.observables[0].indicator == domain.stix_id(2) != domain.stix_id()


def test_an_unchanged_value_stays_unchanged_for_all_that_vouch() -> None:
    """Only what was sent has one accepted attribute and others merged into it."""
    items = _items(
        attribute("domain", "same.evil.example"),
        attribute("hostname", "same.evil.example"),
        otherwise=Result(Outcome.UNCHANGED),
    )
    assert [item.outcome for item in items] == [Outcome.UNCHANGED, Outcome.UNCHANGED]


def test_what_counted_before_is_withdrawn_and_says_why() -> None:
    """The gate that it no longer passes is the reason; others that never counted are skipped as ever."""
    lost = attribute("domain", "lost.evil.example", to_ids=False)
    never = attribute("domain", "never.evil.example", to_ids=False)

    def taken(planned: PlannedAttribute) -> Result | None:
        return Result(Outcome.WITHDRAWN, planned.reason, "gone") if planned.attribute == lost else None

    items = _items(lost, never, withdrawn=taken)
    assert [(item.outcome, item.reason, item.message) for item in items] == [
        (Outcome.WITHDRAWN, Reason.TO_IDS_OFF, "gone"),
        (Outcome.SKIPPED, Reason.TO_IDS_OFF, items[1].message),
    ]
    assert all(item.observables == () for item in items)


def test_what_passes_is_never_asked_about_a_withdrawal() -> None:
    """An attribute that counts cannot be reported as taken back."""
    (item,) = _items(attribute(), withdrawn=lambda planned: Result(Outcome.WITHDRAWN, Reason.TO_IDS_OFF))
    assert item.outcome is Outcome.ACCEPTED


TYPES = st.sampled_from(
    [
        ("domain", "a.evil.example"),
        ("hostname", "a.evil.example"),
        ("domain|ip", "a.evil.example|198.51.100.7"),
        ("ip-dst", "198.51.100.7"),
        ("ip-dst", "10.0.0.1"),
        ("md5", "x"),
        ("comment", "x"),
        ("filename", "a.exe"),
        ("", ""),
    ]
)
RESULTS = st.sampled_from([ACCEPTED, LATE, NO_PLACE, Result(Outcome.REJECTED, Reason.REJECTED, "no")])


@given(st.lists(st.tuples(TYPES, st.booleans())), st.lists(RESULTS, min_size=3, max_size=3), RESULTS)
def test_the_account_always_adds_up(
    chosen: list[tuple[tuple[str, str], bool]], given_results: list[Result], otherwise: Result
) -> None:
    """Whatever attributes and answers: the outcomes add up to what was read, and nothing is without a reason."""
    attributes = [attribute(*pair, to_ids=to_ids) for pair, to_ids in chosen]
    observables = [
        Observable(Kind.DOMAIN_NAME, "a.evil.example"),
        Observable(Kind.IPV4_ADDR, "198.51.100.7"),
        Observable(Kind.FILE_NAME, "a.exe"),
    ]
    items = _items(*attributes, results=dict(zip(observables, given_results, strict=True)), otherwise=otherwise)
    counts = DestinationAccount("microsoft", "Microsoft Sentinel", "sentinel", State.OK, items=items).counts
    assert counts.pop("read") == len(attributes) == sum(counts.values())
    fine = {Outcome.ACCEPTED, Outcome.MERGED, Outcome.UNCHANGED}
    assert all((item.reason is None) == (item.outcome in fine) for item in items)
    leading = [i for i in items for o in i.observables if o.outcome is Outcome.ACCEPTED]
    accepted = {o.indicator for i in leading for o in i.observables if o.outcome is Outcome.ACCEPTED}
    assert len(accepted) == sum(o.outcome is Outcome.ACCEPTED for i in items for o in i.observables)


def test_what_is_over_says_what_ended_it() -> None:
    """Of each attribute its own end, beside the date of the indicator; a window needs no more words."""
    over = Result(Outcome.SKIPPED, Reason.EXPIRED, "It expired on 2026-11-23.")
    day = 86_400
    items = _items(
        attribute("domain", "a.evil.example", timestamp=NOW - 2 * day, sightings=Sightings(expires=NOW - day)),
        attribute("domain", "b.evil.example", timestamp=NOW - 2 * day, decay=Decay(day, "NIDS")),
        attribute("domain", "c.evil.example"),
        otherwise=over,
    )
    assert [(i.outcome, i.reason) for i in items] == [(Outcome.SKIPPED, Reason.EXPIRED)] * 3
    assert [i.message.removeprefix(over.message).strip() for i in items] == [
        "An Expiration sighting in MISP ended this attribute on 2026-11-23.",
        'On 2026-11-23 the score of this attribute fell below the threshold of MISP\'s decay model "NIDS".',
        "",
    ]
