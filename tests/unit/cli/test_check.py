"""What `check` prints, how long it takes, and what it finds of this installation."""

from __future__ import annotations

import io
import logging
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from misp_modules_ext.cli import check_output
from misp_modules_ext.cli.checking import destination as destinations
from misp_modules_ext.cli.checking import here, service, ways
from misp_modules_ext.cli.checking.groups import Group, Way, run_all
from misp_modules_ext.config.settings import ActionRules, Api, Auth, LedgerSettings, MispSettings, Settings
from misp_modules_ext.destinations import create
from misp_modules_ext.destinations.answers import Answer
from misp_modules_ext.errors import LedgerError
from misp_modules_ext.ledger import Ledger, open_ledger
from misp_modules_ext.ledger.marks import mark
from misp_modules_ext.model.finding import Code, Finding, codes_markdown
from misp_modules_ext.model.outcome import State
from tests.support.build import NOW, destination
from tests.support.keys import misp_key


def _group(*findings: Finding, name: str = "microsoft", ways: tuple[Way, ...] = ()) -> Group:
    group = Group(name, lambda this: this.add(*findings), ways)
    run_all([group], 10)
    return group


def _checked(settings: Settings, group: Group, **fields: Any) -> check_output.Checked:
    made = check_output.Checked(settings, (destination(),), [group], [], _group(name=here.HERE), 0, 1, 60)
    return made._replace(**fields)


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_finding_is_one_line_in_a_pipe(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    """As long as it is, and without what the encoding lacks."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", out)
    finding = Finding(Code.TOKEN, "token", "answer ☃ " * 30, "remedy " * 30, State.REFUSED)
    host = Way("host.example", 443, "purpose " * 30)
    checked = _checked(Settings(path=Path("/etc/☃/rh-isac.conf")), _group(finding, ways=(host,)))
    check_output.show(checked, as_json=False)
    out.flush()
    assert isinstance(out.buffer, io.BytesIO)
    lines = out.buffer.getvalue().decode(encoding).splitlines()
    assert [line.split()[0] for line in lines] == [
        "Configuration:",
        "Everything",
        "microsoft:",
        "[microsoft]",
        "1.",
        "What",
        "This",
        "Hosts",
        "host.example",
    ]
    assert lines[4].startswith("  1. T01 FAILED token: answer")
    assert checked.exit_code == 4


def test_a_destination_in_one_row() -> None:
    """The first failure of each kind is what the row says."""
    upload = Finding(Code.UPLOAD, "u", "a", "r", State.REFUSED)
    host = Finding(Code.API_HOST, "h", "a")
    login = Finding(Code.LOGIN_HOST, "h", "a", "r", State.UNREACHABLE)
    pause = Finding(Code.PAUSE, "sending", "paused", "r")
    token = Finding(Code.TOKEN, "t", "a")
    rows = [check_output.row_of(_group(*found)) for found in ((), (host, token, upload), (login, host, pause))]
    assert [tuple(row) for row in rows] == [
        ("not tried", "not tried", "not tried", "", "ok"),
        ("1 of 1", "ok", "refused", "", "refused"),
        ("1 of 2", "not tried", "not tried", "", "unreachable, sending pauses"),
    ]


def test_one_that_hangs_holds_up_no_other() -> None:
    """All at once; at the limit it is told as unfinished, with what it has found, and adds nothing any more."""
    released = threading.Event()

    def _hang(group: Group) -> None:
        group.add(Finding(Code.API_HOST, "host", "answers"))
        released.wait(30)
        group.add(Finding(Code.TOKEN, "token", "too late"))

    def _fail(group: Group) -> None:
        raise RuntimeError("a secret")

    hanging = [Group(f"hangs {number}", _hang) for number in range(3)]
    good, bad = Group("good", lambda group: group.add(Finding(Code.TOKEN, "token", "there"))), Group("bad", _fail)
    began = time.monotonic()
    run_all([*hanging, good, bad], 0.5)
    assert time.monotonic() - began < 5
    released.set()
    for group in hanging:
        assert group.done.wait(5)
        assert [finding.code for finding in group.findings] == [Code.API_HOST, Code.UNFINISHED]
    assert hanging[0].findings[1].exit_code == 3
    assert [finding.ok for finding in good.findings] == [True]
    assert "RuntimeError" in bad.findings[0].answer
    assert "a secret" not in bad.findings[0].answer


@pytest.mark.parametrize("unfinished", [2, 3, 5])
def test_what_does_not_end_counts_by_where_it_stands(unfinished: int, caplog: pytest.LogCaptureFixture) -> None:
    """Late or by a defect; what was found before keeps its own exit code. The log holds the kind of a defect only."""
    caplog.set_level(logging.DEBUG, "misp_modules_ext")
    released = threading.Event()

    def _hang(group: Group) -> None:
        group.add(Finding(Code.TOKEN, "token", "refused", "r", State.REFUSED))
        released.wait(30)

    def _fail(group: Group) -> None:
        raise RuntimeError("a secret\nand a line")

    late, broken = (Group("one", work, unfinished=unfinished) for work in (_hang, _fail))
    run_all([late, broken], 0.2)
    released.set()
    assert [(f.code, f.exit_code) for f in late.findings] == [(Code.TOKEN, 4), (Code.UNFINISHED, unfinished)]
    assert [(f.code, f.exit_code) for f in broken.findings] == [(Code.UNFINISHED, unfinished)]
    assert caplog.messages == ["check of one: unexpected RuntimeError"]
    assert "a secret" not in caplog.text


def test_findings_stand_in_the_order_of_their_codes() -> None:
    """Whatever came first."""
    group = _group(Finding(Code.SLOTS, "", "x"), Finding(Code.TOKEN, "", "x"), Finding(Code.API_HOST, "", "x"))
    assert [finding.code for finding in group.findings] == [Code.API_HOST, Code.TOKEN, Code.SLOTS]


@pytest.mark.parametrize(
    ("code", "state", "exit_code"),
    [
        (Code.TOKEN, State.OK, 0),
        (Code.TOKEN, State.REFUSED, 4),
        (Code.UPLOAD, State.MISCONFIGURED, 2),
        (Code.UPLOAD, State.THROTTLED, 3),
        (Code.TI_INDICATORS, State.RETIRED, 3),
        (Code.MISP, State.UNREACHABLE, 5),
        (Code.MISP, State.REFUSED, 4),
        (Code.LEDGER, State.MISCONFIGURED, 2),
    ],
)
def test_exit_codes_of_findings(code: Code, state: State, exit_code: int) -> None:
    """As the command documents them."""
    assert Finding(code, "", "", "", state).exit_code == exit_code


def test_every_code_has_a_meaning_of_its_own() -> None:
    """And no code stands for two things."""
    assert len({code.meaning for code in Code}) == len(Code) == len({code.value for code in Code})
    assert all(f"| {code.value} | {code.meaning} |" in codes_markdown() for code in Code)


@pytest.mark.parametrize("api", list(Api))
@pytest.mark.parametrize("auth", [Auth.SECRET, Auth.MANAGED_IDENTITY])
@pytest.mark.parametrize("place", [False, True])
def test_the_hosts_to_open_are_those_that_are_asked(
    monkeypatch: pytest.MonkeyPatch, api: Api, auth: Auth, place: bool
) -> None:
    """The destination says itself which it talks to; and a managed identity's, which is on the machine's link."""
    for name in ("IDENTITY_ENDPOINT", "MSI_ENDPOINT", "AZURE_POD_IDENTITY_AUTHORITY_HOST"):
        monkeypatch.delenv(name, raising=False)
    fields = {"subscription_id": "s", "resource_group": "g", "workspace_name": "n"} if place else {}
    settings = destination(
        api=api,
        auth=auth,
        endpoint_login="https://login.example",
        endpoint_api="https://api.example:8443",
        endpoint_management="https://arm.example",
        **fields,
    )
    made = create(settings)
    found = ways.ways_of(settings, reads_back=not made.cannot_list)
    own = [way for way in found if way.host == "169.254.169.254"]
    assert len(own) == (auth is Auth.MANAGED_IDENTITY)
    assert {f"https://{way.host}:{way.port}" for way in found if way not in own} == set(made.hosts())


def test_proxies_are_named_without_their_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the environment has them, for each host."""
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hidden@proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "misp.example")
    (login, _) = ways.ways_of(destination(endpoint_login="https://login.example"), reads_back=False)
    assert login.proxy == "proxy.example:3128"
    assert ways.way_to_misp(MispSettings(name="misp", url="https://misp.example/x")).proxy == ""
    monkeypatch.setenv("HTTPS_PROXY", "http://[")
    assert "cannot be read" in ways.proxy_of("https://login.example")


