"""The whole way of one submission: events in, an account of every attribute at every destination out.

What is taken is committed before anything is sent; what is not sent in time stays due.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from misp_modules_ext.config.settings import DestinationSettings, Settings
from misp_modules_ext.delivery.accounting import Accountant, Result
from misp_modules_ext.delivery.acts import in_force, with_actions
from misp_modules_ext.delivery.changes import changes, settle_alike, with_changes
from misp_modules_ext.delivery.collector import give_back, paused
from misp_modules_ext.delivery.courier import Courier
from misp_modules_ext.delivery.drain import Drained, Place
from misp_modules_ext.delivery.places import base_url_of, holder, place_of
from misp_modules_ext.delivery.sender import Policy
from misp_modules_ext.delivery.standing import Results, Withdrawals, with_outdated
from misp_modules_ext.delivery.taking import take_read
from misp_modules_ext.destinations import create
from misp_modules_ext.errors import LedgerError, UsageError
from misp_modules_ext.ledger import Ledger, Origin, Part, Store, Taken, open_ledger, register, submissions, take
from misp_modules_ext.ledger.marks import mark
from misp_modules_ext.logs import What, fields, logger
from misp_modules_ext.model.account import Account, DestinationAccount, EventAccount, Item
from misp_modules_ext.model.misp import Event
from misp_modules_ext.model.outcome import Outcome, Reason
from misp_modules_ext.planning import RuleSet, make_plan
from misp_modules_ext.translate import event_link
from misp_modules_ext.warninglists.asking import ask

log = logger()

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
        sending: seconds to wait for Microsoft at most once all is committed, `None` for as long as `deadline` allows.
        origin: who says so.
        read_later: have our own reading of MISP settle the events.
        send_later: take only; whoever drains the ledger sends.
        only: with our own reading: it is about the attributes that the events show, not about all that is in them.
    """

    door: str
    destinations: tuple[str, ...] = ()
    preview: bool = False
    deadline: float | None = None
    sending: float | None = None
    origin: Origin = Origin.REQUEST
    read_later: bool = False
    send_later: bool = False
    only: bool = False


#: Called now and then while sending: name of the destination, indicators answered, indicators to send.
Watch = Callable[[str, int, int], None]


def submit(
    events: Sequence[Event],
    settings: Settings,
    order: Order,
    policy: Policy | None = None,
    watch: Watch | None = None,
    part: Part | None = None,
) -> Account:
    """Take what the destinations' rules select into the ledger, send it, and account for all of it.

    Args:
        events: what was read.
        settings: the configuration.
        order: what the door asks for.
        policy: how patiently to send.
        watch: told about the progress, for as long as it takes.
        part: there is one event, our own reading, of which this is a part.

    Raises:
        UsageError: the order names a destination that does not exist.
        LedgerError: the ledger cannot be opened or cannot keep this; nothing was taken or sent.
    """
    started = time.time()
    submission = str(uuid.uuid4())
    chosen = choose(settings, order.destinations)
    ledger = open_ledger(settings.ledger.url.get_secret_value())
    attributes = sum(len(event.attributes) for event in events)
    began = time.monotonic()
    with paused(attributes):
        acting = [destination.actions for destination in settings.destinations]
        events, unasked = ask(events, settings.warninglist_index, acting)
        stores, taken = _take(ledger, events, settings, order, chosen, submission, part)
    order = _with_time_to_write(order, time.monotonic() - began, len(chosen))
    couriers = _couriers(ledger, settings, order, stores, taken, policy)
    with paused(attributes):
        taken.plans = {rules: plan.bare() for rules, plan in taken.plans.items()}
    if couriers:
        # Sending may take minutes.
        give_back(attributes)
    if watch is not None:
        _watch(list(couriers.values()), watch)
    for courier in couriers.values():
        courier.wait()
    for courier in couriers.values():
        courier.hand_over()
    with paused(attributes):
        books = (Results(taken.named), Accountant())
        accounts = tuple(
            _account(ledger, settings, order, destination, stores, taken, couriers, books) for destination in chosen
        )
    # The doors do it once more when the events are gone; `sync` and `push` go on with others.
    give_back(attributes)
    return Account(
        submission=submission,
        door=order.door,
        started=started,
        finished=time.time(),
        ledger=ledger.where,
        preview=order.preview,
        events=tuple(_event(event, settings) for event in events),
        destinations=accounts,
        warnings=tuple(_warnings(settings, order.origin, chosen, taken, unasked)),
    )


