"""How the status is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from misp_modules_ext.cli.check import check
from misp_modules_ext.cli.looking import Place, is_alive, pause_code
from misp_modules_ext.cli.status import codes, status
from misp_modules_ext.cli.status_output import Against, At, Status, document, show
from misp_modules_ext.config.settings import Api
from misp_modules_ext.ledger import Ledger, queries, schema
from misp_modules_ext.ledger.lease import Pause
from misp_modules_ext.ledger.submissions import Submission
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.report import first_code
from tests.support.build import NOW, destination

KNOWN = queries.Destination(1, bytes(32), "microsoft", "sentinel", "", None, None, 0)
PLACE = Place(KNOWN, destination())


def _alike(state: int, rows: int, *, wanted: bool = True, there: bool = False, reason: str = "") -> queries.Alike:
    return queries.Alike(state, wanted, there, reason or None, rows)


def _counts(*alike: queries.Alike, whole: bool = True, counted: frozenset[int] = frozenset()) -> queries.Counts:
    return queries.Counts(alike, counted, whole)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """An empty one."""
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


def _status(ledger: Ledger, *at: At, **changes: object) -> Status:
    plain = Status(NOW, ledger, "0001", True, [], queries.Readings(0, 0, ()), list(at), [])
    return plain._replace(**changes)


def test_json_says_what_is_where_and_why(ledger: Ledger) -> None:
    """Every number of a destination, the reasons with their sentences, and when something goes next."""
    counts = _counts(
        _alike(schema.SETTLED, 800, there=True),
        _alike(schema.DUE, 7, reason="throttled"),
        _alike(schema.DUE, 2, there=True),
        _alike(schema.DUE, 3, wanted=False, there=True, reason="withdrawal-cap"),
        _alike(schema.REJECTED, 1, reason="rejected-by-microsoft"),
        _alike(schema.SKIPPED, 4, reason="capacity"),
        _alike(schema.EXPIRED, 5, wanted=False),
    )
    pause = Pause((NOW + 60) * 1000, Reason.THROTTLED, "Slow down.")
    known = KNOWN._replace(holds=6, next_ms=NOW * 1000, pause=pause, holder="worker here 7")
    found = document(_status(ledger, At(Place(known, destination()), counts)))
    (at,) = found["destinations"]
    assert at["counts"] == {
        "there": 805,
        "create": 7,
        "update": 2,
        "withdraw": 3,
        "rejected": 1,
        "skipped": 4,
        "onHold": 6,
        "expired": 5,
    }
    assert at["estimated"] == []
    assert [(wait["outcome"], wait["reason"], wait["count"]) for wait in at["waits"]] == [
        ("pending", "throttled", 7),
        ("skipped", "capacity", 4),
        ("pending", "withdrawal-cap", 3),
        ("pending", None, 2),
        ("rejected", "rejected-by-microsoft", 1),
    ]
    assert at["waits"][2]["message"] == Reason.WITHDRAWAL_CAP.sentence
    # Not before the pause is over.
    assert at["next"] == at["pause"]["until"] == "2026-11-24T12:01:00Z"
    assert at["holder"] == "worker here 7"


def test_what_was_not_counted_is_marked(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    """With `~` and three digits for people, by name for programs."""
    alike = (
        _alike(schema.SETTLED, 866_123, there=True),
        _alike(schema.REJECTED, 4_942, reason="rejected-by-microsoft"),
    )
    counted = frozenset({schema.DUE, schema.REJECTED, schema.SKIPPED, schema.EXPIRED})
    found = _status(ledger, At(PLACE, _counts(*alike, whole=False, counted=counted)))
    (at,) = document(found)["destinations"]
    assert at["counts"]["there"] == 866_000
    assert at["counts"]["rejected"] == 4_942
    assert at["estimated"] == ["there", "create", "update", "withdraw"]
    show(found, as_json=False)
    shown = capsys.readouterr().out
    assert "there ~866,000" in shown
    assert "rejected 4,942" in shown


def test_who_drains(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    """The living with their processes; when there are none, what to do."""
    living = queries.Drain("w", "worker", "here", 7, 3.2)
    gone = queries.Drain("s", "service", "there", 8, 90.0)
    assert [drain["alive"] for drain in document(_status(ledger, drains=[living, gone]))["drains"]] == [True, False]
    show(_status(ledger, drains=[living, gone]), as_json=False)
    shown = capsys.readouterr().out
    assert "worker on here, process 7" in shown
    assert "No drain" not in shown
    assert "there" not in shown
    show(_status(ledger, drains=[gone]), as_json=False)
    assert "No drain is alive: run `misp-microsoft serve`" in capsys.readouterr().out


def test_events_and_submissions(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    """Why an event is not read, and which submission never ended."""
    failed = queries.Reading("0e0e0e0e-0000-4000-8000-000000000000", NOW * 1000, 3, "MISP does not answer.", False)
    unfinished = Submission("0b8f3f0e-52a0-4c0f-8a50-0d4c6a2f9b11", "export", NOW * 1000, None, b"")
    found = _status(ledger, readings=queries.Readings(1, 2, (failed,)), latest=[unfinished], reads=False)
    show(found, as_json=False)
    shown = capsys.readouterr().out
    assert "1 now, 2 later" in shown
    assert "tried 3 times" in shown
    assert "MISP does not answer." in shown
    assert "not finished" in shown
    assert "[misp] has no key" in shown
    told = document(found)
    assert told["readings"]["failed"][0]["message"] == "MISP does not answer."
    assert told["submissions"][0]["finished"] is None
    assert told["misp"]["reads"] is False


def test_who_only_runs_sync_is_not_told_that_nothing_is_withdrawn(
    ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    """Events of RH-ISAC's MISP are read with its own key; what `[misp]` would be for is said beside that."""
    found = _status(ledger, reads=False, others=("RH-ISAC MISP",))
    show(found, as_json=False)
    shown = " ".join(capsys.readouterr().out.split())
    assert "Events of [RH-ISAC MISP] are read: what is no longer said there is withdrawn. [misp] has no key" in shown
    assert "nothing is withdrawn" not in shown
    assert document(found)["misp"]["message"] in shown


