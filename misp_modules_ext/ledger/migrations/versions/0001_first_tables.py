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
LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")
LONG_BINARY = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
TABLE: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "destination",
        sa.Column("destination_id", ID, autoincrement=True, nullable=False),
        sa.Column("store", DIGEST, nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("api", sa.String(length=16), nullable=False),
        sa.Column("rules", DIGEST, nullable=True),
        sa.Column("holder", sa.String(length=64), nullable=True),
        sa.Column("epoch", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_until_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("paused_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("pause_reason", sa.String(length=32), nullable=True),
        sa.Column("pause_message", LONG_TEXT, nullable=True),
        sa.PrimaryKeyConstraint("destination_id", name=op.f("pk_destination")),
        sa.UniqueConstraint("store", name=op.f("uq_destination_store")),
        comment="a store at Microsoft; who may send to it now, and whether it is paused",
        **TABLE,
    )
    op.create_table(
        "event",
        sa.Column("event_id", ID, autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("published", sa.SmallInteger(), nullable=True),
        sa.Column("document", LONG_BINARY, nullable=False),
        sa.Column("read_due_ms", sa.BigInteger(), nullable=True),
        sa.Column("read_ms", sa.BigInteger(), nullable=True),
        sa.Column("unpublished_since_ms", sa.BigInteger(), nullable=True),
        sa.Column("missing_since_ms", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("published IN (0, 1)", name=op.f("ck_event_published_is_a_flag")),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_event")),
        sa.UniqueConstraint("uuid", name=op.f("uq_event_uuid")),
        comment="events as last seen; document is what gates and context need of the event's header",
        **TABLE,
    )
    op.create_index(op.f("ix_event_read_due_ms"), "event", ["read_due_ms"], unique=False)
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
        sa.Column("observable_id", ID, autoincrement=True, nullable=False),
        sa.Column("digest", DIGEST, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("value", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("observable_id", name=op.f("pk_observable")),
        sa.UniqueConstraint("digest", name=op.f("uq_observable_digest")),
        comment="each value once; digest is SHA-256 of kind, colon, value",
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
        "attribute",
        sa.Column("attribute_id", ID, autoincrement=True, nullable=False),
        sa.Column("event_id", ID, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("taken_ms", sa.BigInteger(), nullable=False),
        sa.Column("origins", sa.SmallInteger(), nullable=False),
        sa.Column("document", LONG_BINARY, nullable=False),
        sa.CheckConstraint("origins > 0", name=op.f("ck_attribute_somebody_vouches")),
        sa.ForeignKeyConstraint(
            ["event_id"], ["event.event_id"], name=op.f("fk_attribute_event_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("attribute_id", name=op.f("pk_attribute")),
        sa.UniqueConstraint("event_id", "uuid", name=op.f("uq_attribute_event_id_uuid")),
        comment="attributes that vouch for an observable, with what gates and context need of them",
        **TABLE,
    )
    op.create_table(
        "hold",
        sa.Column("hold_id", ID, autoincrement=True, nullable=False),
        sa.Column("observable_id", ID, nullable=False),
        sa.Column("destination_id", ID, nullable=True),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(length=255), nullable=False),
        sa.Column("why", LONG_TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["destination_id"], ["destination.destination_id"], name=op.f("fk_hold_destination_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["observable_id"], ["observable.observable_id"], name=op.f("fk_hold_observable_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("hold_id", name=op.f("pk_hold")),
        sa.UniqueConstraint("observable_id", "destination_id", name=op.f("uq_hold_observable_id_destination_id")),
        comment="values that a person has taken back; without destination: everywhere",
        **TABLE,
    )
    op.create_table(
        "holding",
        sa.Column("destination_id", ID, nullable=False),
        sa.Column("observable_id", ID, nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("due_hash", DIGEST, nullable=True),
        sa.Column("sent_hash", DIGEST, nullable=True),
        sa.Column("generation", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=True),
        sa.Column("modified_ms", sa.BigInteger(), nullable=True),
        sa.Column("valid_until", sa.BigInteger(), nullable=True),
        sa.Column("remote_id", sa.String(length=255), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("message", LONG_TEXT, nullable=True),
        sa.CheckConstraint(
            "state <> 1 OR sent_hash IS NOT NULL OR due_hash IS NULL", name=op.f("ck_holding_settled_means_sent")
        ),
        sa.CheckConstraint("state BETWEEN 0 AND 5", name=op.f("ck_holding_state_is_known")),
        sa.ForeignKeyConstraint(
            ["destination_id"],
            ["destination.destination_id"],
            name=op.f("fk_holding_destination_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["observable_id"], ["observable.observable_id"], name=op.f("fk_holding_observable_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("destination_id", "observable_id", name=op.f("pk_holding")),
        comment="what one destination should hold, what it holds, and when it is due; no due_hash: it should be absent",
        **TABLE,
    )
    op.create_index(
        op.f("ix_holding_destination_id_state_due_ms"), "holding", ["destination_id", "state", "due_ms"], unique=False
    )
    op.create_index(op.f("ix_holding_observable_id"), "holding", ["observable_id"], unique=False)
    op.create_table(
        "evidence",
        sa.Column("observable_id", ID, nullable=False),
        sa.Column("attribute_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["attribute_id"], ["attribute.attribute_id"], name=op.f("fk_evidence_attribute_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["observable_id"], ["observable.observable_id"], name=op.f("fk_evidence_observable_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("observable_id", "attribute_id", name=op.f("pk_evidence")),
        comment="which attribute vouches for which observable",
        **TABLE,
    )
    op.create_index(op.f("ix_evidence_attribute_id"), "evidence", ["attribute_id"], unique=False)
