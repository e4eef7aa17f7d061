"""Which destinations a submission goes to, and what it says as a whole."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, func, select

from misp_modules_ext.config.settings import DestinationSettings, LedgerSettings, MispSettings, Selection, Settings
from misp_modules_ext.delivery.submit import LEAST, Order, _with_time_to_write, choose, keep, problem_account, submit
from misp_modules_ext.errors import LedgerError, UsageError
from misp_modules_ext.ledger import Origin, open_ledger, register, submissions, take
from misp_modules_ext.ledger.schema import metadata
from misp_modules_ext.model.account import Account
from misp_modules_ext.model.misp import Tlp
from misp_modules_ext.model.outcome import Outcome, Reason, State
from tests.support.build import attribute, destination, event

OPEN = Selection(allow_documentation_ranges=True)
SENTINEL = destination(selection=OPEN)
SOC = destination(name="microsoft SOC", source_system="SOC", selection=OPEN)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a state directory of its own, where marks of stores lie."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def _settings(folder: Path, *destinations: DestinationSettings, ledger: str = "ledger.db") -> Settings:
    kept = LedgerSettings(url=SecretStr(f"sqlite:///{folder / ledger}"))
    return Settings(path=folder / "rh-isac.conf", destinations=destinations or (SENTINEL, SOC), ledger=kept)


def _now() -> int:
    return int(time.time())


def _rows(settings: Settings) -> dict[str, int]:
    """How many rows each table of the ledger has."""
    ledger = open_ledger(settings.ledger.url.get_secret_value())
    return ledger.read(
        lambda connection: {
            name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
            for name, table in metadata.tables.items()
        }
    )


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ((), ["microsoft", "microsoft SOC"]),
        (("all",), ["microsoft", "microsoft SOC"]),
        (("soc",), ["microsoft SOC"]),
        (("soc", "microsoft  soc", "SOC"), ["microsoft SOC"]),
        (("microsoft",), ["microsoft"]),
    ],
)
def test_names_choose_each_destination_once(names: tuple[str, ...], chosen: list[str], here: Path) -> None:
    """In any case, with or without `microsoft` in front; two senders to one store would race."""
    assert [d.name for d in choose(_settings(here), names)] == chosen


def test_an_unknown_name_lists_the_known_ones(here: Path) -> None:
    """So that the next try is right; and no ledger is made for it."""
    settings = _settings(here)
    with pytest.raises(UsageError, match=r"nowhere.*Known: microsoft, microsoft SOC"):
        submit([event(attribute())], settings, Order("cli", ("nowhere",)))
    assert not (here / "ledger.db").exists()


@pytest.mark.parametrize("door", ["action", "cli", "export"])
def test_it_is_said_once_that_there_is_no_index_of_warninglists(door: str, here: Path) -> None:
    """For all attributes together, with the place and the command; also in an export, where MISP tells its own hits."""
    account = submit([event(attribute(), attribute("md5", "0" * 32))], _settings(here), Order(door, preview=True))
    (told,) = (warning for warning in account.warnings if "warninglist" in warning)
    assert str(here / "state/misp-modules-ext/warninglists.db") in told
    assert "Build it with `misp-microsoft warninglists`." in told
    assert [item.outcome for d in account.destinations for item in d.items] == [Outcome.ACCEPTED] * 4


def test_without_the_gate_there_is_nothing_to_say(here: Path) -> None:
    """`warninglists = none`, and a key for MISP."""
    quiet = destination(selection=Selection(warninglists=frozenset()))
    account = submit([event(attribute())], _with_key(_settings(here, quiet)), Order("cli", preview=True))
    assert account.warnings == ()


def test_without_a_key_it_is_said_that_nothing_is_withdrawn(here: Path) -> None:
    """With `[misp]` but no key, and without `[misp]`."""
    settings = _settings(here)
    keyless = settings.model_copy(update={"misp": MispSettings(name="misp", url="https://misp.example")})
    for given, told in ((settings, True), (keyless, True), (_with_key(settings), False)):
        account = submit([event(attribute())], given, Order("export", preview=True))
        assert any("withdraws nothing" in warning for warning in account.warnings) is told


def test_our_own_reading_of_another_misp_is_not_said_to_withdraw_nothing(here: Path) -> None:
    """`sync` reads RH-ISAC's MISP with its own key, and no `[misp]` is needed for that."""
    order = Order("sync", preview=True, origin=Origin.OWN_READING)
    account = submit([event(attribute())], _settings(here), order)
    assert not any("withdraws nothing" in warning for warning in account.warnings)


