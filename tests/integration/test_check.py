"""`misp-microsoft check` with everything real beside it: emulator, PyMISP against a MISP server, misp-modules."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from misp_modules_ext import __version__
from misp_modules_ext.cli import main
from misp_modules_ext.cli.checking.settings import families, without_password
from misp_modules_ext.config import load
from misp_modules_ext.demo.service import Service
from misp_modules_ext.destinations import create
from misp_modules_ext.ledger import open_ledger
from misp_modules_ext.ledger.schema import destination as table
from misp_modules_ext.ledger.stores import register
from misp_modules_ext.model.indicator import Kind
from tests.support.build import due
from tests.support.keys import misp_key
from tests.support.misp_server import Fault, MispServer
from tests.support.misp_world import User
from tests.support.misp_world import World as Misp
from tests.support.world import PLACE, SECRET, World

KEY = misp_key("a-checking-one")
ADMIN = frozenset({"perm_site_admin", "perm_sync"})
#: All that a check may ask MISP: each of them reads.
READS = ("servers/getVersion", "users/view/me", "attributes/describeTypes", "servers/getSetting/", "restSearch")

Check = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def misp() -> Iterator[MispServer]:
    """A MISP whose key belongs to a site administrator."""
    with MispServer(Misp(lambda: int(time.time()))) as server:
        server.world.add_user(KEY, server.world.add_org("Ours"), rights=ADMIN)
        yield server


@pytest.fixture
def me(misp: MispServer) -> User:
    """The user of the key."""
    return misp.world.users[0]


@pytest.fixture
def check(world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Check:
    """Runs the command; gives exit code and document, which holds to its schema and shows no secret."""
    schema = json.loads(files("misp_modules_ext.report").joinpath("check.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)

    def _run(*arguments: str) -> tuple[int, dict[str, Any]]:
        monkeypatch.setattr(
            sys, "argv", ["misp-microsoft", "check", "--config", str(world.config), "--json", *arguments]
        )
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capfd.readouterr().out
        assert SECRET not in shown
        assert KEY not in shown
        found = json.loads(shown)
        Draft202012Validator(schema).validate(found)
        assert found["exitCode"] == ended.value.code
        return found["exitCode"], found

    return _run


def _of(findings: list[dict[str, Any]], code: str) -> dict[str, Any]:
    return next(finding for finding in findings if finding["code"] == code)


def _all_of(findings: list[dict[str, Any]], code: str) -> list[dict[str, Any]]:
    return [finding for finding in findings if finding["code"] == code]


def test_all_is_well_and_nothing_is_changed(check: Check, world: World, misp: MispServer) -> None:
    """The stores of Microsoft are as they were, and MISP was asked only what reads."""
    world.configure(misp={"url": misp.url, "key": KEY})
    before = world.emulator.state()
    code, found = check()
    assert code == 0
    assert world.emulator.state() == before
    assert misp.requests
    assert all(any(read in path for read in READS) for _, path, _ in misp.requests)
    assert {method for method, path, _ in misp.requests if "restSearch" not in path} == {"GET"}
    assert {d["summary"]["state"] for d in found["destinations"]} == {"ok"}
    defender = found["destinations"][1]
    assert _of(defender["findings"], "D03")["answer"].startswith("0 ours, 0 others', 15,000 free")
    graph = found["destinations"][2]
    assert "10 April 2026" in _of(graph["findings"], "G02")["answer"]
    port = int(world.emulator.url.rpartition(":")[2])
    assert {"127.0.0.1"} == {host["host"] for host in found["hosts"]}
    assert port in {host["port"] for host in found["hosts"]}


def test_slots_are_counted_by_whose_they_are(check: Check, world: World) -> None:
    """From Microsoft's own list; little room is advice."""
    world.configure(only=("microsoft defender",), maxIndicators="100")
    (settings,) = load(world.config).destinations
    create(settings).send([due(Kind.DOMAIN_NAME, "ours.evil.example")], 20)
    others = settings.model_copy(update={"source_system": "Someone else"})
    create(others).send([due(Kind.DOMAIN_NAME, f"theirs{number}.evil.example") for number in range(2)], 20)
    (destination,) = check()[1]["destinations"]
    found = _of(destination["findings"], "D03")
    assert destination["summary"]["limits"] == "1 ours, 2 others', 14,997 free"
    assert "`maxIndicators` allows us 100, so there is room for 99 more." in found["answer"]
    assert "raise `maxIndicators`" in found["remedy"]


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_retired_graph_is_called_that(check: Check, world: World, status: int) -> None:
    """Neither refused nor unreachable: no other credential helps, and no waiting."""
    world.configure(only=("microsoft graph",))
    world.emulator.fault(api="graph", status=status)
    code, found = check()
    assert code == 3
    assert found["destinations"][0]["summary"]["state"] == "retired"
    assert "`api = sentinel`" in _of(found["destinations"][0]["findings"], "G01")["remedy"]


