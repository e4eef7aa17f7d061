"""Events in MISP's shapes become records; what is wrong costs its own part alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.errors import UsageError
from misp_modules_ext.misp.parse import parse_event
from misp_modules_ext.model.misp import Event, Sharing, Tag
from tests.support.recordings import recording


def _names(event: Event) -> list[str]:
    return [tag.name for tag in event.tags]


def test_core_format_is_read_whole() -> None:
    """The recorded standard-format export yields all 24 attributes, objects' included, with their context."""
    event = parse_event(recording("export_event_require_standard_format")["data"][0])
    assert len(event.attributes) == event.attribute_count == 24
    assert event.complete
    assert event.uuid == "e8d1649e-c6e0-46a7-8fe4-b75cc91b8674"
    assert event.published is False
    assert event.threat_level == 2
    assert event.date == "2026-11-20"
    assert _names(event) == ["tlp:amber", "rhisac: vetted", 'misp-galaxy:threat-actor="APT29"']
    in_file_object = next(a for a in event.attributes if a.value.startswith("c5f5"))
    assert in_file_object.object is not None
    assert in_file_object.object.name == "file"
    assert ("filename", "updchk.dll") in in_file_object.object.siblings


def test_internal_format_says_the_same_as_core_format() -> None:
    """The same event without `require_standard_format` gives the same attributes, tags and creator."""
    internal = parse_event(recording("export_event")["data"][0])
    core = parse_event(recording("export_event_require_standard_format")["data"][0])
    assert internal.attributes == core.attributes
    assert internal.tags == core.tags
    assert internal.creator_uuid == core.creator_uuid
    assert internal.complete


def test_another_organisations_view_is_not_complete() -> None:
    """A view that hides an attribute is known as partial by the event's own count."""
    event = parse_event(recording("export_event_as_other_org_user")["data"][0])
    assert (len(event.attributes), event.attribute_count) == (27, 28)
    assert not event.complete


def test_deleted_attributes_do_not_count_towards_completeness() -> None:
    """Completeness compares non-deleted attributes with MISP's count of them."""
    attributes = [{"type": "domain", "value": "a.example"}, {"type": "domain", "value": "b.example", "deleted": "1"}]
    event = parse_event({"Event": {"info": "x", "attribute_count": 1, "Attribute": attributes}})
    assert event.complete
    assert [a.deleted for a in event.attributes] == [False, True]


def test_own_tags_of_a_workflow_attribute_leave_out_the_inherited_ones() -> None:
    """`_allTags` holds the event's tags too; only those not inherited are the attribute's own."""
    attribute = {
        "type": "domain",
        "value": "a.example",
        "_allTags": [{"name": "tlp:amber", "inherited": True}, {"name": "tlp:green", "inherited": False}],
    }
    event = parse_event({"Event": {"info": "x", "Attribute": [attribute]}})
    assert event.attributes[0].tags == (Tag("tlp:green"),)


def test_local_and_non_exportable_tags_are_told_apart() -> None:
    """Both kinds are read, since they close gates, and marked, since they are no labels."""
    tags = [{"name": "tlp:red", "exportable": False}, {"name": "microsoft:push", "local": 1}, {"name": "plain"}]
    event = parse_event({"Event": {"info": "x", "Tag": tags}})
    assert event.tags == (Tag("tlp:red", exportable=False), Tag("microsoft:push", local=True), Tag("plain"))


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ("text", "An attribute should be an object, this is a text."),
        ({"value": "x"}, "The attribute has no type."),
        ({"type": 7, "value": "x"}, "The attribute has no type."),
        ({"type": "domain"}, "The attribute has no value."),
        ({"type": "domain", "value": "  "}, "The attribute has no value."),
        ({"type": "domain", "value": ["a"]}, "The attribute's value is a list, not a text."),
    ],
)
def test_a_malformed_attribute_costs_itself_alone(raw: object, problem: str) -> None:
    """It becomes a record with its problem; its neighbours are read."""
    good = {"type": "domain", "value": "a.example"}
    event = parse_event({"Event": {"info": "x", "Attribute": [raw, good]}})
    assert [a.problem for a in event.attributes] == [problem, ""]


