"""`import-config` as a person types it, and the way from another tool that docs/migrate.md describes."""

from __future__ import annotations

import json
import shlex
import ssl
import stat
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from misp_modules_ext.config import load
from tests.support import commands
from tests.support.build import NOW
from tests.support.misp_server import MispServer
from tests.support.misp_world import World as Misp
from tests.support.world import SECRET, TENANT, WORKSPACE, World

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
APPLICATION = "22222222-2222-4222-8222-222222222222"
KEY = "misp-key-of-the-old-file"
ONE, TWO, THREE = (f"{digit}f" * 32 for digit in "123")
COMPLETE = 'workflow:state="complete"'

MISP2SENTINEL = f"""
tenant = "{TENANT}"
ms_auth = {{
    'tenant': tenant,
    'client_id': '{APPLICATION}',
    'client_secret': '{SECRET}',
    'new_upload_api': True,
    'scope': 'https://management.azure.com/.default',
    'workspace_id': '{WORKSPACE}',
}}
ms_api_version = "2024-02-01-preview"
misp_key = '{KEY}'
misp_domain = 'https://misp.example'
misp_verifycert = False
misp_event_filters = {{"published": 1, "tags": ['{COMPLETE}'], "publish_timestamp": "14d"}}
days_to_expire = 50
sourcesystem = "MISP"
"""
MISP2DEFENDER = f"""
graph_auth = {{'tenant': '{TENANT}', 'client_id': '{APPLICATION}', 'client_secret': '{SECRET}'}}
misp_domain = 'https://misp.example'
misp_key = '{KEY}'
misp_event_filters = {{'published': True}}
days_to_expire = 50
defender_application = "MISP"
defender_severity = "Medium"
defender_action = "Audit"
defender_generate_alert = True
"""


def _old(folder: Path, text: str) -> Path:
    path = folder / "config.py"
    path.write_text(text)
    return path


def _event(folder: Path, *values: str, tag: str = COMPLETE) -> Path:
    """A file with an event of SHA-256 values."""
    attributes: list[dict[str, Any]] = [
        {
            "uuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, value)),
            "type": "sha256",
            "value": value,
            "to_ids": True,
            "timestamp": str(NOW - 86_400),
            "distribution": "5",
        }
        for value in values
    ]
    fields = {
        "uuid": "0c0c0c0c-0000-4000-8000-000000000000",
        "info": "Campaign",
        "published": True,
        "date": "2026-11-20",
    }
    more = {"distribution": "3", "timestamp": str(NOW), "Tag": [{"name": tag}], "Attribute": attributes}
    path = folder / "event.json"
    path.write_text(json.dumps({"Event": fields | more}))
    return path


def _to_emulator(path: Path, world: World) -> Path:
    """Point the destination of a written file at the emulator: what differs from Microsoft, and nothing else."""
    extra = f"endpoint.login = {world.emulator.url}\nendpoint.api = {world.emulator.url}\nca = {world.emulator.ca}\n"
    path.write_text(path.read_text().replace("[microsoft]\n", f"[microsoft]\n{extra}"))
    return path


def test_from_misp2sentinel_to_sentinel(run: Run, world: World, tmp_path: Path) -> None:
    """The written file is its owner's alone, loads, and pushes; a tag that the old filter asked for is asked for."""
    done = run("import-config", _old(tmp_path, MISP2SENTINEL))
    # `world` has put its own rh-isac.conf into this folder: it is not overwritten.
    assert done.returncode == 2
    assert b"is there already" in done.stderr
    done = run("import-config", _old(tmp_path, MISP2SENTINEL), "--output", "new.conf")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"It can be used." in done.stdout
    for secret in (SECRET, KEY):
        assert secret.encode() not in done.stdout
    new = tmp_path / "new.conf"
    assert stat.S_IMODE(new.stat().st_mode) == 0o600
    assert SECRET in new.read_text()
    _to_emulator(new, world)
    pushed = run("push", _event(tmp_path, ONE), "--config", new)
    assert pushed.returncode == 0, pushed.stderr
    assert world.patterns() == [f"[file:hashes.'SHA-256' = '{ONE}']"]
    refused = run("push", _event(tmp_path, ONE, TWO, tag="other"), "--config", new, "--json")
    assert json.loads(refused.stdout)["destinations"][0]["counts"]["skipped"] == 2