def test_a_host_that_is_not_reached(check: Check, world: World) -> None:
    """The host is named by itself, before what needs it."""
    world.configure(only=("microsoft",), **{"endpoint.api": "https://127.0.0.1:1"})
    code, found = check()
    (destination,) = found["destinations"]
    assert code == 3
    assert destination["summary"]["hosts"] == "1 of 2"
    assert destination["summary"]["token"] == "ok"
    host = _of(destination["findings"], "N02")
    assert host["state"] == "unreachable"
    assert "refused the connection" in host["answer"]
    assert {"host": "127.0.0.1", "port": 1}.items() <= found["hosts"][0].items()


def test_reading_back_is_tried_and_counted(check: Check, world: World) -> None:
    """Where the workspace's place is configured; a wrong name is a wrong configuration."""
    world.configure(only=("microsoft",), **PLACE)
    code, found = check()
    (destination,) = found["destinations"]
    assert code == 0
    assert "0 indicators of the source" in _of(destination["findings"], "S03")["answer"]
    assert "0 indicators there" in destination["summary"]["limits"]
    world.configure(only=("microsoft",), **(PLACE | {"workspaceName": "elsewhere"}))
    code, found = check()
    assert code == 2
    assert found["destinations"][0]["summary"]["state"] == "misconfigured"


#: Code, the fault's name of its API, which destination, and the permission that its remedy names.
LOOKUPS = [
    ("S04", "management", "microsoft", "Microsoft Sentinel Contributor"),
    ("S05", "logs", "microsoft", "Log Analytics Reader"),
    ("D05", "defender", "microsoft defender", "Ti.ReadWrite of"),
    ("D06", "statistics", "microsoft defender", "File.Read.All"),
    ("D07", "hunting", "microsoft defender", "ThreatHunting.Read.All"),
]
ESTATE = {"lookup": {"estate": "yes", "sources": "\n  statistics\n  hunting\n  logs"}}


def _looks_up(world: World, *only: str, **lookup: str) -> None:
    world.configure(
        only=only or ("microsoft", "microsoft defender"), more={"lookup": ESTATE["lookup"] | lookup}, **PLACE
    )


def _lookups(found: dict[str, Any]) -> list[str]:
    codes = {code for code, *_ in LOOKUPS}
    return [one["code"] for d in found["destinations"] for one in d["findings"] if one["code"] in codes]


def test_what_looking_up_needs_is_tried(check: Check, world: World) -> None:
    """What the section has asked and nothing else; without one nothing, and nothing is changed."""
    _looks_up(world)
    before = world.emulator.state()
    code, found = check()
    assert code == 0
    assert _lookups(found) == ["S04", "S05", "S05", "D05", "D06", "D06", "D06", "D07"]
    assert world.emulator.state() == before
    _looks_up(world, sources="statistics")
    assert _lookups(check()[1]) == ["S04", "S05", "D05", "D06", "D06", "D06"]
    _looks_up(world, estate="no")
    assert _lookups(check()[1]) == ["S04", "S05", "D05"]
    world.configure(only=("microsoft", "microsoft defender"), **PLACE)
    assert _lookups(check()[1]) == []


