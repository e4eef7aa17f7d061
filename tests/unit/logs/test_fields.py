"""Names of fields are those of the table, and what says nothing is left out."""

from __future__ import annotations

import logging

import pytest

from misp_modules_ext.logs import FIELDS, What, fields, fields_of


def test_a_field_that_the_documents_do_not_know_is_an_error() -> None:
    """So none appears by a slip of the pen."""
    with pytest.raises(KeyError):
        fields(What.SENT, destinaton="microsoft")


def test_empty_fields_are_left_out_and_zero_is_not() -> None:
    """A reader may take what is there for said."""
    record = logging.makeLogRecord(fields(What.SENT, destination="", next=None, count=0))
    assert fields_of(record) == {"what": "sent", "count": 0}
    assert fields_of(logging.makeLogRecord({})) == {}


def test_every_name_is_told_apart_and_explained() -> None:
    """In the words of `docs/logs.md`."""
    assert len({what.value for what in What}) == len(What)
    assert all(what.explanation for what in What)
    assert all(FIELDS.values())
