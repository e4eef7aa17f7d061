"""One look-up: the ledger and all of Microsoft's APIs side by side, within a deadline."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass
from typing import Any, NamedTuple

from misp_modules_ext.config.settings import DestinationSettings, Settings
from misp_modules_ext.delivery.lookup.ledger import AtLedger, Standing, standing
from misp_modules_ext.delivery.lookup.remembering import Answered, Memory, awaited
from misp_modules_ext.delivery.submit import choose
from misp_modules_ext.destinations import create
from misp_modules_ext.destinations.looking import ASKED_HUNTING, ASKED_LOGS, ASKED_STATISTICS, LooksUp, Probe
from misp_modules_ext.errors import LedgerError
from misp_modules_ext.ledger import open_ledger
from misp_modules_ext.logs import What, fields, logger
from misp_modules_ext.model.indicator import Observable

log = logger()

#: The word of `[lookup] sources` for each API that knows the estate.
SOURCES = {ASKED_STATISTICS: "statistics", ASKED_HUNTING: "hunting", ASKED_LOGS: "logs"}
#: Where the ledger is asked: beside all APIs, so that its word comes whatever hangs.
_LEDGER = "ledger"
_memory = Memory()


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        observables: the values.
        destinations: names, as `submit.choose` takes them; empty for all.
        estate: whether to ask what was seen, as far as the configuration allows it.
        door: only destinations that are open to it; `""` for all.
        deadline: `time.monotonic()` at which the answer must be there.
    """

    observables: tuple[Observable, ...]
    deadline: float
    destinations: tuple[str, ...] = ()
    estate: bool = False
    door: str = ""


class Found(NamedTuple):
    """What is known of one value at one destination.

    Attributes:
        ledger: how it stands in the ledger; `None` when the ledger does not say.
        ledger_problem: why it does not.
        presence: what Microsoft's APIs say, each its own; empty where none can be asked about such a value.
        estate: where it was seen, by each API that was asked.
    """

    destination: DestinationSettings
    observable: Observable
    ledger: AtLedger | None
    ledger_problem: str
    presence: tuple[Answered, ...]
    estate: tuple[Answered, ...]


def look_up(settings: Settings, question: Question) -> list[Found]:
    """Look values up. A part that is slow, refused or broken is said as such, and hides nothing of the others.

    Args:
        settings: the configuration.
        question: what is asked.

    Raises:
        UsageError: a destination that no section has.
    """
    named = choose(settings, question.destinations)
    chosen = tuple(one for one in named if not question.door or question.door in one.doors)
    told = _in_background(settings, chosen, question.observables)
    asked = [(one, _presence(settings, question, one), _estate(settings, question, one)) for one in chosen]
    known, problem = _known(told, question.deadline)
    return [
        Found(
            destination,
            observable,
            known.get((destination.name, observable)) if known is not None else None,
            problem,
            _heard(presence, observable, question.deadline),
            _heard(estate, observable, question.deadline),
        )
        for destination, presence, estate in asked
        for observable in question.observables
    ]


def forget() -> None:
    """Ask everything anew."""
    _memory.forget()


#: By value: each API that was asked about it, and its answer to come.
_Asked = Mapping[Observable, Sequence[tuple[str, "Future[Answered]"]]]


def _presence(settings: Settings, question: Question, destination: DestinationSettings) -> _Asked:
    there = create(destination)
    probes = there.presence(question.observables) if isinstance(there, LooksUp) else []
    return _ask(settings, destination, probes, 0)


def _estate(settings: Settings, question: Question, destination: DestinationSettings) -> _Asked:
    lookup = settings.lookup
    there = create(destination)
    if not (question.estate and lookup.estate and isinstance(there, LooksUp)):
        return {}
    probes = there.estate(question.observables, int(time.time()) - lookup.window)
    wanted = [probe for probe in probes if SOURCES[probe.asked] in lookup.sources]
    return _ask(settings, destination, wanted, lookup.window)


def _ask(settings: Settings, destination: DestinationSettings, probes: Iterable[Probe[Any]], window: int) -> _Asked:
    """Have all probes asked, as far as their answers are not known; `window` is 0 for whether values are there."""
    asked: dict[Observable, list[tuple[str, Future[Answered]]]] = defaultdict(list)
    for probe in probes:
        place = (*destination.store, destination.endpoint_api, destination.app_id, probe.asked, window)
        keys = {one: (*place, *one) for one in probe.about}
        for observable, future in _memory.ask(keys, probe, settings.lookup.cache, place).items():
            asked[observable].append((probe.asked, future))
    return asked


def _heard(asked: _Asked, observable: Observable, deadline: float) -> tuple[Answered, ...]:
    return tuple(awaited(future, api, deadline) for api, future in asked.get(observable, ()))


def _in_background(
    settings: Settings, chosen: Sequence[DestinationSettings], observables: Sequence[Observable]
) -> Future[Standing]:
    """Ask the ledger, which may not answer at all."""
    told: Future[Standing] = Future()

    def work() -> None:
        try:
            ledger = open_ledger(settings.ledger.url.get_secret_value())
            told.set_result(standing(ledger, settings, chosen, observables))
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            told.set_exception(error)

    if not _memory.in_background(work, _LEDGER):
        told.set_exception(LedgerError("Too much is being asked at this moment. What to do: repeat in a minute."))
    return told


def _known(told: Future[Standing], deadline: float) -> tuple[Standing | None, str]:
    try:
        return told.result(max(0.0, deadline - time.monotonic())), ""
    except NotInTime:
        return None, "The ledger did not answer in time. What to do: ask again in a moment."
    except LedgerError as error:
        return None, str(error)
    except Exception as error:
        log.exception("unexpected error while looking into the ledger", extra=fields(What.UNEXPECTED))
        return None, f"Unexpected {type(error).__name__}. This is a defect: please report it, with the log."
