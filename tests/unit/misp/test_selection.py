"""Each gate of [selection], alone: what opens it, what closes it, and that a missing fact closes it."""

from __future__ import annotations

from typing import Any

import pytest

from misp_modules_ext.config.settings import Selection
from misp_modules_ext.misp.selection import Gates, carries, exists, picks
from misp_modules_ext.model.misp import Attribute, Event, ObjectContext, Pap, Sharing, Tag, Tlp
from misp_modules_ext.model.outcome import Reason
from tests.support.build import attribute, event

GROUP = "aaaaaaaa-0000-4000-8000-00000000000a"
ORG = "bbbbbbbb-0000-4000-8000-00000000000b"


def _reason(
    attribute_: Attribute | None = None,
    event_: Event | None = None,
    rule: Selection | None = None,
    tlp: Tlp = Tlp.AMBER,
    pap: Pap | None = None,
    some_picked: bool = False,
) -> Reason | None:
    chosen = attribute_ or attribute()
    gates = Gates(event_ or event(chosen), rule or Selection(), some_picked)
    closed = gates.first_closed(chosen, gates.of_tags(chosen.tags, tlp, pap))
    return closed.reason if closed else None


def test_an_ordinary_attribute_goes() -> None:
    """Published, to_ids on, amber: nothing holds it back."""
    assert _reason() is None


@pytest.mark.parametrize(("to_ids", "reason"), [(True, None), (False, Reason.TO_IDS_OFF), (None, Reason.TO_IDS_OFF)])
def test_to_ids(to_ids: bool | None, reason: Reason | None) -> None:
    """Off or not said closes the gate."""
    assert _reason(attribute(to_ids=to_ids)) is reason


def test_to_ids_can_be_waived() -> None:
    """`toIds = false` sends everything of a matching type."""
    assert _reason(attribute(to_ids=False), rule=Selection(to_ids=False)) is None


@pytest.mark.parametrize(
    ("published", "reason"), [(True, None), (False, Reason.UNPUBLISHED), (None, Reason.UNPUBLISHED)]
)
def test_published(published: bool | None, reason: Reason | None) -> None:
    """An event that is not published, or does not say so, adds nothing."""
    assert _reason(event_=event(attribute(), published=published)) is reason
    assert _reason(event_=event(attribute(), published=published), rule=Selection(published=False)) is None


def test_types() -> None:
    """Only the named types go, when types are named."""
    rule = Selection(types=frozenset({"domain"}))
    assert _reason(attribute("domain"), rule=rule) is None
    assert _reason(attribute("url"), rule=rule) is Reason.TYPE_NOT_SELECTED


@pytest.mark.parametrize("where", ["attribute", "event"])
def test_tags(where: str) -> None:
    """A required tag may stand at attribute or event, in any case; an excluded one may stand at neither."""
    tagged = attribute(tags=["RHISAC: Vetted"] if where == "attribute" else [])
    holder = event(tagged, tags=["RHISAC: Vetted"] if where == "event" else [])
    asked = frozenset({"rhisac: vetted"})
    assert _reason(tagged, holder, Selection(tags=asked)) is None
    assert _reason(rule=Selection(tags=asked)) is Reason.TAG_MISSING
    assert _reason(tagged, holder, Selection(exclude_tags=asked)) is Reason.TAG_EXCLUDED
    assert _reason(rule=Selection(exclude_tags=asked)) is None


@pytest.mark.parametrize(
    ("tag", "picked"),
    [("microsoft:push", True), ('Microsoft:Push="sentinel"', True), ("microsoft:pushed", False), ("tlp:amber", False)],
)
def test_the_pick_tag_with_and_without_a_value(tag: str, picked: bool) -> None:
    """`microsoft:push` and `microsoft:push="…"` pick; a longer word does not."""
    assert carries([Tag(tag)], "microsoft:push") is picked


