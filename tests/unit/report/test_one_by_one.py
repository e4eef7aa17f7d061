"""What became of single attributes, in sentences."""

from __future__ import annotations

from dataclasses import replace

from misp_modules_ext.model.account import Account, DestinationAccount, Item, ObservableAccount
from misp_modules_ext.model.outcome import Outcome, Reason, State
from misp_modules_ext.report.one_by_one import MOST_VALUE, sentences
from tests.support.build import NOW

_PART = ObservableAccount("domain-name", "c2.evil.example", Outcome.ACCEPTED, "indicator--1", expires=NOW)
_ITEM = Item("e", "a", "domain", "c2.evil.example", Outcome.ACCEPTED, observables=(_PART,))


def _account(*items: Item, **fields: object) -> Account:
    place = DestinationAccount("microsoft", "Microsoft Sentinel", "sentinel", State.OK, "Nothing was to do.", items)
    return replace(Account("s", "expansion", 0, 0, destinations=(place,)), **fields)  # type: ignore[arg-type]


def test_what_is_there_is_said_with_its_end() -> None:
    """And what Defender does on a match, where that is more than an alert."""
    assert list(sentences(_account(_ITEM))) == [
        "[microsoft] c2.evil.example: accepted. It is there now, until 2026-11-24."
    ]
    blocked = _ITEM._replace(outcome=Outcome.UNCHANGED, observables=(_PART._replace(action="Block"),))
    assert list(sentences(_account(blocked))) == [
        "[microsoft] c2.evil.example: unchanged. It was there already, as it should be, until 2026-11-24. "
        "Defender's action on a match: Block."
    ]


def test_what_is_not_there_is_said_with_the_reason() -> None:
    """The reason's own sentence, then what exactly."""
    late = _ITEM._replace(outcome=Outcome.PENDING, reason=Reason.THROTTLED, message="Wait 5 s.", observables=())
    (line,) = sentences(_account(late))
    assert line == f"[microsoft] c2.evil.example: pending. {Reason.THROTTLED.sentence} Wait 5 s."
    gone = _ITEM._replace(outcome=Outcome.WITHDRAWN)
    assert list(sentences(_account(gone))) == ["[microsoft] c2.evil.example: withdrawn. It was there and is withdrawn."]


def test_a_preview_claims_nothing() -> None:
    """What would happen has not happened."""
    (line,) = sentences(_account(_ITEM, preview=True))
    assert line == "[microsoft] c2.evil.example: accepted. That is what would happen; nothing was sent."


def test_values_of_strangers_stay_on_their_line() -> None:
    """Long ones are cut, and what cannot be seen is written as an escape; a destination without items says so."""
    (line,) = sentences(_account(_ITEM._replace(value="a\u202e\n" + "b" * 200)))
    assert "\\u202e" in line
    assert "\n" not in line
    assert len(line) < MOST_VALUE + 120
    assert list(sentences(_account())) == ["[microsoft] Nothing was sent. Nothing was to do."]
