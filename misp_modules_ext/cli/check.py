"""`misp-microsoft check`: configuration, hosts, tokens, permissions, ledger, MISP; only makes the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import typer

from misp_modules_ext.cli import looking
from misp_modules_ext.cli.acted import print_json
from misp_modules_ext.cli.common import ConfigOption, DestinationOption, JsonOption, console
from misp_modules_ext.cli.output import standard_output
from misp_modules_ext.cli.tables import line
from misp_modules_ext.config import Settings, load
from misp_modules_ext.config.findings import closest
from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.delivery.submit import choose
from misp_modules_ext.destinations import create
from misp_modules_ext.destinations.interface import Finding
from misp_modules_ext.errors import EventNotFound, LedgerError, MispError, MispRefused, WarninglistError
from misp_modules_ext.ledger import Ledger, open_ledger, queries
from misp_modules_ext.ledger.marks import mark
from misp_modules_ext.misp.client import MispClient
from misp_modules_ext.model.indicator import Action
from misp_modules_ext.report import first_code
from misp_modules_ext.report.text import plural
from misp_modules_ext.warninglists.asking import REMEDY, opened
from misp_modules_ext.warninglists.index import Facts
from misp_modules_ext.warninglists.package import INSTALL, installed

#: No event has this UUID: that MISP says so shows that it answers our key.
_NO_EVENT = "00000000-0000-4000-8000-000000000000"
#: Seconds for each answer of MISP's.
_PATIENCE = 20.0


class Checked(NamedTuple):
    """One thing of the installation that was tried.

    Attributes:
        ok: it works; also where something is left out on purpose, which `answer` then says.
        remedy: what to do, `""` for nothing.
        code: the exit code that it means.
    """

    what: str
    ok: bool
    answer: str
    remedy: str = ""
    code: int = 0


def check(config: ConfigOption = None, destination: DestinationOption = None, as_json: JsonOption = False) -> None:
    """Try everything that a push needs and say what to do about each failure. Only makes the ledger on first use.

    Exit code 0: all is well; 2: the configuration is wrong, or the ledger cannot be used; 4: credentials or permission
    refused; 5: MISP does not answer; 3: Microsoft is not reachable.
    """
    settings = load(config)
    chosen = choose(settings, tuple(destination or ()))
    findings = {d.name: create(d).check() for d in chosen}
    hosts = sorted({host for d in chosen for host in create(d).hosts()})
    ours = [
        *_ledger(settings, chosen),
        _misp(settings),
        *_orphans(settings),
        *_warninglists(settings, chosen),
        *_acting(settings, chosen),
    ]
    with standard_output():
        if as_json:
            print_json(_document(settings, chosen, findings, ours, hosts))
        else:
            _print_list(settings, chosen, findings, ours, hosts)
    codes = {_code(finding) for group in findings.values() for finding in group}
    raise typer.Exit(first_code(codes.union(checked.code for checked in ours)))


def _code(finding: Finding) -> int:
    if finding.misconfigured:
        return 2
    if finding.refused:
        return 4
    return 0 if finding.ok else 3


def _ledger(settings: Settings, chosen: tuple[DestinationSettings, ...]) -> list[Checked]:
    """Where the ledger is, whose stores are another ledger's, and who drains it."""
    try:
        ledger = open_ledger(settings.ledger.url.get_secret_value())
        revision, drains = ledger.read(lambda connection: (queries.revision(connection), queries.drains(connection)))
    except LedgerError as error:
        return [Checked("ledger", False, str(error), "Nothing is taken or sent until it can be used.", 2)]
    where = f"{ledger.where}, identity {ledger.identity}, tables {revision}."
    marked = [_marked(settings, d, ledger) for d in chosen]
    drain = _drain([drain for drain in drains if looking.is_alive(drain)])
    return [Checked("ledger", True, where), *(found for found in marked if found is not None), drain]


def _marked(settings: Settings, destination: DestinationSettings, ledger: Ledger) -> Checked | None:
    """That pushes to a store are refused, because it is another ledger's."""
    try:
        mark(settings, destination, ledger, keep=False)
    except LedgerError as error:
        return Checked("store", False, str(error), code=2)
    return None


def _drain(alive: list[queries.Drain]) -> Checked:
    if not alive:
        return Checked("drain", True, "none is alive.", looking.NO_DRAIN)
    told = (f"{drain.kind} on {drain.host}, process {drain.pid}, heard of {drain.seen:.0f} s ago" for drain in alive)
    return Checked("drain", True, "; ".join(told) + ".")


def _misp(settings: Settings) -> Checked:
    """Whether events can be read from MISP."""
    misp = settings.misp
    if misp is None or not settings.reads_misp:
        return Checked("MISP", True, "events are not read: additions and updates only.", looking.NO_KEY)
    try:
        MispClient(misp, timeout=_PATIENCE).read_event(_NO_EVENT)
    except EventNotFound:
        return Checked("MISP", True, f"{misp.url} answers the key of [misp]. {looking.READS}")
    except MispRefused as error:
        return Checked("MISP", False, str(error), _UNREAD, 4)
    except MispError as error:
        return Checked("MISP", False, str(error), _UNREAD, 5)
    return Checked("MISP", False, f"{misp.url} shows an event that nobody has: it is no MISP.", _UNREAD, 5)