def test_picking_needs_an_attribute_of_its_own() -> None:
    """The event's tag picks nothing; a deleted attribute's neither."""
    assert picks(event(attribute(tags=["microsoft:push"])), "microsoft:push")
    assert not picks(event(attribute(), tags=["microsoft:push"]), "microsoft:push")
    assert picks(event(attribute(), kept_out=(attribute(tags=["microsoft:push"]),)), "microsoft:push")
    assert not picks(event(attribute(tags=["microsoft:push"], deleted=True)), "microsoft:push")
    assert _reason(some_picked=True) is Reason.NOT_PICKED
    assert _reason(attribute(tags=["microsoft:push"]), some_picked=True) is None


@pytest.mark.parametrize("limit", list(Tlp))
@pytest.mark.parametrize("marked", list(Tlp))
def test_tlp(marked: Tlp, limit: Tlp) -> None:
    """At most the configured step goes; amber+strict is stricter than amber, red strictest."""
    assert _reason(tlp=marked, rule=Selection(max_tlp=limit)) is (None if marked <= limit else Reason.TLP)


def test_red_never_goes_by_default() -> None:
    """`tlp:red` and `PAP:RED` need the destination's word."""
    assert _reason(tlp=Tlp.RED) is Reason.TLP
    assert _reason(pap=Pap.RED) is Reason.PAP
    assert _reason(pap=Pap.AMBER) is None


@pytest.mark.parametrize(
    ("event_level", "inner", "least", "open_"),
    [
        (3, 5, 3, True),
        (3, None, 3, True),
        (3, 0, 1, False),
        (1, 3, 2, False),
        (2, 5, 2, True),
        (4, 5, 1, False),
        (None, 5, 1, False),
        (None, 3, 1, False),
        (0, 0, 0, True),
        (None, None, 0, True),
        (9, 5, 1, False),
    ],
)
def test_distribution(event_level: int | None, inner: int | None, least: int, open_: bool) -> None:
    """The strictest level counts, 5 inherits, 4 is no step of the scale, unknown is closed."""
    chosen = attribute(sharing=Sharing(inner))
    holder = event(chosen, sharing=Sharing(event_level))
    assert _reason(chosen, holder, Selection(min_distribution=least)) is (None if open_ else Reason.DISTRIBUTION)


def test_the_objects_distribution_counts() -> None:
    """An attribute that inherits from a narrow object is as narrow as the object."""
    chosen = attribute(sharing=Sharing(5), object=ObjectContext("u", "file", sharing=Sharing(0)))
    assert _reason(chosen, event(chosen, sharing=Sharing(3)), Selection(min_distribution=1)) is Reason.DISTRIBUTION


@pytest.mark.parametrize(
    ("sharing", "reason"),
    [
        (Sharing(4, GROUP), None),
        (Sharing(4, ORG), Reason.SHARING_GROUP),
        (Sharing(4, None), Reason.SHARING_GROUP),
        (Sharing(None), Reason.SHARING_GROUP),
        (Sharing(3), None),
    ],
)
def test_sharing_groups(sharing: Sharing, reason: Reason | None) -> None:
    """Groups are named by UUID; an unnamed group or an unknown distribution is closed."""
    rule = Selection(sharing_groups=frozenset({GROUP}))
    assert _reason(event_=event(attribute(), sharing=sharing), rule=rule) is reason


def test_a_named_sharing_group_satisfies_the_distribution() -> None:
    """`sharingGroups` and `minDistribution` together: a named group goes, others do not."""
    rule = Selection(sharing_groups=frozenset({GROUP}), min_distribution=2)
    assert _reason(event_=event(attribute(), sharing=Sharing(4, GROUP)), rule=rule) is None
    assert _reason(event_=event(attribute(), sharing=Sharing(4, ORG)), rule=rule) is Reason.DISTRIBUTION


