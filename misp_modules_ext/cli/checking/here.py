"""What is tried of this installation: ledger, who sends, warninglists, notes on the configuration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from misp_modules_ext.cli import looking
from misp_modules_ext.cli.checking.groups import Group
from misp_modules_ext.cli.checking.ways import ways_of_servers
from misp_modules_ext.cli.tables import when
from misp_modules_ext.config import Settings
from misp_modules_ext.config.findings import closest
from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.errors import TO_DO, LedgerError, WarninglistError
from misp_modules_ext.ledger import Ledger, open_ledger, queries
from misp_modules_ext.ledger.marks import mark
from misp_modules_ext.ledger.stores import key_of
from misp_modules_ext.model.finding import Code, Finding
from misp_modules_ext.model.outcome import State
from misp_modules_ext.report.text import plural
from misp_modules_ext.warninglists.asking import REMEDY, opened
from misp_modules_ext.warninglists.index import Facts
from misp_modules_ext.warninglists.package import INSTALL, installed

#: The group's name.
HERE = "this installation"
#: What it means that a MISP has no key.
UNREAD = "events are not read: additions and updates only."
_NO_INDEX = (
    f"Run `{INSTALL}` and then `misp-microsoft warninglists`. Until then `warninglists` holds back only what MISP "
    "itself reports."
)
_LOOK = "see whether the database of [ledger] url runs, and whether a firewall lets connections to it through."
_STALE = "Run `misp-microsoft warninglists`."


def group_of(settings: Settings, chosen: Sequence[DestinationSettings], stores: dict[bytes, Group]) -> Group:
    """The group of this installation.

    Args:
        settings: the whole file.
        chosen: the destinations that are tried.
        stores: their groups by the keys of their stores, which are told when the ledger has them paused.
    """

    def _work(group: Group) -> None:
        group.add(*(Finding(Code.NOTE, "configuration", note) for note in settings.warnings))
        if settings.misp is None:
            group.add(_no_misp(settings))
        group.add(*warninglists(settings, chosen))
        group.add(*ledger(settings, chosen, stores))

    return Group(HERE, _work, ways_of_servers(settings), unfinished=2, look=_LOOK)


def ledger(settings: Settings, chosen: Sequence[DestinationSettings], stores: dict[bytes, Group]) -> Iterator[Finding]:
    """Where the ledger is, whose stores are another ledger's, who drains it, and which MISPs it alone knows."""
    try:
        opened_ledger = open_ledger(settings.ledger.url.get_secret_value())
        revision, drains, known, orphans = opened_ledger.read(
            lambda connection: (
                queries.revision(connection),
                queries.drains(connection),
                queries.destinations(connection),
                queries.orphans(connection, looking.misps(settings)),
            )
        )
    except LedgerError as error:
        happened, _, remedy = str(error).partition(TO_DO)
        answer = f"{happened} Nothing is taken or sent until it can be used."
        yield Finding(Code.LEDGER, "ledger", answer, remedy or _LOOK, State.MISCONFIGURED)
        return
    where = f"{opened_ledger.where}, identity {opened_ledger.identity}, tables {revision}."
    yield Finding(Code.LEDGER, "ledger", where)
    yield from (found for d in chosen if (found := _marked(settings, d, opened_ledger)) is not None)
    yield _drain([drain for drain in drains if looking.is_alive(drain)])
    for orphan in orphans:
        yield Finding(Code.ORPHAN, "MISP", looking.orphan_words(orphan), looking.ADOPT)
    for row in known:
        if row.pause is not None and row.store in stores:
            told = f"paused until {when(row.pause.until_ms)}: {row.pause.message or 'the last sending failed.'}"
            stores[row.store].add(Finding(Code.PAUSE, "sending", told, "`misp-microsoft retry` sends at once."))


def keys_of(chosen: Sequence[DestinationSettings], groups: Sequence[Group]) -> dict[bytes, Group]:
    """The groups of destinations by the keys of their stores."""
    return {key_of(settings): group for settings, group in zip(chosen, groups, strict=True)}


def _marked(settings: Settings, destination: DestinationSettings, opened_ledger: Ledger) -> Finding | None:
    """That pushes to a store are refused, because it is another ledger's."""
    try:
        mark(settings, destination, opened_ledger, keep=False)
    except LedgerError as error:
        happened, _, remedy = str(error).partition(TO_DO)
        return Finding(Code.STORE, "store", happened, remedy or _LOOK, State.MISCONFIGURED)
    return None


def _no_misp(settings: Settings) -> Finding:
    """What the absence of `[misp]` means; for who only runs `sync` it means nothing."""
    others = settings.other_readable
    answer = f"events are read of {', '.join(f'[{name}]' for name in others)} only." if others else UNREAD
    return Finding(Code.NO_KEY, "MISP", answer, looking.reading_words(others, served=False))


def _drain(alive: list[queries.Drain]) -> Finding:
    if not alive:
        return Finding(Code.DRAIN, "drain", "none is alive.", looking.NO_DRAIN)
    told = (f"{drain.kind} on {drain.host}, process {drain.pid}, heard of {drain.seen:.0f} s ago" for drain in alive)
    return Finding(Code.DRAIN, "drain", "; ".join(told) + ".")


def warninglists(settings: Settings, chosen: Sequence[DestinationSettings]) -> list[Finding]:
    """Whether values are looked up in the lists of today, and whether the configuration spells their names right."""
    path = settings.warninglist_index
    if not path.exists():
        return [Finding(Code.WARNINGLISTS, "warninglists", f"there is no index of them at {path}.", _NO_INDEX)]
    try:
        facts = opened(path).facts
    except WarninglistError as error:
        return [Finding(Code.WARNINGLISTS, "warninglists", str(error), REMEDY, State.MISCONFIGURED)]
    told = f"{plural(len(facts.lists), 'list')} of PyMISPWarningLists {facts.version}, {path}."
    package = installed()
    stale = package is not None and package.digest() != facts.digest
    answer = f"{told} The package has changed since." if stale else told
    index = Finding(Code.WARNINGLISTS, "warninglists", answer, _STALE if stale else "")
    return [index, *(_unknown(name, facts) for name in _named(chosen) if name not in facts.lists)]


def _named(chosen: Sequence[DestinationSettings]) -> list[str]:
    return sorted(frozenset[str]().union(*(d.selection.warninglists for d in chosen)))


def _unknown(name: str, facts: Facts) -> Finding:
    near = closest(name, facts.lists)
    meant = f"Is {near!r} meant?" if near else "`misp-microsoft warninglists --check VALUE` names lists."
    told = f"the index has no list called {name!r}."
    return Finding(Code.LIST_NAME, "warninglists", told, f"{meant} Only MISP may know it.")