def test_the_servers_of_ledger_and_queue_are_hosts_too() -> None:
    """Host and port; passwords and files are not."""
    ledger = LedgerSettings(url=SecretStr("postgresql+psycopg://u:hidden@db.example/ledger"))
    settings = Settings(path=Path("x"), ledger=ledger, queue_url=SecretStr("redis://:hidden@redis.example:6380/0"))
    assert [(way.host, way.port) for way in ways.ways_of_servers(settings)] == [
        ("db.example", 5432),
        ("redis.example", 6380),
    ]
    files = LedgerSettings(url=SecretStr("sqlite:////var/lib/x.db"))
    assert ways.ways_of_servers(Settings(path=Path("x"), ledger=files)) == []


@pytest.mark.parametrize(
    ("skews", "words"),
    [
        ([], None),
        ([None], None),
        ([0.4, -2.0], "by less than 60 seconds"),
        ([None, 310.0], "is 310 seconds ahead of"),
        ([-90.0, 1.0], "is 90 seconds behind"),
    ],
)
def test_the_clock_against_the_servers(skews: list[float | None], words: str | None) -> None:
    """Advice, not a failure: a sign-in that suffers from it fails by itself."""
    found = ways.clock(skews)
    assert (None if found is None else words in found.answer) is (None if words is None else True)  # type: ignore[operator]
    assert found is None or (found.ok and bool(found.remedy) is ("less" not in found.answer))


