"""The temporary file of a large event: nobody else can read it, it has no name, and what is wrong with it is told."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from misp_modules_ext.errors import MispError
from misp_modules_ext.misp.spool import Spool, folder


def _files() -> Iterator[Path]:
    """What this process has open."""
    for link in Path("/proc/self/fd").iterdir():
        try:
            yield Path(link.readlink())
        except FileNotFoundError:
            continue


def _mode(path: Path) -> int:
    number = next(link for link in Path("/proc/self/fd").iterdir() if link.is_symlink() and link.readlink() == path)
    return stat.S_IMODE(number.stat().st_mode)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_file_has_no_name_and_is_its_owners_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the moment in which it is written; when it is closed it is gone."""
    monkeypatch.setattr("misp_modules_ext.misp.spool._CACHE", 20)
    os.umask(mask := os.umask(0))
    os.umask(0)
    try:
        before = set(_files())
        with Spool() as spool:
            spool.run("CREATE TABLE t (b BLOB)")
            spool.run_all("INSERT INTO t VALUES (?)", ([b"x" * 5000] for _ in range(100)))
            (made,) = set(_files()) - before
            assert str(made).endswith(" (deleted)")
            assert str(made).startswith(folder())
            assert not Path(str(made).removesuffix(" (deleted)")).exists()
            assert _mode(made) == 0o600
        assert made not in set(_files())
    finally:
        os.umask(mask)


def test_the_folder_is_the_first_that_can_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As SQLite has it: what TMPDIR names, unless it is no folder."""
    monkeypatch.delenv("SQLITE_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert folder() == str(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    assert folder() == "/var/tmp"  # noqa: S108 - SQLite's own list
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    assert folder() == str(tmp_path)


def test_an_error_says_where_and_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In one sentence, whichever statement it was."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    spool = Spool()
    for fail in (lambda: spool.run("SELECT * FROM t"), lambda: spool.run_all("INSERT INTO t VALUES (?)", [(1,)])):
        with pytest.raises(MispError, match=rf"in {tmp_path}, which cannot be written.*What to do: .*TMPDIR"):
            fail()
    spool.close()
    spool.close()
