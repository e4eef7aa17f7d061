"""Where and how often what is told to MISP was seen, for those who want it told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, unless MariaDB has kept it from a migration that was interrupted."""
    if "detail" not in {column["name"] for column in sa.inspect(op.get_bind()).get_columns("sighting")}:
        op.add_column("sighting", sa.Column("detail", sa.String(length=255), nullable=False, server_default=""))
