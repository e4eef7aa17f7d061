"""One run of `sightings`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from misp_modules_ext.config.settings import DAY, DestinationSettings, Settings
from misp_modules_ext.delivery.places import holder, told_of_sightings
from misp_modules_ext.delivery.sightings.account import Done, Wish
from misp_modules_ext.delivery.sightings.adding import Telling
from misp_modules_ext.delivery.sightings.asking import SOURCES, Look, asks_of
from misp_modules_ext.delivery.submit import choose
from misp_modules_ext.destinations import create
from misp_modules_ext.destinations.looking import ClassifiesAlerts, LooksUp
from misp_modules_ext.errors import UsageError
from misp_modules_ext.ledger import Ledger, open_ledger, sightings, syncs

#: Seconds that the first run looks back.
FIRST = DAY
#: Seconds that every run looks back further than where the last one began: logs arrive late.
OVERLAP = 3600
#: In the table of `syncs`, which has one row for each MISP, the row of these runs: no MISP has such an address.
TURN = "sightings"


def run(settings: Settings, wish: Wish) -> Done:
    """Look for hits and tell MISP.

    Raises:
        UsageError: the configuration does not allow it, or names a destination that no section has.
        LedgerError: the ledger cannot be used, or another run took the turn.
    """
    chosen = _askable(settings, wish)
    ledger = open_ledger(settings.ledger.url.get_secret_value())
    now = int(time.time())
    if wish.preview:
        return _preview(settings, ledger, chosen, wish, now)
    turn = ledger.write(lambda connection: syncs.begin(connection, TURN, holder("sightings")))
    if isinstance(turn, syncs.Busy):
        return Done(busy=turn)
    whole = False
    try:
        done = Done(since=_since(settings, wish, turn.checkpoint, now))
        look = Look(settings, ledger, chosen, done, turn)
        look.go()
        reaches = turn.checkpoint is None or done.since <= turn.checkpoint or done.since <= now - settings.lookup.window
        whole = reaches and not wish.destinations and not done.problems
        misps = told_of_sightings(settings)
        Telling(ledger, settings.write_back.detail, done, turn).go(misps, wish.most)
        done.waiting = ledger.read(lambda connection: sightings.count_waiting(connection, misps))
        kept = max(settings.ledger.retention, settings.lookup.window)
        ledger.write(lambda connection: sightings.forget(connection, kept))
    finally:
        ledger.write(lambda connection: syncs.end(connection, turn, whole=whole))
    return done


def _preview(settings: Settings, ledger: Ledger, chosen: Sequence[DestinationSettings], wish: Wish, now: int) -> Done:
    """What a run would tell now: what it would see, and what waits already."""
    checkpoint = ledger.read(lambda connection: syncs.checkpoint(connection, TURN))
    done = Done(since=_since(settings, wish, checkpoint, now))
    for name in told_of_sightings(settings):
        waiting = ledger.read(partial(sightings.waiting, misp=name, most=wish.most - len(done.new)))
        done.new |= {one.key: one for one in waiting}
    Look(settings, ledger, chosen, done, None).go()
    return done


def _since(settings: Settings, wish: Wish, checkpoint: int | None, now: int) -> int:
    begins = now - (wish.last or FIRST) if wish.last is not None or checkpoint is None else checkpoint - OVERLAP
    return max(begins, now - settings.lookup.window)


def _askable(settings: Settings, wish: Wish) -> list[DestinationSettings]:
    """The destinations that can be asked.

    Raises:
        UsageError: there is none, or the configuration does not allow it.
    """
    named = choose(settings, wish.destinations)
    if not settings.lookup.estate:
        raise UsageError("The estate is not asked: [lookup] estate is not on. What to do: set `estate = yes` there.")
    if not (settings.write_back.sightings or wish.preview):
        raise UsageError(
            "MISP is told nothing: [write-back] sightings is not on. What to do: set `sightings = yes` there, or see "
            "with --dry-run what it would be told."
        )
    if not (settings.lookup.sources.intersection(SOURCES.values()) or settings.write_back.false_positives):
        raise UsageError(
            "No source takes many values in one query: the statistics take one each. What to do: add `hunting` or "
            "`logs` to `sources` of [lookup], or set `falsePositives = yes` in [write-back] to ask about alerts alone."
        )
    if not told_of_sightings(settings):
        raise UsageError(
            "No MISP may be told. What to do: add `key` to [misp], of a user whose role has perm_sighting, and have no "
            "`sightings = no` there; or add `sightings = yes` to the section of another MISP, where others may see it."
        )
    chosen = [one for one in named if isinstance(create(one), LooksUp)]
    if not chosen:
        raise UsageError("None of these destinations can be asked. What to do: name one of Sentinel or Defender.")
    if not any(_is_asked(settings, one) for one in chosen):
        raise UsageError(
            "Nothing would be asked of these destinations. What to do: add `hunting` (for Defender) or `logs` (for "
            "Sentinel) to `sources` of [lookup]; where alerts alone are wanted, name one of Defender."
        )
    return chosen


def _is_asked(settings: Settings, destination: DestinationSettings) -> bool:
    there = create(destination)
    about_alerts = settings.write_back.false_positives and isinstance(there, ClassifiesAlerts)
    return about_alerts or (isinstance(there, LooksUp) and asks_of(there, settings.lookup.sources))
