"""To which destinations an event goes whole, and to which only those of its attributes that somebody pushed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, unless MariaDB has kept it from a migration that was interrupted."""
    if "part" not in {column["name"] for column in sa.inspect(op.get_bind()).get_columns("audience")}:
        op.add_column("audience", sa.Column("part", sa.SmallInteger(), nullable=False, server_default="0"))
