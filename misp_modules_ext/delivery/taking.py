"""Taking events into the ledger: what a request brings all at once, what we have read from MISP one after the other."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection

from misp_modules_ext.delivery.reading import read_again
from misp_modules_ext.ledger import Origin, Settled, Store, Taken, take
from misp_modules_ext.model.misp import Event
from misp_modules_ext.planning import Plan, parts_evidence
from misp_modules_ext.translate import merge


def take_read(
    connection: Connection, events: Sequence[Event], stores: Sequence[Store], asked: Collection[int], base_url: str
) -> Taken:
    """Take events that were read with our own key because a person asked for them.

    Each settles its evidence wherever it counts, also at destinations that this person did not name.

    Args:
        connection: in a transaction.
        events: each once.
        stores: all destinations of the configuration.
        asked: ids of those that the person named.
        base_url: address of MISP for links.

    Returns:
        What became of all of them at the destinations that were named.
    """
    whole = Taken({}, {}, {})
    for event in events:
        taken = take(connection, [event], Origin.OWN_READING, stores, base_url, asked=asked)
        read_again(connection, event.uuid, stores)
        _add(whole, taken, [store for store in stores if store.destination_id in asked])
    return whole


def _add(whole: Taken, taken: Taken, stores: Sequence[Store]) -> None:
    for rules in dict.fromkeys(store.rules for store in stores):
        before = whole.plans[rules].attributes if rules in whole.plans else ()
        attributes = before + taken.plans[rules].attributes
        whole.plans[rules] = Plan(attributes, tuple(merge(parts_evidence(attributes))))
    for store in stores:
        place = store.destination_id
        whole.settled[place] = _later(whole.settled.get(place, Settled()), taken.settled[place])
    whole.named |= taken.named
    whole.lost_by |= taken.lost_by
    whole.kept |= taken.kept
    whole.absent |= taken.absent
    whole.stale |= taken.stale


def _later(before: Settled, after: Settled) -> Settled:
    """How everything stands after both: what the later one says of a value holds."""
    ready = {number: entry for number, entry in before.ready.items() if number not in after.standings}
    withdrawing = before.withdrawing - after.standings.keys()
    return Settled(before.standings | after.standings, ready | after.ready, withdrawing | after.withdrawing)
