"""The destinations as the ledger knows them: a row for each store, whatever its section is called."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import NamedTuple

from sqlalchemy import Connection, insert, select, update

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.ledger import schema
from misp_modules_ext.ledger.engine import alone, now_ms
from misp_modules_ext.model.indicator import Indicator
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.planning import RuleSet

#: Why a destination has no place for an indicator, decided from the indicator alone.
Refuses = Callable[[Indicator], tuple[Reason, str] | None]


class Store(NamedTuple):
    """A destination with its row."""

    destination_id: int
    settings: DestinationSettings
    rules: RuleSet
    refuses: Refuses


def key_of(settings: DestinationSettings) -> bytes:
    """32 bytes that name the store, whatever the section is called."""
    return hashlib.sha256("\n".join(settings.store).encode()).digest()


#: What a rejection may depend on: which store it is, what an indicator says, how it is written down and sent.
DECIDING = frozenset(
    {
        "product",
        "api",
        "tenant_id",
        "workspace_id",
        "cloud",
        "endpoint_api",
        "upload_path",
        "api_version",
        "source_system",
        "hard_delete",
        "context",
        "severity",
        "generate_alert",
        "rbac_group_names",
        "selection",
        "indicator",
        "actions",
    }
)
#: And with `hard_delete` where the resources are that are deleted.
RESOURCES = frozenset({"endpoint_management", "subscription_id", "resource_group", "workspace_name"})
#: How long something stays at most says nothing about what it is.
_GRACES = {"unpublished_grace", "missing_grace"}


def configuration_of(settings: DestinationSettings) -> bytes:
    """32 bytes that change with anything a rejection may depend on.

    How a machine reaches Microsoft, who asks, through which doors and with which brakes is no part of it: machines that
    share a ledger may differ in that, and would make everything due again by turns.
    """
    wanted = DECIDING | RESOURCES if settings.hard_delete else DECIDING
    fields = settings.model_dump(mode="json", include=set(wanted), exclude={"selection": _GRACES})
    # The names of a product mean the same.
    fields["product"] = "defender" in settings.product.lower()
    return hashlib.sha256(repr(_in_order(fields)).encode()).digest()


def _in_order(value: object) -> object:
    """The same with everything sorted: sets come in no order."""
    if isinstance(value, dict):
        return sorted((name, _in_order(inner)) for name, inner in value.items())
    return sorted(map(repr, value)) if isinstance(value, list) else value


def register(connection: Connection, destinations: Iterable[tuple[DestinationSettings, Refuses]]) -> list[Store]:
    """The rows of destinations; those that are not there are made.

    A configuration that differs in what a rejection may depend on makes due again what was rejected or skipped under
    the old one, and ends a pause: whoever changed it wants to know whether it helped.
    """
    wanted = [(settings, refuses, key_of(settings), configuration_of(settings)) for settings, refuses in destinations]
    known = _known(connection)
    if any(key not in known or known[key].differs(settings.name, now) for settings, _, key, now in wanted):
        # Two processes that meet a new configuration at once would both write it.
        alone(connection)
        known = _known(connection)
    stores = []
    for settings, refuses, key, configuration in wanted:
        found = known.get(key)
        if found is None:
            destination_id = _make(connection, settings, key, configuration)
        else:
            destination_id = found.destination_id
            if found.differs(settings.name, configuration):
                changed = found.configuration != configuration
                _change(connection, destination_id, settings.name, configuration, changed)
        stores.append(Store(destination_id, settings, RuleSet.of(settings), refuses))
    return stores


class _Known(NamedTuple):
    destination_id: int
    label: str
    configuration: bytes

    def differs(self, label: str, configuration: bytes) -> bool:
        return (self.label, self.configuration) != (label, configuration)


def _known(connection: Connection) -> dict[bytes, _Known]:
    """The rows by store."""
    table = schema.destination
    columns = (table.c.store, table.c.destination_id, table.c.label, table.c.configuration)
    return {
        bytes(store): _Known(destination_id, label, bytes(configuration))
        for store, destination_id, label, configuration in connection.execute(select(*columns))
    }


def _make(connection: Connection, settings: DestinationSettings, key: bytes, configuration: bytes) -> int:
    made = insert(schema.destination).values(
        store=key, label=settings.name, api=settings.api.value, configuration=configuration
    )
    return int(connection.execute(made).inserted_primary_key[0])  # type: ignore[index] # an insert of one row has one


def _change(connection: Connection, destination_id: int, label: str, configuration: bytes, changed: bool) -> None:
    table = schema.destination
    values: dict[str, object] = {"label": label, "configuration": configuration}
    if changed:
        values |= {"paused_until_ms": None, "pause_reason": None, "pause_message": None, "failures": 0}
        make_due(connection, destination_id, (schema.REJECTED, schema.SKIPPED))
        # Under other rules the same view says something else.
        said = schema.audience
        connection.execute(update(said).where(said.c.destination_id == destination_id).values(requested=None, own=None))
    connection.execute(update(table).where(table.c.destination_id == destination_id).values(**values))


def make_due(connection: Connection, destination_id: int, states: Iterable[int]) -> int:
    """Make rows in these states due now; how many."""
    table = schema.holding
    chosen = (table.c.destination_id == destination_id) & table.c.state.in_(list(states))
    changed = connection.execute(
        update(table).where(chosen).values(state=schema.DUE, due_ms=now_ms(connection), reason=None, message=None)
    )
    return int(changed.rowcount)
