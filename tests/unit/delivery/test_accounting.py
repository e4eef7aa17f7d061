"""Every attribute's outcome at a destination: the account adds up whatever happened."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.config.settings import IndicatorRules, Selection
from misp_modules_ext.delivery.accounting import account_for
from misp_modules_ext.delivery.plan import RuleSet, make_plan
from misp_modules_ext.destinations.interface import ItemResult
from misp_modules_ext.model.account import DestinationAccount, Item
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.misp import Attribute
from misp_modules_ext.model.outcome import Outcome, Reason, State
from tests.support.build import NOW, attribute, event

RULES = RuleSet(Selection(allow_documentation_ranges=True), IndicatorRules())
ACCEPTED = ItemResult(Outcome.ACCEPTED)
LATE = ItemResult(Outcome.PENDING, Reason.NOT_IN_TIME)
NO_PLACE = ItemResult(Outcome.SKIPPED, Reason.KIND_NOT_HELD, "no place")


def _items(
    *attributes: Attribute, results: Mapping[Observable, ItemResult] | None = None, otherwise: ItemResult = ACCEPTED
) -> tuple[Item, ...]:
    return account_for(make_plan([event(*attributes)], RULES, "", NOW), results or {}, otherwise)


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
    rejected = {Observable(Kind.IPV4_ADDR, "198.51.100.7"): ItemResult(Outcome.REJECTED, Reason.REJECTED, "no")}
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
    plan = make_plan([event(attribute("domain|ip", "c2.evil.example|10.0.0.1"))], RULES, "", NOW)
    assert "10.0.0.1" not in repr(plan.merged[0].indicator)


def test_a_part_without_a_place_counts_when_nothing_went() -> None:
    """Alone it is skipped, with its reason."""
    (item,) = _items(attribute("domain", "a.evil.example"), otherwise=NO_PLACE)
    assert (item.outcome, item.reason) == (Outcome.SKIPPED, Reason.KIND_NOT_HELD)
    assert item.notes == ()


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
RESULTS = st.sampled_from([ACCEPTED, LATE, NO_PLACE, ItemResult(Outcome.REJECTED, Reason.REJECTED, "no")])


@given(st.lists(st.tuples(TYPES, st.booleans())), st.lists(RESULTS, min_size=3, max_size=3), RESULTS)
def test_the_account_always_adds_up(
    chosen: list[tuple[tuple[str, str], bool]], given_results: list[ItemResult], otherwise: ItemResult
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