def test_the_steps_that_are_told_read_misp_and_send(run: Run, world: World, tmp_path: Path) -> None:
    """The first run as it is printed, against a MISP with a private authority that the old file named."""
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "misp-ca.pem"))
    misp = Misp(lambda: int(time.time()) - 3_600)
    misp.add_user(KEY, misp.add_org("Members"))
    for value, tag in ((ONE, COMPLETE), (TWO, 'workflow:state="draft"')):
        event = misp.add_event(misp.orgs[0], "Campaign")
        misp.tag(misp.add_attribute(event, "sha256", value), tag)
        misp.publish(event)
    with MispServer(misp, tls) as server:
        text = MISP2SENTINEL.replace("https://misp.example", server.url)
        old = _old(tmp_path, text.replace("verifycert = False", f"verifycert = '{tmp_path / 'misp-ca.pem'}'"))
        done = run("import-config", old, "-o", "new.conf", "--json")
        assert done.returncode == 0, done.stdout
        steps = json.loads(done.stdout)["steps"]
        new = _to_emulator(tmp_path / "new.conf", world)
        (first,) = [step for step in steps if step.startswith("The first run: misp-microsoft ")]
        sent = run(*shlex.split(first)[4:], "--config", new)
        assert sent.returncode == 0, sent.stderr
        assert world.patterns() == [f"[file:hashes.'SHA-256' = '{ONE}']"]
        before = len(world.uploads())
        (later,) = [step for step in steps if step.startswith("Then from cron")]
        again = run(*shlex.split(later.partition("misp-microsoft ")[2]), "--config", new)
        assert again.returncode == 0, again.stderr
        assert len(world.uploads()) == before


