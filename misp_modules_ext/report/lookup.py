"""A look-up in sentences: for MISP, where they say nothing that only this installation may know, and for its people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from misp_modules_ext.delivery.lookup import Answered, AtLedger, Found, Problem
from misp_modules_ext.destinations.looking import EntryState, Presence, Sighting
from misp_modules_ext.model.indicator import Observable
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.report.text import iso, plural, visible

#: Entries of one API about one value: a value of many feeds may have hundreds.
MOST_ENTRIES = 10
#: What is over by itself.
_PASSING = {
    Reason.NOT_IN_TIME: "did not answer in time; ask again in a moment",
    Reason.THROTTLED: "asked too often for now; ask again in a minute",
}


def title(observable: Observable) -> str:
    """Kind and value, on one line."""
    return f"{observable.kind} {visible(observable.value)}"


def summary(found: Found) -> str:
    """Whether it is there, and whose: the first thing to read."""
    known = [presence for answer in found.presence for presence in answer.found]
    active = [presence for presence in known if presence.state == "active"]
    answered = [answer for answer in found.presence if answer.problem is None]
    ours = found.ledger is not None and found.ledger.there
    if active:
        whose = {presence.ours for presence in active}
        return "there, " + ("ours" if whose == {True} else "someone else's" if whose == {False} else "ours and others'")
    if answered:
        state = known[0].state if known else ""
        if ours and not state:
            # What was uploaded shows some minutes later, and not every API may have answered.
            return "there by the ledger; Microsoft does not show it, or not yet"
        if ours:
            return f"{state} at Microsoft, although the ledger has it as there"
        return f"{state}, so it does nothing" if state else "not there"
    if found.ledger is None:
        return "not known"
    return f"{found.ledger.state} by the ledger"


def sentences(found: Found, *, frank: bool) -> Iterator[str]:
    """All that is known of it there, a sentence each.

    Args:
        found: what is known.
        frank: for those who run this installation: problems in full, and events of other MISPs. Others are told the
            kind of problem alone, since Microsoft's words name tenants and applications.
    """
    if found.ledger is not None:
        yield f"Ledger: {_held(found.ledger)}."
    elif found.ledger_problem:
        words = found.ledger_problem if frank else "it does not answer"
        yield f"Ledger: {words.rstrip('.')}."
    for answer in found.presence:
        yield f"{answer.asked}: {_present(answer, frank=frank)}."
    for answer in found.estate:
        yield f"Seen, by {answer.asked}: {_seen(answer, frank=frank)}."
    # Last, and without a full stop, which would become part of the address where MISP makes a link of it.
    if found.ledger is not None and found.ledger.events:
        yield f"By {plural(found.ledger.events, 'event')} of MISP: {' '.join(found.ledger.links)}"
    if frank and found.ledger is not None and found.ledger.elsewhere:
        yield f"By {plural(found.ledger.elsewhere, 'event')} of other MISPs: {' '.join(found.ledger.links_elsewhere)}"


def _held(held: AtLedger) -> str:
    words = [held.state]
    if held.reason is not None:
        words.append(held.reason.meaning.rstrip("."))
    if held.since is not None:
        words.append(f"since {iso(held.since)}")
    if held.there and held.valid_until is not None:
        words.append(f"valid until {iso(held.valid_until)}")
    if held.there and held.severity:
        words.append(f"action {held.action}, severity {held.severity}, confidence {held.confidence}")
    return "; ".join(words)


def _present(answer: Answered, *, frank: bool) -> str:
    if answer.problem is not None:
        return problem(answer.problem, frank=frank)
    presences = sorted(answer.found, key=_rank)
    shown = [_entry(presence) for presence in presences[:MOST_ENTRIES]]
    left = len(presences) - len(shown)
    return "; and ".join([*shown, *([f"{left} more"] if left else [])]) or "not there"


def _rank(presence: Presence) -> tuple[bool, bool]:
    """Ours first, and of each what has an effect."""
    return not presence.ours, presence.state is not EntryState.ACTIVE


def _entry(presence: Presence) -> str:
    words = [str(presence.state), "ours" if presence.ours else "someone else's"]
    words += [f"action {visible(presence.action)}"] if presence.action else []
    words += [f"severity {visible(presence.severity)}"] if presence.severity else []
    words += [f"confidence {presence.confidence}"] if presence.confidence is not None else []
    words += [f"since {iso(presence.since)}"] if presence.since is not None else []
    words.append("without an end" if presence.valid_until is None else f"valid until {iso(presence.valid_until)}")
    return ", ".join(words)


def _seen(answer: Answered, *, frank: bool) -> str:
    if answer.problem is not None:
        return problem(answer.problem, frank=frank)
    sightings: Sequence[Sighting] = answer.found
    return "; ".join(_sighting(answer.asked, sighting) for sighting in sightings) or "not seen"


def _sighting(asked: str, sighting: Sighting) -> str:
    on = "" if sighting.devices is None else f"on {plural(sighting.devices, 'device')}"
    # Statistics count devices alone, and are no table of many.
    times = "" if sighting.source == asked and on else f"{visible(sighting.source)} {plural(sighting.times, 'time')}"
    words = " ".join(filter(None, (times, on)))
    if sighting.first is not None:
        words += f", first {iso(sighting.first)}"
    return words + (f", last {iso(sighting.last)}" if sighting.last is not None else "")


def problem(found: Problem, *, frank: bool) -> str:
    """Why there is no answer."""
    if frank:
        return found.words.rstrip(".")
    if found.reason in _PASSING:
        return _PASSING[found.reason]
    return f"no answer: {found.reason.meaning.rstrip('.')}. `misp-microsoft lookup` says more"
