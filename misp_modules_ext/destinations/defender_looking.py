"""What Defender is asked about values: is it there, was it seen. Changes nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations import defender_answers as answers
from misp_modules_ext.destinations.answers import Advice
from misp_modules_ext.destinations.askable import askable, spellings
from misp_modules_ext.destinations.asking import Asking
from misp_modules_ext.destinations.defender_entries import is_ours
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
RATES = {"defender list": Limit(100, 60.0), "defender list in an hour": Limit(1500, 3600.0)}


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
        self._list = Asking(settings, _advice(settings), RATES, transport)
        self._statistics = Statistics(settings, transport)
        self._hunting = Hunting(settings, transport)

    def presence(self, observable: Observable) -> list[Probe[Presence]]:
        """See `looking.LooksUp.presence`."""
        if not askable(observable).defender:
            return []
        return [Probe(ASKED_DEFENDER, partial(self._in_list, observable))]

    def estate(self, observables: Sequence[Observable], since: int) -> list[Probe[Sighting]]:
        """See `looking.LooksUp.estate`: statistics take one value each, advanced hunting many."""
        alone = [one for one in dict.fromkeys(observables) if askable(one).statistics]
        return [
            *(Probe(ASKED_STATISTICS, partial(self._statistics.ask, one, since)) for one in alone),
            *(Probe(ASKED_HUNTING, partial(self._hunt, each, since)) for each in questions(observables, "hunting")),
        ]

    def _hunt(self, question: Question, since: int, timeout: float) -> list[Sighting]:
        rows = self._hunting.rows(question.text(since), since, time.monotonic() + timeout)
        return question.sightings(rows, NAME)

    def _in_list(self, observable: Observable, timeout: float) -> list[Presence]:
        """One request for each spelling: whether `$filter` finds others is not documented."""
        deadline = time.monotonic() + timeout
        spelt = dict.fromkeys([value(observable), *spellings(observable)])
        found = {answers.identifier(item): item for one in spelt for item in self._listed(one, deadline)}
        wanted = answers.key_of(observable)
        return [self._of_item(observable, item) for item in found.values() if answers.key_in(item) == wanted]

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
