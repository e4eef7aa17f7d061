"""Since when MISP is asked about a tag of ours, so that two workers do not undo each other's work."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, unless MariaDB has kept it from a migration that was interrupted."""
    if "asking_until_ms" not in {column["name"] for column in sa.inspect(op.get_bind()).get_columns("written_back")}:
        op.add_column("written_back", sa.Column("asking_until_ms", sa.BigInteger(), nullable=True))
