"""Objects of context that stand beside indicators (`context = objects`): threat actors, techniques, relationships.

What a destination holds of them is kept object by object, so that none is sent twice. An indicator that went, changed
or left is noted; whoever drains the destination looks at its objects afterwards, and what is missing or too much
follows. So an error of theirs is never one of the indicator, and what was interrupted is looked at again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from operator import itemgetter
from typing import NamedTuple

from sqlalchemy import Connection, Select, delete, insert, literal, select

from misp_modules_ext.ledger import bulk, schema
from misp_modules_ext.ledger.content import Stored
from misp_modules_ext.ledger.holdings import Holding, read
from misp_modules_ext.ledger.lease import Lease, renew
from misp_modules_ext.ledger.schema import SHARED
from misp_modules_ext.ledger.stores import Store, key_of
from misp_modules_ext.model.indicator import Due, Indicator, Stamp

_THERE, _NOTED = schema.companion, schema.companion_due
#: Hexadecimal digits of a store's key: names in `meta` are short.
_DIGITS = 40
_OBJECTS, _LABELS = "objects", "labels"


class Companion(NamedTuple):
    """An object beside an indicator.

    Attributes:
        object: UUID of the object in its first generation, 16 bytes.
        observable_id: whose it is; `SHARED` for one that belongs to none alone.
        document: the object as JSON; `None` when it was taken back.
        refusal: why the destination refused it; `""` when it is there.
        generation: how often it was taken back.
    """

    object: bytes
    observable_id: int
    document: bytes | None
    refusal: str = ""
    generation: int = 0


class Standing(NamedTuple):
    """How indicators stand whose objects are looked at.

    Attributes:
        there: what the destination holds, by observable id.
        gone: those that it does not hold any more. Of the others it is not known, or they are over.
    """

    there: Mapping[int, Due]
    gone: Collection[int]


def note(connection: Connection, store: Store, numbers: Iterable[int]) -> None:
    """Have the objects of some indicators looked at."""
    if store.settings.sends_objects:
        rows = [(store.destination_id, number) for number in sorted(set(numbers))]
        bulk.insert_missing(connection, _NOTED, ["destination_id", "observable_id"], rows)


def is_due(connection: Connection, store: Store) -> bool:
    """Whether any are to be looked at, or the way to send context was changed."""
    if _sent_objects(connection, store) is not store.settings.sends_objects:
        return True
    here = _NOTED.c.destination_id == store.destination_id
    return connection.execute(select(_NOTED.c.observable_id).where(here).limit(1)).first() is not None


def change_over(connection: Connection, store: Store, lease: Lease) -> None:
    """Where the way to send context was changed, have the objects of all indicators looked at.

    Raises:
        LeaseLostError: another drains this destination now.
    """
    renew(connection, lease)
    if _sent_objects(connection, store) is store.settings.sends_objects:
        return
    connection.execute(delete(_NOTED).where(_NOTED.c.destination_id == store.destination_id))
    noted = ["destination_id", "observable_id"]
    connection.execute(insert(_NOTED).from_select(noted, _concerned(store)))
    row = (_name(store), _OBJECTS if store.settings.sends_objects else _LABELS)
    bulk.upsert(connection, schema.meta, ["name", "value"], ["name"], [row])


def _concerned(store: Store) -> Select[tuple[int, int]]:
    """Of objects: what is there; of labels alone: what has any."""
    if store.settings.sends_objects:
        row = schema.holding.c
        here = (row.destination_id == store.destination_id) & row.sent_hash.is_not(None)
        return select(row.destination_id, row.observable_id).where(here)
    beside = _THERE.c
    own = (beside.observable_id != SHARED) & beside.document.is_not(None)
    here = (beside.destination_id == store.destination_id) & own
    return select(literal(store.destination_id), beside.observable_id).where(here).distinct()


def _sent_objects(connection: Connection, store: Store) -> bool:
    """How context was sent so far."""
    table = schema.meta
    found = connection.execute(select(table.c.value).where(table.c.name == _name(store))).scalar_one_or_none()
    return found == _OBJECTS


def _name(store: Store) -> str:
    return f"context:{key_of(store.settings).hex()[:_DIGITS]}"


def due(connection: Connection, store: Store, most: int) -> list[int]:
    """Ids of observables whose objects are to be looked at, in their order."""
    here = _NOTED.c.destination_id == store.destination_id
    wanted = select(_NOTED.c.observable_id).where(here).order_by(_NOTED.c.observable_id).limit(most)
    return list(connection.execute(wanted).scalars())


def standing(connection: Connection, store: Store, numbers: Collection[int], base_url: str) -> Standing:
    """How some indicators stand at a destination, and what they say."""
    rows = read(connection, store, numbers)
    there = {number: row for number, row in rows.items() if row.sent_hash is not None}
    content = Stored(connection, there, base_url).content(store)
    found = {number: _as_sent(content[number].indicator, row) for number, row in there.items() if number in content}
    return Standing(found, [number for number in numbers if number not in rows or _is_gone(rows[number])])


def _as_sent(indicator: Indicator, row: Holding) -> Due:
    stix_id = indicator.observable.stix_id(row.generation)
    return Due(indicator, Stamp(stix_id, row.created_ms or 0, row.modified_ms or 0))


def _is_gone(row: Holding) -> bool:
    """What is over has no effect any more, and nothing is sent for it."""
    return not row.maybe_there and row.state != schema.EXPIRED


def beside(connection: Connection, store: Store, numbers: Iterable[int]) -> list[Companion]:
    """What stands beside some indicators, and all that belongs to none alone."""
    here = _THERE.c.destination_id == store.destination_id
    columns = (_THERE.c.object, _THERE.c.document, _THERE.c.refusal, _THERE.c.generation)
    found = bulk.rows_by(connection, _THERE.c.observable_id, sorted({SHARED, *numbers}), *columns, where=here)
    return [
        Companion(bytes(name), number, None if document is None else bytes(document), refusal or "", generation)
        for number, name, document, refusal, generation in found
    ]


def keep(connection: Connection, store: Store, lease: Lease, companions: Iterable[Companion]) -> None:
    """Write down what is there now, or was refused.

    Raises:
        LeaseLostError: another drains this destination now.
    """
    renew(connection, lease)
    rows = sorted(
        (
            (store.destination_id, one.object, one.observable_id, one.generation, one.document, one.refusal or None)
            for one in companions
        ),
        key=itemgetter(1),
    )
    columns = ["destination_id", "object", "observable_id", "generation", "document", "refusal"]
    bulk.upsert(connection, _THERE, columns, columns[:2], rows)


def forget(connection: Connection, store: Store, lease: Lease, objects: Iterable[bytes]) -> None:
    """These are not there any more, nor will be under these ids.

    Raises:
        LeaseLostError: another drains this destination now.
    """
    renew(connection, lease)
    here = _THERE.c.destination_id == store.destination_id
    for chunk in bulk.chunks(sorted(objects)):
        connection.execute(delete(_THERE).where(here, _THERE.c.object.in_(chunk)))


def done(connection: Connection, store: Store, lease: Lease, numbers: Collection[int]) -> None:
    """The objects of these stand as they should.

    Raises:
        LeaseLostError: another drains this destination now.
    """
    renew(connection, lease)
    here = _NOTED.c.destination_id == store.destination_id
    for chunk in bulk.chunks(sorted(numbers)):
        connection.execute(delete(_NOTED).where(here, _NOTED.c.observable_id.in_(chunk)))
