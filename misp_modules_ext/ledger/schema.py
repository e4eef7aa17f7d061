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

#: The last of `migrations/versions`, which makes of any earlier ledger one with these tables.
REVISION = "0010"

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
Uuid16 = LargeBinary(16).with_variant(BINARY(16), "mysql", "mariadb")
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
    Column("misp", String(255), nullable=False, server_default=""),
    Column("timestamp", BigInteger, nullable=False),
    Column("own_timestamp", BigInteger),
    Column("read_due_ms", BigInteger),
    Column("read_attempts", Integer, nullable=False, server_default="0"),
    Column("read_ms", BigInteger),
    Column("read_message", LongText),
    Column("unpublished_since_ms", BigInteger),
    Column("missing_since_ms", BigInteger),
    UniqueConstraint("uuid", "misp"),
    Index(None, "read_due_ms"),
    comment="events that vouch for something, and when we must read them from MISP ourselves",
    **_TABLE,
)

header = Table(
    "header",
    metadata,
    Column("header_id", Id, primary_key=True, autoincrement=True),
    Column("event_id", ForeignKey("event.event_id", ondelete="CASCADE"), nullable=False),
    Column("digest", Digest, nullable=False),
    Column("document", LongBinary, nullable=False),
    UniqueConstraint("event_id", "digest"),
    comment="what gates and context need of an event, as one of its views said it",
    **_TABLE,
)