@pytest.mark.parametrize("name", ["Attribute", "Object"])
@pytest.mark.parametrize("value", ["oops", 7, ["oops"]])
def test_what_stands_in_place_of_a_list_is_accounted_for(name: str, value: object) -> None:
    """Where MISP has a list of objects and the source something else, that is one malformed attribute, not silence."""
    event = parse_event({"Event": {"info": "x", name: value}})
    assert [bool(a.problem) for a in event.attributes] == [True]


def test_missing_uuids_are_derived_and_stay_the_same() -> None:
    """Without UUIDs the same content gets the same ones at every reading, and the event says so."""
    raw = {"Event": {"info": "x", "date": "2026-01-01", "Attribute": [{"type": "domain", "value": "a.example"}]}}
    first, second = parse_event(raw), parse_event(raw)
    assert first == second
    assert first.notes
    other = parse_event({"Event": {**raw["Event"], "info": "y"}})
    assert other.uuid != first.uuid
    assert other.attributes[0].uuid != first.attributes[0].uuid


def test_attributes_keyed_by_index_are_read() -> None:
    """PHP writes a filtered list as an object keyed by index."""
    raw = {"Event": {"info": "x", "Attribute": {"3": {"type": "domain", "value": "a.example"}}}}
    assert [a.value for a in parse_event(raw).attributes] == ["a.example"]


def test_sharing_groups_are_read_by_uuid() -> None:
    """The number of a sharing group means nothing outside its MISP; its UUID does."""
    group = {
        "distribution": "4",
        "sharing_group_id": "7",
        "SharingGroup": {"uuid": "AAAAAAAA-0000-4000-8000-00000000000A"},
    }
    event = parse_event({"Event": {"info": "x", **group, "Attribute": [{"type": "domain", "value": "a", **group}]}})
    expected = Sharing(4, "aaaaaaaa-0000-4000-8000-00000000000a")
    assert event.sharing == expected
    assert event.attributes[0].sharing == expected


def test_warninglist_hits_are_read_by_name() -> None:
    """MISP attaches hits as `warnings`; without that key it was not asked."""
    hit = {"warninglist_id": "1", "warninglist_name": "List of RFC 1918 CIDR blocks", "value": "10.0.0.0/8"}
    attributes = [{"type": "ip-dst", "value": "10.0.0.1", "warnings": [hit]}, {"type": "ip-dst", "value": "192.0.2.1"}]
    event = parse_event({"Event": {"info": "x", "Attribute": attributes}})
    assert [a.warninglists for a in event.attributes] == [("List of RFC 1918 CIDR blocks",), None]


def test_peers_14_a_strictly_marked_sibling_is_no_context_for_the_others() -> None:
    """PEERS 14: a file name with a marking of its own does not travel in the description of the hash beside it."""
    inner = [
        {"type": "sha256", "value": "a" * 64, "object_relation": "sha256"},
        {"type": "filename", "value": "red.exe", "object_relation": "filename", "Tag": [{"name": "tlp:red"}]},
        {"type": "filename", "value": "own.exe", "object_relation": "filename", "distribution": "0"},
        {"type": "filename", "value": "gone.exe", "object_relation": "filename", "deleted": True},
        {"type": "filename", "value": "plain.exe", "object_relation": "filename", "distribution": "5"},
    ]
    event = parse_event({"Event": {"info": "x", "Object": [{"name": "file", "Attribute": inner}]}})
    holder = event.attributes[0].object
    assert holder is not None
    assert [value for _, value in holder.siblings] == ["plain.exe", "a" * 64]