def test_what_false_positives_need_is_tried_where_they_are_wanted(check: Check, world: World) -> None:
    """Else the missing permission would show when nobody looks, in a run of cron's."""
    more = {"lookup": ESTATE["lookup"], "write-back": {"falsePositives": "yes"}}
    world.configure(only=("microsoft", "microsoft defender"), more=more)
    code, found = check()
    told = {d["name"]: _all_of(d["findings"], "D08") for d in found["destinations"]}
    assert (code, [one["ok"] for one in told["microsoft defender"]], told["microsoft"]) == (0, [True], [])
    world.emulator.fault(api="graph", status=403, path="/v1.0/security/alerts_v2")
    code, found = check()
    (refused,) = [one for d in found["destinations"] for one in _all_of(d["findings"], "D08")]
    assert (code, refused["ok"], refused["state"]) == (4, False, "refused")
    assert "SecurityAlert.Read.All" in refused["remedy"]
    assert "falsePositives" in refused["remedy"]
    _looks_up(world, "microsoft defender")
    assert not [one for d in check()[1]["destinations"] for one in _all_of(d["findings"], "D08")]


@pytest.mark.parametrize(("code", "api", "name", "permission"), LOOKUPS, ids=[one[1] for one in LOOKUPS])
@pytest.mark.parametrize("status", [401, 403])
def test_a_missing_permission_to_look_up_is_named(
    check: Check, world: World, code: str, api: str, name: str, permission: str, status: int
) -> None:
    """With its own code, what came back and what to do; the questions of other APIs are answered."""
    _looks_up(world, name)
    world.emulator.fault(api=api, status=status)
    exit_code, found = check()
    (destination,) = found["destinations"]
    refused = _all_of(destination["findings"], code)
    assert exit_code == 4
    assert destination["summary"]["permission"] == "refused"
    for one in refused:
        assert (one["ok"], one["state"]) == (False, "refused")
        assert f"answered {status}" in one["answer"]
    remedies = " ".join(one["remedy"] for one in refused)
    assert (permission if status == 403 else "correct `cloud`") in remedies
    others = [one for one in destination["findings"] if one["code"] in _lookups(found) and one["code"] != code]
    assert others
    assert all(one["ok"] for one in others)


def test_questions_of_looking_up_that_hang_hold_up_no_other(check: Check, world: World) -> None:
    """All at the same time, and what sending needs is told."""
    _looks_up(world)
    for api in ("logs", "statistics", "hunting"):
        world.emulator.fault(api=api, delay=30)
    began = time.monotonic()
    code, found = check("--timeout", "6")
    assert time.monotonic() - began < 14
    assert code == 3
    for destination, told in zip(found["destinations"], ("S04", "D05"), strict=True):
        assert _of(destination["findings"], "P03")["exitCode"] == 3
        assert _of(destination["findings"], told)["ok"]
        assert _of(destination["findings"], "T01")["ok"]


def test_a_question_that_hangs_is_told_in_its_time(check: Check, world: World) -> None:
    """With its host, as long as `check` is given the time."""
    _looks_up(world, "microsoft defender", sources="hunting")
    world.emulator.fault(api="hunting", delay=60)
    began = time.monotonic()
    code, found = check()
    assert time.monotonic() - began < 30
    (destination,) = found["destinations"]
    hunting = _of(destination["findings"], "D07")
    assert (code, hunting["state"]) == (3, "unreachable")
    assert "127.0.0.1" in hunting["answer"]
    assert not _all_of(destination["findings"], "P03")


def test_without_a_token_looking_up_is_not_told_again(check: Check, world: World) -> None:
    """One line of the token says it."""
    _looks_up(world)
    world.emulator.fault(api="login", status=401, code="AADSTS7000215")
    code, found = check()
    assert code == 4
    assert _lookups(found) == []
    assert [_of(d["findings"], "T01")["state"] for d in found["destinations"]] == ["refused", "refused"]


def test_one_that_hangs_is_told_and_holds_up_no_other(check: Check, world: World) -> None:
    """The others' findings are complete, at the same time."""
    world.configure(only=("microsoft", "microsoft defender"))
    world.emulator.fault(api="defender", delay=20)
    began = time.monotonic()
    code, found = check("--timeout", "8")
    assert time.monotonic() - began < 16
    sentinel, defender = found["destinations"]
    assert code == 3
    assert sentinel["summary"]["state"] == "ok"
    assert _of(sentinel["findings"], "S01")["ok"]
    assert defender["summary"]["state"] == "unfinished"
    assert "within 8 seconds" in _of(defender["findings"], "P03")["answer"]