def test_json_and_secrets_in_files(run: Run, tmp_path: Path) -> None:
    """Each secret in a file of its own, which the written file names; the account holds none of them."""
    done = run("import-config", _old(tmp_path, MISP2SENTINEL), "--secrets", "files", "-o", "new.conf", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    document = json.loads(done.stdout)
    assert (document["from"], document["loads"], document["problems"]) == ("misp2sentinel", True, [])
    assert {"old": "misp_verifycert", "line": 14, "how": "refused"}.items() <= next(
        row for row in document["keys"] if row["old"] == "misp_verifycert"
    ).items()
    new = (tmp_path / "new.conf").read_text()
    for secret in (SECRET, KEY):
        assert secret not in new
        assert secret.encode() not in done.stdout
    assert (tmp_path / "new.conf.secrets/microsoft-appSecret").read_text() == f"{SECRET}\n"
    for path in (tmp_path / "new.conf.secrets").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    settings = load(tmp_path / "new.conf", {})
    assert settings.destinations[0].app_secret is not None
    assert settings.destinations[0].app_secret.get_secret_value() == SECRET


def test_secrets_from_variables(run: Run, tmp_path: Path) -> None:
    """The file says which variables; it can be used as soon as they are set."""
    old = _old(tmp_path, MISP2SENTINEL)
    unset = run("import-config", old, "--secrets", "env", "-o", "new.conf")
    assert unset.returncode == 2
    assert b"MICROSOFT_APP_SECRET, which is not set" in unset.stdout
    variables = {"MICROSOFT_APP_SECRET": SECRET, "MISP_KEY": KEY}
    done = run("import-config", old, "--secrets", "env", "-o", "new.conf", "--force", **variables)
    assert done.returncode == 0
    text = (tmp_path / "new.conf").read_text()
    assert "appSecret = env:MICROSOFT_APP_SECRET" in text
    assert SECRET not in text


def test_standard_output(run: Run, tmp_path: Path) -> None:
    """The file goes there and the account to standard error; nothing is written."""
    done = run("import-config", _old(tmp_path, MISP2DEFENDER), "-o", "-")
    assert done.returncode == 0
    assert done.stdout.startswith(b"# Made by misp-microsoft import-config")
    assert f"appSecret = {SECRET}".encode() in done.stdout
    assert SECRET.encode() not in done.stderr
    assert b"It can be used." in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.py", "home"]
    assert run("import-config", tmp_path / "config.py", "-o", "-", "--json").returncode == 2
    assert run("import-config", tmp_path / "config.py", "-o", "-", "--secrets", "files").returncode == 2


def test_nothing_in_the_old_file_is_executed(run: Run, tmp_path: Path) -> None:
    """A file that would leave a mark when it was."""
    mark = tmp_path / "mark"
    hostile = f"""
import os
os.system('touch {mark}')
exec("open('{mark}', 'w')")
misp_domain = __import__('os').popen('touch {mark}').read()
misp_key = open('{mark}', 'w').name
ms_auth = {{'tenant': (lambda: open('{mark}', 'w'))(), 'client_id': f"{{open('{mark}', 'w')}}"}}
class Mark:
    open('{mark}', 'w')
"""
    done = run("import-config", _old(tmp_path, hostile))
    assert done.returncode == 2
    assert not mark.exists()
    assert b'ms_auth["tenant"]' in done.stdout
    assert b"the file is not executed" in done.stdout


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"print 'Python 2'\n", b"is not written in Python 3 (line 1)"),
        (b"a = 1\nb = = 2\n", b"(line 2)"),
        (b"just_a_name = 1\n", b"is neither an rh-isac.conf nor"),
        (b"", b"is neither an rh-isac.conf nor"),
        (b"\x7fELF\x00\x01", b"is not text"),
        (b"#" * 2_000_000, b"is longer than"),
        (b"[microsoft]\nproduct Azure Sentinel\n", b"line 2"),
    ],
)
def test_what_is_none_of_these_files(run: Run, tmp_path: Path, content: bytes, words: bytes) -> None:
    """A sentence, exit code 2, and no file."""
    path = tmp_path / "old"
    path.write_bytes(content)
    done = run("import-config", path)
    assert done.returncode == 2
    assert words in done.stderr
    assert b"Traceback" not in done.stderr
    assert not (tmp_path / "rh-isac.conf").exists()
    assert run("import-config", tmp_path / "missing").returncode == 2


def test_an_rh_isac_conf_is_judged_where_it_is(run: Run, tmp_path: Path) -> None:
    """What lacks is said; nothing is written unless a file is named, and never over the old one."""
    old = tmp_path / "rh-isac.conf"
    old.write_text(
        f"[RH-ISAC MISP]\nKey = {KEY}\n\n[microsoft]\nproduct = Azure Sentinel\ntenantId = {TENANT}\n"
        f"appId = {APPLICATION}\nappSecret = {SECRET}\n\n[splunk]\npassword = other\n"
    )
    told = run("import-config", old)
    assert told.returncode == 2
    assert b"workspaceId" in told.stdout
    assert b"[splunk]" in told.stdout
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["rh-isac.conf"]
    assert b"is the old configuration itself" in run("import-config", old, "-o", old, "--force").stderr
    run("import-config", old, "-o", "new.conf")
    new = tmp_path / "new.conf"
    new.write_text(new.read_text().replace("<LOG ANALYTICS WORKSPACE ID HERE>", WORKSPACE))
    settings = load(new, {})
    assert settings.rh_isac is not None
    assert settings.destinations[0].workspace_id == WORKSPACE