@pytest.mark.parametrize(
    ("date", "skew"),
    [
        ("Tue, 24 Nov 2026 12:00:00 GMT", 90.0),
        ("yesterday", None),
        ("", None),
        ("Tue, 24 Nov 99999 12:00:00 GMT", None),
    ],
)
def test_the_clock_of_an_answer(date: str, skew: float | None) -> None:
    """By its header, if it has one that can be read."""
    assert ways._skew(Answer(200, {"date": date}), NOW + 90.0) == skew
    assert ways._skew(Answer(200), NOW) is None


@pytest.fixture
def ledger_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[Settings, str]]:
    """Settings with a ledger in the test's folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    settings = Settings(
        path=tmp_path / "x.conf", destinations=(destination(),), ledger=LedgerSettings(url=SecretStr(url))
    )
    return lambda: (settings, url)


def test_a_store_of_another_ledger_is_a_failure(ledger_at: Callable[[], tuple[Settings, str]], tmp_path: Path) -> None:
    """Every push to it is refused, so not all is well; looking marks nothing."""
    settings, url = ledger_at()
    assert [f.exit_code for f in here.ledger(settings, settings.destinations, {})] == [0, 0]
    other = Ledger(f"sqlite:///{tmp_path / 'other.db'}")
    mark(settings, destination(), other)
    found = list(here.ledger(settings, settings.destinations, {}))
    assert [f.exit_code for f in found] == [0, 2, 0]
    assert "belongs to another ledger" in found[1].answer
    assert found[1].remedy.startswith("Name that one with [ledger] url, or")
    with pytest.raises(LedgerError):
        mark(settings, destination(), open_ledger(url))


def test_a_ledger_that_cannot_be_used_has_a_remedy(
    ledger_at: Callable[[], tuple[Settings, str]], tmp_path: Path
) -> None:
    """What to do, where a person looks for it; what it means for the rest belongs to what happened."""
    settings, _ = ledger_at()
    (tmp_path / "ledger.db").write_bytes(b"something else than a database" * 1000)
    (found,) = here.ledger(settings, settings.destinations, {})
    assert (found.code, found.exit_code) == (Code.LEDGER, 2)
    assert found.answer.endswith("Nothing is taken or sent until it can be used.")
    assert found.remedy == "The file is damaged or is something else: restore it, or name another with [ledger] url."


def test_that_no_misp_is_read_is_said(ledger_at: Callable[[], tuple[Settings, str]]) -> None:
    """Without [misp] nothing is withdrawn, and nobody should have to find that out later."""
    settings, _ = ledger_at()
    group = here.group_of(settings, settings.destinations, {})
    run_all([group], 30)
    (found,) = (finding for finding in group.findings if finding.code is Code.NO_KEY)
    assert found.ok
    assert "nothing is withdrawn" in found.remedy


def test_a_configuration_for_sync_alone_reads_rh_isacs_misp(ledger_at: Callable[[], tuple[Settings, str]]) -> None:
    """Whoever has no MISP of their own lacks nothing, and is not told that nothing is withdrawn."""
    settings, _ = ledger_at()
    read = MispSettings(name="RH-ISAC MISP", url="https://misp.example", key=SecretStr(misp_key()))
    group = here.group_of(settings.model_copy(update={"rh_isac": read}), settings.destinations, {})
    run_all([group], 30)
    (found,) = (finding for finding in group.findings if finding.code is Code.NO_KEY)
    assert found.ok
    assert found.answer == "events are read of [RH-ISAC MISP] only."
    assert "nothing is withdrawn" not in found.remedy
    assert "what is no longer said there is withdrawn" in found.remedy


def test_destinations_that_may_do_more_than_alert_are_named(tmp_path: Path) -> None:
    """So that nobody switches that on unnoticed; what no API tells about it is said where it matters."""
    rules = ActionRules(
        block_tags=frozenset({"a", "b"}), block_orgs=frozenset({"org"}), never_block=frozenset({"example.org"})
    )
    assert list(destinations._acting(destination(), tmp_path / "none")) == []
    acting = destination(name="microsoft two", api=Api.DEFENDER, actions=rules)
    found, switches = destinations._acting(acting, tmp_path / "none")
    assert found.remedy.startswith("Until there is an index nothing blocks.")
    assert found.answer == (
        "[microsoft two] may do more than alert: Audit without a tag, Block by 2 tags; for events of 1 organisation; "
        "in neverBlock 1."
    )
    assert (switches.code, switches.ok) == (Code.SWITCHES, True)
    assert "Custom network indicators" in switches.remedy


@pytest.mark.parametrize(
    ("content", "versions", "problem"),
    [
        (b'[{"name": "a", "meta": {"version": "1"}}, {"name": "b", "meta": {}}, {"name": "c"}, 5, {"name": 6}]', 3, ""),
        (b"[]", 0, ""),
        (b'{"error": "x"}', 0, "something else than a list"),
    ],
)
def test_the_list_of_a_service(content: bytes, versions: int, problem: str) -> None:
    """Modules of others may lack anything."""
    found = service._read(content)
    assert len(found.versions) == versions
    assert problem in found.problem
    assert bool(found.problem) is bool(problem)
