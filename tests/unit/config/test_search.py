"""Which file is used, and when a found one is not trusted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from misp_modules_ext.config import Found, find, load, search
from misp_modules_ext.errors import ConfigurationError
from tests.unit.config.samples import SENTINEL, section, write


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def _home(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    folder = tmp_path / "home/.config/misp-modules-ext"
    folder.mkdir(parents=True)
    return folder, {"HOME": str(tmp_path / "home")}


def test_the_named_file_comes_first(here: Path, tmp_path: Path) -> None:
    """Then the variable's, the working directory's, the user's."""
    folder, environ = _home(tmp_path)
    theirs = write(folder, "")
    assert find(None, environ) == Found(theirs, searched=True)
    ours = write(here, "")
    assert find(None, environ) == Found(ours, searched=True)
    environ["RH_ISAC_CONF"] = str(theirs)
    assert find(None, environ) == Found(theirs, searched=False)
    assert find(here / "other.conf", environ) == Found(here / "other.conf", searched=False)


def test_the_systems_file_comes_last() -> None:
    """The places that the document names, in its order."""
    places = search.places({"HOME": "/home/someone"})
    assert [str(place) for place in places[1:]] == [
        "/home/someone/.config/misp-modules-ext/rh-isac.conf",
        "/etc/misp-modules-ext/rh-isac.conf",
    ]


def test_relative_names_become_absolute(here: Path) -> None:
    """Messages and reports name a place that can be found again."""
    assert find(Path("other.conf"), {}).path == here / "other.conf"
    assert find(None, {"RH_ISAC_CONF": "sub/other.conf"}).path == here / "sub/other.conf"


@pytest.mark.usefixtures("here")
def test_nothing_found_lists_the_places(tmp_path: Path) -> None:
    """And says what to start from."""
    _, environ = _home(tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        load(None, environ)
    text = str(caught.value)
    for place in ("--config", "$RH_ISAC_CONF", *map(str, search.places(environ))):
        assert place in text
    assert "rh-isac.conf.example" in text


@pytest.mark.usefixtures("here")
def test_a_variable_that_names_nothing_is_not_passed_over(tmp_path: Path) -> None:
    """Another file would be a surprise."""
    folder, environ = _home(tmp_path)
    write(folder, section("microsoft", SENTINEL))
    environ["RH_ISAC_CONF"] = str(tmp_path / "gone.conf")
    with pytest.raises(ConfigurationError, match=r"does not exist.*gone\.conf"):
        load(None, environ)


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_found_file_that_others_can_write_is_not_read(here: Path, mode: int) -> None:
    """It says where indicators and credentials go; the message has the command to run."""
    path = write(here, section("microsoft", SENTINEL, polo="x"), mode=mode)
    with pytest.raises(ConfigurationError) as caught:
        load(None, {})
    (problem,) = caught.value.problems
    assert "written by others" in problem.message
    assert problem.remedy == f"Run: chmod go-w {path}"


def test_a_named_file_that_others_can_write_is_read(here: Path) -> None:
    """Whoever names it vouches for it."""
    path = write(here, section("microsoft", SENTINEL), mode=0o666)
    assert load(path, {}).path == path
    assert load(None, {"RH_ISAC_CONF": str(path)}).path == path


def _status(owner: int, mode: int = 0o100600) -> os.stat_result:
    return os.stat_result((mode, 1, 1, 1, owner, 0, 0, 0, 0, 0))


def test_a_found_file_of_somebody_else_is_not_read() -> None:
    """The owner has to be the caller or root."""
    path = Path("/srv/with space/rh-isac.conf")
    (problem,) = search.distrust(path, _status(4711), 1000)
    assert "belongs to user 4711" in problem.message
    assert "chown 1000 '/srv/with space/rh-isac.conf'" in problem.remedy
    assert search.distrust(path, _status(1000), 1000) == []
    assert search.distrust(path, _status(0), 1000) == []


def test_both_reasons_not_to_trust_are_told() -> None:
    """Owner and mode at once."""
    assert len(search.distrust(Path("x"), _status(4711, 0o100666), 1000)) == 2


def test_a_working_directory_that_is_gone(here: Path, tmp_path: Path) -> None:
    """The search goes on at the next place."""
    folder, environ = _home(tmp_path)
    path = write(folder, "")
    here.rmdir()
    assert find(None, environ) == Found(path, searched=True)


@pytest.mark.usefixtures("here")
def test_a_place_that_cannot_exist(tmp_path: Path) -> None:
    """A name that is too long, or a path through a file, is no crash."""
    (tmp_path / "file").write_text("")
    for home in ("/" + "x" * 5000, str(tmp_path / "file"), "nul\0"):
        with pytest.raises(ConfigurationError, match="there is no configuration"):
            find(None, {"HOME": home})
