"""The reasons counted, and their reference in the documents."""

from __future__ import annotations

from pathlib import Path

from misp_modules_ext.model.outcome import Outcome, Reason
from misp_modules_ext.report import reasons_markdown
from misp_modules_ext.report.reasons import MEANINGS, count_reasons
from tests.unit.report import samples

DOCUMENT = Path(__file__).parents[3] / "docs" / "reasons.md"


def test_the_document_holds_the_reference_of_the_program() -> None:
    """docs/reasons.md says what the enumeration says, word by word."""
    text = DOCUMENT.read_text(encoding="utf-8")
    written = text.partition("<!-- reference -->")[2].partition("<!-- /reference -->")[0]
    assert written.strip() == reasons_markdown().strip()


def test_the_reference_has_one_row_for_each_reason() -> None:
    """Every code stands in exactly one row of three cells."""
    rows = [line for line in reasons_markdown().splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [reason.code for reason in Reason]
    assert {row.replace("\\|", "").count("|") for row in rows} == {4}


def test_every_outcome_has_a_meaning() -> None:
    """The footer explains each outcome."""
    assert set(MEANINGS) == set(Outcome)


def test_reasons_are_counted_worst_first() -> None:
    """What was refused stands before what waits, and that before what was skipped; then the most frequent."""
    found = [(c.outcome, c.reason, c.places) for c in count_reasons(samples.mixed())]
    assert found[0] == (Outcome.REJECTED, Reason.REJECTED, {"microsoft defender-emea": 1})
    assert found[1] == (Outcome.PENDING, Reason.CREDENTIALS_REFUSED, {"microsoft soc-us": 11})
    assert {outcome for outcome, _, _ in found[2:]} == {Outcome.SKIPPED}
    assert found[2][1] is Reason.TO_IDS_OFF


def test_examples_are_different_attributes() -> None:
    """An attribute that three destinations skip is one example, not three."""
    counts = {c.reason: c for c in count_reasons(samples.arrived(), examples=3)}
    assert [item.value for item in counts[Reason.SPECIAL_VALUE].examples] == ["10.0.0.5"]
    assert len(counts[Reason.TO_IDS_OFF].examples) == 2


def test_where_names_few_places_and_counts_many() -> None:
    """The same number everywhere is said once, few places by name, many as a sum."""
    everywhere = samples.arrived()
    few = samples.mixed()
    kept = {c.reason: c for c in count_reasons(few)}
    assert count_reasons(everywhere)[0].where(everywhere) == ["2 at all 3 destinations"]
    assert kept[Reason.KIND_NOT_HELD].where(few) == ["1 at microsoft defender-emea"]
    uneven = samples.account(
        *(
            samples.destination(f"d{n}", [samples.skipped("domain", "a.example", Reason.TLP)] * (n + 1))
            for n in range(7)
        )
    )
    assert count_reasons(uneven)[0].where(uneven) == ["28 at 7 destinations"]
