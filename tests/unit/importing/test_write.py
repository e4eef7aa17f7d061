"""The new file is its owner's alone, and takes nobody's place unasked."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from misp_modules_ext.errors import UsageError
from misp_modules_ext.importing.write import Secrets, to_file, to_text
from tests.unit.importing.samples import SECRET, SENTINEL, take


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("force", [False, True])
def test_a_new_file(tmp_path: Path, force: bool) -> None:
    """Mode 0600 whatever the umask, and nothing beside it."""
    before = os.umask(0)
    try:
        written = to_file(take(tmp_path, SENTINEL), tmp_path / "new.conf", Secrets.KEEP, {}, force=force)
    finally:
        os.umask(before)
    assert _mode(tmp_path / "new.conf") == 0o600
    assert not written.loaded.problems
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.conf", "old"]
    assert SECRET not in repr(written)


@pytest.mark.parametrize("secrets", list(Secrets))
def test_a_file_that_is_there_stays(tmp_path: Path, secrets: Secrets) -> None:
    """Also when it is a link to nowhere; no file of a secret is left behind."""
    (tmp_path / "there").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("there", "link"):
        with pytest.raises(UsageError, match="is there already"):
            to_file(take(tmp_path, SENTINEL), tmp_path / name, secrets, {}, force=False)
    assert (tmp_path / "there").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "old", "there"]
    to_file(take(tmp_path, SENTINEL), tmp_path / "there", Secrets.KEEP, {}, force=True)
    assert "[microsoft]" in (tmp_path / "there").read_text()


def test_force_replaces_regular_files_only(tmp_path: Path) -> None:
    """Neither a device nor a pipe, a folder or what a link leads to."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "old")
    (tmp_path / "elsewhere").symlink_to(tmp_path / "nowhere")
    for name in ("pipe", "folder", "link", "elsewhere"):
        with pytest.raises(UsageError, match=r"no regular file|the old configuration itself"):
            to_file(take(tmp_path, SENTINEL), tmp_path / name, Secrets.KEEP, {}, force=True)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert (tmp_path / "link").is_symlink()


def test_the_old_file_is_never_written(tmp_path: Path) -> None:
    """By no name of it."""
    old = take(tmp_path, SENTINEL)
    (tmp_path / "other-name").hardlink_to(tmp_path / "old")
    for name in ("old", "other-name"):
        with pytest.raises(UsageError, match="the old configuration itself"):
            to_file(old, tmp_path / name, Secrets.KEEP, {}, force=True)
    assert (tmp_path / "old").read_text() == SENTINEL


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    """A sentence, and no file of a secret is left behind."""
    with pytest.raises(UsageError, match="cannot be written"):
        to_file(take(tmp_path, SENTINEL), tmp_path / "no/new.conf", Secrets.FILES, {}, force=False)
    (tmp_path / "new.conf.secrets").write_text("in the way")
    with pytest.raises(UsageError, match="cannot be written"):
        to_file(take(tmp_path, SENTINEL), tmp_path / "new.conf", Secrets.FILES, {}, force=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.conf.secrets", "old"]


def test_secrets_move(tmp_path: Path) -> None:
    """Into files of mode 0600 in a folder of mode 0700, or into variables that are named."""
    written = to_file(take(tmp_path, SENTINEL), tmp_path / "new.conf", Secrets.FILES, {}, force=False)
    assert not written.loaded.problems
    assert SECRET not in written.text
    assert _mode(tmp_path / "new.conf.secrets") == 0o700
    assert [_mode(path) for path in written.secrets] == [0o600, 0o600]
    imported = take(tmp_path, SENTINEL)
    variables = {"MICROSOFT_APP_SECRET": SECRET, "MISP_KEY": "k"}
    assert not to_text(imported, Secrets.ENV, variables).loaded.problems
    assert any("MICROSOFT_APP_SECRET" in step for step in imported.draft.steps)
    assert not any(SECRET in step for step in imported.draft.steps)
    assert len(to_text(take(tmp_path, SENTINEL), Secrets.ENV, {}).loaded.problems) == 2
    with pytest.raises(UsageError, match="--output"):
        to_text(take(tmp_path, SENTINEL), Secrets.FILES, {})
