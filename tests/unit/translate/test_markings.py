"""What tags say: the strictest marking counts, an unknown one counts as none and is named, labels carry the rest."""

from __future__ import annotations

import pytest

from misp_modules_ext.model.misp import Pap, Tag, Tlp
from misp_modules_ext.translate import pap_of, tlp_of, unknown_markings
from misp_modules_ext.translate.markings import marks_of
from tests.support.build import attribute, event


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
    ],
)
def test_every_tlp_tag_is_read_in_any_case(tag: str, tlp: Tlp) -> None:
    """Whatever the default, a tag that we know counts."""
    for default in Tlp:
        assert tlp_of(event(tags=[tag]), attribute(), default) is tlp
        assert tlp_of(event(), attribute(tags=[tag]), default) is tlp


def test_the_strictest_tlp_of_event_and_attribute_counts() -> None:
    """A mild attribute in a strict event is strict, and the other way round."""
    assert tlp_of(event(tags=["tlp:green"]), attribute(tags=["tlp:red"]), Tlp.AMBER) is Tlp.RED
    assert tlp_of(event(tags=["tlp:amber+strict"]), attribute(tags=["tlp:white"]), Tlp.AMBER) is Tlp.AMBER_STRICT
    assert tlp_of(event(tags=["tlp:clear", "tlp:green"]), attribute(), Tlp.AMBER) is Tlp.GREEN


def test_without_a_tlp_the_default_counts() -> None:
    """No tag never means clear."""
    assert tlp_of(event(), attribute(), Tlp.AMBER) is Tlp.AMBER
    assert tlp_of(event(tags=["type:OSINT", "nottlp:red"]), attribute(), Tlp.GREEN) is Tlp.GREEN


@pytest.mark.parametrize("tag", ["tlp:rainbow", "tlp:ex:chr", "TLP:UNCLEAR", "tlp:"])
def test_an_unknown_tlp_counts_as_none_and_is_named(tag: str) -> None:
    """The default holds, unless a marking that we know stands beside it."""
    assert tlp_of(event(tags=[tag]), attribute(), Tlp.AMBER) is Tlp.AMBER
    assert tlp_of(event(tags=[tag]), attribute(tags=["tlp:clear"]), Tlp.AMBER) is Tlp.CLEAR
    assert unknown_markings(event(tags=[tag]), attribute(tags=[tag, "tlp:red"])) == (tag,)


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
    assert pap_of(event(tags=[tag]), attribute()) is pap
    assert pap_of(event(), attribute(tags=[tag])) is pap


def test_the_strictest_pap_counts_and_none_is_none() -> None:
    """No PAP tag is no statement; an unknown one neither, but it is named."""
    assert pap_of(event(tags=["PAP:GREEN"]), attribute(tags=["PAP:RED"])) is Pap.RED
    assert pap_of(event(), attribute()) is None
    assert pap_of(event(tags=["PAP:PURPLE"]), attribute()) is None
    assert unknown_markings(event(tags=["PAP:PURPLE"]), attribute()) == ("PAP:PURPLE",)


def test_tlp_and_pap_are_not_confused() -> None:
    """`PAP:AMBER+STRICT` does not exist, and a PAP says nothing about the TLP."""
    assert tlp_of(event(tags=["PAP:RED"]), attribute(), Tlp.GREEN) is Tlp.GREEN
    assert unknown_markings(event(tags=["PAP:AMBER+STRICT"]), attribute()) == ("PAP:AMBER+STRICT",)


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
    marks = marks_of(tags, (Tag("type:OSINT"), Tag("two\nlines")), ("configured", ""))
    assert marks.labels == ("configured", "two lines", "type:OSINT")


def test_a_marking_that_is_local_or_not_exportable_still_binds() -> None:
    """Strictness does not depend on who may see the tag."""
    tags = [Tag("tlp:red", local=True), Tag("PAP:RED", exportable=False)]
    assert tlp_of(event(tags=tags), attribute(), Tlp.CLEAR) is Tlp.RED
    assert pap_of(event(tags=tags), attribute()) is Pap.RED
