"""A look-up in sentences."""

from __future__ import annotations

from misp_modules_ext.delivery.lookup import Answered, Found
from misp_modules_ext.destinations.looking import EntryState, Presence
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.report.lookup import MOST_ENTRIES, sentences, summary
from tests.support.build import destination

VALUE = Observable(Kind.DOMAIN_NAME, "one.evil.example")


def test_of_hundreds_of_entries_few_are_said_and_ours_is_among_them() -> None:
    """A line of MISP's is not made for all; the first words still go by every entry."""
    others = [Presence(VALUE, ours=False, state=EntryState.EXPIRED, confidence=n) for n in range(300)]
    entries = (*others, Presence(VALUE, ours=False, state=EntryState.ACTIVE), Presence(VALUE, True, EntryState.ACTIVE))
    found = Found(destination(), VALUE, None, "", (Answered("Log Analytics", entries),), ())
    assert summary(found) == "there, ours and others'"
    (said,) = sentences(found, frank=False)
    assert said.startswith("Log Analytics: active, ours, without an end; and active, someone else's, ")
    assert said.endswith(f"; and {302 - MOST_ENTRIES} more.")
    assert len(said) < 1000
    few = Found(destination(), VALUE, None, "", (Answered("Log Analytics", entries[:MOST_ENTRIES]),), ())
    assert " more" not in next(sentences(few, frank=True))
