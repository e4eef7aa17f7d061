"""A temporary database on disk for what is too large for memory.

SQLite makes the file itself: readable by its owner alone, and without a name from the moment it is open, so that
nothing of it stays, whatever ends the process. It lies in the folder that TMPDIR names, else in /var/tmp; see `folder`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from misp_modules_ext.errors import MispError

#: Kilobytes of it that are kept in memory.
_CACHE = 8000
#: Keys in one query, which SQLite limits.
_KEYS = 500
#: Where SQLite makes its temporary files: in the first of these that it may write to (sqlite.org, "Temporary Files").
_VARIABLES = ("SQLITE_TMPDIR", "TMPDIR")
_FOLDERS = ("/var/tmp", "/usr/tmp", "/tmp", ".")  # noqa: S108 - SQLite's own list

Value = int | str | bytes | None


class Spool:
    """One such database. For one thread at a time.

    Raises:
        MispError: the file cannot be made, read or written; so do all methods.
    """

    def __init__(self) -> None:
        try:
            self._database = sqlite3.connect("", isolation_level=None)
        except sqlite3.Error as error:
            raise _failed(error) from error
        try:
            # Nothing of it outlives an error.
            for setting in ("journal_mode=OFF", "synchronous=OFF", "temp_store=FILE", f"cache_size=-{_CACHE}"):
                self.run(f"PRAGMA {setting}")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove it."""
        with suppress(sqlite3.Error):
            self._database.close()

    def run(self, statement: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Run one statement; gives its rows."""
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise _failed(error) from error

    def run_all(self, statement: str, rows: Iterable[Sequence[Value]]) -> int:
        """Run one statement for each row of values; gives how many rows it wrote."""
        try:
            return max(self._database.executemany(statement, rows).rowcount, 0)
        except sqlite3.Error as error:
            raise _failed(error) from error

    def rows_by(self, query: str, keys: Iterable[Value], *values: Value) -> list[tuple[Any, ...]]:
        """The rows of a query that ends with `IN` for any number of keys; `values` come before these."""
        found: list[tuple[Any, ...]] = []
        wanted = list(keys)
        for start in range(0, len(wanted), _KEYS):
            chunk = wanted[start : start + _KEYS]
            found += self.run(f"{query} ({','.join('?' * len(chunk))})", [*values, *chunk])
        return found


def folder() -> str:
    """Where the file lies."""
    named = filter(None, map(os.environ.get, _VARIABLES))
    usable = (place for place in (*named, *_FOLDERS) if Path(place).is_dir() and os.access(place, os.W_OK | os.X_OK))
    return next(usable, _FOLDERS[0])


def _failed(error: sqlite3.Error) -> MispError:
    return MispError(
        f"A large event needs a temporary file in {folder()}, which cannot be written: {error}. What to do: free space "
        "there, some 2 kB for each attribute, or name another folder with the environment variable TMPDIR."
    )
