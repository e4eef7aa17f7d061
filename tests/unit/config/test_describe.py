"""MISP's attribute types."""

from __future__ import annotations

import importlib.util

import pytest

from misp_modules_ext.config import describe
from misp_modules_ext.config.findings import Invalid


def test_types_are_those_of_pymisp() -> None:
    """Simple and composite ones."""
    assert {"ip-dst", "filename|sha256", "domain|ip"} <= describe.attribute_types()


def test_an_unknown_type_gets_a_suggestion() -> None:
    """The nearest one."""
    with pytest.raises(Invalid) as caught:
        describe.attribute_type("ip_dst")
    assert caught.value.remedy == "Did you mean ip-dst?"


def test_without_pymisp_nothing_is_taken_on_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    """Types that cannot be checked are refused, with what to do."""
    describe.attribute_types.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Invalid, match="cannot be checked"):
        describe.attribute_type("ip-dst")
    monkeypatch.undo()
    describe.attribute_types.cache_clear()
