"""What a destination shows of an indicator: a digest that differs exactly when the payload does, stamps apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from misp_modules_ext.config.settings import Api, DestinationSettings
from misp_modules_ext.destinations import create, defender_payload, graph_payload, sentinel_payload
from misp_modules_ext.model.indicator import UNSTAMPED, Context, Due, Indicator, Reference, Severity, Stamp
from misp_modules_ext.model.misp import Tlp
from tests.support.build import destination, indicator

SENTINEL = destination(api=Api.SENTINEL)
DEFENDER = destination(api=Api.DEFENDER, product="Microsoft Defender")
GRAPH = destination(api=Api.GRAPH, product="Azure Sentinel")
GRAPH_DEFENDER = destination(api=Api.GRAPH, product="Microsoft Defender ATP")
EVERY = [SENTINEL, DEFENDER, GRAPH, GRAPH_DEFENDER]

LONG = "a word and another " * 8
START = indicator(facts=(LONG, "seen by us"))
OTHER_ATTRIBUTE = START.references[0]._replace(attribute="77777777-7777-4777-8777-777777777777")
OTHER_EVENT = Reference("88888888-8888-4888-8888-888888888888", "", "https://misp.example/events/view/88")
CHANGES: dict[str, Indicator] = {
    "value": indicator(START.observable.kind, "other.evil.example", facts=START.facts),
    "title": START._replace(title="Another campaign"),
    "end of a title": START._replace(title="t" * 300 + "u"),
    "severity": START._replace(severity=Severity.HIGH),
    "confidence": START._replace(confidence=90),
    "threat type": START._replace(threat_type="C2"),
    "tlp": START._replace(tlp=Tlp.GREEN),
    "strict": START._replace(tlp=Tlp.AMBER_STRICT),
    "labels": START._replace(labels=("another",)),
    "first fact": START._replace(facts=("port: 8443", "seen by us")),
    "last fact": START._replace(facts=(LONG, "seen by them")),
    "attribute": START._replace(references=(OTHER_ATTRIBUTE,)),
    "second attribute": START._replace(references=(*START.references, OTHER_ATTRIBUTE)),
    "first event": START._replace(references=(OTHER_EVENT,)),
    "second event": START._replace(references=(*START.references, OTHER_EVENT)),
    "start": START._replace(valid_from=START.valid_from + 1),
    "end": START._replace(valid_until=START.valid_until + 1),
    "phases": START._replace(context=Context(phases=(("mitre-attack", "impact"),))),
    "techniques": START._replace(context=Context(techniques=(("T1566", "Phishing"),))),
    "actors": START._replace(context=Context(actors=("Sofacy",))),
    "malware": START._replace(context=Context(malware=("X-Tunnel",))),
    "half a character": START._replace(labels=("\ud83d",), facts=("\ud83d", "seen by us")),
}
#: What changes no payload. The reasons: no such field; a text that is cut; only one link has room; not for an update.
#: Sentinel's labels say Microsoft's threat type; which attribute its links lead to is left out (`_payload`).
HIDDEN: dict[str, tuple[DestinationSettings, set[str]]] = {
    "sentinel": (
        SENTINEL,
        {"severity", "attribute", "second attribute", "techniques", "actors", "malware"},
    ),
    "defender": (
        DEFENDER,
        {
            *("confidence", "threat type", "tlp", "strict", "labels", "last fact"),
            *("attribute", "second attribute", "second event", "start", "phases"),
        },
    ),
    "graph": (GRAPH, {"attribute", "second attribute", "start", "phases", "techniques"}),
    "graph for defender": (
        GRAPH_DEFENDER,
        {
            *("value", "confidence", "threat type", "tlp", "strict", "labels", "first fact", "last fact"),
            *("attribute", "second attribute", "first event", "second event", "start", "half a character"),
            *("phases", "techniques", "actors", "malware"),
        },
    ),
}
_STAMPS = ("id", "created", "modified", "externalId")


def _payload(settings: DestinationSettings, shown: Indicator, stamp: Stamp) -> dict[str, Any]:
    """What an update says, but its ids, the times of versions, and which attribute of an event it leads to."""
    if settings.api is Api.SENTINEL:
        shown = shown._replace(references=tuple(one._replace(attribute="") for one in shown.references))
    due = Due(shown, stamp, remote_id="5")
    make: dict[Api, Callable[[], dict[str, Any]]] = {
        Api.SENTINEL: lambda: sentinel_payload.stix_object(due),
        Api.DEFENDER: lambda: defender_payload.entity(due, settings),
        Api.GRAPH: lambda: graph_payload.update(due, settings),
    }
    return {name: given for name, given in make[settings.api]().items() if name not in _STAMPS}


@pytest.mark.parametrize("change", sorted(CHANGES))
@pytest.mark.parametrize("where", sorted(HIDDEN))
def test_the_digest_differs_exactly_when_the_payload_does(where: str, change: str) -> None:
    """For each part of an indicator, and as it is known from Microsoft's fields."""
    settings, hidden = HIDDEN[where]
    changed, made = CHANGES[change], create(settings)
    stamp = Stamp(START.observable.stix_id(), 1_000, 2_000)
    same = _payload(settings, START, stamp) == _payload(settings, changed, stamp)
    assert (made.digest(START) == made.digest(changed)) is same is (change in hidden)
    assert len(made.digest(changed)) == 32


@pytest.mark.parametrize("settings", EVERY)
def test_stamps_are_no_part_of_it(settings: DestinationSettings) -> None:
    """A new version of the same content, or its next id, shows nothing else."""
    later = Stamp(START.observable.stix_id(3), 5_000, 9_000)
    assert _payload(settings, START, later) == _payload(settings, START, UNSTAMPED)


@pytest.mark.parametrize(
    "changed", [{"severity": Severity.HIGH}, {"rbac_group_names": ("Servers",)}, {"source_system": "Another"}]
)
def test_the_configuration_is_part_of_it(changed: dict[str, Any]) -> None:
    """Defender shows a configured severity, device groups and our name."""
    assert create(DEFENDER).digest(START) != create(DEFENDER.model_copy(update=changed)).digest(START)
