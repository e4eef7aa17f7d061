"""The first tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DIGEST = sa.LargeBinary(32).with_variant(mysql.BINARY(32), "mysql", "mariadb")
UUID16 = sa.LargeBinary(16).with_variant(mysql.BINARY(16), "mysql", "mariadb")
LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")
LONG_BINARY = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
TABLE: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "audience",
        sa.Column("event_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("destination_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("requested", DIGEST, nullable=True),
        sa.Column("own", DIGEST, nullable=True),
        sa.PrimaryKeyConstraint("event_id", "destination_id", name=op.f("pk_audience")),
        comment="which events somebody asked to have sent to which destinations: elsewhere they do not count",
        **TABLE,
    )
    op.create_table(
        "destination",
        sa.Column("destination_id", ID, autoincrement=True, nullable=False),
        sa.Column("store", DIGEST, nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("api", sa.String(length=16), nullable=False),
        sa.Column("configuration", DIGEST, nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=True),
        sa.Column("epoch", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_until_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("paused_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("pause_reason", sa.String(length=32), nullable=True),
        sa.Column("pause_message", LONG_TEXT, nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("destination_id", name=op.f("pk_destination")),
        sa.UniqueConstraint("store", name=op.f("uq_destination_store")),
        comment="a store at Microsoft; who may send to it now, and whether it is paused",
        **TABLE,
    )
    op.create_table(
        "drain",
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("holder", name=op.f("pk_drain")),
        comment="who drains this ledger, with a heartbeat",
        **TABLE,
    )
    op.create_table(
        "event",
        sa.Column("event_id", ID, autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("misp", sa.String(length=255), server_default="", nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("own_timestamp", sa.BigInteger(), nullable=True),
        sa.Column("read_due_ms", sa.BigInteger(), nullable=True),
        sa.Column("read_attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("read_ms", sa.BigInteger(), nullable=True),
        sa.Column("read_message", LONG_TEXT, nullable=True),
        sa.Column("unpublished_since_ms", sa.BigInteger(), nullable=True),
        sa.Column("missing_since_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_event")),
        sa.UniqueConstraint("uuid", "misp", name=op.f("uq_event_uuid_misp")),
        comment="events that vouch for something, and when we must read them from MISP ourselves",
        **TABLE,
    )
    op.create_index(op.f("ix_event_read_due_ms"), "event", ["read_due_ms"], unique=False)
    op.create_table(
        "evidence",
        sa.Column("observable_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("attribute", UUID16, nullable=False),
        sa.Column("header_id", sa.BigInteger(), nullable=False),
        sa.Column("taken", sa.BigInteger(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("origins", sa.SmallInteger(), nullable=False),
        sa.Column("vouches", sa.SmallInteger(), nullable=False),
        sa.Column("document", LONG_BINARY, nullable=False),
        sa.CheckConstraint("origins > 0", name=op.f("ck_evidence_somebody_said_so")),
        sa.CheckConstraint("vouches IN (0, 1)", name=op.f("ck_evidence_vouches_is_a_flag")),
        sa.PrimaryKeyConstraint("observable_id", "event_id", "attribute", name=op.f("pk_evidence")),
        comment="which attribute vouches for which observable, with what gates and context need of it",
        **TABLE,
    )
    op.create_index(op.f("ix_evidence_event_id"), "evidence", ["event_id"], unique=False)
    op.create_table(
        "hold",
        sa.Column("observable_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("destination_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(length=255), nullable=False),
        sa.Column("why", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("observable_id", "destination_id", name=op.f("pk_hold")),
        comment="values that people have taken back or changed; destination 0 is all of them",
        **TABLE,
    )
    op.create_table(
        "farewell",
        sa.Column("destination_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("observable_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("document", LONG_BINARY, nullable=False),
        sa.PrimaryKeyConstraint("destination_id", "observable_id", name=op.f("pk_farewell")),
        comment="the content of indicators that are to be withdrawn",
        **TABLE,
    )
    op.create_table(
        "holding",
        sa.Column("destination_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("observable_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("due_hash", DIGEST, nullable=True),
        sa.Column("sent_hash", DIGEST, nullable=True),
        sa.Column("flight_hash", DIGEST, nullable=True),
        sa.Column("generation", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=True),
        sa.Column("modified_ms", sa.BigInteger(), nullable=True),
        sa.Column("valid_until", sa.BigInteger(), nullable=True),
        sa.Column("grade", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("remote_id", sa.String(length=255), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("message", LONG_TEXT, nullable=True),
        sa.CheckConstraint("state BETWEEN 0 AND 5", name=op.f("ck_holding_state_is_known")),
        sa.PrimaryKeyConstraint("destination_id", "observable_id", name=op.f("pk_holding")),
        comment="what a destination should hold (due), holds (sent), and was sent without an answer (flight)",
        **TABLE,
    )
    op.create_index(
        op.f("ix_holding_destination_id_state_due_ms_observable_id"),
        "holding",
        ["destination_id", "state", "due_ms", "observable_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_holding_destination_id_valid_until"), "holding", ["destination_id", "valid_until"], unique=False
    )
    op.create_table(
        "meta",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_meta")),
        comment="facts about this ledger: its identity",
        **TABLE,
    )
    op.create_table(
        "observable",
        sa.Column("observable_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("value", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("observable_id", name=op.f("pk_observable")),
        comment="each value once; its id is made from a digest of kind and value",
        **TABLE,
    )
    op.create_table(
        "submission",
        sa.Column("submission_id", sa.String(length=36), nullable=False),
        sa.Column("door", sa.String(length=16), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("finished_ms", sa.BigInteger(), nullable=True),
        sa.Column("document", LONG_BINARY, nullable=False),
        sa.PrimaryKeyConstraint("submission_id", name=op.f("pk_submission")),
        comment="the account of each submission as one compressed document",
        **TABLE,
    )
    op.create_index(op.f("ix_submission_started_ms"), "submission", ["started_ms"], unique=False)
    op.create_table(
        "sync",
        sa.Column("misp", sa.String(length=255), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=True),
        sa.Column("lease_until_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("began_ms", sa.BigInteger(), nullable=True),
        sa.Column("checkpoint", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("misp", name=op.f("pk_sync")),
        comment="how far each MISP was read, and who reads it now",
        **TABLE,
    )
    op.create_table(
        "usage_by_hour",
        sa.Column("destination_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("created", sa.Integer(), server_default="0", nullable=False),
        sa.Column("withdrawn", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("destination_id", "hour", name=op.f("pk_usage_by_hour")),
        comment="indicators created and withdrawn in each hour since 1970 UTC",
        **TABLE,
    )
    op.create_table(
        "header",
        sa.Column("header_id", ID, autoincrement=True, nullable=False),
        sa.Column("event_id", ID, nullable=False),
        sa.Column("digest", DIGEST, nullable=False),
        sa.Column("document", LONG_BINARY, nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["event.event_id"], name=op.f("fk_header_event_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("header_id", name=op.f("pk_header")),
        sa.UniqueConstraint("event_id", "digest", name=op.f("uq_header_event_id_digest")),
        comment="what gates and context need of an event, as one of its views said it",
        **TABLE,
    )
