"""Which tags of ours events have in MISP."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLE: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def upgrade() -> None:
    """Make the table, unless MariaDB has kept it from a migration that was interrupted."""
    if sa.inspect(op.get_bind()).has_table("written_back"):
        return
    op.create_table(
        "written_back",
        sa.Column("event_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("destination_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tag", sa.String(length=255), nullable=False),
        sa.Column("hidden_at", sa.BigInteger(), nullable=True),
        sa.Column("moment_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "destination_id", name=op.f("pk_written_back")),
        comment="tags that were put on events in MISP; destination 0 is the one for any of them",
        **TABLE,
    )