def _orphans(settings: Settings) -> list[Checked]:
    """MISPs that the ledger knows and the configuration does not."""
    try:
        ledger = open_ledger(settings.ledger.url.get_secret_value())
        found = ledger.read(lambda connection: queries.orphans(connection, looking.misps(settings)))
    except LedgerError:
        # Told already.
        return []
    return [Checked("MISP", True, looking.orphan_words(orphan), looking.ADOPT) for orphan in found]


def _warninglists(settings: Settings, chosen: tuple[DestinationSettings, ...]) -> list[Checked]:
    """Whether values are looked up in the lists of today, and whether the configuration spells their names right."""
    path = settings.warninglist_index
    if not path.exists():
        return [Checked("warninglists", True, f"there is no index of them at {path}.", _NO_INDEX)]
    try:
        facts = opened(path).facts
    except WarninglistError as error:
        return [Checked("warninglists", False, str(error), REMEDY, 2)]
    told = f"{plural(len(facts.lists), 'list')} of PyMISPWarningLists {facts.version}, {path}."
    package = installed()
    stale = package is not None and package.digest() != facts.digest
    answer = f"{told} The package has changed since." if stale else told
    index = Checked("warninglists", True, answer, _STALE if stale else "")
    return [index, *(_unknown(name, facts) for name in _named(chosen) if name not in facts.lists)]


def _named(chosen: tuple[DestinationSettings, ...]) -> list[str]:
    return sorted(frozenset[str]().union(*(d.selection.warninglists for d in chosen)))


def _unknown(name: str, facts: Facts) -> Checked:
    near = closest(name, facts.lists)
    meant = f"Is {near!r} meant?" if near else "`misp-microsoft warninglists --check VALUE` names lists."
    return Checked("warninglists", True, f"the index has no list called {name!r}.", f"{meant} Only MISP may know it.")


_NO_INDEX = (
    f"Run `{INSTALL}` and then `misp-microsoft warninglists`. Until then `warninglists` holds back only what MISP "
    "itself reports."
)
_STALE = "Run `misp-microsoft warninglists`."


def _acting(settings: Settings, chosen: tuple[DestinationSettings, ...]) -> Iterator[Checked]:
    """Which destinations may do more than alert, so that nobody switches that on unnoticed."""
    unasked = "" if settings.warninglist_index.exists() else f"Until there is an index nothing blocks. {REMEDY}"
    for destination in chosen:
        rules = destination.actions
        if rules.acts:
            by_tags = {
                Action.WARN: rules.warn_tags,
                Action.BLOCK: rules.block_tags,
                Action.BLOCK_AND_REMEDIATE: rules.block_and_remediate_tags,
                Action.ALLOWED: rules.allow_tags,
            }
            asked = [f"{action} by {plural(len(tags), 'tag')}" for action, tags in by_tags.items() if tags]
            told = ", ".join([f"{rules.action} without a tag", *asked])
            trusted = f"for events of {plural(len(rules.block_orgs), 'organisation')}"
            never = f"in neverBlock {len(rules.never_block)}"
            answer = f"[{destination.name}] may do more than alert: {told}; {trusted}; {never}."
            yield Checked("actions", True, answer, unasked)


_UNREAD = "Until then events are not read, and nothing is withdrawn."


def _document(
    settings: Settings,
    chosen: tuple[DestinationSettings, ...],
    findings: dict[str, list[Finding]],
    ours: list[Checked],
    hosts: list[str],
) -> dict[str, Any]:
    return {
        "configuration": str(settings.path),
        "warnings": list(settings.warnings),
        "destinations": [
            {
                "name": d.name,
                "product": d.product,
                "api": d.api.value,
                "findings": [finding._asdict() for finding in findings[d.name]],
            }
            for d in chosen
        ],
        "installation": [{"what": c.what, "ok": c.ok, "answer": c.answer, "remedy": c.remedy or None} for c in ours],
        "hosts": hosts,
    }


def _print_list(
    settings: Settings,
    chosen: tuple[DestinationSettings, ...],
    findings: dict[str, list[Finding]],
    ours: list[Checked],
    hosts: list[str],
) -> None:
    out = console()
    line(out, f"Configuration: {settings.path}")
    for warning in settings.warnings:
        line(out, f"note: {warning}", indent=2)
    number = 0
    for d in chosen:
        line(out, f"[{d.name}] {d.product}, API {d.api}")
        for finding in findings[d.name]:
            number += 1
            line(out, f"{number}. {_mark(finding.ok)} {finding.what}: {finding.answer}", indent=2)
            if finding.remedy:
                line(out, f"What to do: {finding.remedy}", indent=5)
    line(out, "This installation")
    for checked in ours:
        number += 1
        line(out, f"{number}. {_mark(checked.ok)} {checked.what}: {checked.answer}", indent=2)
        if checked.remedy:
            line(out, f"What to do: {checked.remedy}", indent=5)
    line(out, "Hosts to open in a firewall: " + ", ".join(hosts))


def _mark(ok: bool) -> str:
    return "ok    " if ok else "FAILED"
