"""Which events an unfinished run of `sync` has tried, and how far it came with each."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLE: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def upgrade() -> None:
    """Make the table, unless MariaDB has kept it from a migration that was interrupted."""
    if sa.inspect(op.get_bind()).has_table("sync_tried"):
        return
    op.create_table(
        "sync_tried",
        sa.Column("misp", sa.String(length=255), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=True),
        sa.Column("tried_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("misp", "uuid", name=op.f("pk_sync_tried")),
        comment="events that the unfinished run of sync has read, or could not read",
        **TABLE,
    )
