"""Since when a destination sends in the manner in which it is configured today.

Severity, alert and device groups of a destination go with every indicator and are no part of its content. So what
Microsoft shows of an indicator that went before they were changed differs without anybody having edited it. Whether the
destination may do more than alert counts too: what went while it might may have any action.
"""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, select

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.ledger import bulk, schema
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.stores import Store, key_of

#: Hexadecimal digits of a store's key: names in `meta` are short.
_DIGITS = 40


def since_ms(connection: Connection, store: Store) -> int:
    """When the manner was last seen to have changed: milliseconds since 1970 UTC, 0 for never."""
    table = schema.meta
    name = f"manner:{key_of(store.settings).hex()[:_DIGITS]}"
    found = connection.execute(select(table.c.value).where(table.c.name == name)).scalar_one_or_none()
    manner = _manner(store.settings)
    if found is not None and found.split(" ")[0] == manner:
        return int(found.split(" ")[1])
    since = 0 if found is None else now_ms(connection)
    bulk.upsert(connection, table, ["name", "value"], ["name"], [(name, f"{manner} {since}")])
    return since


def _manner(settings: DestinationSettings) -> str:
    severity = settings.severity.label if settings.severity is not None else ""
    acts = "any" if settings.actions.acts else "Audit"
    parts = (acts, severity, settings.generate_alert, sorted(settings.rbac_group_names))
    return hashlib.sha256(repr(parts).encode()).hexdigest()
