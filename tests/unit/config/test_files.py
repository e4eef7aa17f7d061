"""Files that are no configuration: each ends as one clear problem."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from misp_modules_ext.config import files, load
from misp_modules_ext.config.findings import Invalid
from misp_modules_ext.errors import ConfigurationError


def _problem(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(path, {})
    (problem,) = caught.value.problems
    return str(problem)


def test_a_directory(tmp_path: Path) -> None:
    """Named by mistake."""
    assert _problem(tmp_path).startswith("file: is a directory, not a file")


def test_a_pipe_and_a_device(tmp_path: Path) -> None:
    """Neither is waited for, neither is read without end."""
    os.mkfifo(tmp_path / "pipe")
    assert "is a pipe or a device" in _problem(tmp_path / "pipe")
    assert "is a pipe or a device" in _problem(Path("/dev/zero"))


def test_a_huge_file(tmp_path: Path) -> None:
    """Somebody's log file is not read to its end."""
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(50 * files.MOST_BYTES)
    assert "is longer than 1048576 bytes" in _problem(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x7fELF\x02\x01\xff", "not text in UTF-8"),
        ("[microsoft]".encode("utf-16"), "UTF-16"),
        (b"[microsoft]\nappSecret = a\0b\n", "zero bytes"),
        ("[microsoft]\n# gr\xfc\xdfe\n".encode("latin-1"), "not text in UTF-8"),
    ],
)
def test_binary_files(tmp_path: Path, data: bytes, message: str) -> None:
    """And text in other encodings."""
    path = tmp_path / "binary"
    path.write_bytes(data)
    assert message in _problem(path)


def test_an_empty_file(tmp_path: Path) -> None:
    """Nothing is configured, which is a problem of its own."""
    path = tmp_path / "empty"
    path.touch()
    assert "there is no section [microsoft]" in _problem(path)


def test_a_missing_file(tmp_path: Path) -> None:
    """With its path."""
    assert _problem(tmp_path / "gone").startswith(f"file: does not exist: {tmp_path}/gone.")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_no_permission(tmp_path: Path) -> None:
    """With what to do."""
    path = tmp_path / "closed"
    path.touch(0)
    assert "may not be read by this user" in _problem(path)


def test_no_permission_as_the_system_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, for whoever runs the tests as root."""

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(Invalid, match="may not be read by this user"):
        files.read(tmp_path / "closed")


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_a_path_that_cannot_be(name: str) -> None:
    """No crash in the system's words."""
    assert "cannot be read" in _problem(Path("/") / name)


def test_a_loop_of_links(tmp_path: Path) -> None:
    """Told, not followed for ever."""
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert "cannot be read" in _problem(tmp_path / "a")
