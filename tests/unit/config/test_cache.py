"""A long-running process sees changes, and reads only then."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from misp_modules_ext.config import Settings, cached
from misp_modules_ext.errors import ConfigurationError
from tests.unit.config.samples import DEFENDER, SENTINEL, section, write


def _replace(path: Path, *parts: str) -> None:
    """A new file in the place of the old one, as editors write it."""
    folder = path.parent / "fresh"
    folder.mkdir(exist_ok=True)
    write(folder, *parts).replace(path)


def test_the_same_object_while_nothing_changes(tmp_path: Path) -> None:
    """Also after the file has only been looked at."""
    path = write(tmp_path, section("microsoft", SENTINEL))
    first = cached(path)
    path.read_text("utf-8")
    assert cached(path) is first


def test_a_replaced_file_is_read_again(tmp_path: Path) -> None:
    """Another inode is another file."""
    path = write(tmp_path, section("microsoft", SENTINEL))
    first = cached(path)
    _replace(path, section("microsoft other", SENTINEL))
    assert cached(path).destinations[0].name == "microsoft other"
    assert first.destinations[0].name == "microsoft"


def test_a_file_written_in_place_is_read_again(tmp_path: Path) -> None:
    """Also when size and inode stay."""
    path = write(tmp_path, section("microsoft", SENTINEL, sourceSystem="one"))
    first = cached(path)
    path.write_text(path.read_text("utf-8").replace("= one", "= two"), "utf-8")
    os.utime(path, ns=(1, 1))
    assert cached(path) is not first
    assert cached(path).destinations[0].source_system == "two"


def test_a_changed_mode_is_seen(tmp_path: Path) -> None:
    """The warning goes once its command has been run."""
    path = write(tmp_path, section("microsoft", SENTINEL), mode=0o644)
    before = cached(path)
    assert before.warnings
    path.chmod(0o600)
    assert cached(path).warnings == ()


def test_a_broken_file_is_told_until_it_is_mended(tmp_path: Path) -> None:
    """The old settings are not used behind the back of whoever broke it."""
    path = write(tmp_path, section("microsoft", SENTINEL))
    cached(path)
    _replace(path, "[microsoft]\n")
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            cached(path)
    _replace(path, section("microsoft", SENTINEL))
    assert cached(path).destinations


def test_a_rotated_secret_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a file or a variable that a value comes from."""
    secret = tmp_path / "secret"
    secret.write_text("first")
    secret.chmod(0o600)
    monkeypatch.setenv("OUR_MISP_KEY", "one")
    path = write(
        tmp_path,
        section("microsoft", DEFENDER, appSecret=f"file:{secret}"),
        section("misp", url="https://misp.example.org", key="env:OUR_MISP_KEY"),
    )
    first = cached(path)
    secret.write_text("second, longer")
    second = cached(path)
    assert second.destinations[0].app_secret.get_secret_value() == "second, longer"
    monkeypatch.setenv("OUR_MISP_KEY", "two")
    assert second is not first
    third = cached(path)
    assert third.misp is not None
    assert third.misp.key is not None
    assert third.misp.key.get_secret_value() == "two"
    assert cached(path) is third


def test_another_file_found_by_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that appears further up in the order is used from then on."""
    home = tmp_path / "home/.config/misp-modules-ext"
    home.mkdir(parents=True)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(here)
    write(home, section("microsoft home", SENTINEL))
    assert cached().destinations[0].name == "microsoft home"
    path = write(here, section("microsoft here", SENTINEL))
    assert cached().destinations[0].name == "microsoft here"
    path.unlink()
    assert cached().destinations[0].name == "microsoft home"


def test_many_threads_get_one_object(tmp_path: Path) -> None:
    """The service calls it from a pool."""
    path = write(tmp_path, section("microsoft", SENTINEL))
    found: list[Settings] = []
    threads = [threading.Thread(target=lambda: found.append(cached(path))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16
    assert len({id(settings) for settings in found}) == 1
