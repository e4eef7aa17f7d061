"""What a user types, and what comes back."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Made, federated, jwt, public_pem, rsa_key
from tests.support.commands import Command
from tests.support.recordings import recording
from tests.support.world import SECRET, TENANT, World

APPLICATION = "55555555-5555-4555-8555-555555555555"
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


def _event_file(folder: Path, name: str = "event.json", **fields: Any) -> Path:
    document = recording("export_event_require_standard_format")["data"][0]
    now = str(int(time.time()))
    document["Event"] |= {"published": True, "publish_timestamp": now} | fields
    path = folder / name
    path.write_text(json.dumps(document))
    return path


def test_push_a_file(run: Run, world: World, tmp_path: Path) -> None:
    """A table per destination that adds up; everything is where it says."""
    done = run("push", _event_file(tmp_path), "--config", world.config)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"24" in done.stdout
    assert len(world.patterns()) == 18


def test_push_as_json(run: Run, world: World, tmp_path: Path) -> None:
    """Schema 1 on standard output, nothing else; the counts add up."""
    done = run("push", _event_file(tmp_path), "--config", world.config, "--json")
    report = json.loads(done.stdout)
    assert report["schema"] == 1
    assert report["door"] == "cli"
    for destination in report["destinations"]:
        counts = dict(destination["counts"])
        assert counts.pop("read") == 24 == sum(counts.values())


def test_push_from_standard_input(run: Run, world: World, tmp_path: Path) -> None:
    """`-` reads a pipe."""
    done = run("push", "-", "--config", world.config, stdin=_event_file(tmp_path).read_bytes())
    assert done.returncode == 0
    assert len(world.patterns()) == 18


def test_dry_run_sends_nothing(run: Run, world: World, tmp_path: Path) -> None:
    """It says what would go, and no request is made."""
    done = run("push", _event_file(tmp_path), "--config", world.config, "--dry-run")
    assert done.returncode == 0
    assert b"review" in done.stdout
    assert world.emulator.requests() == []


def test_report_file(run: Run, world: World, tmp_path: Path) -> None:
    """`--report` writes the page that the module gives."""
    done = run("push", _event_file(tmp_path), "--config", world.config, "--report", tmp_path / "r.html")
    assert done.returncode == 0
    assert "login-portal-retail.example" in (tmp_path / "r.html").read_text()


def test_one_destination(run: Run, world: World, tmp_path: Path) -> None:
    """`--destination` takes a section's name with or without `microsoft`."""
    run("push", _event_file(tmp_path), "--config", world.config, "-d", "defender")
    assert world.patterns() == []
    assert len(world.defender()) == 16


def test_peers_05_one_bad_file_costs_itself(run: Run, world: World, tmp_path: Path) -> None:
    """PEERS 5: the good files go, the bad one is named, the exit code says so."""
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    done = run("push", bad, _event_file(tmp_path), "--config", world.config)
    assert done.returncode == 2
    assert b"bad.json is no JSON" in done.stderr
    assert len(world.patterns()) == 18


@pytest.mark.parametrize("source", ["missing.json", ".", "17", "5e1a2b3c-0000-4000-8000-00000000abcd"])
def test_what_cannot_be_read_is_a_sentence(run: Run, world: World, source: str) -> None:
    """No traceback, a remedy, exit code 2."""
    done = run("push", source, "--config", world.config)
    assert done.returncode == 2
    assert source.encode() in done.stderr
    assert b"Traceback" not in done.stderr


def test_no_configuration_says_where_it_was_sought(run: Run, tmp_path: Path) -> None:
    """The places, and what to start from."""
    done = run("push", _event_file(tmp_path))
    assert done.returncode == 2
    assert b"rh-isac.conf" in done.stderr
    assert b"Traceback" not in done.stderr


