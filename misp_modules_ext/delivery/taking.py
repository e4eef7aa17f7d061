"""Taking events into the ledger: what a request brings all at once, what we have read from MISP one after the other."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection

from misp_modules_ext.delivery.reading import read_again
from misp_modules_ext.ledger import Origin, Part, Settled, Store, Taken, take
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.model.misp import Event
from misp_modules_ext.planning import Plan, PlannedAttribute, RuleSet, parts_evidence
from misp_modules_ext.translate import merge


def take_read(
    connection: Connection,
    events: Sequence[Event],
    stores: Sequence[Store],
    asked: Collection[int],
    base_url: str,
    part: Part | None = None,
    *,
    only: bool = False,
) -> Taken:
    """Take events that were read with our own key because a person asked for them.

    Each settles its evidence wherever it counts, also at destinations that this person did not name.

    Args:
        connection: in a transaction.
        events: each once.
        stores: all destinations of the configuration.
        asked: ids of those that the person named.
        base_url: address of MISP for links.
        part: there is one event, of which this is a part.
        only: the person asked for these attributes, not for their events.

    Returns:
        What became of all of them at the destinations that were named.
    """
    named = [store for store in stores if store.destination_id in asked]
    whole = Taken({}, {}, {})
    attributes: dict[RuleSet, list[PlannedAttribute]] = {store.rules: [] for store in named}
    for event in events:
        taken = take(connection, [event], Origin.OWN_READING, stores, base_url, asked=asked, part=part, only=only)
        if part is None or part.last:
            read_again(connection, event.uuid, event.misp, stores, None if part is None else part.began_ms)
        for rules, planned in attributes.items():
            planned.extend(taken.plans[rules].attributes)
        _add(whole, taken, named)
    now = now_ms(connection) // 1000
    for rules, planned in attributes.items():
        # Once for all events: each time anew it would take longer with every event.
        whole.plans[rules] = Plan(tuple(planned), tuple(merge(parts_evidence(planned), now)))
    return whole


def _add(whole: Taken, taken: Taken, stores: Sequence[Store]) -> None:
    """Add what became of one more event, plans aside."""
    for store in stores:
        place = store.destination_id
        _follow(whole.settled.setdefault(place, Settled()), taken.settled[place])
        for all_, part in ((whole.lost_by, taken.lost_by), (whole.kept, taken.kept)):
            all_.setdefault(store.rules, set()).update(part.get(store.rules, ()))
    whole.named.update(taken.named)
    whole.absent.update(taken.absent)
    whole.stale.update(taken.stale)


def _follow(settled: Settled, after: Settled) -> None:
    """Bring in how everything stands after one more event: what the later one says of a value holds."""
    for number in after.standings:
        settled.ready.pop(number, None)
        settled.withdrawing.discard(number)
    settled.standings.update(after.standings)
    settled.ready.update(after.ready)
    settled.withdrawing.update(after.withdrawing)