def test_the_effect_of_a_changed_rule(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    """How much would not go today, for which reasons, for example what."""
    against = Against(3, {"tlp": 2, "": 1}, (("domain-name", "c2.evil.example"),))
    found = _status(ledger, At(PLACE, _counts(), against))
    show(found, as_json=False)
    shown = capsys.readouterr().out
    assert "3 indicators there that today's rules would not let go" in shown
    assert "2 (tlp)" in shown
    assert "c2.evil.example" in shown
    told = document(found)["destinations"][0]["againstRules"]
    assert told == {
        "count": 3,
        "reasons": {"tlp": 2, "": 1},
        "examples": [{"kind": "domain-name", "value": "c2.evil.example"}],
    }


def test_objects_of_context_that_wait_or_were_refused(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    """Told with Sentinel's words; where none are, nothing is said."""
    beside = queries.Beside(3, 1, "name is too long")
    show(_status(ledger, At(PLACE, _counts(), beside=beside)), as_json=False)
    shown = " ".join(capsys.readouterr().out.split())
    assert "the objects of context of 3 indicators are to be looked at" in shown
    assert "1 object of context refused; the first: name is too long" in shown
    told = document(_status(ledger, At(PLACE, _counts(), beside=beside)))["destinations"][0]
    assert told["objectsOfContext"] == {"waiting": 3, "refused": 1, "message": "name is too long"}
    show(_status(ledger, At(PLACE, _counts(), beside=queries.Beside(0, 0, ""))), as_json=False)
    assert "of context" not in capsys.readouterr().out


def test_destinations_that_are_new_or_gone(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    """One that was never sent to, one that the configuration no longer has."""
    new, gone = At(Place(None, destination()), _counts()), At(Place(KNOWN, None), _counts())
    show(_status(ledger, new, gone), as_json=False)
    shown = capsys.readouterr().out
    assert "nothing was ever sent there" in shown
    assert "no longer configured" in shown
    told = document(_status(ledger, new, gone))["destinations"]
    assert [(at["name"], at["configured"], at["api"]) for at in told] == [
        ("microsoft", True, "sentinel"),
        ("microsoft", False, "sentinel"),
    ]


def test_json_is_json(ledger: Ledger, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """On standard output, alone."""
    show(_status(ledger, At(PLACE, _counts())), as_json=True)
    assert json.loads(capfdbinary.readouterr().out)["command"] == "status"


def test_exit_codes() -> None:
    """DESIGN.md 6: the first of 2, 4, 5, 3, 1; refused credentials are no mere waiting."""
    assert [first_code(codes) for codes in ({1, 3}, {1, 5, 4}, {2, 4}, set())] == [3, 4, 2, 0]
    assert [pause_code(reason) for reason in (Reason.CREDENTIALS_REFUSED, Reason.THROTTLED, None)] == [4, 3, 3]


def test_a_drain_is_alive_for_a_minute() -> None:
    """It is heard of every few seconds."""
    assert is_alive(queries.Drain("w", "worker", "here", 7, 59))
    assert not is_alive(queries.Drain("w", "worker", "here", 7, 61))


def _paused(reason: Reason, **changes: object) -> Place:
    return Place(KNOWN._replace(pause=Pause(NOW * 1000, reason, "No."), **changes), destination())


def test_a_pause_counts_only_while_something_waits(ledger: Ledger) -> None:
    """What settled otherwise meanwhile needs nobody to look at old credentials."""
    place = _paused(Reason.CREDENTIALS_REFUSED)
    assert codes(_status(ledger, At(place, _counts(_alike(schema.SETTLED, 5, there=True))))) == set()
    assert codes(_status(ledger, At(place, _counts(_alike(schema.DUE, 1))))) == {3, 4}
    assert codes(_status(ledger, At(_paused(Reason.NOT_FOUND), _counts(_alike(schema.DUE, 1))))) == {2, 3}


def test_failed_readings_are_misp_unreachable(ledger: Ledger) -> None:
    """DESIGN.md 6: 5. What MISP does not show was read; without a key nothing is."""
    failed = queries.Reading("0e0e0e0e-0000-4000-8000-000000000000", NOW * 1000, 3, "MISP does not answer.", False)
    missing = failed._replace(attempts=0, missing=True)
    assert codes(_status(ledger, readings=queries.Readings(0, 1, (failed,)))) == {5}
    assert codes(_status(ledger, readings=queries.Readings(0, 1, (missing,)))) == set()


def test_the_ledgers_own_marks_are_no_reasons(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    """A lifted cap is none, and what gives its slot away lacks room; programs and people see known codes only."""
    counts = _counts(
        _alike(schema.DUE, 2, wanted=False, there=True, reason="cap-lifted"),
        _alike(schema.SKIPPED, 1, there=True, reason="evicting"),
    )
    found = _status(ledger, At(PLACE, counts))
    (at,) = document(found)["destinations"]
    assert [(wait["reason"], wait["message"]) for wait in at["waits"]] == [
        (None, None),
        ("capacity", Reason.CAPACITY.sentence),
    ]
    show(found, as_json=False)
    shown = capsys.readouterr().out
    assert "cap-lifted" not in shown
    assert "evicting" not in shown


def test_the_help_of_commands_that_look() -> None:
    """It names all exit codes, and that a ledger is made on first use."""
    for command, codes_told in ((status, "12345"), (check, "2345")):
        told = command.__doc__ or ""
        assert all(f"{code}:" in told.replace("\n", " ") for code in codes_told)
        assert "makes the ledger on first use" in told


@pytest.mark.parametrize("known", [None, KNOWN._replace(api="graph")])
def test_a_retired_api_is_told_with_its_date(
    ledger: Ledger, capsys: pytest.CaptureFixture[str], known: queries.Destination | None
) -> None:
    """Whether or not anything was ever sent there; of no other API."""
    graph = At(Place(known, destination(name="microsoft graph", api=Api.GRAPH)), _counts())
    show(_status(ledger, graph, At(PLACE, _counts())), as_json=False)
    (told,) = [line for line in capsys.readouterr().out.splitlines() if "April 2026" in line]
    assert told.startswith("  microsoft graph: Microsoft has announced the removal")