def test_organisations() -> None:
    """By UUID; an event that does not say its creator is closed as soon as organisations matter."""
    ours, theirs, unknown = (event(attribute(), creator_uuid=uuid) for uuid in (ORG, GROUP, None))
    only = Selection(orgs=frozenset({ORG}))
    not_ours = Selection(exclude_orgs=frozenset({ORG}))
    assert [_reason(event_=e, rule=only) for e in (ours, theirs, unknown)] == [None, *[Reason.ORGANISATION] * 2]
    assert [_reason(event_=e, rule=not_ours) for e in (ours, theirs, unknown)] == [
        Reason.ORGANISATION,
        None,
        Reason.ORGANISATION,
    ]
    assert _reason(event_=unknown) is None


def test_only_named_warninglists_refuse() -> None:
    """A hit on another list does not hold the attribute back."""
    rule = Selection(warninglists=frozenset({"List of RFC 1918 CIDR blocks"}))
    assert _reason(attribute(warninglists=("List of RFC 1918 CIDR blocks",)), rule=rule) is Reason.WARNINGLIST
    assert _reason(attribute(warninglists=("Top 1000 website from Alexa",)), rule=rule) is None
    assert _reason(attribute(warninglists=None), rule=rule) is None


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, None),
        ({"problem": "The attribute has no type."}, Reason.MALFORMED),
        ({"deleted": True}, Reason.DELETED),
        ({"object": ObjectContext("u", "file", deleted=True)}, Reason.DELETED),
        ({"object": ObjectContext("u", "file")}, None),
    ],
)
def test_what_exists(fields: dict[str, Any], reason: Reason | None) -> None:
    """Deleted attributes, attributes of deleted objects and unreadable ones are settled before anything else."""
    chosen = attribute(**fields)
    closed = exists(event(chosen), chosen)
    assert (closed.reason if closed else None) is reason


_ORDER = [
    Reason.TO_IDS_OFF,
    Reason.UNPUBLISHED,
    Reason.TYPE_NOT_SELECTED,
    Reason.TAG_MISSING,
    Reason.TAG_EXCLUDED,
    Reason.NOT_PICKED,
    Reason.TLP,
    Reason.PAP,
    Reason.DISTRIBUTION,
    Reason.ORGANISATION,
    Reason.WARNINGLIST,
]


@pytest.mark.parametrize("opened", range(len(_ORDER) + 1))
def test_of_several_closed_gates_the_first_gives_the_reason(opened: int) -> None:
    """In one order, whether a gate is asked for the event, for a set of tags or for each attribute."""
    open_ = set(_ORDER[:opened])
    rule = Selection(
        types=frozenset({"url"}),
        tags=frozenset({"wanted"}),
        exclude_tags=frozenset({"unwanted"}),
        min_distribution=1,
        orgs=frozenset({ORG}),
        warninglists=frozenset({"a list"}),
    )
    tags = {"wanted": Reason.TAG_MISSING in open_, "unwanted": Reason.TAG_EXCLUDED not in open_}
    tags["microsoft:push"] = Reason.NOT_PICKED in open_
    chosen = attribute(
        "url" if Reason.TYPE_NOT_SELECTED in open_ else "domain",
        to_ids=Reason.TO_IDS_OFF in open_,
        tags=[tag for tag, there in tags.items() if there],
        warninglists=() if Reason.WARNINGLIST in open_ else ("a list",),
    )
    holder = event(
        chosen,
        published=Reason.UNPUBLISHED in open_,
        sharing=Sharing(3 if Reason.DISTRIBUTION in open_ else 0),
        creator_uuid=ORG if Reason.ORGANISATION in open_ else GROUP,
    )
    tlp = Tlp.AMBER if Reason.TLP in open_ else Tlp.RED
    pap = Pap.AMBER if Reason.PAP in open_ else Pap.RED
    expected = _ORDER[opened] if opened < len(_ORDER) else None
    assert _reason(chosen, holder, rule, tlp=tlp, pap=pap, some_picked=True) is expected