def test_two_at_once_write_one_file(tmp_path: Path) -> None:
    """The one that is later says that there is a file."""
    old = _old(tmp_path, MISP2SENTINEL)
    clean = commands.clean(HOME=str(tmp_path))
    both = [commands.Command("import-config", old, "-o", "new.conf", cwd=tmp_path, env=clean) for _ in range(2)]
    ends = [(process.communicate(timeout=60), process.returncode) for process in both]
    assert sorted(code for _, code in ends) == [0, 2]
    assert sum(b"is there already" in stderr for (_, stderr), _ in ends) == 1
    assert load(tmp_path / "new.conf", {}).destinations[0].workspace_id == WORKSPACE


def _left_by_misp2defender(world: World, *values: str) -> None:
    """What an import of misp2defender leaves: its fields, its name, and no id of ours."""
    emulator = world.emulator
    form = {
        "client_id": str(uuid.uuid4()),
        "client_secret": SECRET,
        "grant_type": "client_credentials",
        "scope": "https://api.securitycenter.microsoft.com/.default",
    }
    login = f"{emulator.url}/{TENANT}/oauth2/v2.0/token"
    token = requests.post(login, data=form, verify=emulator.ca, timeout=30).json()["access_token"]
    entries = [
        {
            "indicatorValue": value,
            "indicatorType": "FileSha256",
            "title": "A title of then",
            "application": "MISP",
            "expirationTime": "2027-06-01T00:00:00Z",
            "action": "Audit",
            "severity": "Medium",
            "recommendedActions": "Block",
            "generateAlert": True,
            "description": "Event A title of then (ID: 7)",
        }
        for value in values
    ]
    answer = requests.post(
        f"{emulator.url}/api/indicators/import",
        json={"Indicators": entries},
        headers={"Authorization": f"Bearer {token}"},
        verify=emulator.ca,
        timeout=30,
    )
    assert answer.status_code == 200
    assert world.defender() == sorted(values)


def test_from_misp2defender_its_entries_are_taken_over(run: Run, world: World, tmp_path: Path) -> None:
    """As docs/migrate.md has it: left alone at first, adopted when MISP vouches for them, the rest withdrawn."""
    done = run("import-config", _old(tmp_path, MISP2DEFENDER), "-o", "new.conf")
    assert done.returncode == 0, done.stdout
    new = _to_emulator(tmp_path / "new.conf", world)
    _left_by_misp2defender(world, ONE, TWO)
    pushed = run("push", _event(tmp_path, ONE, THREE), "--config", new)
    assert b"already-there" in pushed.stdout
    assert world.defender() == [ONE, TWO, THREE]
    calm = ("reconcile", "--settle-minutes", "0", "--config", new)
    looked = run(*calm)
    assert looked.returncode == 3
    assert b"--adopt takes over" in looked.stdout
    adopted = run(*calm, "--adopt")
    assert b"[adopted]" in adopted.stdout
    assert world.defender() == [ONE, TWO, THREE]
    titles = {e["indicatorValue"]: e["title"] for e in world.emulator.state()["defender"][TENANT]}
    assert titles[ONE] == titles[THREE] != titles[TWO]
    rest = run(*calm, "--adopt", "--withdraw-unknown", "--yes")
    assert rest.returncode == 0
    assert world.defender() == [ONE, THREE]


def test_rolling_back_takes_ours_away(run: Run, world: World, tmp_path: Path) -> None:
    """All of a destination, kept away until the release."""
    run("import-config", _old(tmp_path, MISP2SENTINEL), "-o", "new.conf")
    new = _to_emulator(tmp_path / "new.conf", world)
    assert run("push", _event(tmp_path, ONE, TWO), "--config", new).returncode == 0
    gone = run("withdraw", "--all", "--destination", "microsoft", "--reason", "rolled back", "--yes", "--config", new)
    assert gone.returncode == 0
    assert world.patterns() == []
    assert b"on-hold" in run("push", _event(tmp_path, ONE, TWO), "--config", new).stdout
    assert run("release", "--all", "--destination", "microsoft", "--config", new).returncode == 0
    assert len(world.patterns()) == 2
