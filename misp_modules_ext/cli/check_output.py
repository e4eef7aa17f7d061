"""How `misp-microsoft check` is printed: tables and numbered findings for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from rich.console import Console

from misp_modules_ext import __version__
from misp_modules_ext.cli.acted import print_json
from misp_modules_ext.cli.checking.groups import Group, Way
from misp_modules_ext.cli.common import console
from misp_modules_ext.cli.tables import line, table
from misp_modules_ext.config import Settings
from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.model.finding import Code, Finding
from misp_modules_ext.report import first_code
from misp_modules_ext.report.text import iso, listed

#: Never more than advice.
_NOTES = frozenset({Code.NOTE, Code.RETIRED})
_HOSTS = frozenset({Code.LOGIN_HOST, Code.API_HOST, Code.MANAGEMENT_HOST})
_PERMISSIONS = frozenset(
    {
        Code.UPLOAD,
        Code.READ_BACK,
        Code.LOOK_UP_SENTINEL,
        Code.LOGS,
        Code.READ,
        Code.WRITE,
        Code.LOOK_UP_DEFENDER,
        Code.STATISTICS,
        Code.HUNTING,
        Code.ALERTS,
        Code.TI_INDICATORS,
    }
)


class Checked(NamedTuple):
    """All that was tried.

    Attributes:
        destinations: the groups of `chosen`, in its order.
        began: seconds since 1970 UTC.
        took: seconds.
        limit: seconds that it might have taken.
    """

    settings: Settings
    chosen: Sequence[DestinationSettings]
    destinations: Sequence[Group]
    misps: Sequence[Group]
    here: Group
    began: float
    took: float
    limit: float

    @property
    def groups(self) -> tuple[Group, ...]:
        """All groups in the order in which they are shown."""
        return (*self.destinations, *self.misps, self.here)

    @property
    def exit_code(self) -> int:
        """That of the command."""
        return first_code({finding.exit_code for group in self.groups for finding in group.findings})


class Row(NamedTuple):
    """A destination in few words."""

    hosts: str
    token: str
    permission: str
    limits: str
    state: str


def row_of(group: Group) -> Row:
    """How a destination stands."""
    found = group.findings
    hosts = [finding.ok for finding in found if finding.code in _HOSTS]
    state = group.state.value
    if any(finding.code is Code.UNFINISHED for finding in found):
        state = "unfinished"
    if any(finding.code is Code.PAUSE for finding in found):
        state += ", sending pauses"
    return Row(
        f"{sum(hosts)} of {len(hosts)}" if hosts else "not tried",
        _word([finding for finding in found if finding.code is Code.TOKEN]),
        _word([finding for finding in found if finding.code in _PERMISSIONS]),
        group.limits,
        state,
    )


def _word(findings: Sequence[Finding]) -> str:
    if not findings:
        return "not tried"
    return next((finding.state.value for finding in findings if not finding.ok), "ok")


def show(checked: Checked, *, as_json: bool) -> None:
    """Print it."""
    if as_json:
        print_json(document(checked))
        return
    out = console()
    line(out, f"Configuration: {checked.settings.path}")
    line(out, f"Everything was tried at the same time, in {checked.took:.1f} of at most {checked.limit:g} seconds.")
    table(
        out,
        ["destination", "hosts", "token", "permission", "limits", "state"],
        [[group.name, *row_of(group)] for group in checked.destinations],
    )
    number = 0
    for title, group in _titled(checked):
        line(out, title)
        for finding in group.findings:
            number += 1
            _print(out, number, finding)
    _print_ways(out, checked)


def _titled(checked: Checked) -> Iterator[tuple[str, Group]]:
    for settings, group in zip(checked.chosen, checked.destinations, strict=True):
        yield f"[{settings.name}] {settings.product}, API {settings.api}", group
    for group in checked.misps:
        yield f"[{group.name}] MISP", group
    yield "This installation", checked.here


def _print(out: Console, number: int, finding: Finding) -> None:
    line(out, f"{number}. {finding.code} {_mark(finding)} {finding.what}: {finding.answer}", indent=2)
    if finding.remedy:
        line(out, f"What to do: {finding.remedy}", indent=5)


def _mark(finding: Finding) -> str:
    if not finding.ok:
        return "FAILED"
    return "note  " if finding.remedy or finding.code in _NOTES else "ok    "


def _print_ways(out: Console, checked: Checked) -> None:
    line(out, "Hosts to open in a firewall (TCP, outgoing):")
    for one in ways(checked):
        through = f", through the proxy {one.way.proxy}" if one.way.proxy else ""
        source = one.way.source or "this machine"
        line(out, f"{one.way.host} {one.way.port}/tcp from {source}{through}: {listed(one.purposes)}", indent=2)


class Opened(NamedTuple):
    """A host to open, once for all that need it.

    Attributes:
        sections: those that need it.
    """

    way: Way
    purposes: tuple[str, ...]
    sections: tuple[str, ...]


def ways(checked: Checked) -> list[Opened]:
    """All hosts that have to be reached, each once."""
    found: dict[tuple[str, int, str, str], list[tuple[str, str]]] = {}
    for group in checked.groups:
        for one in group.ways:
            found.setdefault((one.host, one.port, one.proxy, one.source), []).append((one.purpose, group.name))
    return [
        Opened(
            Way(host, port, "", proxy, source),
            tuple(dict.fromkeys(purpose for purpose, _ in needed)),
            tuple(dict.fromkeys(name for _, name in needed)),
        )
        for (host, port, proxy, source), needed in sorted(found.items())
    ]


def document(checked: Checked) -> dict[str, Any]:
    """All of it for programs: schema 1, described in `report/check.schema.json`."""
    return {
        "schema": 1,
        "version": __version__,
        "at": iso(checked.began),
        "seconds": round(checked.took, 1),
        "limit": checked.limit,
        "exitCode": checked.exit_code,
        "configuration": str(checked.settings.path),
        "destinations": [
            {
                "name": settings.name,
                "product": settings.product,
                "api": settings.api.value,
                "summary": row_of(group)._asdict(),
                "findings": _findings(group),
            }
            for settings, group in zip(checked.chosen, checked.destinations, strict=True)
        ],
        "misp": [{"name": group.name, "findings": _findings(group)} for group in checked.misps],
        "installation": _findings(checked.here),
        "hosts": [
            {
                "host": one.way.host,
                "port": one.way.port,
                "from": one.way.source or "this machine",
                "proxy": one.way.proxy or None,
                "purposes": list(one.purposes),
                "sections": list(one.sections),
            }
            for one in ways(checked)
        ],
    }


def _findings(group: Group) -> list[dict[str, Any]]:
    return [
        {
            "code": finding.code.value,
            "what": finding.what,
            "ok": finding.ok,
            "state": finding.state.value,
            "answer": finding.answer,
            "remedy": finding.remedy or None,
            "exitCode": finding.exit_code,
        }
        for finding in group.findings
    ]
