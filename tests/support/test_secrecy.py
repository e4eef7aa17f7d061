"""The look for secrets finds those that are planted, wherever they are, and does not say what they are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Not known to the session that runs these tests, which would find it as well.
PLANTED = "-".join(["planted", "where", "it", "must", "not", "be"])

CONFTEST = """
from tests.support.secrecy import Secrecy

def pytest_configure(config):
    watching = Secrecy(config)
    watching.watch()
    config.pluginmanager.register(watching, "secrecy")
"""
TEST = """
import base64, json, logging, sqlite3, subprocess, sys, time, zlib
from pydantic import SecretStr
from tests.support import commands
from tests.support.secrecy import register

def test_it(tmp_path):
    secret = SecretStr("-".join(["planted", "where", "it", "must", "not", "be"])).get_secret_value()
    {plant}
"""

Inner = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def inner() -> Iterator[Inner]:
    """Run a session of its own with one test that plants something."""
    # Beside this session's folder, which is looked through at its end.
    folder = Path(tempfile.mkdtemp(prefix="secrecy-"))

    def _run(plant: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        (folder / "conftest.py").write_text(CONFTEST)
        (folder / "test_inner.py").write_text(TEST.format(plant=plant))
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--basetemp={folder / 'temp'}"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(folder / "state")}
        (folder / "state").mkdir(exist_ok=True)
        return subprocess.run(
            [*command, *arguments, str(folder)],
            capture_output=True,
            text=True,
            cwd=folder,
            env=environment,
            check=False,
            timeout=120,
        )

    yield _run
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("plant", "told"),
    [
        ('(tmp_path / "report.html").write_text(secret)', "a SecretStr in "),
        ('(tmp_path / "a.json").write_text(json.dumps(register(\'a "quoted" one\', "a key")))', "a key in "),
        ('(tmp_path / "log").write_text(base64.b64encode(secret.encode()).decode())', "a SecretStr in "),
        ('(tmp_path / "log").write_text("eyJ" + "hbGciOiJub25lIn0.eyJhIjoxfQ.x")', "a JWT in "),
        (
            'c = sqlite3.connect(tmp_path / "ledger.db"); c.execute("CREATE TABLE submission (document BLOB)"); '
            'c.execute("INSERT INTO submission VALUES (?)", [zlib.compress(secret.encode())]); c.commit(); c.close()',
            "a SecretStr in ",
        ),
        ("print(secret)", "a SecretStr in Captured stdout"),
        ("logging.warning(secret)", "a SecretStr in Captured log"),
        ('subprocess.run([sys.executable, "-c", "", secret])', "a SecretStr in a command line"),
        (
            'subprocess.run([sys.executable, "-c", "print(input())"], input=secret.encode(), capture_output=True)',
            "a SecretStr in standard output of a process",
        ),
        ('commands.run("--help", secret)', "a SecretStr in a command line"),
        (
            'commands.run("show", "x", env=commands.clean(HOME="/", COLUMNS="160", RH_ISAC_CONF=f"/no/{secret}"))',
            "a SecretStr in standard error of a process",
        ),
        (
            'subprocess.Popen(["sh", "-c", "read X; exec sleep 4 $X"], stdin=subprocess.PIPE).stdin.write(b"5"); '
            'c = subprocess.Popen(["sh", "-c", "read X; sh -c \'read Y; exit\' $X"], stdin=subprocess.PIPE); '
            "c.stdin.write(secret.encode() + b'\\n'); c.stdin.flush(); time.sleep(1)",
            "a SecretStr in the command line of process",
        ),
    ],
    ids=[
        *("file", "escaped", "base64", "jwt", "ledger", "printed", "logged", "argument", "output"),
        *("argument of a command", "error of a command", "process"),
    ],
)
def test_what_is_planted_is_found(inner: Inner, plant: str, told: str) -> None:
    """The session fails, says what and where, and does not show it."""
    done = inner(plant)
    assert done.returncode == 1, done.stdout
    assert told in done.stdout
    assert PLANTED not in done.stdout + done.stderr


def test_each_worker_and_the_whole(inner: Inner) -> None:
    """With xdist the controller looks at all files, for the secrets of all workers."""
    done = inner('(tmp_path / "report.html").write_text(secret)', "-n", "2")
    assert done.returncode == 1, done.stdout
    assert "a SecretStr in " in done.stdout
    assert "report.html" in done.stdout
    assert PLANTED not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "plant",
    [
        "pass",
        '(tmp_path / "rh-isac.conf").write_text(secret)',
        '(tmp_path / "report.html").write_text("nothing of it")',
        'subprocess.run([sys.executable, "-c", "input()"], input=secret.encode())',
    ],
    ids=["nothing", "configuration", "another file", "standard input"],
)
def test_what_is_in_its_place_is_not(inner: Inner, plant: str) -> None:
    """A configuration holds secrets by right."""
    done = inner(plant)
    assert done.returncode == 0, done.stdout