def test_the_configuration_of_the_environment(run: Run, world: World, tmp_path: Path) -> None:
    """$RH_ISAC_CONF names it."""
    assert run("push", _event_file(tmp_path), RH_ISAC_CONF=str(world.config)).returncode == 0


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"api": "login", "status": 401, "code": "AADSTS7000215"}, 4),
        ({"api": "sentinel", "status": 403}, 4),
        ({"api": "sentinel", "status": 429, "retryAfter": 3600}, 3),
        ({"api": "sentinel", "itemErrors": [0], "times": 1}, 1),
    ],
)
def test_exit_codes(run: Run, world: World, tmp_path: Path, fault: dict[str, Any], code: int) -> None:
    """As documented: 4 refused, 3 pending, 1 rejected; and no secret in what is printed."""
    world.emulator.fault(**fault)
    done = run("push", _event_file(tmp_path), "--config", world.config, "-d", "microsoft")
    assert done.returncode == code
    assert SECRET.encode() not in done.stdout + done.stderr


def test_check_says_what_is_well(run: Run, world: World) -> None:
    """All findings are good, and the hosts to open are named; nothing is changed."""
    before = world.emulator.state()
    done = run("check", "--config", world.config)
    assert done.returncode == 0, done.stdout.decode()
    assert world.emulator.url.encode() in done.stdout
    after = world.emulator.state()
    assert after["sentinel"] == before["sentinel"]
    assert after["defender"] == before["defender"]


@pytest.mark.parametrize(
    ("fault", "code", "word"),
    [
        ({"api": "login", "status": 401, "code": "AADSTS7000222"}, 4, "expired"),
        ({"api": "sentinel", "status": 403}, 4, "Contributor"),
        ({"api": "defender", "status": 403}, 4, "Ti.ReadWrite"),
        ({"api": "sentinel", "status": 500}, 3, "500"),
    ],
)
def test_check_says_what_is_wrong(run: Run, world: World, fault: dict[str, Any], code: int, word: str) -> None:
    """Each failure with what to do, as JSON and as exit code."""
    world.emulator.fault(**fault)
    done = run("check", "--config", world.config, "--json")
    assert done.returncode == code, done.stdout.decode()
    findings = [f for d in json.loads(done.stdout)["destinations"] for f in d["findings"] if not f["ok"]]
    assert findings
    assert all(f["remedy"] for f in findings)
    assert any(word in f["answer"] + f["remedy"] for f in findings)


def test_modules_path_holds_our_modules(run: Run) -> None:
    """The folder for `misp-modules -c`."""
    done = run("modules-path")
    folder = Path(done.stdout.decode().strip())
    assert {p.stem for p in folder.glob("*_mod/*.py")} == {
        "export_to_microsoft",
        "push_to_microsoft",
        "push_to_microsoft_or_stop",
    }
    assert "push_attribute_to_microsoft" in {p.stem for p in folder.glob("expansion/*.py")}


def test_install_modules_into_a_shared_root(run: Run, tmp_path: Path) -> None:
    """Others' modules stay, ours are put beside them; a second time replaces ours."""
    root = tmp_path / "custom"
    (root / "expansion").mkdir(parents=True)
    (root / "expansion" / "theirs.py").write_text("x = 1\n")
    for _ in range(2):
        assert run("install-modules", root).returncode == 0
    assert (root / "export_mod" / "export_to_microsoft.py").exists()
    assert (root / "action_mod" / "push_to_microsoft_or_stop.py").exists()
    assert (root / "expansion" / "push_attribute_to_microsoft.py").exists()
    assert (root / "expansion" / "theirs.py").read_text() == "x = 1\n"
    missing = run("install-modules", tmp_path / "nowhere")
    assert missing.returncode == 2
    assert b"no folder" in missing.stderr


