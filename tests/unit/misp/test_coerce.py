"""MISP's spellings of numbers, flags and times."""

from __future__ import annotations

import pytest

from misp_modules_ext.misp import coerce


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, 7),
        ("7", 7),
        (" 7 ", 7),
        ("-3", -3),
        (True, 1),
        ("", None),
        ("x", None),
        (None, None),
        (1.5, None),
        (3.0, 3),
        (float("inf"), None),
        ("--1", None),
        ("٣", None),
        ("9" * 5000, None),
        (2**63 - 1, 2**63 - 1),
        (str(1 - 2**63), 1 - 2**63),
        (2**63, None),
        ("99999999999999999999", None),
        ("-9999999999999999999", None),
        (1e300, None),
    ],
)
def test_integer(value: object, expected: int | None) -> None:
    """Only what is an integer is one."""
    assert coerce.integer(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (1, True),
        ("1", True),
        ("True", True),
        (False, False),
        (0, False),
        ("0", False),
        ("false", False),
        ("", None),
        (None, None),
        ("maybe", None),
        (2, None),
        ([], None),
    ],
)
def test_flag(value: object, expected: bool | None) -> None:
    """An absent or unreadable flag is neither yes nor no."""
    assert coerce.flag(value) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_700_000_000, 1_700_000_000),
        ("1700000000", 1_700_000_000),
        ("1700000000000", 1_700_000_000),
        ("1700000000000000", 1_700_000_000),
        ("2023-11-14T22:13:20+00:00", 1_700_000_000),
        ("2023-11-14T22:13:20.123456Z", 1_700_000_000),
        ("2023-11-15T00:13:20.1+02:00", 1_700_000_000),
        ("2023-11-14T22:13:20", 1_700_000_000),
        ("2023-11-14", 1_699_920_000),
        (-5, 0),
        ("", None),
        ("soon", None),
        (None, None),
        ("0001-01-01T00:00:00+14:00", 0),
    ],
)
def test_seconds(value: object, expected: int | None) -> None:
    """Seconds, milliseconds, microseconds and ISO 8601 are the same moment; a time without a zone is UTC."""
    assert coerce.seconds(value) == expected


def test_identity_keeps_a_uuid_of_any_version() -> None:
    """Versions 1 and 5 are as good as 4 (misp2sentinel made random ids of them)."""
    for written in ("6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "886313e1-3b8a-5372-9b90-0c9aee199e5d"):
        assert coerce.identity(written) == written.lower()


def test_identity_survives_a_lone_surrogate() -> None:
    """A value that is no valid text still gets a stable identity."""
    assert coerce.identity("\ud800") == coerce.identity("\ud800")