observable = Table(
    "observable",
    metadata,
    Column("observable_id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(32), nullable=False),
    Column("value", LongText, nullable=False),
    comment="each value once; its id is made from a digest of kind and value",
    **_TABLE,
)

#: Without foreign keys, like `holding`: they double the time of the two tables that grow with every attribute, and
#: nobody but this package writes here.
evidence = Table(
    "evidence",
    metadata,
    Column("observable_id", BigInteger, primary_key=True, autoincrement=False),
    Column("event_id", BigInteger, primary_key=True, autoincrement=False),
    Column("attribute", Uuid16, primary_key=True),
    Column("header_id", BigInteger, nullable=False),
    Column("taken", BigInteger, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("origins", SmallInteger, nullable=False),
    Column("vouches", SmallInteger, nullable=False),
    Column("document", LongBinary, nullable=False),
    Index(None, "event_id"),
    CheckConstraint("origins > 0", name="somebody_said_so"),
    CheckConstraint("vouches IN (0, 1)", name="vouches_is_a_flag"),
    comment="which attribute vouches for which observable, with what gates and context need of it",
    **_TABLE,
)

destination = Table(
    "destination",
    metadata,
    Column("destination_id", Id, primary_key=True, autoincrement=True),
    Column("store", Digest, nullable=False),
    Column("label", String(255), nullable=False),
    Column("api", String(16), nullable=False),
    Column("configuration", Digest, nullable=False),
    Column("holder", String(64)),
    Column("epoch", BigInteger, nullable=False, server_default="0"),
    Column("lease_until_ms", BigInteger, nullable=False, server_default="0"),
    Column("paused_until_ms", BigInteger),
    Column("pause_reason", String(32)),
    Column("pause_message", LongText),
    Column("failures", Integer, nullable=False, server_default="0"),
    UniqueConstraint("store"),
    comment="a store at Microsoft; who may send to it now, and whether it is paused",
    **_TABLE,
)

audience = Table(
    "audience",
    metadata,
    Column("event_id", BigInteger, primary_key=True, autoincrement=False),
    Column("destination_id", BigInteger, primary_key=True, autoincrement=False),
    # What the latest request and our own latest reading said: while evidence and rules are the same, saying it again
    # changes nothing there. See `repeats`.
    Column("requested", Digest),
    Column("own", Digest),
    # 1: not the event, but some of its attributes. See `asked`.
    Column("part", SmallInteger, nullable=False, server_default="0"),
    comment="which events somebody asked to have sent to which destinations: elsewhere they do not count",
    **_TABLE,
)

#: Where `part` is 1: the attributes that somebody asked for.
asked_attribute = Table(
    "asked_attribute",
    metadata,
    Column("event_id", BigInteger, primary_key=True, autoincrement=False),
    Column("destination_id", BigInteger, primary_key=True, autoincrement=False),
    Column("attribute", Uuid16, primary_key=True),
    comment="which attributes somebody asked to have sent to which destinations, without the rest of their events",
    **_TABLE,
)

#: `state` of a holding.
DUE, SETTLED, REJECTED, SKIPPED, EXPIRED, ON_HOLD = range(6)

holding = Table(
    "holding",
    metadata,
    Column("destination_id", BigInteger, primary_key=True, autoincrement=False),
    Column("observable_id", BigInteger, primary_key=True, autoincrement=False),
    Column("state", SmallInteger, nullable=False),
    Column("due_hash", Digest),
    Column("sent_hash", Digest),
    Column("flight_hash", Digest),
    Column("generation", Integer, nullable=False, server_default="0"),
    Column("due_ms", BigInteger, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("created_ms", BigInteger),
    Column("modified_ms", BigInteger),
    Column("valid_until", BigInteger),
    Column("grade", SmallInteger, nullable=False, server_default="0"),
    Column("remote_id", String(255)),
    Column("reason", String(32)),
    Column("message", LongText),
    # What the destination shows of `sent_hash`: where newer content differs elsewhere only, nothing is to be sent.
    Column("shown_hash", Digest),
    Index(None, "destination_id", "state", "due_ms", "observable_id"),
    Index(None, "destination_id", "valid_until"),
    CheckConstraint("state BETWEEN 0 AND 5", name="state_is_known"),
    comment="what a destination should hold (due), holds (sent), and was sent without an answer (flight)",
    **_TABLE,
)

#: What a destination holds, word for word, from when its evidence went until it is withdrawn there: the evidence then
#: says something else, which may not be for this destination.
farewell = Table(
    "farewell",
    metadata,
    Column("destination_id", BigInteger, primary_key=True, autoincrement=False),
    Column("observable_id", BigInteger, primary_key=True, autoincrement=False),
    Column("document", LongBinary, nullable=False),
    comment="the content of indicators that are to be withdrawn",
    **_TABLE,
)

#: `observable_id` of a companion that belongs to no one indicator: a threat actor, a technique.
SHARED = 0

companion = Table(
    "companion",
    metadata,
    Column("destination_id", BigInteger, primary_key=True, autoincrement=False),
    Column("object", Uuid16, primary_key=True),
    Column("observable_id", BigInteger, nullable=False),
    # How often it was revoked, which STIX makes permanent for an id; without a document it is not there.
    Column("generation", Integer, nullable=False, server_default="0"),
    Column("document", LongBinary),
    # Why the destination refused this very document; it is not there then.
    Column("refusal", LongText),
    Index(None, "destination_id", "observable_id"),
    comment="objects of context that a destination holds beside its indicators, word for word",
    **_TABLE,
)

companion_due = Table(
    "companion_due",
    metadata,
    Column("destination_id", BigInteger, primary_key=True, autoincrement=False),
    Column("observable_id", BigInteger, primary_key=True, autoincrement=False),
    comment="indicators that went, changed or left, and whose objects of context are to be looked at",
    **_TABLE,
)

#: How much was created and withdrawn, by the hour: what the daily brakes count by.
usage = Table(
    "usage_by_hour",
    metadata,
    Column("destination_id", BigInteger, primary_key=True, autoincrement=False),
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("created", Integer, nullable=False, server_default="0"),
    Column("withdrawn", Integer, nullable=False, server_default="0"),
    comment="indicators created and withdrawn in each hour since 1970 UTC",
    **_TABLE,
)

#: `destination_id` of a hold that is for all destinations.
EVERYWHERE = 0

hold = Table(
    "hold",
    metadata,
    Column("observable_id", BigInteger, primary_key=True, autoincrement=False),
    Column("destination_id", BigInteger, primary_key=True, autoincrement=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("who", String(255), nullable=False),
    Column("why", LongText, nullable=False),
    comment="values that people have taken back or changed; destination 0 is all of them",
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

#: `sync`: one row for each MISP that it reads. Only one runs at a time.
sync = Table(
    "sync",
    metadata,
    Column("misp", String(255), primary_key=True),
    Column("holder", String(64)),
    Column("lease_until_ms", BigInteger, nullable=False, server_default="0"),
    Column("since", BigInteger),
    Column("began_ms", BigInteger),
    Column("checkpoint", BigInteger),
    comment="how far each MISP was read, and who reads it now",
    **_TABLE,
)

#: `timestamp` of an event that was read, but is to be read again: it was unpublished, or not there.
READ_AGAIN = -1

#: Apart from `event`: of most events of a large community nothing goes anywhere, and those have no row there; nor may
#: what others read between two attempts count as read by this run.
sync_tried = Table(
    "sync_tried",
    metadata,
    Column("misp", String(255), primary_key=True),
    Column("uuid", String(36), primary_key=True),
    # The event's when it was read; NULL when it could not be read.
    Column("timestamp", BigInteger),
    Column("tried_ms", BigInteger, nullable=False),
    comment="events that the unfinished run of sync has read, or could not read",
    **_TABLE,
)

#: `state` of a sighting.
WAITS, TOLD, GONE = range(3)

#: Hits at Microsoft that become sightings in MISP. A row is committed before MISP is told: it may be there already when
#: the row still waits.
sighting = Table(
    "sighting",
    metadata,
    Column("misp", String(255), primary_key=True),
    Column("attribute", Uuid16, primary_key=True),
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    Column("event", String(36), nullable=False),
    Column("seen", BigInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("tried_ms", BigInteger, nullable=False, server_default="0"),
    Column("detail", String(255), nullable=False, server_default=""),
    Index(None, "state", "tried_ms"),
    CheckConstraint("state BETWEEN 0 AND 2", name="state_is_known"),
    comment="what was seen at Microsoft, by attribute and day since 1970 UTC, and whether MISP knows",
    **_TABLE,
)

#: `destination_id` of the tag that an event has when anything of it is at any destination.
ANYWHERE = 0

#: Which tags of ours an event has in MISP, as far as its answers say. A row is there before MISP is asked.
written_back = Table(
    "written_back",
    metadata,
    Column("event_id", BigInteger, primary_key=True, autoincrement=False),
    Column("destination_id", BigInteger, primary_key=True, autoincrement=False),
    # `""` where something is there and no tag says so.
    Column("tag", String(255), nullable=False),
    # The event's timestamp when MISP did not show it: it is left alone until it changes.
    Column("hidden_at", BigInteger),
    Column("moment_ms", BigInteger, nullable=False),
    # NULL: MISP has the tag. Else it may have it or not, since it was asked and the answer is not known; until this
    # moment somebody is at it, and nobody else asks.
    Column("asking_until_ms", BigInteger),
    comment="tags that were put on events in MISP; destination 0 is the one for any of them",
    **_TABLE,
)

drain = Table(
    "drain",
    metadata,
    Column("holder", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    comment="who drains this ledger, with a heartbeat",
    **_TABLE,
)
