"""What becomes of the event files from the wild is what people have read and found right."""

from __future__ import annotations

import csv
from difflib import unified_diff
from pathlib import Path

import pytest

from tests.golden.golden import ATTRIBUTES, BY_TYPE, plan_of, rows, tables
from tests.support.shared import event_files, shared

MOST_SHOWN = 40


@pytest.fixture(scope="module")
def made() -> tuple[str, str]:
    """The tables as the code of today makes them."""
    shared("events", "INDEX.tsv")
    return tables()


@pytest.mark.parametrize("number", [0, 1], ids=["attributes", "by_type"])
def test_the_table_stands_as_it_was_read(made: tuple[str, str], number: int) -> None:
    """Whoever changes what is sent sees here of which attributes, before it goes anywhere."""
    path = (ATTRIBUTES, BY_TYPE)[number]
    differences = list(
        unified_diff(path.read_text("utf-8").splitlines(), made[number].splitlines(), "was", "is", lineterm="", n=0)
    )
    remedy = "Read the difference; if it is meant, write it down with `python -m tests.golden`."
    assert not differences, "\n".join([remedy, *differences[:MOST_SHOWN]])


def test_every_attribute_of_the_index_has_a_line() -> None:
    """As many as the files hold, each with an outcome, and a reason exactly when it stays behind."""
    with shared("events", "INDEX.tsv").open(encoding="utf-8") as index:
        held = {line["path"]: int(line["attributes"]) for line in csv.DictReader(index, delimiter="\t")}
    read: dict[str, int] = {}
    for path in event_files():
        found = list(rows(plan_of(path)))
        read[_name(path)] = len(found)
        for row in found:
            assert (row.outcome == "skipped") is (row.code != "-"), row
            assert row.outcome in ("goes", "merged", "skipped"), row
    assert read == held


def test_the_summary_counts_the_lines() -> None:
    """Each line is in one row of the summary."""
    lines = [line.split("\t") for line in ATTRIBUTES.read_text("utf-8").splitlines() if not line.startswith("#")]
    summed = [line.split("\t") for line in BY_TYPE.read_text("utf-8").splitlines() if not line.startswith("#")]
    assert len(lines) == sum(int(row[3]) for row in summed)
    for type_, outcome, code, number in summed:
        assert sum((line[1], line[3], line[4]) == (type_, outcome, code) for line in lines) == int(number)


def _name(path: Path) -> str:
    return str(path.relative_to(shared("events")))
