"""What was seen at Microsoft and is told to MISP, once for each attribute and day."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import BINARY

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLE: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def upgrade() -> None:
    """Make the table and its index, unless MariaDB has kept them from a migration that was interrupted."""
    looked = sa.inspect(op.get_bind())
    if not looked.has_table("sighting"):
        _make()
    if not any(
        index["name"] == "ix_sighting_state_tried_ms" for index in sa.inspect(op.get_bind()).get_indexes("sighting")
    ):
        op.create_index(op.f("ix_sighting_state_tried_ms"), "sighting", ["state", "tried_ms"])


def _make() -> None:
    op.create_table(
        "sighting",
        sa.Column("misp", sa.String(length=255), nullable=False),
        sa.Column("attribute", sa.LargeBinary(16).with_variant(BINARY(16), "mysql", "mariadb"), nullable=False),
        sa.Column("kind", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event", sa.String(length=36), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("tried_ms", sa.BigInteger(), nullable=False, server_default="0"),
        sa.CheckConstraint("state BETWEEN 0 AND 2", name=op.f("ck_sighting_state_is_known")),
        sa.PrimaryKeyConstraint("misp", "attribute", "kind", "day", name=op.f("pk_sighting")),
        comment="what was seen at Microsoft, by attribute and day since 1970 UTC, and whether MISP knows",
        **TABLE,
    )
