"""`misp-microsoft warninglists`, and what `check` says of the index."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from misp_modules_ext.cli import warninglists as command
from misp_modules_ext.cli.app import app
from misp_modules_ext.cli.checking import here as checking
from misp_modules_ext.config import load
from misp_modules_ext.errors import UsageError, WarninglistError
from misp_modules_ext.warninglists.package import Package
from tests.support import lists

CONFIGURATION = """\
[selection]
warninglists =
    List of known IPv4 public DNS resolvers
    List of known Office 365 URL
[microsoft]
product = Microsoft Sentinel
tenantId = 11111111-1111-4111-8111-111111111111
appId = 22222222-2222-4222-8222-222222222222
appSecret = not-a-secret
workspaceId = 33333333-3333-4333-8333-333333333333
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration and a state directory of its own."""
    config = tmp_path / "rh-isac.conf"
    config.write_text(CONFIGURATION)
    config.chmod(0o600)
    monkeypatch.setenv("RH_ISAC_CONF", str(config))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def _install(monkeypatch: pytest.MonkeyPatch, found: Package | None) -> None:
    """What is installed on this machine."""
    monkeypatch.setattr(command, "installed", lambda: found)
    monkeypatch.setattr(checking, "installed", lambda: found)


def _run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["warninglists", *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def _index(folder: Path) -> Path:
    return folder / "state/misp-modules-ext/warninglists.db"


def test_it_builds_once_and_says_where(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists, entries, version and place; `--force` builds all the same."""
    _install(monkeypatch, lists.package(here / "package", lists.RESOLVERS, lists.OFFICE, version="1.7.0"))
    told = f"{_index(here)}\n2 lists of PyMISPWarningLists 1.7.0, 3 entries.\n"
    assert _run() == f"Built: {told}"
    assert _run() == f"Up to date: {told}"
    assert _run("--force") == f"Built: {told}"
    document = json.loads(_run("--json"))
    assert document == {
        "schema": 1,
        "command": "warninglists",
        "index": str(_index(here)),
        "version": "1.7.0",
        "lists": 2,
        "entries": 3,
        "built": False,
    }


def test_without_the_package_it_says_what_to_install(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command makes nothing."""
    _install(monkeypatch, None)
    with pytest.raises(UsageError, match=r"Run: pip install 'misp-modules-ext\[warninglists\]'$"):
        _run()
    assert not _index(here).exists()


def test_values_are_looked_up(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In all lists, whatever types these name; those that refuse are marked. The package is not needed for it."""
    with pytest.raises(WarninglistError, match="Build it with `misp-microsoft warninglists`"):
        _run("--check", "8.8.8.8")
    lists.index(_index(here), lists.RESOLVERS, lists.OFFICE)
    _install(monkeypatch, None)
    assert _run("--check", "8.8.8.8", "--check", "outlook.office365.com", "--check", "evil.example").splitlines() == [
        "8.8.8.8: on 1 list",
        "  List of known IPv4 public DNS resolvers (refused by `warninglists`)",
        "outlook.office365.com: on 1 list",
        "  List of known Office 365 URLs",
        "evil.example: on no list",
    ]
    document = json.loads(_run("--check", "8.8.8.8", "--json"))
    assert document["values"] == [{"value": "8.8.8.8", "lists": ["List of known IPv4 public DNS resolvers"]}]


def _checked() -> list[tuple[bool, str, str, int]]:
    settings = load(None)
    found = checking.warninglists(settings, settings.destinations)
    return [(one.ok, one.answer, one.remedy, one.exit_code) for one in found]


def test_check_tells_of_a_missing_a_stale_and_a_damaged_index(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one nothing fails: the destinations go on."""
    ((ok, answer, remedy, code),) = _checked()
    assert (ok, code) == (True, 0)
    assert str(_index(here)) in answer
    assert "pip install 'misp-modules-ext[warninglists]'` and then `misp-microsoft warninglists`" in remedy

    lists.index(_index(here), lists.RESOLVERS)
    _install(monkeypatch, lists.package(here / "package", lists.RESOLVERS))
    assert _checked()[0][1:3] == (f"1 list of PyMISPWarningLists 1.0, {_index(here)}.", "")
    _install(monkeypatch, lists.package(here / "package", (*lists.RESOLVERS[:3], ("1.1.1.1",))))
    assert _checked()[0][1:] == (
        f"1 list of PyMISPWarningLists 1.0, {_index(here)}. The package has changed since.",
        "Run `misp-microsoft warninglists`.",
        0,
    )
    _install(monkeypatch, None)
    assert _checked()[0][2] == ""

    _index(here).write_bytes(b"damaged" * 1000)
    ((ok, answer, remedy, code),) = _checked()
    assert (ok, code) == (False, 2)
    assert "cannot be read" in answer
    assert remedy == "Build it with `misp-microsoft warninglists`."


def test_check_tells_of_names_that_no_list_has(here: Path) -> None:
    """With the nearest one: a name that is spelled otherwise refuses nothing."""
    lists.index(_index(here), lists.RESOLVERS, lists.OFFICE)
    _, (ok, answer, remedy, code) = _checked()
    assert (ok, code) == (True, 0)
    assert answer == "the index has no list called 'List of known Office 365 URL'."
    assert remedy.startswith("Is 'List of known Office 365 URLs' meant?")
