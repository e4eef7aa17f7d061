"""The ledger's tables (DESIGN.md 8).

What holds on all three databases: keys that come from text are 32-byte digests, since MariaDB's indexes are short and
its default comparison ignores case; times are integer milliseconds since 1970 UTC by the database's clock; texts are
utf8mb4 with binary comparison on MariaDB. Evidence is kept once for all destinations; a destination has one thin row
for each observable.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.mysql import BINARY, LONGBLOB, LONGTEXT

#: Constraints get the same names on every database, so that migrations can name them.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: A SHA-256 digest. MariaDB cannot index a BLOB, so there it is BINARY(32).
Digest = LargeBinary(32).with_variant(BINARY(32), "mysql", "mariadb")
#: SQLite gives out row numbers only for a column that is exactly INTEGER.
Id = BigInteger().with_variant(Integer(), "sqlite")
#: Values and documents: MariaDB's plain TEXT and BLOB end at 64 KiB.
LongText = Text().with_variant(LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")
LongBinary = LargeBinary().with_variant(LONGBLOB(), "mysql", "mariadb")

_TABLE: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}

meta = Table(
    "meta",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", String(255), nullable=False),
    comment="facts about this ledger: its identity",
    **_TABLE,
)

event = Table(
    "event",
    metadata,
    Column("event_id", Id, primary_key=True, autoincrement=True),
    Column("uuid", String(36), nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("published", SmallInteger),
    Column("document", LongBinary, nullable=False),
    Column("read_due_ms", BigInteger),
    Column("read_ms", BigInteger),
    Column("unpublished_since_ms", BigInteger),
    Column("missing_since_ms", BigInteger),
    UniqueConstraint("uuid"),
    Index(None, "read_due_ms"),
    CheckConstraint("published IN (0, 1)", name="published_is_a_flag"),
    comment="events as last seen; document is what gates and context need of the event's header",
    **_TABLE,
)

attribute = Table(
    "attribute",
    metadata,
    Column("attribute_id", Id, primary_key=True, autoincrement=True),
    Column("event_id", ForeignKey("event.event_id", ondelete="CASCADE"), nullable=False),
    Column("uuid", String(36), nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("taken_ms", BigInteger, nullable=False),
    Column("origins", SmallInteger, nullable=False),
    Column("document", LongBinary, nullable=False),
    UniqueConstraint("event_id", "uuid"),
    CheckConstraint("origins > 0", name="somebody_vouches"),
    comment="attributes that vouch for an observable, with what gates and context need of them",
    **_TABLE,
)

observable = Table(
    "observable",
    metadata,
    Column("observable_id", Id, primary_key=True, autoincrement=True),
    Column("digest", Digest, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("value", LongText, nullable=False),
    UniqueConstraint("digest"),
    comment="each value once; digest is SHA-256 of kind, colon, value",
    **_TABLE,
)

evidence = Table(
    "evidence",
    metadata,
    Column(
        "observable_id", ForeignKey("observable.observable_id", ondelete="CASCADE"), primary_key=True, nullable=False
    ),
    Column("attribute_id", ForeignKey("attribute.attribute_id", ondelete="CASCADE"), primary_key=True, nullable=False),
    Index(None, "attribute_id"),
    comment="which attribute vouches for which observable",
    **_TABLE,
)

destination = Table(
    "destination",
    metadata,
    Column("destination_id", Id, primary_key=True, autoincrement=True),
    Column("store", Digest, nullable=False),
    Column("label", String(255), nullable=False),
    Column("api", String(16), nullable=False),
    Column("rules", Digest),
    Column("holder", String(64)),
    Column("epoch", BigInteger, nullable=False, server_default="0"),
    Column("lease_until_ms", BigInteger, nullable=False, server_default="0"),
    Column("paused_until_ms", BigInteger),
    Column("pause_reason", String(32)),
    Column("pause_message", LongText),
    UniqueConstraint("store"),
    comment="a store at Microsoft; who may send to it now, and whether it is paused",
    **_TABLE,
)

#: `state` of a holding.
DUE, SETTLED, REJECTED, SKIPPED, EXPIRED, ON_HOLD = range(6)

holding = Table(
    "holding",
    metadata,
    Column(
        "destination_id", ForeignKey("destination.destination_id", ondelete="CASCADE"), primary_key=True, nullable=False
    ),
    Column(
        "observable_id", ForeignKey("observable.observable_id", ondelete="CASCADE"), primary_key=True, nullable=False
    ),
    Column("state", SmallInteger, nullable=False),
    Column("due_hash", Digest),
    Column("sent_hash", Digest),
    Column("generation", Integer, nullable=False, server_default="0"),
    Column("due_ms", BigInteger, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("created_ms", BigInteger),
    Column("modified_ms", BigInteger),
    Column("valid_until", BigInteger),
    Column("remote_id", String(255)),
    Column("reason", String(32)),
    Column("message", LongText),
    Index(None, "destination_id", "state", "due_ms"),
    Index(None, "observable_id"),
    CheckConstraint("state BETWEEN 0 AND 5", name="state_is_known"),
    CheckConstraint("state <> 1 OR sent_hash IS NOT NULL OR due_hash IS NULL", name="settled_means_sent"),
    comment="what one destination should hold, what it holds, and when it is due; no due_hash: it should be absent",
    **_TABLE,
)

hold = Table(
    "hold",
    metadata,
    Column("hold_id", Id, primary_key=True, autoincrement=True),
    Column("observable_id", ForeignKey("observable.observable_id", ondelete="CASCADE"), nullable=False),
    Column("destination_id", ForeignKey("destination.destination_id", ondelete="CASCADE")),
    Column("since_ms", BigInteger, nullable=False),
    Column("who", String(255), nullable=False),
    Column("why", LongText, nullable=False),
    UniqueConstraint("observable_id", "destination_id"),
    comment="values that a person has taken back; without destination: everywhere",
    **_TABLE,
)

submission = Table(
    "submission",
    metadata,
    Column("submission_id", String(36), primary_key=True),
    Column("door", String(16), nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("finished_ms", BigInteger),
    Column("document", LongBinary, nullable=False),
    Index(None, "started_ms"),
    comment="the account of each submission as one compressed document",
    **_TABLE,
)
