"""What Microsoft holds, read back from the emulator over TLS: whole lists, edits by people, deletions for good."""

from __future__ import annotations

from typing import Any

import pytest

from misp_modules_ext.config.settings import Api
from misp_modules_ext.destinations import create, sentinel_management
from misp_modules_ext.destinations.defender_slots import room
from misp_modules_ext.destinations.interface import Destination, Entry, Refusal
from misp_modules_ext.emulator import Behaviour, Emulator
from misp_modules_ext.errors import DestinationError, NotFound, PermissionRefused, Unavailable
from misp_modules_ext.model.indicator import Due, Kind
from misp_modules_ext.model.outcome import Outcome
from tests.support.build import due
from tests.unit.destinations.values import VALUES

from .conftest import APP, SECRET, TENANT, WORKSPACE, Make, settings_for
from .test_all import APIS, held, known, push

THEIRS = "Another tool"
#: In the emulator a workspace's name is its id.
PLACE: dict[str, Any] = {
    "subscription_id": "44444444-4444-4444-8444-444444444444",
    "resource_group": "soc",
    "workspace_name": WORKSPACE,
}
ACCEPTED = Outcome.ACCEPTED


def _make(make: Make, api: Api, **fields: Any) -> Destination:
    return make(api, **(PLACE if api is Api.SENTINEL else {}), **fields)


def _domains(count: int) -> list[Due]:
    return [due(Kind.DOMAIN_NAME, f"c{number}.evil.example") for number in range(count)]


def _ours(destination: Destination) -> dict[str, Entry]:
    return {entry.stix_id: entry for entry in destination.entries(30.0) if entry.ours}


@pytest.mark.parametrize("api", APIS)
def test_what_was_sent_is_read_back_and_says_what_was_sent(make: Make, api: Api) -> None:
    """All kinds, with their ids, ends and observables; a changed due differs."""
    destination = _make(make, api)
    assert destination.cannot_list == ""
    assert destination.entries(5.0) == []
    dues = [due(kind, VALUES[kind]) for kind in Kind]
    dues = [one for one in dues if destination.refuses(one.indicator) is None]
    there = known(dues, push(destination, dues))
    entries = _ours(destination)
    assert len(entries) == len(dues)
    for one in there:
        entry = entries[one.stamp.stix_id]
        assert entry.observable == one.indicator.observable
        assert entry.valid_until == one.indicator.valid_until
        assert not one.remote_id or entry.remote_id == one.remote_id
        assert destination.differs(entry, one) == ""
        later = due(*one.indicator.observable, valid_until=one.indicator.valid_until + 60)
        assert destination.differs(entry, later).startswith("end is ")


@pytest.mark.parametrize("api", [Api.SENTINEL, Api.DEFENDER])
def test_other_peoples_entries_are_not_ours(make: Make, api: Api) -> None:
    """Sentinel's are not even listed; Defender's are, because they take slots."""
    push(_make(make, api, source_system=THEIRS), _domains(2))
    destination = _make(make, api)
    push(destination, [due()])
    entries = destination.entries(5.0)
    assert sum(entry.ours for entry in entries) == 1
    assert len(entries) == (3 if api is Api.DEFENDER else 1)
    assert room(entries, 14_999) == (14_998 if api is Api.DEFENDER else 14_999)


def test_a_revoked_indicator_is_listed_as_revoked(make: Make) -> None:
    """Sentinel keeps it."""
    sentinel = _make(make, Api.SENTINEL)
    push(sentinel, _domains(2))
    sentinel.withdraw(_domains(1), 5.0)
    revoked, live = (_ours(sentinel)[one.stamp.stix_id] for one in _domains(2))
    assert (revoked.revoked, live.revoked) == (True, False)
    assert sentinel.differs(revoked, _domains(1)[0]) == "revoked is True, not False"


