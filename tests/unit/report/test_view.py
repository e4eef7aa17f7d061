"""What the HTML report shows, before there is HTML."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.model.outcome import Outcome, Reason
from misp_modules_ext.report import view
from misp_modules_ext.report.attributes import by_attribute
from tests.unit.report import samples

A = samples.item("domain", "a.example", samples.part(Kind.DOMAIN_NAME, "a.example"))
B = samples.item("domain", "b.example", samples.part(Kind.DOMAIN_NAME, "b.example"))


@given(st.dictionaries(st.sampled_from(list(Outcome)), st.integers(0, 10**6), min_size=1), st.floats(2, 100))
def test_segments_fill_their_room(counts: dict[Outcome, int], room: float) -> None:
    """The parts of a bar follow each other, can be seen, and fill the bar together."""
    parts = view.segments(counts, room)
    assert {part.outcome: part.attributes for part in parts} == {o: n for o, n in counts.items() if n}
    end = 0.0
    for part in parts:
        assert part.start == pytest.approx(end, abs=0.05)
        assert part.width >= room * 0.01 - 0.005  # rounded to a hundredth
        end = part.start + part.width
    assert end == pytest.approx(room if parts else 0, abs=0.05)


def test_type_bars_count_every_attribute() -> None:
    """Types come most frequent first, and their numbers are those of the destination."""
    place = samples.arrived().destinations[0]
    bars = view.type_bars(place)
    assert sum(bar.read for bar in bars) == place.counts["read"]
    assert sum(bar.there for bar in bars) == place.counts["accepted"] + place.counts["merged"]
    assert [bar.type for bar in bars[:2]] == ["domain", "ip-dst"]


def test_equal_results_share_a_row_and_different_ones_do_not() -> None:
    """An attribute has one row for each different thing that became of it."""
    late = A._replace(outcome=Outcome.PENDING, reason=Reason.THROTTLED, observables=())
    account = samples.account(*(samples.destination(n, [i, B]) for n, i in (("x", A), ("y", late), ("z", A))))
    found = [(row.item, row.places) for row in view.rows(account)]
    assert found == [(A, (0, 2)), (late, (1,)), (B, (0, 1, 2))]


def test_destinations_in_another_order_are_matched() -> None:
    """Rows are matched by UUID, the second one of a UUID with the second one, and nothing is lost."""
    places = [samples.destination("x", [A, B, A]), samples.destination("y", [B, A]), samples.destination("z", [])]
    account = samples.account(*places)
    found = [[(at.destination, at.item) for at in places] for places in by_attribute(account)]
    assert found == [[(0, A), (1, A)], [(0, B), (1, B)], [(0, A)]]


@pytest.mark.parametrize("attributes", [0, 1, 1_999, 2_000, 2_001, 5_000])
def test_no_row_is_lost_or_repeated_by_folding(attributes: int) -> None:
    """All pages together hold every row once; at most the allowed number is open."""
    account = samples.many(attributes)
    groups = view.groups(account)
    shown = [row.item.value for group in groups for page in group.pages for row in page.rows]
    assert sorted(shown) == sorted(item.value for item in account.destinations[0].items)
    assert sum(len(p.rows) for g in groups for p in g.pages if not p.folded) == min(attributes, view.OPEN_ROWS)
    for group in groups:
        assert group.size == sum(len(page.rows) for page in group.pages)
        assert [page.first for page in group.pages][:1] == [1]


def test_what_did_not_arrive_comes_first() -> None:
    """Groups are ordered from the worst outcome to the best."""
    outcomes = [group.outcome for group in view.groups(samples.every_outcome())]
    assert outcomes == list(Outcome)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//misp.example.org/",
        "https:///events",
        "https://user:secret@misp.example.org/",
        "https://[bad/",
        "https://misp.example.org/\u202e",
        "https://misp.example.org/a b",
        "",
    ],
)
def test_only_plain_web_addresses_become_links(url: str) -> None:
    """Whatever else stands in the record is no link."""
    assert view.web_link(url) == ""


def test_web_addresses_become_links() -> None:
    """MISP's own address, also inside a network without TLS."""
    for url in ("https://misp.example.org/events/view/1", "http://192.0.2.1:8080/x"):
        assert view.web_link(url) == url


@given(st.lists(st.text(max_size=30), max_size=40), st.integers(1, 100))
def test_pieces_are_batched_by_their_length(pieces: list[str], size: int) -> None:
    """Nothing is lost; only the last batch is short, and none is longer than its last piece makes it."""
    batches = list(view.batched(pieces, size))
    assert "".join(batches) == "".join(pieces)
    assert all(size <= len(batch) < size + 30 for batch in batches[:-1])
