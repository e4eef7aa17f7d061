"""What is tried of one destination."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from misp_modules_ext.cli.checking import lookups, ways
from misp_modules_ext.cli.checking.groups import Group, run_all
from misp_modules_ext.config import Settings
from misp_modules_ext.config.settings import Api, DestinationSettings
from misp_modules_ext.destinations import create
from misp_modules_ext.destinations.client import PROBE_TIMEOUT
from misp_modules_ext.destinations.credentials import outlook
from misp_modules_ext.destinations.defender_slots import TENANT
from misp_modules_ext.destinations.graph import NOTICE
from misp_modules_ext.destinations.interface import Destination
from misp_modules_ext.destinations.transport import transport_for
from misp_modules_ext.errors import CredentialsRefused, DestinationError
from misp_modules_ext.model.finding import Code, Finding
from misp_modules_ext.model.indicator import Action
from misp_modules_ext.report.text import number, plural
from misp_modules_ext.warninglists.asking import REMEDY

#: Seconds after which a question is given up that does not keep its own time.
LONGEST = 6 * PROBE_TIMEOUT
#: With fewer free slots than these a word is said of it.
FEW = 500
#: Defender's switches, which no API tells: "Create indicators" of Defender for Endpoint's pages.
SWITCHES = (
    "blocking and warning need, in Defender's portal > Settings > Endpoints > Advanced features, `Custom network "
    "indicators` and `Allow or block file` on; on the devices, network protection in block mode and Defender Antivirus "
    "active. Microsoft says that addresses and URLs take up to 48 hours."
)


def group_of(settings: DestinationSettings, whole: Settings) -> Group:
    """The group of a destination.

    Args:
        settings: the destination.
        whole: the file that has it.
    """
    destination = create(settings)
    reads_back = not destination.cannot_list
    return Group(
        settings.name,
        lambda group: _try(group, destination, whole),
        ways.ways_of(settings, reads_back=reads_back),
    )


def _try(group: Group, destination: Destination, whole: Settings) -> None:
    settings = destination.settings
    group.limits = _rate(destination)
    group.add(*_acting(settings, whole.warninglist_index))
    if settings.api is Api.GRAPH:
        group.add(Finding(Code.RETIRED, "Graph tiIndicators", NOTICE, "use `api = sentinel` or `api = defender`."))
    _try_hosts(group, settings, reads_back=not destination.cannot_list)
    group.add(*_credential(settings))
    _try_permissions(group, destination, whole)


def _try_permissions(group: Group, destination: Destination, whole: Settings) -> None:
    """What sending needs, and beside it each question of looking values up: none waits for one that hangs."""
    sending = Group("sending", lambda _: _try_sending(group, destination))
    parts = [sending]
    parts += [
        Group("looking up", partial(_try_looking, one, sending.done, group))
        for one in lookups.questions(whole, destination)
    ]
    run_all(parts, LONGEST)
    # What they found is noted; here is only that one did not come to its end.
    group.add(*(finding for part in parts for finding in part.findings))


def _try_sending(group: Group, destination: Destination) -> None:
    found = destination.check()
    group.add(*found)
    count = next((one for one in found if one.code is Code.COUNT and not one.remedy), None)
    if count is not None:
        group.limits = f"{group.limits}; {count.answer.partition(' of ')[0]} there"
    read = next((one for one in found if one.code is Code.READ), None)
    if read is not None and read.ok:
        _try_slots(group, destination)


def _try_looking(ask: Callable[[], Finding], sent: threading.Event, group: Group, _: Group) -> None:
    finding = ask()
    sent.wait(LONGEST)
    if all(one.ok for one in group.findings if one.code is Code.TOKEN):
        # Without a token it would only say once more what the token's line says.
        group.add(finding)


def _try_hosts(group: Group, settings: DestinationSettings, *, reads_back: bool) -> None:
    """At the same time: a firewall that drops packets would cost each one its seconds."""
    transport = transport_for(settings.ca)
    hosts = ways.hosts_of(settings, reads_back=reads_back)
    with ThreadPoolExecutor(len(hosts)) as pool:
        tried = list(pool.map(lambda host: ways.try_host(host, transport), hosts))
    group.add(*(one.finding for one in tried))
    clock = ways.clock(one.skew for one in tried)
    if clock is not None:
        group.add(clock)


def _credential(settings: DestinationSettings) -> Iterator[Finding]:
    """Until when it is good; one that is not good any more is told by the token."""
    try:
        found = outlook(settings)
    except CredentialsRefused:
        return
    yield Finding(Code.CREDENTIAL, f"end of the credential ({settings.auth})", found.answer, found.remedy)


def _rate(destination: Destination) -> str:
    limit = destination.limit
    return "" if limit is None else f"{number(limit.requests)} requests in {limit.seconds:g} s"


def _try_slots(group: Group, destination: Destination) -> None:
    """Count Defender's entries: all pages, or none."""
    what = f"slots of the tenant's {number(TENANT)}"
    try:
        entries = destination.entries(PROBE_TIMEOUT)
    except DestinationError as error:
        group.add(Finding(Code.SLOTS, what, str(error), "repeat later: a count of some pages is no count."))
        return
    ours = sum(entry.ours for entry in entries)
    free = max(0, TENANT - len(entries))
    most = destination.settings.max_indicators
    room = max(0, min(most - ours, free))
    group.limits = f"{number(ours)} ours, {number(len(entries) - ours)} others', {number(free)} free"
    answer = f"{group.limits}; `maxIndicators` allows us {number(most)}, so there is room for {number(room)} more."
    group.add(Finding(Code.SLOTS, what, answer, _FULL if room < FEW else ""))


_FULL = (
    "delete entries that nobody needs (Defender's portal > Settings > Endpoints > Indicators), raise `maxIndicators` "
    "if there are free ones, or send less: Microsoft raises its limit for nobody. Each report tells what is left out."
)


def _acting(settings: DestinationSettings, index: Path) -> Iterator[Finding]:
    """Whether it may do more than alert, so that nobody switches that on unnoticed."""
    rules = settings.actions
    if not rules.acts:
        return
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
    unasked = "" if index.exists() else f"Until there is an index nothing blocks. {REMEDY}"
    answer = f"[{settings.name}] may do more than alert: {told}; {trusted}; {never}."
    yield Finding(Code.ACTIONS, "actions", answer, unasked)
    if rules.blocks and settings.api is Api.DEFENDER:
        yield Finding(Code.SWITCHES, "switches at Defender", "cannot be read by any API.", SWITCHES)
