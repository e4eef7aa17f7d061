"""What a call from misp-modules holds (contracts: misp.md 2.1 and 2.6, misp-seen.md 4 for expansion modules)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from misp_modules_ext.errors import UsageError
from misp_modules_ext.misp.coerce import integer, text, uuid_or_none
from misp_modules_ext.misp.decode import decode
from misp_modules_ext.misp.parse import parse_event, parse_events
from misp_modules_ext.model.misp import Event

#: A call as misp-modules hands it over: its body, or what it has made of that.
Body: TypeAlias = bytes | str | dict[str, Any]

#: MISP gives up after this many seconds unless an administrator set `Plugin.Export_timeout` or `…Action_timeout`.
PATIENCE = 10.0
#: The same for a hover (`Plugin.Enrichment_hover_timeout`).
HOVER_PATIENCE = 5.0
#: Longer than anybody waits; what is far beyond, no clock of the system's takes as a time to wait.
LONGEST_PATIENCE = 3600.0


@dataclass(frozen=True, slots=True)
class ModuleRequest:
    """A call of one of our modules.

    Attributes:
        events: what was sent, in order.
        options: the module's settings or parameters that are not empty, by name in lower case.
        patience: seconds until MISP gives up.
        refused: a sentence for each entry that is no event.
    """

    events: tuple[Event, ...]
    options: Mapping[str, str]
    patience: float = PATIENCE
    refused: tuple[str, ...] = ()

    @property
    def attributes(self) -> int:
        """How many attributes were sent."""
        return sum(len(event.kept_out or event.attributes) for event in self.events)


def read_export(body: Body) -> ModuleRequest:
    """Read the call of an export module: `{"module", "config", "data": [event], "timeout"?}`.

    Raises:
        UsageError: the body is no such call.
    """
    request = _decode(body)
    data = request.get("data")
    if not isinstance(data, list) or not data:
        raise UsageError("The request holds no event: `data` should be a list with one event. Was this sent by MISP?")
    events, refused = parse_events(data, "the request")
    if not events:
        raise UsageError(refused[0])
    return ModuleRequest(tuple(events), _options(request.get("config")), _patience(request), tuple(refused))


def read_action(body: Body) -> ModuleRequest:
    """Read the call of an action module: `{"module", "data": {"Event": …}, "params"}`.

    A whole event counts as published, because MISP runs a publish workflow before it sets the flag. The triggers that
    bring a single attribute or object send a header with only one of `Attribute` and `Object` (seen on MISP 2.5.1 for
    attributes); they go by the event's own flag.

    Raises:
        UsageError: the body is no such call, or the node in the workflow filters in a way that cannot be trusted.
    """
    request = _decode(body)
    if "filteredItems" in request:
        raise UsageError(
            "The request holds filteredItems. A module's own filter sends the whole event when nothing matches, so it "
            'cannot be trusted: remove the filter from this node and put a "Filter :: Generic" node before it, or '
            "use the pick tag."
        )
    data = request.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("Event"), dict):
        raise UsageError("The request holds no event: `data.Event` is missing. Use a trigger that carries an event.")
    only = data["Event"].get("_AttributeFlattened", []) if data.get("enabledFilters") else None
    event = parse_event({"Event": data["Event"]}, only=only)
    trigger_of_events = "Attribute" in data["Event"] and "Object" in data["Event"]
    whole = event.complete and trigger_of_events
    if trigger_of_events and not whole and event.published is not True:
        shown = len([a for a in (event.kept_out or event.attributes) if not a.deleted])
        raise UsageError(
            f"The event is not published, and the workflow brings {shown} of the {_counted(event)} attributes "
            "that MISP counts, so it is not known what would be published. Nothing was sent. Publish the event "
            "again; if this stays, correct its attribute count in MISP."
        )
    event = replace(event, complete=whole, counts_as_published=whole or event.published is True)
    return ModuleRequest((event,), _options(request.get("params")), _patience(request))


@dataclass(frozen=True, slots=True)
class ExpansionRequest:
    """A call of an expansion module, about one attribute or one object.

    Attributes:
        event: holds the attributes that the call shows, and nothing else that can be relied on: MISP sends no tags, and
            of the event no more than a number of its own.
        event_id: that number, `""` where the call does not say it.
        hover: somebody points at the value: MISP waits half as long, and shows what is answered to whoever it is.
        options: the module's settings that are not empty, by name in lower case.
        patience: seconds until MISP gives up.
    """

    event: Event
    event_id: str
    hover: bool
    options: Mapping[str, str]
    patience: float


def read_expansion(body: Body) -> ExpansionRequest:
    """Read the call of an expansion module: `{"module", "config", "attribute" or "object", "event_id"?, "timeout"?}`.

    A hover has no `event_id` beside the attribute (seen on MISP 2.5.1). A call that does not say is taken for one: it
    is shown less, and answered sooner.

    Raises:
        UsageError: the body is no such call.
    """
    request = _decode(body)
    attribute, object_ = request.get("attribute"), request.get("object")
    shown: dict[str, Any]
    if isinstance(attribute, dict):
        shown = {"Attribute": [attribute]}
    elif isinstance(object_, dict):
        shown = {"Object": [object_]}
    else:
        raise UsageError("The request holds neither an attribute nor an object. Was this sent by MISP?")
    event_id = text(request.get("event_id"))
    hover = not event_id
    patience = _patience(request, HOVER_PATIENCE if hover else PATIENCE)
    return ExpansionRequest(parse_event({"Event": shown}), event_id, hover, _options(request.get("config")), patience)


def _counted(event: Event) -> str:
    return "unknown number of" if event.attribute_count is None else str(event.attribute_count)


def _decode(body: Body) -> dict[str, Any]:
    try:
        request = body if isinstance(body, dict) else decode(body)
    except ValueError as error:
        raise UsageError(f"The request is no JSON ({error}). Was this sent by MISP?") from error
    if not isinstance(request, dict):
        raise UsageError("The request is JSON, but no object. Was this sent by MISP?")
    return request


def _options(value: object) -> dict[str, str]:
    """Untouched fields arrive as `""` (actions) or null (exports) and mean: use the default."""
    if not isinstance(value, dict):
        return {}
    read = {str(name).lower(): text(entry).strip() for name, entry in value.items()}
    return {name: entry for name, entry in read.items() if entry}


def _patience(request: Mapping[str, Any], otherwise: float = PATIENCE) -> float:
    seconds = integer(request.get("timeout"))
    return min(float(seconds), LONGEST_PATIENCE) if seconds is not None and seconds > 0 else otherwise


@dataclass(frozen=True, slots=True)
class Named:
    """What the call of an expansion module names. What it says of that is not looked at: only MISP's own answer counts.

    Attributes:
        event: MISP's number of the event.
        uuid: of the attribute or the object, lower case.
        is_object: it is an object, with all its attributes.
        one_of_many: "Enrich Event" calls once for each attribute, and adds whatever is answered to the event.
        options: the module's settings that are not empty, by name in lower case.
        patience: seconds until MISP gives up.
    """

    event: str
    uuid: str
    is_object: bool
    one_of_many: bool
    options: Mapping[str, str]
    patience: float


def read_named(body: Body) -> Named:
    """Read the call of an expansion module: `{"module", "attribute" or "object", "event_id", "config", "timeout"?}`.

    Raises:
        UsageError: the body is no such call.
    """
    request = _decode(body)
    is_object = "attribute" not in request
    shown = request.get("object" if is_object else "attribute")
    if not isinstance(shown, dict):
        raise UsageError("The request holds neither an attribute nor an object. Was this sent by MISP?")
    uuid = uuid_or_none(shown.get("uuid"))
    event = text(request.get("event_id") or shown.get("event_id"))
    if uuid is None or not event:
        raise UsageError("The request does not say which event and which attribute it means. Was this sent by MISP?")
    # Seen on MISP 2.5.1: beside a whole attribute its UUID stands there for "Enrich Event" only.
    many = not is_object and "attribute_uuid" in request
    return Named(event, uuid, is_object, many, _options(request.get("config")), _patience(request))