def _with_key(settings: Settings) -> Settings:
    misp = MispSettings(name="misp", url="https://misp.example", key=SecretStr("not-a-key"))
    return settings.model_copy(update={"misp": misp})


def test_a_preview_says_what_would_go_and_keeps_nothing(here: Path) -> None:
    """Neither evidence nor rows nor a submission; the destinations are not even noted."""
    settings = _settings(here)
    account = submit([event(attribute(timestamp=_now()))], settings, Order("cli", preview=True))
    assert [d.counts["accepted"] for d in account.destinations] == [1, 1]
    assert all(d.state is State.OK and not d.message for d in account.destinations)
    assert account.preview
    assert {name for name, count in _rows(settings).items() if count} == {"meta"}


def test_a_preview_is_the_difference_to_what_is_known(here: Path) -> None:
    """What is due already would go, an edit as well, and what the ledger has as sent stays unchanged."""
    settings = _settings(here, SENTINEL)
    known = event(attribute("domain", "due.evil.example", timestamp=_now()))
    ledger = open_ledger(settings.ledger.url.get_secret_value())

    def take_it(connection: Connection) -> None:
        stores = register(connection, [(SENTINEL, lambda _: None)])
        take(connection, [known], Origin.REQUEST, stores, "")

    ledger.write(take_it)
    before = _rows(settings)
    both = replace(known, attributes=(*known.attributes, attribute("domain", "new.evil.example", timestamp=_now())))
    account = submit([both], settings, Order("cli", preview=True))
    assert [item.outcome for item in account.destinations[0].items] == [Outcome.ACCEPTED, Outcome.ACCEPTED]
    assert _rows(settings) == before


def test_the_account_names_the_ledger(here: Path) -> None:
    """Whoever looks for what waits must know where."""
    account = submit([event(attribute())], _settings(here), Order("cli", preview=True))
    assert account.ledger == f"sqlite:///{here / 'ledger.db'}"


def test_a_closed_door_is_told_and_leaves_no_trace(here: Path) -> None:
    """The destination is not even registered: nobody asked for the event there."""
    settings = _settings(here, destination(selection=OPEN, doors=frozenset({"sync"})))
    account = submit([event(attribute())], settings, Order("export"))
    (item,) = account.destinations[0].items
    assert (item.outcome, item.reason) == (Outcome.SKIPPED, Reason.DOOR_CLOSED)
    assert "sync" in item.message
    assert {name for name, count in _rows(settings).items() if count} == {"meta"}


def test_where_nothing_is_to_be_sent_microsoft_is_not_asked(here: Path) -> None:
    """No thread, no token, no request (this test has no sockets); the submission is noted all the same."""
    settings = _settings(here, SENTINEL)
    account = submit([event(attribute(to_ids=False))], settings, Order("cli"))
    (told,) = account.destinations
    assert (told.state, told.items[0].reason) == (State.OK, Reason.TO_IDS_OFF)
    assert "not asked" in told.message
    assert _rows(settings)["submission"] == 1


def test_the_account_can_be_kept_and_found(here: Path) -> None:
    """Under the id that it carries, as it was."""
    settings = _settings(here, SENTINEL)
    account = submit([event(attribute(to_ids=False))], settings, Order("cli"))
    keep(settings, account.submission, [b'{"schema"', b": 1}"])
    ledger = open_ledger(settings.ledger.url.get_secret_value())
    (found,) = ledger.read(lambda connection: submissions.find(connection, account.submission[:8]))
    assert (found.submission_id, found.door, found.document) == (account.submission, "cli", b'{"schema": 1}')
    assert found.finished_ms is not None
    assert found.started_ms <= found.finished_ms


def test_an_older_view_changes_nothing_and_says_so(here: Path) -> None:
    """A file that was saved yesterday does not undo today's edit."""
    settings = _settings(here, SENTINEL)
    newer = event(attribute(to_ids=False), timestamp=_now())
    submit([newer], settings, Order("cli"))
    older = replace(newer, timestamp=newer.timestamp - 60, attributes=(attribute(timestamp=_now()),))
    account = submit([older], settings, Order("cli", preview=True))
    assert any("later state" in warning and newer.uuid in warning for warning in account.warnings)
    (item,) = account.destinations[0].items
    # It never goes, so it does not wait.
    assert (item.outcome, item.reason) == (Outcome.SKIPPED, Reason.OUTDATED)


