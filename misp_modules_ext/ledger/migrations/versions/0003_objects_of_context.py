"""Objects of context beside indicators: what a destination holds of them, and whose are to be looked at."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

UUID16 = sa.LargeBinary(16).with_variant(mysql.BINARY(16), "mysql", "mariadb")
LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")
LONG_BINARY = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
TABLE: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def upgrade() -> None:
    """Make the tables, unless MariaDB has kept them from a migration that was interrupted."""
    there = sa.inspect(op.get_bind())
    if not there.has_table("companion"):
        _companion()
    index = op.f("ix_companion_destination_id_observable_id")
    if index not in {found["name"] for found in sa.inspect(op.get_bind()).get_indexes("companion")}:
        op.create_index(index, "companion", ["destination_id", "observable_id"], unique=False)
    if not there.has_table("companion_due"):
        _companion_due()


def _companion() -> None:
    op.create_table(
        "companion",
        sa.Column("destination_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("object", UUID16, nullable=False),
        sa.Column("observable_id", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.Integer(), server_default="0", nullable=False),
        sa.Column("document", LONG_BINARY, nullable=True),
        sa.Column("refusal", LONG_TEXT, nullable=True),
        sa.PrimaryKeyConstraint("destination_id", "object", name=op.f("pk_companion")),
        comment="objects of context that a destination holds beside its indicators, word for word",
        **TABLE,
    )


def _companion_due() -> None:
    op.create_table(
        "companion_due",
        sa.Column("destination_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("observable_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("destination_id", "observable_id", name=op.f("pk_companion_due")),
        comment="indicators that went, changed or left, and whose objects of context are to be looked at",
        **TABLE,
    )
