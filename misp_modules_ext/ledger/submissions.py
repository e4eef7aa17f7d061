"""The accounts of submissions, kept as one compressed document each."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from misp_modules_ext.ledger import schema
from misp_modules_ext.ledger.engine import now_ms

#: Compression level: the documents are large and repeat themselves, and a door writes them while MISP waits.
_LEVEL = 1


class Submission(NamedTuple):
    """A submission as it was kept.

    Attributes:
        finished_ms: `None` when it was interrupted before its account was written.
        document: the account as JSON, empty until then.
    """

    submission_id: str
    door: str
    started_ms: int
    finished_ms: int | None
    document: bytes


def begin(connection: Connection, submission_id: str, door: str) -> None:
    """Note that a submission was taken."""
    values = {"submission_id": submission_id, "door": door, "started_ms": now_ms(connection), "document": b""}
    connection.execute(insert(schema.submission).values(**values))


def compressed(document: Iterable[bytes]) -> bytes:
    """An account as it is kept.

    Args:
        document: the account as JSON, in pieces.
    """
    compressor, made = zlib.compressobj(_LEVEL), io.BytesIO()
    for piece in document:
        made.write(compressor.compress(piece))
    made.write(compressor.flush())
    return made.getvalue()


def finish(connection: Connection, submission_id: str, document: bytes) -> None:
    """Keep its account, compressed."""
    table = schema.submission
    values = {"finished_ms": now_ms(connection), "document": document}
    connection.execute(update(table).where(table.c.submission_id == submission_id).values(**values))


def drop(connection: Connection, submission_id: str) -> None:
    """Forget one that changed nothing."""
    connection.execute(delete(schema.submission).where(schema.submission.c.submission_id == submission_id))


def find(connection: Connection, beginning: str) -> list[Submission]:
    """The submissions whose id begins so; at most two."""
    table = schema.submission
    wanted = select(table).where(table.c.submission_id.startswith(beginning.lower(), autoescape=True)).limit(2)
    return [
        Submission(
            row.submission_id,
            row.door,
            row.started_ms,
            row.finished_ms,
            zlib.decompress(row.document) if row.document else b"",
        )
        for row in connection.execute(wanted)
    ]


def latest(connection: Connection, most: int) -> list[Submission]:
    """The latest ones without their documents, newest first."""
    table = schema.submission
    columns = (table.c.submission_id, table.c.door, table.c.started_ms, table.c.finished_ms)
    wanted = select(*columns).order_by(table.c.started_ms.desc()).limit(most)
    return [
        Submission(row.submission_id, row.door, row.started_ms, row.finished_ms, b"")
        for row in connection.execute(wanted)
    ]


def forget(connection: Connection, retention: int) -> int:
    """Drop those that are older than `retention` seconds; how many."""
    table = schema.submission
    old = table.c.started_ms < now_ms(connection) - retention * 1000
    return int(connection.execute(delete(table).where(old)).rowcount)
