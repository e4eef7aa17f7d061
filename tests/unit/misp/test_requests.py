"""What module calls hold."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from misp_modules_ext.errors import UsageError
from misp_modules_ext.misp.requests import (
    LONGEST_PATIENCE,
    PATIENCE,
    read_action,
    read_expansion,
    read_export,
    read_named,
)
from tests.support.recordings import names, recording


def _body(request: dict[str, Any]) -> bytes:
    return json.dumps(request).encode()


@pytest.mark.parametrize("name", names("export_event"))
def test_every_export_recording_is_read(name: str) -> None:
    """In both formats, with MISP's default patience when it names none."""
    request = read_export(_body(recording(name)))
    assert len(request.events) == 1
    assert request.events[0].attributes
    assert request.patience == PATIENCE


def test_export_options_that_are_null_or_empty_are_absent() -> None:
    """MISP sends null for an untouched setting; it means the default."""
    sent = recording("export_event_require_standard_format") | {
        "config": {"destinations": None, "Preview": " true "},
        "timeout": 30,
    }
    request = read_export(_body(sent))
    assert dict(request.options) == {"preview": "true"}
    assert request.patience == 30


def test_a_publish_workflow_counts_as_published() -> None:
    """MISP runs it before it sets the flag, so the whole event counts although the flag is still off."""
    event = read_action(_body(recording("action_event_publish_plain"))).events[0]
    assert event.published is False
    assert event.complete
    assert event.counts_as_published
    assert len(event.attributes) == 29


@pytest.mark.parametrize("name", ["action_attribute_after_save", "action_tag_attached_after_save"])
def test_a_single_attribute_goes_by_the_events_own_flag(name: str) -> None:
    """A trigger that brings one attribute of an unpublished event publishes nothing."""
    sent = recording(name)
    del sent["filteredItems"]
    event = read_action(_body(sent)).events[0]
    assert (event.complete, event.counts_as_published) == (False, False)


def test_a_single_attribute_that_is_the_whole_event_is_still_a_single_attribute() -> None:
    """An event of one attribute: the count says complete, the short header says that it is a trigger's part."""
    sent = recording("action_attribute_after_save")
    del sent["filteredItems"]
    sent["data"]["Event"]["attribute_count"] = "1"
    event = read_action(_body(sent)).events[0]
    assert (event.complete, event.counts_as_published) == (False, False)


def test_an_object_trigger_goes_by_the_events_own_flag() -> None:
    """A single object that is the whole of a draft publishes nothing: its header has no `Attribute`."""
    inner = {"type": "domain", "value": "a.example", "to_ids": True}
    header = {"info": "x", "published": False, "attribute_count": "1", "Object": [{"Attribute": [inner]}]}
    event = read_action(_body({"data": {"Event": header}})).events[0]
    assert (event.complete, event.counts_as_published) == (False, False)


def test_a_partial_view_of_an_unpublished_event_is_an_error() -> None:
    """Otherwise a publish would push nothing, and nobody would know."""
    sent = recording("action_event_publish_plain")
    sent["data"]["Event"]["attribute_count"] = "30"
    with pytest.raises(UsageError, match=r"29 of the 30"):
        read_action(_body(sent))


def test_one_event_that_is_none_costs_itself() -> None:
    """The other events of an export request are read, and it is named."""
    sent = recording("export_event_require_standard_format")
    sent["data"].append({"foo": 1})
    request = read_export(_body(sent))
    assert len(request.events) == 1
    assert len(request.refused) == 1


def test_a_generic_filter_leaves_only_what_it_let_through() -> None:
    """Behind a Filter node only `_AttributeFlattened` counts, with the objects' context from the unfiltered part."""
    sent = recording("action_event_publish_after_generic_filter")
    del sent["filteredItems"]
    event = read_action(_body(sent)).events[0]
    assert {a.type for a in event.attributes} == {"ip-dst", "sha256"}
    assert len(event.attributes) == 6
    assert event.complete
    assert next(a for a in event.attributes if a.value.startswith("c5f5")).object is not None


def test_a_filter_that_lets_nothing_through_pushes_nothing() -> None:
    """An empty list means none, not all."""
    sent = recording("action_event_publish_after_generic_filter")
    del sent["filteredItems"]
    sent["data"]["Event"]["_AttributeFlattened"] = []
    assert read_action(_body(sent)).events[0].attributes == ()


@pytest.mark.parametrize("name", [n for n in names("action_") if "filteredItems" in recording(n)])
def test_the_nodes_own_filter_is_refused(name: str) -> None:
    """`filteredItems` holds the whole event when nothing matches, so no request with it is trusted."""
    with pytest.raises(UsageError, match="Filter :: Generic"):
        read_action(_body(recording(name)))


@pytest.mark.parametrize("read", [read_export, read_action])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"data": []}', b'{"data": {"Event": 1}}', b'"x"'])
def test_anything_else_is_refused_with_a_sentence(read: Any, body: bytes) -> None:
    """A body that MISP would not send is a clear error."""
    with pytest.raises(UsageError, match=r"MISP|event"):
        read(body)


@pytest.mark.parametrize(("read", "name"), [(read_export, "export_event"), (read_action, "action_event_publish_plain")])
def test_proposals_come_through_no_door(read: Any, name: str) -> None:
    """Beside the attributes, in them, in objects: what nobody has accepted is not there."""
    plain = recording(name)
    read_before = read(_body(plain)).events[0].attributes

    def propose(part: Any) -> Any:
        if isinstance(part, list):
            return [propose(each) for each in part]
        if not isinstance(part, dict):
            return part
        proposed = {key: propose(value) for key, value in part.items()}
        if "Attribute" in part or "value" in part:
            proposed["ShadowAttribute"] = [{"type": "domain", "value": "proposed.example", "to_ids": True}]
        return proposed

    assert read(_body(propose(plain))).events[0].attributes == read_before


@pytest.mark.parametrize("read", [read_export, read_action, read_expansion, read_named])
@pytest.mark.parametrize(("told", "patience"), [(7, 7.0), (10**18, LONGEST_PATIENCE), (-1, None), ("never", None)])
def test_no_body_makes_us_wait_longer_than_clocks_can_count(
    read: Callable[[bytes], Any], told: object, patience: float | None
) -> None:
    """Waiting so long is an error of the system's, which would be told after what was asked for is done."""
    sent = {
        read_export: recording("export_event_require_standard_format"),
        read_action: recording("action_event_publish_plain"),
        read_expansion: recording("expansion_misp_standard_attribute"),
        read_named: recording("expansion_misp_standard_attribute"),
    }[read]
    request = read(_body(sent | {"timeout": told}))
    assert request.patience == (PATIENCE if patience is None else patience)
    assert request.patience <= threading.TIMEOUT_MAX