def test_a_full_disk_loses_the_report_only(run: Run, world: World, tmp_path: Path) -> None:
    """What was sent is sent; the message says that the report could not be written."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    done = run("push", _event_file(tmp_path), "--config", world.config, "--report", "/dev/full")
    assert done.returncode == 2
    assert b"No space left" in done.stderr
    assert len(world.patterns()) == 18


def test_emulator_command(tmp_path: Path) -> None:
    """It prints what to put into rh-isac.conf, and ends cleanly."""
    process = subprocess.Popen(
        [sys.executable, "-m", "misp_modules_ext", "emulator", "--port", "0", "--state", str(tmp_path / "state")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline().decode() for _ in range(5)]
        assert any("endpoint.api = https://127.0.0.1:" in line for line in lines)
        assert (tmp_path / "state" / "ca.pem").exists()
        assert any(line.strip() == f"ca = {tmp_path}/state/ca.pem" for line in lines)
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.fixture
def azure(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The emulator as a command, with applications named by files: its address, and that of the identity endpoint."""
    made = Made()
    made.write(tmp_path / "application.pem")
    made.write(tmp_path / "registered.crt", made.certificate_pem)
    made.write(tmp_path / "issuer.pub", public_pem(rsa_key("issuer")))
    made.write(tmp_path / "token", jwt(rsa_key("issuer"), federated()).encode())
    apps = [f"--app={TENANT}:{APPLICATION}:@{tmp_path / name}" for name in ("registered.crt", "issuer.pub")]
    command = ["emulator", "--port=0", "--identity-port=0", f"--state={tmp_path / 'azure'}", *apps]
    process = Command(*command, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    try:
        assert process.stdout is not None
        lines = "".join(process.stdout.readline().decode() for _ in range(7))
        api = re.search(r"endpoint.api = (\S+)", lines)
        identity = re.search(r"AZURE_POD_IDENTITY_AUTHORITY_HOST=(\S+)", lines)
        assert api
        assert identity
        yield api[1], identity[1]
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_each_kind_of_sign_in_by_command(run: Run, tmp_path: Path, azure: tuple[str, str]) -> None:
    """`check` with a certificate, a workload identity of the environment, and an identity that the machine lacks."""
    api, identity = azure
    common = f"product = Microsoft Defender\nendpoint.login = {api}\nendpoint.api = {api}\n"
    common += f"ca = {tmp_path / 'azure' / 'ca.pem'}\n"
    registered = f"tenantId = {TENANT}\nappId = {APPLICATION}\ncertificate = {tmp_path / 'application.pem'}\n"
    kinds = {
        "microsoft certificate": registered,
        "microsoft workload": "auth = workload-identity\nsourceSystem = Pod\n",
        "microsoft machine": f"auth = managed-identity\ntenantId = {TENANT}\nsourceSystem = Machine\n",
    }
    config = tmp_path / "kinds.conf"
    config.write_text("".join(f"[{name}]\n{common}{keys}" for name, keys in kinds.items()))
    config.chmod(0o600)
    environment = {
        "AZURE_TENANT_ID": TENANT,
        "AZURE_CLIENT_ID": APPLICATION,
        "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token"),
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": identity,
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    done = run("check", "--config", config, "--json", **environment)
    certificate, workload, machine = (d["findings"] for d in json.loads(done.stdout)["destinations"])
    assert all(finding["ok"] for finding in [*certificate, *workload])
    assert any("is good until" in finding["answer"] for finding in certificate if finding["code"] == "T02")
    (token,) = (finding for finding in machine if finding["code"] == "T01")
    assert token["state"] == "refused"
    assert "no such identity" in token["answer"]
    assert done.returncode == 4


@pytest.mark.parametrize("name", ["absent", "rh-isac.conf"])
def test_an_application_of_the_emulator_needs_a_file_that_says_something(run: Run, world: World, name: str) -> None:
    """Not there, or no PEM: told with exit code 2."""
    done = run("emulator", "--port", "0", "--app", f"t:a:@{world.config.with_name(name)}")
    assert done.returncode == 2
    assert name.encode() in b"".join((done.stdout + done.stderr).split())


def test_version_and_help(run: Run) -> None:
    """Both answer without a configuration."""
    assert run("--version").stdout.startswith(b"misp-microsoft ")
    for command in ("push", "check", "serve", "emulator", "demo", "modules-path", "install-modules"):
        assert command.encode() in run("--help").stdout
