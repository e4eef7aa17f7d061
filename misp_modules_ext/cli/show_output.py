"""How `misp-microsoft show` is printed: sentences for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from rich.console import Console

from misp_modules_ext.cli.acted import name, print_json
from misp_modules_ext.cli.common import console
from misp_modules_ext.cli.looking import Place, reason_of
from misp_modules_ext.cli.tables import line, table, when
from misp_modules_ext.config.settings import IndicatorRules
from misp_modules_ext.ledger import Ledger, Origin, schema
from misp_modules_ext.ledger.asked import NOBODY
from misp_modules_ext.ledger.holdings import Holding
from misp_modules_ext.ledger.holds import Hold
from misp_modules_ext.ledger.story import Closed, Said, Story, action_refused, closed
from misp_modules_ext.model.indicator import Action
from misp_modules_ext.report.as_json import explanation
from misp_modules_ext.report.text import iso, plural, shorten, visible
from misp_modules_ext.translate import EventContext

_STATES = {
    schema.DUE: "due",
    schema.SETTLED: "settled",
    schema.REJECTED: "rejected",
    schema.SKIPPED: "skipped",
    schema.EXPIRED: "expired",
    schema.ON_HOLD: "on hold",
}
_LONGEST = 100


class Told(NamedTuple):
    """A value's story, and where it is told for."""

    story: Story
    places: tuple[Place, ...]
    base_url: str

    def row(self, place: Place) -> Holding | None:
        """How it stands at a destination."""
        return None if place.known is None else self.story.rows.get(place.known.destination_id)

    def hold(self, place: Place) -> Hold | None:
        """Who holds it there."""
        everywhere = self.story.holds.get(schema.EVERYWHERE)
        return everywhere if place.known is None else self.story.holds.get(place.known.destination_id, everywhere)


def print_stories(ledger: Ledger, value: str, told: Sequence[Told], *, as_json: bool) -> None:
    """Print the stories of all that a text may mean."""
    if as_json:
        document = {"schema": 1, "command": "show", "ledger": ledger.where, "asked": value}
        print_json(document | {"found": [_document(one) for one in told]})
        return
    out = console()
    for one in told:
        _print(out, one)
    if not told:
        line(out, f"The ledger {ledger.where} has never seen {shorten(visible(value), _LONGEST)}.")


def _print(out: Console, told: Told) -> None:
    line(out, name(told.story.observable), "bold")
    if told.story.said:
        head = ["event", "attribute", "type", "since", "TLP", "says so", "title"]
        table(out, head, [_voucher(said) for said in told.story.said])
    else:
        line(out, "Nothing in the ledger vouches for it.", indent=2)
    for place in told.places:
        for words in _lines(told, place):
            line(out, words, indent=2)


def _voucher(said: Said) -> list[str]:
    witness = said.witness
    return [
        witness.event.uuid,
        witness.attribute.uuid,
        visible(witness.attribute.type),
        iso(witness.taken),
        _tlp(said),
        _who(said),
        shorten(witness.event.info, 60),
    ]


def _who(said: Said) -> str:
    if not said.witness.vouches:
        return "no longer"
    own = "our own reading" if Origin.OWN_READING in said.origins else ""
    return " and ".join(word for word in ("a request" if Origin.REQUEST in said.origins else "", own) if word)


def _tlp(said: Said) -> str:
    """What the tags say; `""` for none, where each destination's `tlp` counts."""
    witness = said.witness
    context = EventContext(witness.event, IndicatorRules(), "")
    tagged = any(tag.name.lower().startswith("tlp:") for tag in (*witness.event.tags, *witness.attribute.tags))
    return context.marks(witness.attribute.tags).tlp.tag if tagged else ""


def _lines(told: Told, place: Place) -> Iterator[str]:
    row, hold = told.row(place), told.hold(place)
    if row is None:
        yield f"{place.title}: never there."
    else:
        yield f"{place.title}: {_standing(told, row)}"
        reason = reason_of(row.reason)
        if reason or row.message:
            yield f"  {reason.code if reason else 'message'}: {explanation(reason, row.message or '')}"
        if row.state == schema.DUE:
            tried = f" after {plural(row.attempts, 'attempt')}" if row.attempts else ""
            yield f"  next attempt {when(row.due_ms)}{tried}"
    if hold is not None:
        yield f"  on hold since {when(hold.since_ms)} by {hold.who}: {hold.why}. `misp-microsoft release` ends it."
    yield from _rules(told, place)


def _standing(told: Told, row: Holding) -> str:
    words = [_state(row), told.story.observable.stix_id(row.generation)]
    if row.sent_hash is not None and row.created_ms is not None:
        words.append(f"there since {when(row.created_ms)}, changed {when(row.modified_ms)}")
    if row.valid_until is not None:
        words.append(f"valid until {iso(row.valid_until)}")
    if row.remote_id:
        words.append(f"Microsoft's id {row.remote_id}")
    if row.generation:
        words.append(f"withdrawn {plural(row.generation, 'time')} before")
    return "; ".join(words)


