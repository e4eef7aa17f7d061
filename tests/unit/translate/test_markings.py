"""What tags say: the strictest marking counts, an unknown one counts as none and is named, labels carry the rest."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from misp_modules_ext.model.misp import Pap, Tag, Tlp
from misp_modules_ext.translate import Marks
from misp_modules_ext.translate.markings import EventMarks


def _marks(event: Iterable[str | Tag], attribute: Iterable[str | Tag] = (), default: Tlp = Tlp.AMBER) -> Marks:
    """What an event's tags and an attribute's say together; tags may be names."""
    return EventMarks(_tags(event), default).of(_tags(attribute))


def _tags(given: Iterable[str | Tag]) -> tuple[Tag, ...]:
    return tuple(Tag(tag) if isinstance(tag, str) else tag for tag in given)


@pytest.mark.parametrize(
    ("tag", "tlp"),
    [
        ("tlp:white", Tlp.CLEAR),
        ("tlp:clear", Tlp.CLEAR),
        ("TLP:CLEAR", Tlp.CLEAR),
        ("tlp:green", Tlp.GREEN),
        ("Tlp:Amber", Tlp.AMBER),
        ("tlp:amber+strict", Tlp.AMBER_STRICT),
        ("TLP:AMBER+STRICT", Tlp.AMBER_STRICT),
        ("tlp:red", Tlp.RED),
        (" TLP: RED ", Tlp.RED),
        ('tlp:"red"', Tlp.RED),
        ('tlp="red"', Tlp.RED),
        ("TLP-RED", Tlp.RED),
        ("TLP RED", Tlp.RED),
        ("tlp_red", Tlp.RED),
        ("TLPRED", Tlp.RED),
        ("TLP.RED", Tlp.RED),
        ("[TLP:RED]", Tlp.RED),
        ("TLP\N{FULLWIDTH COLON}RED", Tlp.RED),
        ("tlp=red", Tlp.RED),
        ('tlp:level="red"', Tlp.RED),
        ("tlp:level=green", Tlp.GREEN),
        ('tlp:level="amber"', Tlp.AMBER),
        ("TLP_AMBER_STRICT", Tlp.AMBER_STRICT),
        ('tlp:amber="strict"', Tlp.AMBER_STRICT),
        ("tlp green", Tlp.GREEN),
    ],
)
def test_every_tlp_tag_is_read_in_any_case(tag: str, tlp: Tlp) -> None:
    """Whatever the default, a tag that we know counts."""
    for default in Tlp:
        assert _marks([tag], default=default).tlp is tlp
        assert _marks([], [tag], default=default).tlp is tlp


def test_the_strictest_tlp_of_event_and_attribute_counts() -> None:
    """A mild attribute in a strict event is strict, and the other way round."""
    assert _marks(["tlp:green"], ["tlp:red"]).tlp is Tlp.RED
    assert _marks(["tlp:amber+strict"], ["tlp:white"]).tlp is Tlp.AMBER_STRICT
    assert _marks(["tlp:clear", "tlp:green"]).tlp is Tlp.GREEN


def test_without_a_tlp_the_default_counts() -> None:
    """No tag never means clear."""
    assert _marks([]).tlp is Tlp.AMBER
    assert _marks(["type:OSINT", "nottlp:red"], default=Tlp.GREEN).tlp is Tlp.GREEN


@pytest.mark.parametrize(
    "tag",
    [
        "tlp:red (board only)",
        "TLP 2.0 RED",
        'tlp:red="green"',
        'tlp:green="red"',
        "tlp:ex:red",
        "TLP-Red-Board",
        'my-sector:tlp="red"',
        "old TLP:RED",
        "tlp:level=red=1",
    ],
)
def test_no_plausible_spelling_of_red_leaves(tag: str) -> None:
    """Also one that nobody has foreseen: what is said to be red somewhere in a marking is red."""
    assert _marks([tag], default=Tlp.CLEAR).tlp is Tlp.RED
    assert _marks(["tlp:clear"], [tag]).tlp is Tlp.RED


@pytest.mark.parametrize(
    "tag", ["nottlp:red", "formerly tlp:green", "tlp", "TLP working group", "pap smear", "red:tlp"]
)
def test_a_tag_that_only_looks_like_a_marking_is_none(tag: str) -> None:
    """It is a label, and no note."""
    marks = _marks([tag])
    assert (marks.tlp, marks.pap, marks.unknown, marks.labels) == (Tlp.AMBER, None, (), (tag,))


@pytest.mark.parametrize(
    ("tag", "pap"),
    [
        ("PAP:AMBER (x)", Pap.AMBER),
        ("PAP:GREEN or so", Pap.GREEN),
        ("PAP:RED!!", Pap.RED),
        ("pap_amber", Pap.AMBER),
        ('pap:level="amber"', Pap.AMBER),
        ("PAP:AMBER+STRICT", Pap.AMBER),
    ],
)
def test_a_pap_that_begins_like_one_is_at_least_that(tag: str, pap: Pap) -> None:
    """As with TLP: what goes on in another way is not milder for that."""
    assert _marks([tag]).pap is pap


@pytest.mark.parametrize("tag", ["tlp:rainbow", "tlp:ex:chr", "TLP:UNCLEAR", "tlp:"])
def test_an_unknown_tlp_counts_as_none_and_is_named(tag: str) -> None:
    """The default holds, unless a marking that we know stands beside it."""
    assert _marks([tag]).tlp is Tlp.AMBER
    assert _marks([tag], ["tlp:clear"]).tlp is Tlp.CLEAR
    assert _marks([tag], [tag, "tlp:red"]).unknown == (tag,)


@pytest.mark.parametrize(
    ("tag", "pap"),
    [
        ("PAP:WHITE", Pap.CLEAR),
        ("PAP:CLEAR", Pap.CLEAR),
        ("pap:green", Pap.GREEN),
        ("PAP:AMBER", Pap.AMBER),
        ("Pap:Red", Pap.RED),
    ],
)
def test_every_pap_tag_is_read_in_any_case(tag: str, pap: Pap) -> None:
    """Of event or attribute."""
    assert _marks([tag]).pap is pap
    assert _marks([], [tag]).pap is pap


def test_the_strictest_pap_counts_and_none_is_none() -> None:
    """No PAP tag is no statement; an unknown one neither, but it is named."""
    assert _marks(["PAP:GREEN"], ["PAP:RED"]).pap is Pap.RED
    assert _marks([]).pap is None
    assert _marks(["PAP:PURPLE"]).pap is None
    assert _marks(["PAP:PURPLE"]).unknown == ("PAP:PURPLE",)


def test_tlp_and_pap_are_not_confused() -> None:
    """`PAP:AMBER+STRICT` does not exist, and a PAP says nothing about the TLP."""
    assert _marks(["PAP:RED"], default=Tlp.GREEN).tlp is Tlp.GREEN
    assert _marks(["PAP:AMBER+STRICT"]).unknown == ("PAP:AMBER+STRICT",)


def test_labels_are_exportable_tags_that_are_neither_local_nor_ours_nor_tlp() -> None:
    """What must not leave MISP does not, and what we wrote ourselves never counts."""
    tags = (
        Tag("type:OSINT"),
        Tag("internal", exportable=False),
        Tag("my note", local=True),
        Tag('misp-microsoft:sent="soc"'),
        Tag("Microsoft:Push"),
        Tag('microsoft:push="sentinel"'),
        Tag("tlp:amber"),
    )
    marks = EventMarks(tags, Tlp.AMBER, ("configured", "")).of((Tag("type:OSINT"), Tag("two\nlines")))
    assert marks.labels == ("configured", "two lines", "type:OSINT")


def test_a_marking_that_is_local_or_not_exportable_still_binds() -> None:
    """Strictness does not depend on who may see the tag."""
    tags = [Tag("tlp:red", local=True), Tag("PAP:RED", exportable=False)]
    assert _marks(tags, default=Tlp.CLEAR).tlp is Tlp.RED
    assert _marks(tags).pap is Pap.RED
