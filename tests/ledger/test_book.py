"""What was seen is written down once, added to by requests, and found again by value."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable

import pytest
from sqlalchemy import Connection, Engine, func, select

from misp_modules_ext.ledger import schema
from misp_modules_ext.ledger.book import Origin, Recorded, Seen, Witness, record, witnesses
from misp_modules_ext.ledger.engine import run
from misp_modules_ext.ledger.migrate import upgrade
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.misp import Attribute, Event
from misp_modules_ext.translate import observe
from tests.support.build import NOW, attribute, event

OTHER = "cccccccc-0000-4000-8000-00000000000c"


@pytest.fixture(autouse=True)
def _tables(engine: Engine) -> None:
    upgrade(engine)


def _seen(attributes: Iterable[Attribute]) -> list[Seen]:
    return [Seen(a, observe(a).observables) for a in attributes]


def _record(engine: Engine, view: Event, origin: Origin = Origin.REQUEST) -> Recorded:
    return run(engine, lambda connection: record(connection, view, _seen(view.attributes), origin))


def _witnesses(engine: Engine, recorded: Recorded) -> dict[Observable, list[Witness]]:
    def read(connection: Connection) -> dict[Observable, list[Witness]]:
        found: dict[Observable, list[Witness]] = {}
        for _, observable, witness in witnesses(connection, recorded.observables.values()):
            found.setdefault(observable, []).append(witness)
        return found

    return run(engine, read)


def _count(engine: Engine, table: str) -> int:
    counted = select(func.count()).select_from(schema.metadata.tables[table])
    return run(engine, lambda connection: connection.execute(counted).scalar_one())


def test_a_view_comes_back_as_witnesses(engine: Engine) -> None:
    """Both halves of a composite, with attribute and event as they were."""
    both = attribute("domain|ip", "c2.evil.example|198.51.100.7", comment="é 😀", tags=["tlp:green"])
    view = event(both, attribute("md5", "0" * 32), tags=["tlp:amber"], timestamp=NOW, creator_uuid=OTHER)
    found = _witnesses(engine, _record(engine, view))
    assert set(found) == {
        Observable(Kind.DOMAIN_NAME, "c2.evil.example"),
        Observable(Kind.IPV4_ADDR, "198.51.100.7"),
        Observable(Kind.FILE_MD5, "0" * 32),
    }
    (witness,) = found[Observable(Kind.IPV4_ADDR, "198.51.100.7")]
    assert witness.attribute == both
    assert (witness.event.uuid, witness.event.tags, witness.event.creator_uuid) == (view.uuid, view.tags, OTHER)


def test_seeing_it_twice_changes_nothing(engine: Engine) -> None:
    """The same rows, with the moment when they were first taken."""
    view = event(attribute(), attribute("url", "http://a.evil.example/"), timestamp=NOW)
    first = _witnesses(engine, _record(engine, view))
    assert _witnesses(engine, _record(engine, view)) == first
    assert [_count(engine, table) for table in ("event", "attribute", "observable", "evidence")] == [1, 2, 2, 2]


def test_one_value_in_two_events_has_two_witnesses(engine: Engine) -> None:
    """Kept once as an observable, with evidence from both."""
    _record(engine, event(attribute("domain", "same.evil.example")))
    found = _witnesses(engine, _record(engine, event(attribute("hostname", "SAME.evil.example"), uuid=OTHER)))
    (both,) = found.values()
    assert {w.event.uuid for w in both} == {event().uuid, OTHER}
    assert _count(engine, "observable") == 1


def test_an_older_view_changes_nothing(engine: Engine) -> None:
    """A late request with yesterday's state of the event."""
    first = _record(engine, event(attribute(comment="new", timestamp=NOW), timestamp=NOW, info="new"))
    late = _record(engine, event(attribute(comment="old", timestamp=NOW - 9), timestamp=NOW - 1, info="old"))
    assert late.stale
    ((witness,),) = _witnesses(engine, first).values()
    assert (witness.attribute.comment, witness.event.info) == ("new", "new")


def test_an_older_attribute_in_a_newer_event_changes_nothing(engine: Engine) -> None:
    """Each attribute has a time of its own."""
    _record(engine, event(attribute(comment="new", timestamp=NOW), timestamp=NOW))
    recorded = _record(engine, event(attribute(comment="old", timestamp=NOW - 9), timestamp=NOW + 1))
    ((witness,),) = _witnesses(engine, recorded).values()
    assert witness.attribute.comment == "new"


def test_a_partial_view_takes_nothing_away(engine: Engine) -> None:
    """A request that shows one of two attributes leaves the other's evidence as it was."""
    one, two = attribute("domain", "one.evil.example"), attribute("domain", "two.evil.example")
    whole = _record(engine, event(one, two, timestamp=NOW))
    _record(engine, event(one, timestamp=NOW + 1))
    assert len(_witnesses(engine, whole)) == 2


def test_origins_add_up(engine: Engine) -> None:
    """What a request brought and our own reading confirmed is vouched for by both."""
    view = event(attribute())
    _record(engine, view, Origin.REQUEST)
    _record(engine, view, Origin.OWN_READING)
    kept = run(engine, lambda c: c.execute(select(schema.attribute.c.origins)).scalar_one())
    assert Origin(kept) == Origin.REQUEST | Origin.OWN_READING


def test_values_are_kept_byte_by_byte(engine: Engine) -> None:
    """Values that a careless database takes for equal are different observables."""
    values = [
        "http://a.example/A",
        "http://a.example/a",
        "http://a.example/é",
        "http://a.example/e",
        "http://a.example/😀",
    ]
    found = _witnesses(engine, _record(engine, event(*[attribute("url", value) for value in values])))
    assert {o.value for o in found} == set(values)


def test_many_attributes(engine: Engine) -> None:
    """More than one chunk of rows, each found again."""
    view = event(*[attribute("domain", f"h{n}.evil.example") for n in range(2500)])
    assert len(_witnesses(engine, _record(engine, view))) == 2500


def test_overlapping_views_at_once(engine: Engine) -> None:
    """Eight threads write overlapping values of four events in random order: no dead-lock stays, nothing is lost."""
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - a fixed seed
        try:
            for _ in range(10):
                names = chance.sample(range(40), 20)
                attributes = [attribute("domain", f"h{n}.evil.example") for n in names]
                number = chance.randrange(4)
                _record(engine, event(*attributes, uuid=f"dddddddd-0000-4000-8000-00000000000{number}"))
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert _count(engine, "observable") == 40
    assert _count(engine, "event") == 4
