"""The whole way of one submission: events in, an account of every attribute at every destination out."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from misp_modules_ext.config.settings import DestinationSettings, Settings
from misp_modules_ext.delivery.accounting import account_for
from misp_modules_ext.delivery.collector import paused
from misp_modules_ext.delivery.plan import Plan, RuleSet, make_plan
from misp_modules_ext.delivery.sender import Delivered, Policy, Sender
from misp_modules_ext.destinations import create
from misp_modules_ext.destinations.interface import Destination, ItemResult
from misp_modules_ext.destinations.limits import limiter_for
from misp_modules_ext.errors import UsageError
from misp_modules_ext.model.account import Account, DestinationAccount, EventAccount
from misp_modules_ext.model.indicator import Due, Observable
from misp_modules_ext.model.misp import Event
from misp_modules_ext.model.outcome import Outcome, Reason, State
from misp_modules_ext.translate import Merged, event_link, leader

#: At least so many seconds go into sending, however impatient the caller is.
LEAST = 0.5
#: The word that names all destinations.
ALL = "all"


@dataclass(frozen=True, slots=True)
class Order:
    """What a door asks for.

    Attributes:
        door: one of `model.account.DOORS`.
        destinations: names of sections, without or with `microsoft` in front; empty for all.
        preview: send nothing, say what would go.
        deadline: `time.monotonic()` at which the caller needs the account written, `None` for as long as it takes.
    """

    door: str
    destinations: tuple[str, ...] = ()
    preview: bool = False
    deadline: float | None = None


#: Called now and then while sending: name of the destination, indicators answered, indicators to send.
Watch = Callable[[str, int, int], None]


def submit(
    events: Sequence[Event],
    settings: Settings,
    order: Order,
    policy: Policy | None = None,
    watch: Watch | None = None,
) -> Account:
    """Send what the destinations' rules select, and account for all of it.

    Args:
        events: what was read.
        settings: the configuration.
        order: what the door asks for.
        policy: how patiently to send.
        watch: told about the progress, for as long as it takes.

    Raises:
        UsageError: the order names a destination that does not exist.
    """
    started = time.time()
    chosen = choose(settings, order.destinations)
    base_url = settings.misp.url if settings.misp else ""
    plans: dict[RuleSet, Plan] = {}
    attributes = sum(len(event.attributes) for event in events)
    began = time.monotonic()
    with paused(attributes):
        for rules in dict.fromkeys(RuleSet.of(destination) for destination in chosen):
            plans[rules] = make_plan(events, rules, base_url, int(started))
    order = _with_time_to_write(order, time.monotonic() - began, len(chosen))
    runs = [_Run(destination, plans[RuleSet.of(destination)], order, policy) for destination in chosen]
    if watch is not None:
        _watch(runs, watch)
    for run in runs:
        run.wait()
    with paused(attributes):
        accounts = tuple(run.account() for run in runs)
    return Account(
        submission=str(uuid.uuid4()),
        door=order.door,
        started=started,
        finished=time.time(),
        preview=order.preview,
        events=tuple(_event(event, base_url) for event in events),
        destinations=accounts,
        warnings=tuple(_warnings(events, settings, chosen, order.door)),
    )


def _with_time_to_write(order: Order, planning: float, destinations: int) -> Order:
    """The order with the time at which sending must end, so that the account can still be written.

    How long that takes on this machine is told by how long planning took: measured, accounting at one destination takes
    a third of it, and the report somewhat less than all of it.
    """
    if order.deadline is None:
        return order
    end = order.deadline - planning * (1.0 + 0.35 * destinations)
    return replace(order, deadline=max(end, time.monotonic() + LEAST))


def _watch(runs: Sequence[_Run], watch: Watch) -> None:
    while True:
        busy = [run.tell(watch) for run in runs]
        if not any(busy):
            return
        time.sleep(0.2)


def choose(settings: Settings, names: Iterable[str]) -> tuple[DestinationSettings, ...]:
    """The destinations that `names` name, each once; all of them when it is empty or `all`.

    Raises:
        UsageError: a name that no section has.
    """
    wanted = {_section(name): name for name in names if name.strip().lower() != ALL}
    by_name = {d.name.lower(): d for d in settings.destinations}
    missing = [name for section, name in wanted.items() if section not in by_name]
    if missing:
        known = ", ".join(sorted(d.name for d in settings.destinations))
        raise UsageError(f"There is no destination called {', '.join(missing)}. Known: {known}.")
    return tuple(by_name[section] for section in wanted) or settings.destinations


def _section(name: str) -> str:
    lowered = " ".join(name.lower().split())
    return lowered if lowered.split(" ")[0] == "microsoft" else f"microsoft {lowered}"


def _event(event: Event, base_url: str) -> EventAccount:
    return EventAccount(event.uuid, event.info, event_link(base_url, event.uuid), event.complete, event.notes)


def _warnings(
    events: Sequence[Event], settings: Settings, chosen: Iterable[DestinationSettings], door: str
) -> list[str]:
    asked = door == "export" or any(a.warninglists is not None for event in events for a in event.attributes)
    if asked or not any(d.selection.warninglists for d in chosen):
        return list(settings.warnings)
    unasked = "MISP sends no warninglist hits with workflows and files, so `warninglists` held nothing back here."
    return [*settings.warnings, unasked]


class _Run:
    """One destination's part of a submission.

    Sending begins at construction, so that destinations do not wait for each other.
    """

    def __init__(self, settings: DestinationSettings, plan: Plan, order: Order, policy: Policy | None) -> None:
        self._settings = settings
        self._plan = plan
        self._preview = order.preview
        self._to_send = 0
        self._sender: Sender | None = None
        if order.door not in settings.doors:
            self._decided = _for_all(
                plan.merged, ItemResult(Outcome.SKIPPED, Reason.DOOR_CLOSED, _doors(settings, order))
            )
            return
        destination = create(settings)
        self._decided = decide(destination, plan.merged)
        rest = [m for m in plan.merged if m.indicator.observable not in self._decided]
        if order.preview:
            self._decided |= _for_all(rest, ItemResult(Outcome.ACCEPTED))
        elif rest:
            limiter = limiter_for(settings, destination.limit) if destination.limit else None
            self._sender = Sender(destination, limiter, order.deadline, policy)
            self._to_send = len(rest)
            self._sender.start([Due(m.indicator, m.stamp) for m in rest])

    def tell(self, watch: Watch) -> bool:
        """Tell how far it is; whether it still sends."""
        if self._sender is None:
            return False
        watch(self._settings.name, self._sender.answered, self._to_send)
        return self._sender.busy

    def wait(self) -> Delivered | None:
        """Wait for the answers, at most until the deadline; `None` when nothing was to be sent."""
        return self._sender.wait() if self._sender is not None else None

    def account(self) -> DestinationAccount:
        """Account for every attribute, with the answers there are."""
        state, message, otherwise = State.OK, "", ItemResult(Outcome.PENDING, Reason.NOT_IN_TIME)
        results = self._decided
        delivered = self.wait()
        if delivered is not None:
            results = results | delivered.results
            state, message = delivered.state, delivered.message
            otherwise = ItemResult(delivered.reason.outcome, delivered.reason, delivered.message)
        elif not self._preview:
            message = "Nothing was to be sent, so Microsoft was not asked."
        items = account_for(self._plan, results, otherwise)
        return DestinationAccount(
            self._settings.name, self._settings.product, self._settings.api.value, state, message, items
        )


def _doors(settings: DestinationSettings, order: Order) -> str:
    return f"[{settings.name}] is open to {', '.join(sorted(settings.doors)) or 'no door'}, not to {order.door}."


def _for_all(merged: Iterable[Merged], result: ItemResult) -> dict[Observable, ItemResult]:
    return {m.indicator.observable: result for m in merged}


def decide(destination: Destination, merged: Iterable[Merged]) -> dict[Observable, ItemResult]:
    """What is settled without asking Microsoft: kinds it has no place for, and more than `maxPerEvent` allows."""
    limit = destination.settings.max_per_event
    per_event: Counter[str] = Counter()
    decided: dict[Observable, ItemResult] = {}
    for entry in merged:
        refusal = destination.refuses(entry.indicator)
        if refusal is not None:
            decided[entry.indicator.observable] = ItemResult(Outcome.SKIPPED, refusal.reason, refusal.message)
            continue
        event = leader(entry).reference.event
        per_event[event] += 1
        if limit and per_event[event] > limit:
            message = f"maxPerEvent is {limit}."
            decided[entry.indicator.observable] = ItemResult(Outcome.SKIPPED, Reason.MAX_PER_EVENT, message)
    return decided


def problem_account(door: str, problem: str, code: str, started: float) -> Account:
    """The account of a submission that could not begin.

    Args:
        door: one of `model.account.DOORS`.
        problem: a sentence with the remedy.
        code: `configuration`, `usage` or `internal`.
        started: seconds since 1970 UTC.
    """
    return Account(str(uuid.uuid4()), door, started, time.time(), problem=problem, problem_code=code)
