"""Building the index: one SQLite file, made beside the old one and put in its place when it is whole.

One list after the other is read, and SQLite sorts, in files: memory holds one list at a time.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import orjson

from misp_modules_ext.errors import TO_DO, WarninglistError
from misp_modules_ext.warninglists import package
from misp_modules_ext.warninglists.index import FORMAT, Facts, Index, host_of_entry
from misp_modules_ext.warninglists.package import CIDR, HOSTNAME, STRING, Package, Warninglist
from misp_modules_ext.warninglists.patterns import expression
from misp_modules_ext.warninglists.ranges import Range, read_range, steps

#: Told of each list: its name, its number, how many there are.
Watch = Callable[[str, int, int], None]

_DRAFTS = ".warninglists-"
_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE list (id INTEGER PRIMARY KEY, name TEXT NOT NULL, match TEXT NOT NULL, types TEXT NOT NULL,
                   entries INTEGER NOT NULL);
CREATE TABLE string (value TEXT PRIMARY KEY, lists TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE host (value TEXT PRIMARY KEY, lists TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE step (first BLOB PRIMARY KEY, lists TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE pattern (list INTEGER NOT NULL, value TEXT NOT NULL, PRIMARY KEY (list, value)) WITHOUT ROWID;
CREATE TABLE staging.string (value TEXT NOT NULL, list INTEGER NOT NULL);
CREATE TABLE staging.host (value TEXT NOT NULL, list INTEGER NOT NULL);
"""
#: Rows of one value become one, so that a look finds all its lists.
_GATHER = """
INSERT INTO main.{table} (value, lists)
SELECT value, group_concat(list) FROM (SELECT DISTINCT value, list FROM staging.{table} ORDER BY value, list)
GROUP BY value ORDER BY value
"""


def build(found: Package, path: Path, watch: Watch = lambda *_: None, *, force: bool = False) -> tuple[Facts, bool]:
    """Build the index, unless it holds these very lists.

    Args:
        found: the lists.
        path: where it is to be.
        watch: told of the progress.
        force: build it in any case.

    Returns:
        What it holds, and whether it was built.

    Raises:
        WarninglistError: it cannot be built; one that was there stays.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(path):
            digest = found.digest()
            there = None if force else _there(path)
            if there is not None and there.digest == digest:
                return there, False
            _remove_drafts(path.parent)
            with tempfile.TemporaryDirectory(prefix=_DRAFTS, dir=path.parent) as folder:
                draft = Path(folder, path.name)
                _write(draft, found, digest, watch)
                _put(draft, path)
    except (OSError, sqlite3.Error) as error:
        why = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else f": {error}"
        raise WarninglistError(
            f"The index of warninglists {path} cannot be built{why}.{TO_DO}Let this user write {path.parent}, and see "
            "whether its disk has 200 MB left."
        ) from error
    with closing(Index(path)) as index:
        return index.facts, True


def _there(path: Path) -> Facts | None:
    """What the index holds that is there, `None` when there is none that can be used."""
    try:
        with closing(Index(path)) as index:
            return index.facts
    except WarninglistError:
        return None


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One building at a time; whoever comes second finds it done."""
    lock = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _remove_drafts(folder: Path) -> None:
    """What a building left that was killed."""
    for left in folder.glob(f"{_DRAFTS}*"):
        shutil.rmtree(left, ignore_errors=True)


def _put(draft: Path, path: Path) -> None:
    """Put the whole file in its place: whoever reads has the old one or the new one.

    What root builds belongs to whom the folder belongs: the service reads it.
    """
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(draft, owner.st_uid, owner.st_gid)
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write(draft: Path, found: Package, digest: str, watch: Watch) -> None:
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        # A file that nobody has seen yet needs no protection against a crash.
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "temp_store = FILE"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("ATTACH ? AS staging", (str(draft.with_name("staging.db")),))
        for pragma in ("journal_mode = OFF", "synchronous = OFF"):
            connection.execute(f"PRAGMA staging.{pragma}")
        connection.executescript(_TABLES)
        connection.execute("BEGIN")
        held: list[tuple[Range, int]] = []
        names: set[str] = set()
        for number, file in enumerate(found.files, 1):
            warninglist = package.read(file)
            if warninglist.name in names:
                raise WarninglistError(f"Two warninglists are called {warninglist.name!r}. Install them again.")
            names.add(warninglist.name)
            watch(warninglist.name, number, len(found.files))
            held += _add(connection, number, warninglist)
        _gather(connection, held)
        facts = {"format": FORMAT, "version": found.version, "digest": digest}
        connection.executemany("INSERT INTO meta VALUES (?, ?)", list(facts.items()))
        connection.execute("COMMIT")
        connection.execute("DETACH staging")


def _add(connection: sqlite3.Connection, number: int, warninglist: Warninglist) -> list[tuple[Range, int]]:
    """Add one list; its ranges are returned, since those of all lists are flattened together."""
    entries = warninglist.entries
    row = (number, warninglist.name, warninglist.match, orjson.dumps(sorted(warninglist.types)).decode(), len(entries))
    connection.execute("INSERT INTO list VALUES (?, ?, ?, ?, ?)", row)
    if warninglist.match == CIDR:
        # What is no address is in no list of MISP's either.
        return [(found, number) for entry in entries if (found := read_range(entry)) is not None]
    if warninglist.match == STRING:
        _insert(connection, "staging.string", ((entry, number) for entry in entries))
    elif warninglist.match == HOSTNAME:
        _insert(connection, "staging.host", ((host, number) for entry in entries if (host := host_of_entry(entry))))
    else:
        _insert(connection, "pattern (value, list)", ((entry, number) for entry in _patterns(warninglist)))
    return []


def _patterns(warninglist: Warninglist) -> Sequence[str]:
    """The entries of a list of patterns, each once.

    Raises:
        WarninglistError: Python cannot read a regular expression as PHP does.
    """
    entries = sorted(set(warninglist.entries))
    if warninglist.match == package.REGEX:
        for entry in entries:
            try:
                expression(entry)
            except ValueError as error:
                raise WarninglistError(f"The warninglist {warninglist.name!r} cannot be used: {error}.") from error
    return entries


def _insert(connection: sqlite3.Connection, table: str, rows: Iterable[tuple[str, int]]) -> None:
    connection.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows)  # noqa: S608 - our own names


def _gather(connection: sqlite3.Connection, held: list[tuple[Range, int]]) -> None:
    for table in ("string", "host"):
        connection.execute(_GATHER.format(table=table))
    rows = ((key, ",".join(map(str, sorted(lists)))) for key, lists in steps(held))
    connection.executemany("INSERT INTO step VALUES (?, ?)", rows)
