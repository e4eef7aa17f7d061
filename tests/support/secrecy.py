"""That no secret of any test turns up where it has no business: over the whole suite.

Secrets make themselves known: every `SecretStr` that is made in a process of ours, what `register` is told (a
configuration that is written, a user's key at the test MISP, a private key), and anything that looks like a JWT, which
is how tokens of the emulator and assertions look. They are looked for

* in what a test printed and logged, and in what processes gave back to it, when it ends;
* in the command lines of processes: when they are started, and of those that run when a test ends;
* in every file below the session's folder, at its end: reports, logs, ledgers (their compressed accounts too), states.

A test in which one turns up fails. A file makes the session fail, with the name of what was found, not its value. With
xdist each worker looks at its own tests, and the controller, which is told of all secrets, at the files.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import os
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from pydantic import SecretStr

from misp_modules_ext.misp.coerce import uuid_or_none
from tests.support.commands import Command

#: Names of files that hold secrets by right.
ALLOWED = (
    # Configurations that tests write, and their successors before they take their place.
    "*.conf",
    "rh-isac.new",
    # Those of other tools, from which ours is made.
    "config.py",
    "old",
    "other-name",
    "there",
    # The emulator's own state: the tokens that it gave, so that they outlive it.
    "state.json",
    "state.json.new",
    # What a configuration refers to: certificates with keys, tokens of a cluster, secrets in files of their own.
    "*.pem",
    "*.pem.new",
    "*.pfx",
    "*.pfx.new",
    "secret",
    "*.secret",
    "token",
    "*.token",
    "*.token.new",
)
#: Folders of such files: where `import-config` puts the secrets that it takes out of a configuration.
ALLOWED_FOLDERS = ("*.secrets",)
#: How a JWT begins: `{"alg":` or `{"typ":`, with or without a space.
JWT = ("eyJhbGciOi", "eyJ0eXAiOi", "eyJraWQiOi")
#: What is shorter, or has fewer different characters, is found everywhere.
SHORTEST, FEWEST_CHARACTERS = 12, 6
#: Secrets that are made at random by property tests need not all be looked for.
MOST = 5_000

#: Each spelling of each secret, with what it is.
_known: dict[str, str] = {}
_seen: set[str] = set()


def register(secret: str, what: str) -> str:
    """Look for a secret from now on.

    Args:
        secret: as it is.
        what: what to call it when it is found.

    Returns:
        The same.

    Raises:
        AssertionError: it would be found everywhere.
    """
    assert _stands_out(secret) or not secret.strip(), f"{what}: {secret!r} is found in many a text"
    if secret not in _seen and len(_seen) < MOST and "\n" not in secret and secret.strip():
        _seen.add(secret)
        encoded = base64.b64encode(secret.encode("utf-8", "surrogatepass")).decode().rstrip("=")
        with contextlib.suppress(UnicodeEncodeError):
            for spelled in (secret, json.dumps(secret)[1:-1], quote(secret, ""), quote_plus(secret), encoded):
                _known.setdefault(spelled, what)
    return secret


def _stands_out(secret: str) -> bool:
    return len(secret) >= SHORTEST and len(set(secret)) >= FEWEST_CHARACTERS


def found_in(text: str) -> list[str]:
    """What secrets are in a text, by their names."""
    found = {what for secret, what in _known.items() if secret in text}
    return sorted(found | {"a JWT" for start in JWT if start in text})


class Secrecy:
    """The plug-in. Register it once for each session."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        #: What was found since the last test ended.
        self._fresh: list[str] = []
        #: What makes the session fail.
        self.leaks: list[str] = []

    # What processes are given and give back.

    def watch(self) -> None:
        """Hear of every secret, and of every process that is started."""
        _hear_of_secrets()
        sys.addaudithook(self._audit)
        _hear_of_output(self._look)

    def _audit(self, event: str, given: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen":
            words = given[1] if isinstance(given[1], list | tuple) else [given[1]]
            self._look(" ".join(map(os.fsdecode, words)), "a command line")

    def _look(self, text: str | bytes | None, where: str) -> None:
        if text:
            whole = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
            self._fresh += [f"{what} in {where}" for what in found_in(whole)]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Fail a test in which a secret turned up."""
        report = yield
        if call.when == "call":
            for pid, line in _command_lines():
                self._look(line, f"the command line of process {pid}")
        for title, text in report.sections:
            self._look(text, title)
        if self._fresh and report.outcome != "failed":
            report.outcome = "failed"
            report.longrepr = "A secret turned up: " + "; ".join(sorted(set(self._fresh)))
            # It must not be shown, and stay in the log of a build.
            report.sections = []
        self._fresh = []
        return report

    # What is in files.

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Hear of a worker's secrets, and of what it found in folders that are gone when it is."""
        told = getattr(node, "workeroutput", {})
        _known.update(told.get("secrets", {}))
        self.leaks += told.get("leaks", [])

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Look through the files."""
        state = os.environ.get("XDG_STATE_HOME", "")
        if state and Path(state).is_dir():
            self.leaks += in_files(Path(state))
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output["secrets"], output["leaks"] = dict(_known), self.leaks
            return
        folder = self._config._tmp_path_factory._basetemp  # type: ignore[attr-defined] # of pytest, as xdist uses it
        if folder is not None and folder.is_dir():
            self.leaks += in_files(folder)
        if self.leaks and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say where."""
        if self.leaks:
            terminalreporter.section("secrets in files", red=True)
            for leak in sorted(set(self.leaks)):
                terminalreporter.write_line(leak)


def in_files(folder: Path) -> list[str]:
    """What is found in files below a folder, of those that are not `ALLOWED`."""
    paths = [*_holding(folder), *(path for path in _files(folder, "*.db") if found_in(_accounts(path)))]
    found = []
    for path in paths:
        names = found_in(path.read_bytes().decode("utf-8", "replace") + _accounts(path))
        found.append(f"{' and '.join(names) or 'a secret'} in {path}")
    return found


def _holding(folder: Path) -> list[Path]:
    """Files that hold one, found in one pass."""
    patterns = "\n".join([*_known, *JWT]).encode("utf-8", "surrogatepass")
    excluded = [f"--exclude={name}" for name in ALLOWED]
    excluded += [f"--exclude-dir={name}" for name in ALLOWED_FOLDERS]
    command = ["grep", "-r", "-a", "-l", "-F", "-D", "skip", *excluded, "-f", "-", "--", str(folder)]
    done = subprocess.run(command, input=patterns, capture_output=True, env={**os.environ, "LC_ALL": "C"}, check=False)
    assert done.returncode in (0, 1) or b"No such file" in done.stderr, done.stderr.decode()
    return [Path(os.fsdecode(line)) for line in done.stdout.splitlines()]


def _files(folder: Path, pattern: str) -> Iterator[Path]:
    return (path for path in folder.rglob(pattern) if path.is_file())


def _accounts(path: Path) -> str:
    """The accounts that a ledger keeps, unpacked; `""` for another file."""
    if path.suffix != ".db":
        return ""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=1)) as connection:
            rows = connection.execute("SELECT document FROM submission WHERE document IS NOT NULL").fetchall()
        return "\n".join(zlib.decompress(document).decode("utf-8", "replace") for (document,) in rows)
    except (sqlite3.Error, zlib.error):
        # Something else, or broken on purpose; what it holds in plain was looked at.
        return ""