def _state(row: Holding) -> str:
    """In words what the state and the digests say together."""
    if row.state == schema.DUE:
        return "to be withdrawn" if row.due_hash is None else "to be updated" if row.maybe_there else "to be created"
    if row.state == schema.SETTLED:
        return "there" if row.sent_hash is not None else "gone"
    return _STATES[row.state] + (", and still there" if row.sent_hash is not None else "")


def _rules(told: Told, place: Place) -> Iterator[str]:
    store = place.store
    if store is None:
        return
    merged = told.story.content(store, told.base_url)
    if merged is not None:
        indicator = merged.indicator
        refused = store.refuses(indicator)
        if refused is not None:
            yield f"  today's rules: {refused[0].code}: {refused[1]}"
        else:
            action = f", action {indicator.action}" if store.rules.actions.acts else ""
            yield f"  today's rules: it goes, {indicator.tlp.tag}, valid until {iso(indicator.valid_until)}{action}"
            for uuid, refusal in _actions_refused(told, place):
                yield f"  today's rules: not {refusal[0]} by attribute {uuid}: {refusal[1]}"
        return
    for uuid, why in _why_not(told, place):
        code = f"{why.reason.code}: " if why.reason is not None else ""
        yield f"  today's rules: not by attribute {uuid}: {code}{_sentence(why)}"


def _actions_refused(told: Told, place: Place) -> Iterator[tuple[str, tuple[Action, str]]]:
    """Which attributes ask for an action that they do not get, and why, where more than an alert is possible."""
    store = place.store
    if store is None or not store.rules.actions.acts:
        return
    for said in told.story.said:
        refusal = action_refused(said.witness, store, told.base_url) if said.witness.vouches else None
        if refusal is not None:
            yield said.witness.attribute.uuid, refusal


def _why_not(told: Told, place: Place) -> Iterator[tuple[str, Closed]]:
    store = place.store
    if store is None:
        return
    audience = told.story.audience.get(store.destination_id, NOBODY)
    for said in told.story.said:
        why = closed(said.witness, store, told.base_url, audience)
        if why is not None:
            yield said.witness.attribute.uuid, why


def _sentence(why: Closed) -> str:
    return why.message or (why.reason.meaning if why.reason is not None else "")


def _document(told: Told) -> dict[str, Any]:
    observable = told.story.observable
    return {
        "kind": observable.kind.value,
        "value": observable.value,
        "evidence": [_evidence(said) for said in told.story.said],
        "destinations": [_place(told, place) for place in told.places],
    }


def _evidence(said: Said) -> dict[str, Any]:
    witness = said.witness
    return {
        "event": witness.event.uuid,
        "info": witness.event.info,
        "attribute": witness.attribute.uuid,
        "type": witness.attribute.type,
        "value": witness.attribute.value,
        "toIds": witness.attribute.to_ids,
        "since": iso(witness.taken),
        "timestamp": iso(witness.attribute.timestamp),
        "tlp": _tlp(said) or None,
        "vouches": witness.vouches,
        "byRequest": Origin.REQUEST in said.origins,
        "byOwnReading": Origin.OWN_READING in said.origins,
    }


def _place(told: Told, place: Place) -> dict[str, Any]:
    row, hold = told.row(place), told.hold(place)
    reason = reason_of(row.reason) if row is not None else None
    return {
        "name": place.name,
        "configured": place.settings is not None,
        "state": None if row is None else _STATES[row.state],
        "there": row is not None and row.sent_hash is not None,
        "wanted": row is not None and row.due_hash is not None,
        "indicator": told.story.observable.stix_id(0 if row is None else row.generation),
        "generation": 0 if row is None else row.generation,
        "remoteId": None if row is None else row.remote_id,
        "created": None if row is None else when(row.created_ms) or None,
        "modified": None if row is None else when(row.modified_ms) or None,
        "validUntil": None if row is None or row.valid_until is None else iso(row.valid_until),
        "reason": reason.code if reason else None,
        "message": None if row is None else row.message,
        "next": when(row.due_ms) if row is not None and row.state == schema.DUE else None,
        "attempts": 0 if row is None else row.attempts,
        "hold": None if hold is None else {"since": when(hold.since_ms), "who": hold.who, "why": hold.why},
        "rules": _verdict(told, place),
    }


def _verdict(told: Told, place: Place) -> dict[str, Any] | None:
    """What today's rules say; `None` where the configuration has none for it."""
    store = place.store
    if store is None:
        return None
    merged = told.story.content(store, told.base_url)
    refused = store.refuses(merged.indicator) if merged is not None else None
    return {
        "goes": merged is not None and refused is None,
        "tlp": merged.indicator.tlp.tag if merged is not None else None,
        "validUntil": iso(merged.indicator.valid_until) if merged is not None else None,
        "refused": {"reason": refused[0].code, "message": refused[1]} if refused is not None else None,
        "action": merged.indicator.action.value if merged is not None else None,
        "actionsRefused": [
            {"attribute": uuid, "action": refusal[0].value, "message": refusal[1]}
            for uuid, refusal in _actions_refused(told, place)
        ],
        "closed": []
        if merged is not None
        else [
            {"attribute": uuid, "reason": why.reason.code if why.reason else None, "message": _sentence(why)}
            for uuid, why in _why_not(told, place)
        ],
    }