def test_withdrawn_is_told_where_it_counted(here: Path) -> None:
    """Amber never went where green is the most that may go: there the attribute is skipped, now as before."""
    green = destination(
        name="microsoft green", source_system="G", selection=OPEN.model_copy(update={"max_tlp": Tlp.GREEN})
    )
    settings = _settings(here, SENTINEL, green)
    known = event(attribute(timestamp=_now()), timestamp=_now(), tags=["tlp:amber"])
    ledger = open_ledger(settings.ledger.url.get_secret_value())

    def take_it(connection: Connection) -> None:
        stores = register(connection, [(d, lambda _: None) for d in settings.destinations])
        take(connection, [known], Origin.REQUEST, stores, "")

    ledger.write(take_it)
    off = replace(known, attributes=(replace(known.attributes[0], to_ids=False),))
    told = submit([off], settings, Order("cli", preview=True, origin=Origin.OWN_READING)).destinations
    assert [(d.items[0].outcome, d.items[0].reason) for d in told] == [
        (Outcome.WITHDRAWN, Reason.TO_IDS_OFF),
        (Outcome.SKIPPED, Reason.TO_IDS_OFF),
    ]


def test_a_second_ledger_on_a_store_is_refused(here: Path) -> None:
    """Both would undo each other's work; nothing is taken, and the way out is named."""
    submit([event(attribute(to_ids=False))], _settings(here, SENTINEL, ledger="first.db"), Order("cli"))
    second = _settings(here, SENTINEL, ledger="second.db")
    with pytest.raises(LedgerError, match=r"belongs to another ledger \(.*first\.db\).*reconcile --adopt") as error:
        submit([event(attribute(timestamp=_now()))], second, Order("cli"))
    assert "Nothing was taken" in str(error.value)
    assert {name for name, count in _rows(second).items() if count} == {"meta"}


def test_other_stores_may_have_other_ledgers(here: Path) -> None:
    """The mark is the store's, not the configuration's."""
    submit([event(attribute(to_ids=False))], _settings(here, SENTINEL, ledger="first.db"), Order("cli"))
    account = submit([event(attribute(to_ids=False))], _settings(here, SOC, ledger="second.db"), Order("cli"))
    assert account.destinations[0].state is State.OK


def test_a_renamed_section_is_the_same_store(here: Path) -> None:
    """A destination is its store; the name is a label."""
    settings = _settings(here, SENTINEL)
    submit([event(attribute(to_ids=False))], settings, Order("cli"))
    renamed = _settings(here, destination(name="microsoft other", selection=OPEN))
    submit([event(attribute(to_ids=False))], renamed, Order("cli"))
    assert _rows(renamed)["destination"] == 1


def test_a_ledger_that_cannot_be_opened_takes_nothing(here: Path) -> None:
    """Its own error, for the door to tell."""
    (here / "ledger.db").write_bytes(b"no database, but long enough to look at" * 100)
    with pytest.raises(LedgerError, match=r"not a database.*Nothing was kept"):
        submit([event(attribute())], _settings(here), Order("cli"))


def test_the_account_of_a_submission_that_could_not_begin() -> None:
    """It has an id, the door, the times and the problem; nothing else."""
    account = problem_account("action", "Free some space.", "ledger", 5.0)
    assert (account.door, account.problem, account.problem_code, account.started) == (
        "action",
        "Free some space.",
        "ledger",
        5.0,
    )
    assert account.finished >= account.started
    assert isinstance(account, Account)
    assert account.destinations == ()


def test_a_slow_machine_keeps_more_time_for_writing() -> None:
    """Sending ends earlier the longer taking took and the more destinations there are, but never at once."""
    order = Order("export", deadline=time.monotonic() + 10)
    ends = [_with_time_to_write(order, taking, count).deadline for taking, count in ((0.1, 1), (2.0, 1), (2.0, 3))]
    assert all(ends[n] is not None and ends[n + 1] is not None and ends[n] > ends[n + 1] for n in (0, 1))  # type: ignore[operator]
    before = time.monotonic()
    late = _with_time_to_write(order, 60.0, 3).deadline
    assert late is not None
    assert before + LEAST <= late <= time.monotonic() + LEAST
    assert _with_time_to_write(Order("cli"), 60.0, 3).deadline is None