def _command_lines(pid: int | None = None) -> Iterable[tuple[int, str]]:
    """Of all processes that this one has started, and that those have."""
    for task in Path(f"/proc/{pid or 'self'}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                yield child, Path(f"/proc/{child}/cmdline").read_bytes().decode("utf-8", "replace")
                yield from _command_lines(child)


def _hear_of_secrets() -> None:
    original = SecretStr.__init__

    @functools.wraps(original)
    def init(self: SecretStr, secret_value: str) -> None:
        original(self, secret_value)
        # An address is a secret for what may be in it, and shows without that. Tests also put an identifier there.
        if _stands_out(secret_value) and "://" not in secret_value and uuid_or_none(secret_value) is None:
            register(secret_value, "a SecretStr")

    SecretStr.__init__ = init  # type: ignore[method-assign]


def _prints_by_right(arguments: object) -> bool:
    """Whether a process was asked to print a configuration with the secrets that are in it."""
    words = [str(word) for word in arguments] if isinstance(arguments, (list, tuple)) else []
    return "import-config" in words and words[-2:] == ["-o", "-"]


def _hear_of_output(look: Callable[[str | bytes | None, str], None]) -> None:
    for kind in (subprocess.Popen, Command):
        _hear_of_output_of(kind, look)


def _hear_of_output_of(
    kind: type[subprocess.Popen[Any] | Command], look: Callable[[str | bytes | None, str], None]
) -> None:
    original = kind.communicate

    @functools.wraps(original)
    def communicate(self: Any, *args: Any, **given: Any) -> tuple[Any, Any]:
        out, errors = original(self, *args, **given)
        # What we grep with is no test's.
        if not (isinstance(self.args, list) and self.args[0] == "grep"):
            if not _prints_by_right(self.args):
                look(out, "standard output of a process")
            look(errors, "standard error of a process")
        return out, errors

    kind.communicate = communicate  # type: ignore[method-assign, assignment]