def test_peers_24_sentinels_list_is_read_to_its_last_page(
    make: Make, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next page is asked by the token of its link, values with quotes are found on it, two readings agree."""
    monkeypatch.setattr(sentinel_management, "PAGE", 100)
    sentinel = _make(make, Api.SENTINEL)
    dues = [*_domains(250), due(Kind.URL, "http://evil.example/it's/\\'quoted'")]
    push(sentinel, dues)
    entries = _ours(sentinel)
    assert set(entries) == {one.stamp.stix_id for one in dues}
    assert entries[dues[-1].stamp.stix_id].observable == dues[-1].indicator.observable
    assert [one["path"].rpartition("/")[2] for one in emulator.requests()].count("queryIndicators") == 6


def test_peers_24_defenders_list_is_read_to_its_last_page(make: Make, emulator: Emulator) -> None:
    """More than one page holds: read until two readings agree."""
    defender = make(Api.DEFENDER)
    assert all(result.outcome is ACCEPTED for result in push(defender, _domains(10_100)))
    assert len(defender.entries(60.0)) == 10_100
    lists = [one for one in emulator.requests() if one["method"] == "GET" and one["api"] == "defender"]
    # One for the survey of an empty store, three for each of two readings.
    assert len(lists) == 1 + 6


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
@pytest.mark.parametrize("api", APIS)
def test_peers_21_a_failed_page_is_an_error_and_not_an_empty_list(
    make: Make, emulator: Emulator, api: Api, status: int
) -> None:
    """The first as well as any later one: nothing of it is returned."""
    destination = _make(make, api)
    push(destination, _domains(3))
    emulator.fault(api="management" if api is Api.SENTINEL else api.value, status=status, retryAfter=60)
    with pytest.raises(DestinationError):
        destination.entries(5.0)
    emulator.clear_faults()
    assert len(destination.entries(5.0)) == 3


@pytest.mark.parametrize("api", APIS)
def test_peers_21_a_dropped_page_is_an_error_and_not_an_empty_list(make: Make, emulator: Emulator, api: Api) -> None:
    """As with any request."""
    destination = _make(make, api)
    push(destination, _domains(3))
    emulator.fault(api="management" if api is Api.SENTINEL else api.value, drop="before")
    with pytest.raises(Unavailable):
        destination.entries(5.0)


def test_peers_21_without_its_place_sentinel_is_not_empty(make: Make) -> None:
    """A missing part of the configuration is an error that names it."""
    sentinel = make(Api.SENTINEL)
    push(sentinel, _domains(3))
    assert "`subscriptionId`" in sentinel.cannot_list
    with pytest.raises(NotFound, match="subscriptionId"):
        sentinel.entries(5.0)


def test_an_entry_of_another_ledger_is_left_alone_until_it_is_adopted(make: Make) -> None:
    """The same application, but an id that this ledger does not know."""
    defender = make(Api.DEFENDER)
    (there,) = known([due()], push(defender, [due()]))
    (answer,) = defender.survey([due()], 5.0)
    assert isinstance(answer, Refusal)
    assert "--adopt" in answer.message
    assert defender.withdraw([due()], 5.0)[0].outcome is ACCEPTED
    assert len(defender.entries(5.0)) == 1
    new = due(Kind.DOMAIN_NAME, "new.evil.example")
    assert defender.survey([there, new], 5.0) == [there, new]


def test_an_entry_that_someone_deleted_goes_as_new(make: Make) -> None:
    """Its id is gone from the list."""
    defender = make(Api.DEFENDER)
    (there,) = known([due()], push(defender, [due()]))
    defender.withdraw([there], 5.0)
    new = due(Kind.DOMAIN_NAME, "new.evil.example")
    assert defender.survey([there, new], 5.0) == [due(), new]


def test_hard_delete_leaves_nothing_at_sentinel(make: Make, emulator: Emulator) -> None:
    """Of ours; another source's object with the same id stays, and what is absent counts as withdrawn."""
    push(_make(make, Api.SENTINEL, source_system=THEIRS), _domains(1))
    sentinel = _make(make, Api.SENTINEL, hard_delete=True)
    push(sentinel, _domains(3))
    assert [result.outcome for result in sentinel.withdraw(_domains(3), 10.0)] == [ACCEPTED] * 3
    assert sentinel.entries(5.0) == []
    assert emulator.state()["sources"][WORKSPACE] == {THEIRS: 1}
    uploads = [one for one in emulator.requests() if one["api"] == "sentinel"]
    assert len(uploads) == 2


def test_a_deletion_whose_answer_is_lost_can_be_repeated(make: Make, emulator: Emulator) -> None:
    """What was deleted before is accepted, what had no answer comes again; nothing stays live."""
    sentinel = _make(make, Api.SENTINEL, hard_delete=True)
    push(sentinel, _domains(3))
    emulator.fault(api="management", method="DELETE", path=_domains(2)[1].stamp.stix_id, drop="after", times=1)
    first = sentinel.withdraw(_domains(3), 10.0)
    assert [result.outcome for result in first] == [ACCEPTED, Outcome.PENDING, Outcome.PENDING]
    again = [one for one, result in zip(_domains(3), first, strict=True) if result.outcome is Outcome.PENDING]
    assert [result.outcome for result in sentinel.withdraw(again, 10.0)] == [ACCEPTED] * 2
    assert [entity for entity in held(emulator, Api.SENTINEL) if not entity.get("revoked")] == []


def _own(behaviour: Behaviour) -> Emulator:
    return Emulator(rates=False, apps=[(TENANT, APP, SECRET)], behaviour=behaviour)


def test_hard_delete_revokes_what_does_not_show_yet() -> None:
    """An upload shows after minutes: a deletion that finds nothing must not leave it live."""
    with _own(Behaviour(read_back_delay=300.0)) as emulator:
        sentinel = create(settings_for(emulator, Api.SENTINEL, **PLACE, hard_delete=True))
        push(sentinel, _domains(2))
        assert [result.outcome for result in sentinel.withdraw(_domains(2), 10.0)] == [ACCEPTED] * 2
        assert all(entity["revoked"] for entity in held(emulator, Api.SENTINEL))


def test_check_tells_the_role_for_reading_back() -> None:
    """The upload may be allowed while the resource manager refuses."""
    with _own(Behaviour(without_permission=frozenset({"management"}))) as emulator:
        sentinel = create(settings_for(emulator, Api.SENTINEL, **PLACE))
        token, upload, read_back = sentinel.check()
        assert (token.ok, upload.ok, read_back.ok) == (True, True, False)
        assert read_back.refused
        assert "Microsoft Sentinel Contributor" in read_back.remedy
        with pytest.raises(PermissionRefused):
            sentinel.entries(5.0)


def test_check_tells_a_wrong_place(make: Make) -> None:
    """The keys that may be wrong are named; with the right ones all is well and nothing was changed."""
    wrong = make(Api.SENTINEL, **(PLACE | {"workspace_name": "not-there"})).check()[2]
    assert wrong.misconfigured
    assert "`workspaceName`" in wrong.remedy
    assert [finding.ok for finding in _make(make, Api.SENTINEL).check()] == [True] * 4
