"""What Defender is asked about values: is it there, was it seen. Changes nothing."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations import defender_answers as answers
from misp_modules_ext.destinations.answers import Advice
from misp_modules_ext.destinations.askable import askable, spellings
from misp_modules_ext.destinations.asking import Asking
from misp_modules_ext.destinations.client import Client
from misp_modules_ext.destinations.defender_entries import is_ours
from misp_modules_ext.destinations.defender_list import List
from misp_modules_ext.destinations.defender_payload import value
from misp_modules_ext.destinations.defender_statistics import Statistics
from misp_modules_ext.destinations.estate import Question, questions
from misp_modules_ext.destinations.hunting import NAME, Hunting
from misp_modules_ext.destinations.interface import Limit
from misp_modules_ext.destinations.looking import (
    ASKED_DEFENDER,
    ASKED_HUNTING,
    ASKED_STATISTICS,
    EntryState,
    Presence,
    Probe,
    Sighting,
)
from misp_modules_ext.destinations.queries import odata
from misp_modules_ext.destinations.transport import Transport
from misp_modules_ext.destinations.wire import to_seconds
from misp_modules_ext.model.indicator import Observable

PATH = "/api/indicators"
#: Documented for lists; `defender_list` counts under the same name.
RATES = {"defender list": Limit(100, 60.0)}
#: Half of that, and of the documented 1,500 in an hour: the other half is for the reading before each import, without
#: which nothing can be sent.
SHARE = {"looking up in Defender's list": Limit(50, 60.0), "the same in an hour": Limit(750, 3600.0)}
#: More values than these, which is more than a door asks about at once, are looked for in the whole list.
MOST_FILTERED = 20


def _advice(settings: DestinationSettings) -> Advice:
    section = f"[{settings.name}]"
    return Advice(
        "Microsoft Defender",
        unauthorized=f"correct `cloud` of {section}: the token must be for Defender's API in the tenant's cloud.",
        forbidden=f"give the application of {section} (`appId`) the application permission Ti.ReadWrite of "
        "WindowsDefenderATP, which shows its own entries, or Ti.ReadWrite.All, which shows those of others, too; and "
        "have an administrator consent to it.",
        not_found=f"correct `endpoint.api` or `cloud` of {section}.",
    )


class DefenderLooking:
    """Questions about one tenant.

    Args:
        settings: whose, and our name.
        transport: how Defender is reached; the process's shared one when absent.
    """

    def __init__(self, settings: DestinationSettings, transport: Transport | None = None) -> None:
        self._settings = settings
        self._list = Asking(settings, _advice(settings), RATES, transport, share=SHARE)
        self._whole = List(settings, Client(settings, _advice(settings), transport), PATH, SHARE)
        self._statistics = Statistics(settings, transport)
        self._hunting = Hunting(settings, transport)

    def presence(self, observables: Sequence[Observable]) -> list[Probe[Presence]]:
        """See `looking.LooksUp.presence`: a filter for each value, or for many values the whole list once."""
        held = tuple(one for one in dict.fromkeys(observables) if askable(one).defender)
        if len(held) > MOST_FILTERED:
            return [Probe(ASKED_DEFENDER, held, self._in_list)]
        return [Probe(ASKED_DEFENDER, (one,), self._in_list) for one in held]

    def estate(self, observables: Sequence[Observable], since: int) -> list[Probe[Sighting]]:
        """See `looking.LooksUp.estate`: statistics take one value each, advanced hunting many."""
        alone = [one for one in dict.fromkeys(observables) if askable(one).statistics]
        return [
            *(Probe(ASKED_STATISTICS, (one,), partial(self._counted, since)) for one in alone),
            *(
                Probe(ASKED_HUNTING, each.observables, partial(self._hunt, each.file, since))
                for each in questions(observables, "hunting")
            ),
        ]

    def _counted(self, since: int, observables: Sequence[Observable], timeout: float) -> list[Sighting]:
        deadline = time.monotonic() + timeout
        return [found for one in observables for found in self._statistics.ask(one, since, deadline - time.monotonic())]

    def _hunt(self, file: str, since: int, observables: Sequence[Observable], timeout: float) -> list[Sighting]:
        question = Question(file, tuple(observables))
        rows = self._hunting.rows(question.text(since), since, time.monotonic() + timeout)
        return question.sightings(rows, NAME)

    def _in_list(self, observables: Sequence[Observable], timeout: float) -> list[Presence]:
        deadline = time.monotonic() + timeout
        wanted = defaultdict[answers.EntryKey, list[Observable]](list)
        for one in observables:
            wanted[answers.key_of(one)].append(one)
        many = len(observables) > MOST_FILTERED
        items = self._whole.read(deadline) if many else self._filtered(observables, deadline)
        found = {answers.identifier(item): item for item in items if answers.key_in(item) in wanted}
        return [self._of_item(one, item) for item in found.values() for one in wanted[answers.key_in(item)]]

    def _filtered(self, observables: Sequence[Observable], deadline: float) -> Iterator[dict[str, Any]]:
        """One request for each spelling: whether `$filter` finds others is not documented."""
        spelt = dict.fromkeys(text for one in observables for text in (value(one), *spellings(one)))
        for spelling in spelt:
            yield from self._listed(spelling, deadline)

    def _listed(self, spelling: str, deadline: float) -> list[dict[str, Any]]:
        path = f"{PATH}?$filter={odata('defender_presence', value=spelling)}"
        return answers.items(self._list.ask("GET", path, deadline))

    def _of_item(self, observable: Observable, item: dict[str, Any]) -> Presence:
        until = to_seconds(item.get("expirationTime"))
        expired = until is not None and until <= time.time()
        return Presence(
            observable,
            ours=is_ours(item, self._settings.source_system),
            state=EntryState.EXPIRED if expired else EntryState.ACTIVE,
            action=_text(item.get("action")),
            severity=_text(item.get("severity")),
            valid_until=until,
            since=to_seconds(item.get("creationTimeDateTimeUtc")),
        )


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""
