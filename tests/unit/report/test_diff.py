"""A preview as a diff."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from misp_modules_ext.model.account import Account, Difference, Item, Removed
from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.model.outcome import Outcome, Reason
from misp_modules_ext.report import to_html, to_terminal
from misp_modules_ext.report.diff import LINES, diff
from tests.unit.report import samples


def _item(value: str, change: str, *differences: Difference, outcome: Outcome = Outcome.ACCEPTED) -> Item:
    part = samples.part(Kind.DOMAIN_NAME, value, outcome)._replace(change=change, differences=differences)
    return samples.item("domain", value, part)


def _preview(*items: Item, **changes: object) -> Account:
    place = replace(samples.destination("microsoft", items), **changes)  # type: ignore[arg-type]
    return samples.account(place, preview=True)


UPDATE = _item(
    "changed.example",
    "update",
    Difference("labels", "old", "new"),
    Difference("tlp", "tlp:green", "tlp:amber"),
    Difference("validUntil", "2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z"),
)


def test_what_comes_changes_and_goes() -> None:
    """Each indicator once, with its sign; counted in front."""
    gone = Removed("domain-name", "gone.example", "", Outcome.WITHDRAWN)
    off = _item("off.example", "withdraw", outcome=Outcome.WITHDRAWN)
    off = off._replace(observables=(off.observables[0]._replace(reason=Reason.TO_IDS_OFF),))
    same = samples.item("domain", "same.example", samples.part(Kind.DOMAIN_NAME, "same.example", Outcome.UNCHANGED))
    new = _item("new.example", "create")
    account = _preview(new, new._replace(attribute=UPDATE.attribute), UPDATE, off, same, removed=(gone,))
    assert list(diff(account)) == [
        (0, "microsoft: 1 to create, 1 to update, 2 to withdraw"),
        (2, "+ domain-name new.example"),
        (
            2,
            "~ domain-name changed.example: labels -old +new; tlp tlp:green -> tlp:amber; "
            "valid until 2027-01-01T00:00:00Z -> 2027-02-01T00:00:00Z",
        ),
        (2, "- domain-name off.example: to-ids-off"),
        (2, "- domain-name gone.example: the attribute is gone"),
    ]


def test_an_update_of_something_unknown_says_so() -> None:
    """As after a change of the rules."""
    (_, line) = diff(_preview(_item("a.example", "update")))
    assert "not known" in line[1]


def test_long_diffs_are_cut_and_say_where_the_rest_is() -> None:
    """A terminal is no place for 50,000 lines."""
    lines = list(diff(_preview(*(_item(f"{n}.example", "create") for n in range(LINES + 7)))))
    assert len(lines) == LINES + 2
    assert lines[-1] == (2, "and 7 more: --json and --report have all")


def test_nothing_to_change_is_no_diff() -> None:
    """A destination where all is as it should be."""
    assert list(diff(replace(samples.every_outcome(), preview=True))) == [
        (0, "microsoft: 1 to withdraw"),
        (2, "- domain-name gone.example: the attribute is gone"),
    ]


def test_hostile_values_stay_on_their_lines() -> None:
    """And are shown, not obeyed."""
    items = [_item(value, "update", Difference("title", value, value[::-1])) for value in samples.HOSTILE if value]
    shown = [line for _, line in diff(_preview(*items))]
    # Joiners belong into titles: Persian and emoji need them.
    assert all(line.replace("\u200d", "").isprintable() for line in shown)
    html = to_html(_preview(*items))
    assert "<script>alert" not in html


def test_terminal_and_page_show_it() -> None:
    """Only in previews."""
    file = io.StringIO()
    account = _preview(_item("new.example", "create"), UPDATE)
    to_terminal(account, Console(file=file, width=200, force_terminal=False))
    assert "  + domain-name new.example\n" in file.getvalue()
    page = to_html(account)
    assert "New: domain-name." in page
    assert "labels -old +new" in page
    sent = io.StringIO()
    to_terminal(replace(account, preview=False), Console(file=sent, width=200, force_terminal=False))
    assert "+ domain-name" not in sent.getvalue()


def test_a_report_that_was_brought_up_to_date_says_so() -> None:
    """When it ended, and when this is."""
    file = io.StringIO()
    account = replace(samples.arrived(), as_of=samples.STARTED + 3600)
    to_terminal(account, Console(file=file, width=200, force_terminal=False))
    assert "ended at 2026-11-18T11:06:43Z; this is how it stands at 2026-11-18T12:06:40Z" in file.getvalue()
    assert "Brought up to date" in to_html(account)
    assert "Brought up to date" not in to_html(samples.arrived())
