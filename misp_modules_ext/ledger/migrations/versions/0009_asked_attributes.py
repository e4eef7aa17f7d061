"""Which attributes were asked for where their events were not."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import BINARY

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLE: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}
#: Until now those counted of which the destination knew the value.
_SO_FAR = """
    INSERT INTO asked_attribute (event_id, destination_id, attribute)
    SELECT DISTINCT audience.event_id, audience.destination_id, evidence.attribute
    FROM audience
    JOIN evidence ON evidence.event_id = audience.event_id
    JOIN holding ON holding.destination_id = audience.destination_id
        AND holding.observable_id = evidence.observable_id
    WHERE audience.part = 1
"""


def upgrade() -> None:
    """Make the table, unless MariaDB has kept it from a migration that was interrupted, and fill it."""
    if not sa.inspect(op.get_bind()).has_table("asked_attribute"):
        op.create_table(
            "asked_attribute",
            sa.Column("event_id", sa.BigInteger(), autoincrement=False, nullable=False),
            sa.Column("destination_id", sa.BigInteger(), autoincrement=False, nullable=False),
            sa.Column("attribute", sa.LargeBinary(16).with_variant(BINARY(16), "mysql", "mariadb"), nullable=False),
            sa.PrimaryKeyConstraint("event_id", "destination_id", "attribute", name=op.f("pk_asked_attribute")),
            comment=(
                "which attributes somebody asked to have sent to which destinations, without the rest of their events"
            ),
            **TABLE,
        )
    op.execute("DELETE FROM asked_attribute")
    op.execute(_SO_FAR)