@pytest.mark.parametrize(
    "tags",
    [
        {"Tag": [{"Tag": {"name": "tlp:red"}}]},
        {"Tag": [], "AttributeTag": [{"Tag": {"name": "tlp:red"}}], "EventTag": [{"Tag": {"name": "tlp:red"}}]},
        {"Tag": ["tlp:red"]},
        {"Tag": {"0": {"name": "tlp:red"}}},
    ],
)
@pytest.mark.parametrize("where", ["attribute", "event"])
def test_tags_are_found_wherever_they_stand(tags: dict[str, Any], where: str) -> None:
    """A marking that stands in an unusual place closes its gate all the same."""
    attribute = {"type": "domain", "value": "a.example"} | (tags if where == "attribute" else {})
    event = parse_event({"Event": {"info": "x", "Attribute": [attribute]} | (tags if where == "event" else {})})
    holder = event if where == "event" else event.attributes[0]
    assert [tag.name for tag in holder.tags] == ["tlp:red"]


#: One such number made the whole event unwritable for the ledger.
ABSURD = {"distribution": "99999999999999999999"}


@pytest.mark.parametrize(
    "wrong", [{"Tag": "tlp:red"}, {"Tag": [7]}, {"Tag": [{}]}, {"distribution": "0 ; own"}, ABSURD]
)
def test_what_might_close_a_gate_and_cannot_be_read_is_a_problem(wrong: dict[str, Any]) -> None:
    """Tags and distributions that cannot be read let nothing pass, at the attribute and at the event."""
    attribute = {"type": "domain", "value": "a.example"}
    assert parse_event({"Event": {"info": "x", "Attribute": [attribute | wrong]}}).attributes[0].problem
    assert parse_event({"Event": {"info": "x", "Attribute": [attribute]} | wrong}).problem


def test_an_object_whose_distribution_cannot_be_read_lets_nothing_of_it_pass() -> None:
    """Its attributes inherit from it, so it might be the narrowest; also behind a workflow's filter."""
    inner = {"type": "domain", "value": "a.example", "uuid": "aaaaaaaa-0000-4000-8000-00000000000a"}
    raw = {"Event": {"info": "x", "Object": [{"name": "file", "distribution": "0 ; own", "Attribute": [inner]}]}}
    assert parse_event(raw).attributes[0].problem
    assert parse_event(raw, only=[inner]).attributes[0].problem


def test_attributes_beside_and_in_the_header_are_all_read() -> None:
    """Whichever half of the two formats a source mixes, no attribute vanishes."""
    inside, beside = ({"type": "domain", "value": f"{name}.example"} for name in ("a", "b"))
    event = parse_event({"Event": {"info": "x", "Attribute": [inside]}, "Object": [{"Attribute": [beside]}]})
    assert [a.value for a in event.attributes] == ["a.example", "b.example"]


def test_a_filter_that_cannot_be_read_lets_nothing_through() -> None:
    """`_AttributeFlattened` that is no list is one malformed attribute."""
    event = parse_event({"Event": {"info": "x", "Attribute": [{"type": "domain", "value": "a"}]}}, only="oops")
    assert [bool(a.problem) for a in event.attributes] == [True]


def test_a_large_object_is_read_in_linear_space() -> None:
    """Each attribute of an object keeps its siblings, so only the first twenty different ones are kept."""
    inner = [{"type": "filename", "value": f"{n}.exe", "object_relation": "filename"} for n in range(1000)]
    event = parse_event({"Event": {"info": "x", "Object": [{"name": "file", "Attribute": inner}]}})
    assert event.attributes[0].object is event.attributes[-1].object
    assert event.attributes[0].object is not None
    assert len(event.attributes[0].object.siblings) == 20


@pytest.mark.parametrize("raw", [None, [], "x", 7, {}, {"Event": []}, {"response": []}, {"Event": {"foo": 1}}])
def test_what_is_no_event_is_refused(raw: object) -> None:
    """Something else than an event is an error, not an empty event."""
    with pytest.raises(UsageError):
        parse_event(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
KEYS = st.sampled_from(
    [
        "info",
        "uuid",
        "Attribute",
        "Object",
        "Tag",
        "Orgc",
        "timestamp",
        "published",
        "attribute_count",
        "type",
        "value",
        "to_ids",
        "deleted",
        "first_seen",
        "distribution",
        "SharingGroup",
        "warnings",
        "_allTags",
        "EventTag",
        "date",
    ]
)
MISP_LIKE = st.recursive(
    JSON, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=8), max_leaves=40
)


