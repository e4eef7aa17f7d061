"""What of an indicator a destination shows: of content that differs elsewhere only, nothing is sent.

Of what was sent before it is not known, and learnt with the next request.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

DIGEST = sa.LargeBinary(32).with_variant(mysql.BINARY(32), "mysql", "mariadb")


def upgrade() -> None:
    """Add the column, unless MariaDB has kept it from a migration that was interrupted."""
    if "shown_hash" not in {column["name"] for column in sa.inspect(op.get_bind()).get_columns("holding")}:
        op.add_column("holding", sa.Column("shown_hash", DIGEST, nullable=True))
