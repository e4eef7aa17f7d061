"""What the call of an expansion module names."""

from __future__ import annotations

import json

import pytest

from misp_modules_ext.errors import UsageError
from misp_modules_ext.misp.requests import PATIENCE, read_named
from tests.support.recordings import recording


@pytest.mark.parametrize(
    ("name", "uuid", "is_object", "many"),
    [
        ("expansion_misp_standard_attribute", "501b4384-6edd-4905-85b1-51b1429610c1", False, False),
        ("expansion_enrich_event_misp_standard", "501b4384-6edd-4905-85b1-51b1429610c1", False, True),
        ("expansion_misp_standard_object", "2ea9dc9f-89da-4d8f-bcbb-ac1a93d4de70", True, False),
    ],
)
def test_what_misp_sends(name: str, uuid: str, is_object: bool, many: bool) -> None:
    """One attribute, each attribute of an event, one object: told apart by what stands in them."""
    body = recording(name) | {"config": {"destinations": "soc", "preview": None, "addResult": " "}}
    named = read_named(json.dumps(body).encode())
    assert (named.event, named.uuid, named.is_object, named.one_of_many) == ("1", uuid, is_object, many)
    assert (dict(named.options), named.patience) == ({"destinations": "soc"}, PATIENCE)


def test_the_event_stands_in_the_attribute_too() -> None:
    """A call that does not name the event beside the attribute is understood; one that names none is not."""
    body = recording("expansion_misp_standard_attribute")
    del body["event_id"]
    assert read_named(body).event == "1"
    del body["attribute"]["event_id"]
    with pytest.raises(UsageError, match="which event"):
        read_named(body)


@pytest.mark.parametrize("shown", [None, [], "x", {}, {"uuid": "no uuid", "event_id": "1"}])
def test_what_names_nothing_is_refused(shown: object) -> None:
    """Whatever stands in the attribute's place."""
    with pytest.raises(UsageError, match="Was this sent by MISP"):
        read_named({"module": "m", "event_id": "1", "attribute": shown})