@given(MISP_LIKE)
def test_any_json_gives_an_event_or_a_clear_refusal(raw: Any) -> None:
    """Wrong JSON types anywhere never raise anything but UsageError."""
    try:
        event = parse_event({"Event": raw} if isinstance(raw, dict) else raw)
    except UsageError:
        return
    assert all(a.uuid for a in event.attributes)
    assert all(a.problem or (a.type and a.value) for a in event.attributes)


def _galaxy(**cluster: Any) -> list[dict[str, Any]]:
    return [{"type": "threat-actor", "GalaxyCluster": [{"type": "threat-actor", "value": "Sofacy", **cluster}]}]


@pytest.mark.parametrize(
    "cluster",
    [{"tag_name": 'misp-galaxy:threat-actor="Sofacy"'}, {}, {"default": True}, {"tag_name": ""}, {"local": False}],
)
def test_a_cluster_without_its_tag_is_read_as_that_tag(cluster: dict[str, Any]) -> None:
    """Of attribute and event, in both formats, once, and the same as where the tag stands."""
    wanted = (Tag('misp-galaxy:threat-actor="Sofacy"'),)
    galaxy = _galaxy(**cluster)
    core = parse_event({"Event": {"info": "x", "Galaxy": galaxy, "Attribute": [{**_PLAIN, "Galaxy": galaxy}]}})
    internal = parse_event({"Event": {"info": "x"}, "Galaxy": galaxy, "Attribute": [{**_PLAIN, "Galaxy": galaxy}]})
    tagged = parse_event({"Event": {"info": "x", "Galaxy": galaxy, "Tag": [{"name": wanted[0].name}]}})
    assert core.tags == internal.tags == tagged.tags == wanted
    assert core.attributes[0].tags == internal.attributes[0].tags == wanted


def test_a_cluster_is_as_local_as_it_says() -> None:
    """So that the name of a local one does not leave; the tag itself counts where it stands."""
    name = 'misp-galaxy:threat-actor="Sofacy"'
    (attribute,) = parse_event(
        {"info": "x", "Attribute": [{**_PLAIN, "Galaxy": _galaxy(tag_name=name, local=True)}]}
    ).attributes
    assert attribute.tags == (Tag(name, local=True),)
    both = {**_PLAIN, "Tag": [{"name": name, "exportable": False}], "Galaxy": _galaxy(tag_name=name)}
    assert parse_event({"info": "x", "Attribute": [both]}).attributes[0].tags == (Tag(name, exportable=False),)


def test_a_cluster_of_somebodys_own_is_not_named() -> None:
    """It may be for few; its tag has a UUID, which says nothing."""
    own = _galaxy(default=False, distribution="0")
    assert parse_event({"info": "x", "Attribute": [{**_PLAIN, "Galaxy": own}]}).attributes[0].tags == ()


@pytest.mark.parametrize("galaxy", [7, "x", [7], [{"GalaxyCluster": 7}], [{"GalaxyCluster": [{"tag_name": {}}]}], {}])
def test_a_cluster_that_cannot_be_read_closes_nothing(galaxy: object) -> None:
    """The attribute is good, and has the tags it shows."""
    (attribute,) = parse_event(
        {"info": "x", "Attribute": [{**_PLAIN, "Tag": [{"name": "a"}], "Galaxy": galaxy}]}
    ).attributes
    assert (attribute.problem, attribute.tags) == ("", (Tag("a"),))


def test_a_sibling_with_a_cluster_of_its_own_is_not_told() -> None:
    """As one with a tag of its own."""
    members = [{**_PLAIN, "object_relation": "domain"}, {**_PLAIN, "value": "b.example", "Galaxy": _galaxy()}]
    event = parse_event({"info": "x", "Object": [{"name": "domain-ip", "Attribute": members}]})
    assert event.attributes[0].object is not None
    assert event.attributes[0].object.siblings == (("domain", _PLAIN["value"]),)


