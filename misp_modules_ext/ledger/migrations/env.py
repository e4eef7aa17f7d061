"""What alembic runs: the connection comes from `migrate`, and no logging is configured."""

from __future__ import annotations

from alembic import context

from misp_modules_ext.ledger.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
