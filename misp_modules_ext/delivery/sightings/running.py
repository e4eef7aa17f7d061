"""One run of `sightings`."""

from __future__ import annotations

import time

from misp_modules_ext.config.settings import DAY, DestinationSettings, Settings
from misp_modules_ext.delivery.places import holder, readable
from misp_modules_ext.delivery.sightings.account import Done, Wish
from misp_modules_ext.delivery.sightings.adding import Telling
from misp_modules_ext.delivery.sightings.asking import SOURCES, Look
from misp_modules_ext.delivery.submit import choose
from misp_modules_ext.destinations import create
from misp_modules_ext.destinations.looking import ClassifiesAlerts, LooksUp
from misp_modules_ext.errors import UsageError
from misp_modules_ext.ledger import open_ledger, sightings, syncs

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
        look = Look(settings, ledger, chosen, Done(since=now - min(wish.last or FIRST, settings.lookup.window)), None)
        look.go()
        return look.done
    turn = ledger.write(lambda connection: syncs.begin(connection, TURN, holder("sightings")))
    if isinstance(turn, syncs.Busy):
        return Done(busy=turn)
    whole = False
    try:
        done = Done(since=max(_since(turn, wish, now), now - settings.lookup.window))
        look = Look(settings, ledger, chosen, done, turn)
        look.go()
        reaches = turn.checkpoint is None or done.since <= turn.checkpoint or done.since <= now - settings.lookup.window
        whole = reaches and not wish.destinations and not done.problems
        misps = readable(settings)
        Telling(ledger, settings.write_back.detail, done, turn).go(misps, wish.most)
        done.waiting = ledger.read(lambda connection: sightings.count_waiting(connection, misps))
    finally:
        ledger.write(lambda connection: syncs.end(connection, turn, whole=whole))
    return done


def _since(turn: syncs.Turn, wish: Wish, now: int) -> int:
    if wish.last is not None or turn.checkpoint is None:
        return now - (wish.last or FIRST)
    return turn.checkpoint - OVERLAP


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
    if not readable(settings):
        raise UsageError("No MISP has a key. What to do: add `key` to [misp], of a user whose role has perm_sighting.")
    chosen = [one for one in named if isinstance(create(one), LooksUp)]
    if not chosen:
        raise UsageError("None of these destinations can be asked. What to do: name one of Sentinel or Defender.")
    if not (settings.lookup.sources.intersection(SOURCES.values()) or _asks_about_alerts(chosen)):
        raise UsageError(
            "Only alerts would be asked about, and none of these destinations has any. What to do: name one of "
            "Defender, or add `logs` to `sources` of [lookup]."
        )
    return chosen


def _asks_about_alerts(chosen: list[DestinationSettings]) -> bool:
    return any(isinstance(create(one), ClassifiesAlerts) for one in chosen)
