"""The rows of object templates against MISP's own definitions, as PyMISP brings them."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import pytest

from misp_modules_ext.translate.templates import TEMPLATES


@cache
def defined(name: str) -> dict[str, str]:
    """Relation -> MISP attribute type, of one template."""
    place = files("pymisp").joinpath("data", "misp-objects", "objects", name, "definition.json")
    attributes = json.loads(place.read_text("utf-8"))["attributes"]
    return {relation: rule["misp-attribute"] for relation, rule in attributes.items()}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_row_names_only_what_its_template_has(name: str) -> None:
    """A relation that is misspelt would never be found."""
    row = TEMPLATES[name]
    assert {*row.observables, *row.read_as, *row.facts, *row.silent} - {"*"} <= defined(name).keys()


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_relation_counts_or_has_a_reason_but_not_both(name: str) -> None:
    """What is read as another type counts too."""
    row = TEMPLATES[name]
    assert not row.observables & row.silent.keys()
    assert row.read_as.keys() <= row.observables
    assert not (row.observables and "*" in row.silent)


@pytest.mark.parametrize("name", TEMPLATES)
def test_facts_have_the_types_of_their_relations(name: str) -> None:
    """By the type, whoever tells a fact knows whether its value may be told."""
    for relation, fact in TEMPLATES[name].facts.items():
        type_ = defined(name)[relation]
        assert fact.type == ("" if type_ in ("text", "other") else type_)