@pytest.mark.parametrize(
    ("hangs", "exit_code", "where"),
    [("misp", 5, lambda found: found["misp"][0]["findings"]), ("ledger", 2, lambda found: found["installation"])],
)
def test_a_misp_or_ledger_that_hangs_is_no_fault_of_microsofts(
    check: Check, world: World, hangs: str, exit_code: int, where: Callable[[Any], Any]
) -> None:
    """It takes the connection and says nothing: the exit code is that of the one that does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        misp = {"url": f"http://{address}", "key": KEY} if hangs == "misp" else None
        ledger = {"url": f"postgresql+psycopg://someone@{address}/ledger" if hangs == "ledger" else world.ledger}
        world.configure(only=("microsoft",), misp=misp, more={"ledger": ledger})
        code, found = check("--timeout", "4")
    late = _of(where(found), "P03")
    assert (code, late["exitCode"]) == (exit_code, exit_code)
    assert "within 4 seconds" in late["answer"]
    assert ("[ledger] url" in late["remedy"]) is (hangs == "ledger")
    assert found["destinations"][0]["summary"]["state"] == "ok"


def test_a_pause_in_the_ledger_is_told(check: Check, world: World) -> None:
    """Beside what Microsoft says now."""
    world.configure(only=("microsoft",))
    settings, ledger = load(world.config), open_ledger(world.ledger)
    until = int(time.time() * 1000) + 60_000
    ledger.write(lambda connection: register(connection, [(settings.destinations[0], lambda _: None)]))
    ledger.write(lambda connection: connection.execute(table.update().values(paused_until_ms=until)))
    code, found = check()
    assert code == 0
    assert found["destinations"][0]["summary"]["state"] == "ok, sending pauses"


def test_misps_settings_and_the_service_they_name(
    check: Check, world: World, misp: MispServer, served: tuple[Service, World]
) -> None:
    """Everything on and long enough, and the real misp-modules lists our modules of this version: no advice is left."""
    service, _ = served
    url, _, port = service.url.rpartition(":")
    world.configure(only=("microsoft",), misp={"url": misp.url, "key": KEY})
    misp.world.settings |= {"MISP.background_jobs": True, "Plugin.Workflow_enable": True}
    for family, names in families().items():
        misp.world.modules |= {f"{family}_{name}" for name in names}
        misp.world.settings |= {f"Plugin.{family}_{name}_enabled": True for name in names}
        misp.world.settings |= {
            f"Plugin.{family}_services_enable": True,
            f"Plugin.{family}_services_url": url,
            f"Plugin.{family}_services_port": port,
            f"Plugin.{family}_timeout": 60,
        }
    findings = check()[1]["misp"][0]["findings"]
    assert {finding["code"] for finding in findings} >= {f"M{number:02}" for number in range(1, 11)}
    assert [finding for finding in findings if finding["remedy"]] == []
    assert f"version {__version__}." in _of(findings, "M10")["answer"]

    misp.world.settings |= {
        "Plugin.Export_timeout": 10,
        "Plugin.Action_push_to_microsoft_enabled": False,
        "MISP.background_jobs": "",
    }
    misp.world.modules.discard("Export_export_to_microsoft")
    code, found = check()
    findings = found["misp"][0]["findings"]
    assert code == 0
    export, action = _all_of(findings, "M07")[:2]
    assert f"does not see export_to_microsoft at {url}:{port}" in export["remedy"]
    assert "`Plugin.Action_push_to_microsoft_enabled`" in action["remedy"]
    assert "`Plugin.Export_timeout` to 60" in _of(findings, "M08")["remedy"]
    assert "`MISP.background_jobs` is off" in _of(findings, "M06")["answer"]


def test_a_service_that_is_not_there(check: Check, world: World, misp: MispServer) -> None:
    """Advice, since MISP may reach it where this machine does not."""
    world.configure(only=("microsoft",), misp={"url": misp.url, "key": KEY})
    misp.world.settings |= {f"Plugin.{family}_services_port": 1 for family in families()}
    code, found = check()
    service = _of(found["misp"][0]["findings"], "M09")
    assert code == 0
    assert "127.0.0.1:1" in service["what"]
    assert "misp-microsoft serve" in service["remedy"]
    assert {"host": "127.0.0.1", "port": 1, "from": "MISP's server"}.items() <= found["hosts"][0].items()


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_a_password_in_misps_settings_is_not_told(check: Check, world: World, misp: MispServer, scheme: str) -> None:
    """Where a web server in front of misp-modules asks for one."""
    world.configure(only=("microsoft",), misp={"url": misp.url, "key": KEY})
    for family in families():
        misp.world.settings[f"Plugin.{family}_services_url"] = f"{scheme}somebody:s3same-0pen@127.0.0.1"
        misp.world.settings[f"Plugin.{family}_services_port"] = 1
    _, found = check()
    assert "127.0.0.1:1" in _of(found["misp"][0]["findings"], "M09")["what"]
    assert "s3same-0pen" not in json.dumps(found)


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ("http://a:b@c@127.0.0.1/x@y", "http://127.0.0.1/x@y"),
        ("http://127.0.0.1/a@b", "http://127.0.0.1/a@b"),
        ("a:b@127.0.0.1", "127.0.0.1"),
        ("[::1]", "[::1]"),
    ],
)
def test_what_stands_before_the_host_alone_is_left_out(told: str, asked: str) -> None:
    """Else another host would be asked."""
    assert without_password(told) == asked


def test_an_ordinary_key_says_what_to_look_for(check: Check, world: World, misp: MispServer, me: User) -> None:
    """It may not read settings: every one that matters is named."""
    me.rights = frozenset()
    world.configure(only=("microsoft",), misp={"url": misp.url, "key": KEY})
    code, found = check()
    settings = _of(found["misp"][0]["findings"], "M05")
    assert code == 0
    for family, names in families().items():
        assert f"`Plugin.{family}_services_enable`" in settings["remedy"]
        assert all(f"`Plugin.{family}_{name}_enabled`" in settings["remedy"] for name in names)
    assert (
        "perm_site_admin (reading MISP's settings in this check): no"
        in _of(found["misp"][0]["findings"], "M03")["answer"]
    )
    assert "perm_sync" in _of(found["misp"][0]["findings"], "M04")["remedy"]


def test_tags_need_rights(check: Check, world: World, misp: MispServer, me: User) -> None:
    """They are named only where events are to be tagged."""

    def rights(**keys: str) -> dict[str, Any]:
        misp_keys = {"url": misp.url, "key": KEY}
        world.configure(only=("microsoft",), misp=misp_keys, more={"write-back": keys} if keys else None)
        return _of(check()[1]["misp"][0]["findings"], "M03")

    assert "perm_tagger" not in rights()["answer"]
    told = rights(tags="yes")
    assert "perm_tagger (putting tags on events): no" in told["answer"]
    assert "[write-back]" in told["remedy"]
    me.rights = ADMIN | {"perm_tagger", "perm_tag_editor"}
    assert not rights(tags="yes")["remedy"]


@pytest.mark.parametrize(
    ("version", "words"),
    [("2.5.34", None), ("2.5.30", "10690"), ("2.4.204", "upgrade to MISP 2.5"), ("3.0.0", "upgrade")],
)
def test_the_version_and_what_is_known_of_it(
    check: Check, world: World, misp: MispServer, version: str, words: str | None
) -> None:
    """Advice where something of ours would not work there."""
    misp.world.version = version
    world.configure(only=("microsoft",), misp={"url": misp.url, "key": KEY})
    found = _of(check()[1]["misp"][0]["findings"], "M02")
    assert found["ok"]
    assert (found["remedy"] is None) if words is None else (words in found["remedy"])


def test_every_misp_with_a_key_is_tried(check: Check, world: World, misp: MispServer) -> None:
    """Each by itself; only the one that our modules serve is asked for its settings."""
    more = {
        "RH-ISAC MISP": {"url": misp.url, "key": misp_key("a-wrong-one")},
        "misp other": {"url": misp.url, "key": KEY},
    }
    world.configure(only=("microsoft",), more=more)
    misp.faults.append(Fault("servers/getVersion", status=500))
    code, found = check()
    served, rh_isac, other = found["misp"]
    assert [one["name"] for one in found["misp"]] == ["misp", "RH-ISAC MISP", "misp other"]
    assert _of(served["findings"], "M11")["ok"]
    failed = [one for one in (rh_isac, other) if not _of(one["findings"], "M01")["ok"]]
    assert rh_isac in failed
    assert code in (4, 5)
    assert not any(finding["code"] == "M05" for one in found["misp"] for finding in one["findings"])
