"""What may be asked of MISP's search: nothing that MISP would pass over."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from pymisp import PyMISP

from misp_modules_ext.errors import UsageError
from misp_modules_ext.misp.filters import _ALSO, _KEYS, _REFUSED, Query, query

NOW = 1_795_521_600
DAY = 86_400
UUID = "5E1A2B3C-0000-4000-8000-00000000abcd"


def _query(*written: str, level: Any = None) -> Query:
    return query(written, level, NOW)


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("tag=tlp:green", {"tags": ["tlp:green"]}),
        ("tags = !tlp:red ", {"tags": ["!tlp:red"]}),
        ("tag=a=b", {"tags": ["a=b"]}),
        ("eventinfo=%ransom%", {"eventinfo": ["%ransom%"]}),
        ("last=7d", {"publish_timestamp": NOW - 7 * DAY}),
        ("last=24 hours", {"publish_timestamp": NOW - DAY}),
        ("timestamp=2026-11-01", {"timestamp": 1_793_491_200}),
        ("event_timestamp=1793491200", {"event_timestamp": 1_793_491_200}),
        ("from=2026-11-01", {"date_from": "2026-11-01"}),
        ("date_to=1d", {"date_to": "2026-11-23"}),
        ("published=true", {"published": 1}),
        ("published=0", {"published": 0}),
        ("eventid=17", {"eventid": ["17"]}),
        (f"eventid=!{UUID}", {"eventid": [f"!{UUID.lower()}"]}),
        (f"uuid={UUID}", {"uuid": [UUID.lower()]}),
        ("org=Members", {"org": ["Members"]}),
        ("sharinggroup=3", {"sharinggroup": ["3"]}),
        ("searchall=%evil%", {"searchall": "%evil%"}),
        ("event_tags=tlp:green", {"event_tags": ["tlp:green"]}),
    ],
)
def test_what_finds_events(written: str, sent: dict[str, Any]) -> None:
    """Lists are lists, since MISP reads a single `0` as none; times are moments, since MISP understands few words."""
    assert _query(written) == Query("events", "event", sent)


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("type=ip-dst", {"type_attribute": ["ip-dst"]}),
        ("type_attribute=ip-dst", {"type_attribute": ["ip-dst"]}),
        ("value=0", {"value": ["0"]}),
        ("category=Network activity", {"category": ["Network activity"]}),
        ("to_ids=no", {"to_ids": 0}),
    ],
)
def test_what_finds_attributes(written: str, sent: dict[str, Any]) -> None:
    """Facts of attributes are asked of MISP's search of attributes, whatever is taken of what it finds.

    Where events are searched, MISP passes over types when `MISP.attribute_filters_block_only` is set.
    """
    assert _query(written) == Query("attributes", "attribute", sent)
    assert _query(written, level="event") == Query("attributes", "event", sent)


def test_one_key_twice_is_either_and_two_are_both() -> None:
    """A time twice is from one to the other."""
    found = _query("type=ip-dst", "type=ip-src", "tag=a", "timestamp=14d", "timestamp=7d")
    assert found.arguments == {
        "type_attribute": ["ip-dst", "ip-src"],
        "tags": ["a"],
        "timestamp": [NOW - 14 * DAY, NOW - 7 * DAY],
    }


def test_attributes_may_be_meant_without_a_fact_of_theirs() -> None:
    """Those that carry the tag."""
    assert _query("tag=a", level="attribute") == Query("attributes", "attribute", {"tags": ["a"]})


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("tga=x", "Is `tag` meant"),
        ("eventinfos=x", "Is `eventinfo` meant"),
        ("zzz=x", "find everything. It knows category"),
        ("tag", "KEY=VALUE"),
        ("tag=", "no value"),
        ("tag=!", "no value"),
        ("value=%%", "no value"),
        ("last=soon", "is no time"),
        ("last=7", "is no time"),
        ("last=!7d", "is no time"),
        ("from=30", "is no time"),
        ("published=maybe", "neither true nor false"),
        ("to_ids=2", "neither true nor false"),
        ("eventid=all", "is no number"),
        ("eventid=0", "is no number"),
        ("uuid=17", "is no UUID"),
        ("returnFormat=csv", "MISP's JSON"),
        ("limit=5", "page by page"),
        ("page=2", "page by page"),
        ("deleted=1", "deleted"),
        ("metadata=1", "not what it finds"),
        ("includeContext=1", "not what it finds"),
        ("quick_filter=x", "searchall"),
        ("object_name=file", "find everything"),
        ("enforce_warninglist=1", "[selection]"),
    ],
)
def test_what_misp_would_pass_over_is_an_error(written: str, words: str) -> None:
    """With the reason, or with what is meant."""
    with pytest.raises(UsageError) as refused:
        _query(written)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("written", "level", "words"),
    [
        (("searchall=x", "last=7d"), None, "alone"),
        (("searchall=x",), "attribute", "Use `value`"),
        (("event_tags=a", "type=ip-dst"), None, "beside type_attribute"),
        (("event_tags=a",), "attribute", "Use `tags`"),
        (("tags=a", "event_tags=b"), None, "not look at the other"),
        (("published=1", "published=0"), None, "given once"),
        (("last=1d", "last=2d", "publish_timestamp=3d"), None, "twice, from and to"),
    ],
)
def test_what_misp_would_pass_over_beside_another_is_an_error(written: tuple[str, ...], level: Any, words: str) -> None:
    """MISP takes no notice of it, and would find too much."""
    with pytest.raises(UsageError) as refused:
        _query(*written, level=level)
    assert words in str(refused.value)


def test_pymisp_knows_each_filter_and_each_of_its_own_has_an_answer() -> None:
    """None of its parameters is taken for unknown: it is a filter, or there is a reason why not."""
    parameters = set(inspect.signature(PyMISP.search).parameters) - {"self", "controller", "kwargs"}
    assert set(_KEYS) <= parameters
    answered = {*_KEYS, *_ALSO, *_REFUSED}
    left = {name for name in parameters if name.lower() not in answered and not name.startswith("include")}
    assert left == set()
