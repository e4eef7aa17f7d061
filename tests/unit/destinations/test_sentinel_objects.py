"""Objects of context at Sentinel: STIX as OASIS wants it, the same id for the same thing, and not without end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from stix2validator import ValidationOptions, validate_instance

from misp_modules_ext.config.settings import Api, ContextAs
from misp_modules_ext.destinations import create, sentinel_objects
from misp_modules_ext.destinations.interface import HoldsObjects
from misp_modules_ext.destinations.sentinel import Sentinel
from misp_modules_ext.emulator.stix import problems
from misp_modules_ext.model.indicator import Context, Due, Kind
from misp_modules_ext.model.misp import Tlp
from tests.support.build import destination, due

CONTEXT = Context(
    techniques=(("T1566", ""), ("T1566", "Phishing"), ("T1566.001", "Spearphishing Attachment"), ("T1071", "")),
    actors=("APT28", "Sofacy"),
    malware=("X-Tunnel",),
)


def _due(**fields: Any) -> Due:
    return due(context=CONTEXT, **fields)


def _documents(made: Due) -> list[dict[str, Any]]:
    return [dict(one.document) for one in sentinel_objects.beside(made)]


def test_oasis_and_sentinel_accept_them() -> None:
    """Each is STIX 2.1 without an error, and as Sentinel documents it; taken back, too."""
    for document in _documents(_due()):
        for one in (document, sentinel_objects.taken_back(document, 1_900_000_000_000)):
            result = validate_instance(json.loads(json.dumps(one)), ValidationOptions(version="2.1"))
            assert result.is_valid, [str(error) for error in result.errors]
            assert problems(one) == []


def test_actors_and_techniques_are_tied_to_the_indicator() -> None:
    """Each once, before its relationship; a malware family is no object there."""
    made = _due()
    found = sentinel_objects.beside(made)
    names = [one.document["name"] for one in found if one.shared]
    assert names == ["APT28", "Sofacy", "Phishing", "Spearphishing Attachment", "T1071"]
    for shared, relationship in zip(found[::2], found[1::2], strict=True):
        assert relationship.needs == (shared.stix_id,)
        assert relationship.document["relationship_type"] == "indicates"
        assert relationship.document["source_ref"] == made.stamp.stix_id
        assert relationship.document["target_ref"] == shared.stix_id
    technique = found[6].document
    assert technique["external_references"] == [
        {
            "source_name": "mitre-attack",
            "external_id": "T1566.001",
            "url": "https://attack.mitre.org/techniques/T1566/001",
        }
    ]


def test_ids_follow_from_what_it_is() -> None:
    """The same actor of two indicators is one object, word for word; relationships are each indicator's own."""
    one, other = _due(), due(Kind.DOMAIN_NAME, "other.evil.example", context=CONTEXT)
    again = one._replace(stamp=one.stamp._replace(stix_id=one.indicator.observable.stix_id(1)))
    shared = [[b for b in sentinel_objects.beside(made) if b.shared] for made in (one, other, again)]
    assert shared[0] == shared[1] == shared[2]
    own = [{b.stix_id for b in sentinel_objects.beside(made) if not b.shared} for made in (one, other, again)]
    assert len(own[0] | own[1] | own[2]) == 3 * len(own[0])
    assert shared[0][0].stix_id == "threat-actor--961f339f-a950-5ae0-b2d4-0ba2d3823ff3"


def test_what_was_revoked_comes_back_under_another_id() -> None:
    """A different one each time, and always the same."""
    document = _documents(_due())[1]
    assert sentinel_objects.again(document, 0) == document
    ids = {sentinel_objects.again(document, generation)["id"] for generation in range(4)}
    assert len(ids) == 4
    again = sentinel_objects.again(document, 2)
    assert problems(again) == []
    assert {**again, "id": document["id"]} == document


def test_a_relationship_carries_the_marking_of_its_indicator() -> None:
    """That a value belongs to an actor is as confidential as the indicator; the actor's name is not."""
    found = sentinel_objects.beside(_due(tlp=Tlp.GREEN))
    assert found[1].document["object_marking_refs"] == ["marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"]
    assert "object_marking_refs" not in found[0].document


def test_an_event_with_a_hundred_techniques_makes_twenty_of_each_value() -> None:
    """Actors first; each object is a row in a table that is billed."""
    many = Context(techniques=tuple((f"T{n:04}", "") for n in range(1000, 1100)), actors=("Sofacy",))
    found = sentinel_objects.beside(due(context=many))
    assert len(found) == 2 * sentinel_objects.MOST_RELATED
    assert found[0].document["type"] == "threat-actor"


def test_without_context_there_is_nothing() -> None:
    """Phases and malware have no object."""
    assert sentinel_objects.beside(due(context=Context(phases=(("mitre-attack", "impact"),), malware=("X",)))) == []


@pytest.mark.parametrize("context", list(ContextAs))
def test_they_go_only_where_the_configuration_asks_for_them(context: ContextAs) -> None:
    """Labels are enough by default; Defender and Graph have no place."""
    made = create(destination(api=Api.SENTINEL, context=context))
    assert isinstance(made, Sentinel)
    assert bool(made.beside(_due())) is (context is ContextAs.OBJECTS)
    for api in (Api.DEFENDER, Api.GRAPH):
        other = destination(api=api, context=context)
        assert not isinstance(create(other), HoldsObjects)
        assert not other.sends_objects