def _take(
    ledger: Ledger,
    events: Sequence[Event],
    settings: Settings,
    order: Order,
    chosen: Sequence[DestinationSettings],
    submission: str,
    part: Part | None,
) -> tuple[dict[str, Store], Taken]:
    """Take the events into the ledger, for the destinations whose `doors` let them in; plans for all others too."""
    base_url = base_url_of(settings)
    open_ = [destination for destination in chosen if order.door in destination.doors]
    for destination in open_:
        mark(settings, destination, ledger, keep=not order.preview)

    named = {destination.name for destination in open_}
    elsewhere = list(dict.fromkeys(RuleSet.of(d) for d in settings.destinations if d.name not in named))

    def work(connection: Connection) -> tuple[list[Store], Taken]:
        submissions.begin(connection, submission, order.door)
        if order.origin is Origin.OWN_READING:
            every = register(connection, [(d, create(d).refuses) for d in settings.destinations])
            stores = [store for store in every if store.settings.name in named]
            asked = {store.destination_id for store in stores}
            return stores, take_read(connection, events, every, asked, base_url, part, only=order.only)
        stores = register(connection, [(d, create(d).refuses) for d in open_])
        taken = take(
            connection, events, order.origin, stores, base_url, read_later=order.read_later, elsewhere=elsewhere
        )
        return stores, taken

    stores: list[Store] = []
    taken = Taken({}, {}, {})
    if open_:
        stores, taken = ledger.preview(work) if order.preview else ledger.write(work)
    for destination in chosen:
        rules = RuleSet.of(destination)
        if rules not in taken.plans:
            taken.plans[rules] = make_plan(events, rules, base_url, {}, int(time.time()))
    return {store.settings.name: store for store in stores}, taken


def _couriers(
    ledger: Ledger,
    settings: Settings,
    order: Order,
    stores: Mapping[str, Store],
    taken: Taken,
    policy: Policy | None,
) -> dict[str, Courier]:
    """Begin sending, to all destinations at once."""
    if order.preview or order.send_later:
        return {}
    deadline = order.deadline
    if order.sending is not None:
        soon = time.monotonic() + order.sending
        deadline = soon if deadline is None else min(soon, deadline)
    found = {}
    for name, store in stores.items():
        settled = taken.settled.get(store.destination_id)
        if settled is not None and (settled.ready or settled.withdrawing):
            place: Place = place_of(ledger, store, settings, holder(order.door), policy)
            found[name] = Courier(place, settled, deadline)
    return found


def _account(
    ledger: Ledger,
    settings: Settings,
    order: Order,
    destination: DestinationSettings,
    stores: Mapping[str, Store],
    taken: Taken,
    couriers: dict[str, Courier],
    books: tuple[Results, Accountant],
) -> DestinationAccount:
    standing, accountant = books
    rules = RuleSet.of(destination)
    plan = taken.plans[rules]
    store = stores.get(destination.name)
    if store is None:
        closed = Result(Outcome.SKIPPED, Reason.DOOR_CLOSED, _doors(destination, order))
        return _record(destination, accountant.items(plan, {}, closed))
    settled = taken.settled.get(store.destination_id)
    if settled is None:
        never = Result(Outcome.SKIPPED, Reason.DOOR_CLOSED, "Nobody has asked for this event at this destination.")
        return _record(destination, accountant.items(plan, {}, never))
    if order.preview:
        settle_alike(ledger, store, settled)
    courier = couriers.pop(destination.name, None)
    if courier is not None and not courier.sends():
        # What was sent is not needed for its account, and the next one needs the room.
        settled.ready = {}
    rows = courier.rows(settled.withdrawing) if courier is not None else {}
    drained = courier.drained() if courier is not None else None
    if order.send_later and not order.preview:
        # Nothing has been sent yet: what is due waits, what is to go is there.
        drained = Drained()
    look = courier.rows if courier is not None else None
    found = with_outdated(standing.of(settled, look, drained), plan, taken.stale)
    lost_by, kept = taken.lost_by.get(rules, ()), taken.kept.get(rules, ())
    withdrawals = Withdrawals(lost_by, settled, rows, drained, kept)
    left = withdrawals.of if lost_by or kept else None
    items = accountant.items(plan, found, Result(Outcome.PENDING, Reason.NOT_IN_TIME), left)
    items = with_actions(items, plan, in_force(ledger, store, settled, taken.named))
    if order.preview:
        items = with_changes(items, changes(ledger, store, settled, base_url_of(settings)))
    shown = drained or Drained(message="" if order.preview or order.send_later else _NOTHING)
    return DestinationAccount(
        destination.name,
        destination.product,
        destination.api.value,
        shown.state,
        shown.message,
        items,
        withdrawals.removed(taken.absent, taken.named),
    )