def test_proposals_are_no_attributes() -> None:
    """Of the event, of an attribute, of an object: nobody has accepted them."""
    proposal = {**_PLAIN, "value": "proposed.example", "old_id": "1"}
    proposals = {"ShadowAttribute": [proposal]}
    members = [{**_PLAIN, "value": "b.example", **proposals}]
    core = {"info": "x", "Attribute": [{**_PLAIN, **proposals}], "Object": [{"Attribute": members, **proposals}]}
    for raw in ({"Event": {**core, **proposals}}, {"Event": {"info": "x"}, **core, **proposals}):
        event = parse_event(raw)
        assert [attribute.value for attribute in event.attributes] == [_PLAIN["value"], "b.example"]


def test_a_proposal_in_the_place_of_an_attribute_stays_behind() -> None:
    """A trigger on proposals may bring one there; it is accounted for."""
    (attribute,) = parse_event({"info": "x", "Attribute": [{**_PLAIN, "proposal_to_delete": False}]}).attributes
    assert attribute.problem == "It is a proposal, which nobody has accepted yet."


_PLAIN = {"type": "domain", "value": "evil.example", "to_ids": True}


_IN_OBJECT = {
    "uuid": "5f1c6a9e-3b0d-4c57-9f1e-2d8a7b6c5e41",
    "type": "email-dst",
    "value": "a@victim.example",
    "to_ids": True,
    "object_id": "7",
    "object_relation": "to",
}


def test_an_objects_attribute_without_its_object_cannot_be_judged() -> None:
    """As triggers of one attribute show it: here the object says that this is a victim, not an indicator."""
    event = parse_event({"info": "x", "Attribute": [_IN_OBJECT]})
    assert "object" in event.attributes[0].problem
    assert "our own reading" in event.attributes[0].problem
    whole = parse_event({"info": "x", "Object": [{"name": "email", "id": "7", "Attribute": [_IN_OBJECT]}]})
    assert whole.attributes[0].problem == ""


@pytest.mark.parametrize("outside", ["0", 0, "", None])
def test_an_attribute_of_no_object_needs_none(outside: object) -> None:
    """Whichever way MISP writes that."""
    assert parse_event({"info": "x", "Attribute": [{**_IN_OBJECT, "object_id": outside}]}).attributes[0].problem == ""


def test_a_deleted_attribute_needs_no_object() -> None:
    """It goes nowhere; that it is deleted is worth knowing."""
    (attribute,) = parse_event({"info": "x", "Attribute": [{**_IN_OBJECT, "deleted": True}]}).attributes
    assert (attribute.deleted, attribute.problem) == (True, "")


def test_behind_a_filter_the_object_is_looked_up() -> None:
    """A flattened attribute shows its object's id alone; the object stands in the whole event, or nowhere."""
    event = {"info": "x", "Object": [{"name": "email", "Attribute": [_IN_OBJECT]}]}
    (known,) = parse_event({"Event": event}, only=[_IN_OBJECT]).attributes
    assert known.object is not None
    assert (known.object.name, known.problem) == ("email", "")
    (unknown,) = parse_event({"Event": {"info": "x", "Attribute": []}}, only=[_IN_OBJECT]).attributes
    assert unknown.problem


def test_siblings_do_not_depend_on_their_order() -> None:
    """Which twenty are kept of many, and how they stand: a source shows them as it likes."""
    inner = [{"type": "filename", "value": f"{n:02}.exe", "object_relation": "filename"} for n in range(30)]
    forwards, backwards = (
        parse_event({"info": "x", "Object": [{"uuid": _IN_OBJECT["uuid"], "name": "file", "Attribute": order}]})
        for order in (inner, inner[::-1])
    )
    assert forwards.attributes[0].object == backwards.attributes[0].object


def test_attributes_with_one_uuid_are_told_apart() -> None:
    """Files exist where all have the same: only the first one counts, and the others are accounted for."""
    one = {"uuid": "5f1c6a9e-3b0d-4c57-9f1e-2d8a7b6c5e40", "type": "domain", "value": "a.example"}
    other = {**one, "value": "b.example"}
    attributes = parse_event({"Event": {"info": "x", "Attribute": [one, other, one]}}).attributes
    assert [bool(attribute.problem) for attribute in attributes] == [False, True, False]
    assert "same UUID" in attributes[1].problem
