"""What may be written: the values, column by column, looked at before a database sees them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import Column, Integer, LargeBinary, String

from misp_modules_ext.errors import LedgerError

_T = TypeVar("_T")

Value: TypeAlias = int | str | bytes | None
#: The values of one row.
Row: TypeAlias = Sequence[Value]
#: The values that many rows have in one column.
Values: TypeAlias = Sequence[Any]

#: Items of one list when nothing else is said.
CHUNK = 1000

_KINDS = ((Integer, int), (String, str), (LargeBinary, bytes))
_NONE = type(None)


def chunks(items: Iterable[_T], size: int = CHUNK) -> Iterator[list[_T]]:
    """Lists of at most `size` items."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def kind(column: Column[Any]) -> type[int] | type[str] | type[bytes]:
    """The type that the values of a column have.

    Raises:
        TypeError: dates, numbers with a point and the like are not written in bulk.
    """
    for sql, python in _KINDS:
        if isinstance(column.type, sql):
            return python
    raise TypeError(f"{column} is {column.type!r}: only integers, texts and bytes are written and read in bulk")


def by_column(columns: Sequence[Column[Any]], rows: Sequence[Row]) -> list[Values]:
    """The values of at least one row, column by column.

    Raises:
        TypeError: a row has too many or too few values, or a value is not of its column's type.
        LedgerError: a text holds what not every database can keep.
    """
    try:
        turned: list[Values] = list(zip(*rows, strict=True))
    except ValueError:
        turned = []
    if len(turned) != len(columns):
        raise TypeError(f"each row needs {len(columns)} values: {', '.join(map(str, columns))}")
    for column, values in zip(columns, turned, strict=True):
        check(column, values)
    return turned


def check(column: Column[Any], values: Values) -> None:
    """Look at the values of one column.

    Raises:
        TypeError: a value is neither None nor exactly of the column's type. A bool or an enumeration's member is none.
        LedgerError: a text holds what not every database can keep.
    """
    wanted = kind(column)
    found = set(map(type, values))
    if not found <= {wanted, _NONE}:
        others = ", ".join(sorted(t.__name__ for t in found - {wanted, _NONE}))
        raise TypeError(f"{column} takes {wanted.__name__} or None, not {others}")
    if wanted is str:
        _check_text(column, "".join(filter(None, values)))


def check_keys(column: Column[Any], keys: Values) -> None:
    """Look at values of a column that are searched for: none of them is None.

    Raises:
        TypeError, LedgerError: as for those that are written.
    """
    check(column, keys)
    if None in keys:
        raise TypeError(f"nothing is found by {column} None")


def _check_text(column: Column[Any], text: str) -> None:
    # PostgreSQL keeps no U+0000 in a text, and none of them half of a surrogate pair.
    try:
        text.encode()
        clean = "\0" not in text
    except UnicodeEncodeError:
        clean = False
    if not clean:
        raise LedgerError(
            f"A text for {column} holds U+0000 or half of a surrogate pair, which databases cannot keep. Nothing was "
            "kept. Correct the value in MISP; such values should have been refused earlier, so please report this."
        )