_NOTHING = "Nothing was to be sent, so Microsoft was not asked."


def _record(destination: DestinationSettings, items: tuple[Item, ...]) -> DestinationAccount:
    """Of a destination to which nothing was to be sent."""
    state = Drained().state
    return DestinationAccount(destination.name, destination.product, destination.api.value, state, _NOTHING, items)


def _with_time_to_write(order: Order, taking: float, destinations: int) -> Order:
    """The order with the time at which sending must end, so that the account can still be written.

    How long that takes on this machine is told by how long taking took: measured, accounting at one destination takes
    a fifth of it, and the report somewhat less than half of it.
    """
    if order.deadline is None:
        return order
    end = order.deadline - taking * (0.5 + 0.2 * destinations)
    return replace(order, deadline=max(end, time.monotonic() + LEAST))


def _watch(couriers: Sequence[Courier], watch: Watch) -> None:
    while True:
        busy = [courier.tell(watch) for courier in couriers]
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


def _event(event: Event, settings: Settings) -> EventAccount:
    url = event_link(event.misp or base_url_of(settings), event.uuid)
    return EventAccount(event.uuid, event.info, url, event.complete, event.notes)


def _warnings(
    settings: Settings, origin: Origin, chosen: Iterable[DestinationSettings], taken: Taken, unasked: str
) -> list[str]:
    """What a reader should know of the submission as a whole; `unasked` is why no warninglists were looked up."""
    warnings = list(settings.warnings)
    # Our own reading, of whichever MISP, withdraws what that does not say any more.
    if origin is Origin.REQUEST and not settings.reads_misp:
        warnings.append(
            "[misp] has no key, so this tool cannot read events from MISP itself: it adds and updates, and withdraws "
            "nothing."
        )
    warnings += [
        f"The ledger has seen a later state of event {uuid}, so this one changed nothing."
        for uuid in sorted(taken.stale)
    ]
    if unasked and any(d.selection.warninglists for d in chosen):
        warnings.append(
            f"{unasked} Until then `warninglists` holds back only what MISP itself reports, and MISP reports nothing "
            "with workflows and files."
        )
    if unasked and (blocking := [f"[{d.name}]" for d in chosen if d.actions.blocks]):
        warnings.append(f"{unasked} Until then nothing new is blocked by {', '.join(blocking)}.")
    return warnings


def _doors(settings: DestinationSettings, order: Order) -> str:
    return f"[{settings.name}] is open to {', '.join(sorted(settings.doors)) or 'no door'}, not to {order.door}."


def keep(settings: Settings, submission: str, document: Iterable[bytes]) -> None:
    """Keep the account of a submission in the ledger; without it nothing is lost but the words of a report.

    Args:
        settings: the configuration.
        submission: its UUID.
        document: the account as JSON, in pieces.
    """
    ledger = open_ledger(settings.ledger.url.get_secret_value())
    kept = submissions.compressed(document)
    try:
        ledger.write(lambda connection: submissions.finish(connection, submission, kept))
    except LedgerError as error:
        what = fields(What.NOT_KEPT, submission=submission)
        log.warning("The account of submission %s was not kept: %s", submission, error, extra=what)


def problem_account(door: str, problem: str, code: str, started: float) -> Account:
    """The account of a submission that could not begin.

    Args:
        door: one of `model.account.DOORS`.
        problem: a sentence with the remedy.
        code: `configuration`, `usage`, `ledger` or `internal`.
        started: seconds since 1970 UTC.
    """
    return Account(str(uuid.uuid4()), door, started, time.time(), problem=problem, problem_code=code)
