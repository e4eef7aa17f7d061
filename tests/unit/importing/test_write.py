"""The new file is its owner's alone, and takes nobody's place unasked."""

from __future__ import annotations

import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from misp_modules_ext.errors import UsageError
from misp_modules_ext.importing.write import Secrets, to_file, to_text
from tests.unit.importing.samples import SECRET, SENTINEL, entries, take


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def _no_file_longer_than(size: int) -> Iterator[None]:
    """Writing more fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


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


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("made", ["link", "open", "file"])
def test_secrets_go_into_no_folder_that_others_can_change(tmp_path: Path, made: str, force: bool) -> None:
    """They would read, or put another secret there."""
    folder, elsewhere = tmp_path / "new.conf.secrets", tmp_path / "elsewhere"
    elsewhere.mkdir()
    if made == "link":
        folder.symlink_to(elsewhere)
    elif made == "open":
        folder.mkdir()
        folder.chmod(0o777)
        (folder / "theirs").write_text("")
    else:
        folder.write_text("")
    with pytest.raises(UsageError, match="no folder that only you can change"):
        to_file(take(tmp_path, SENTINEL), tmp_path / "new.conf", Secrets.FILES, {}, force=force)
    assert not any(SECRET in text for name, text in _contents(tmp_path).items() if name != "old")
    assert not (tmp_path / "new.conf").exists()


def test_secrets_go_into_a_folder_of_ours(tmp_path: Path) -> None:
    """For example of an earlier try."""
    (tmp_path / "new.conf.secrets").mkdir(mode=0o755)
    to_file(take(tmp_path, SENTINEL), tmp_path / "new.conf", Secrets.FILES, {}, force=True)
    assert any(SECRET in path.read_text() for path in (tmp_path / "new.conf.secrets").iterdir())


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


def test_a_full_disk_takes_no_secret_away(tmp_path: Path) -> None:
    """The secrets fit, the configuration does not: what was there is there as it was."""
    to_file(take(tmp_path, SENTINEL), tmp_path / "new.conf", Secrets.FILES, {}, force=False)
    changed = SENTINEL.replace(SECRET, "another-secret")
    old = take(tmp_path, changed)
    before = _contents(tmp_path)
    with _no_file_longer_than(100), pytest.raises(UsageError, match="cannot be written: File too large"):
        to_file(old, tmp_path / "new.conf", Secrets.FILES, {}, force=True)
    assert _contents(tmp_path) == before
    written = to_file(take(tmp_path, changed), tmp_path / "new.conf", Secrets.FILES, {}, force=True)
    assert "another-secret\n" in [path.read_text() for path in written.secrets]
    assert _contents(tmp_path).keys() == before.keys()


def test_a_full_disk_leaves_nothing_of_a_first_try(tmp_path: Path) -> None:
    """Neither secrets nor their folder."""
    old = take(tmp_path, SENTINEL)
    with _no_file_longer_than(100), pytest.raises(UsageError, match="cannot be written"):
        to_file(old, tmp_path / "new.conf", Secrets.FILES, {}, force=False)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_a_secret_in_the_way_stays(tmp_path: Path) -> None:
    """Without --force; and with it no folder is replaced, nor anything beside it."""
    folder = tmp_path / "new.conf.secrets"
    folder.mkdir()
    (folder / "misp-key").write_text("mine")
    with pytest.raises(UsageError, match="misp-key is there already"):
        to_file(take(tmp_path, SENTINEL), tmp_path / "new.conf", Secrets.FILES, {}, force=False)
    (folder / "microsoft-appSecret").mkdir()
    with pytest.raises(UsageError, match="microsoft-appSecret is no regular file"):
        to_file(take(tmp_path, SENTINEL), tmp_path / "new.conf", Secrets.FILES, {}, force=True)
    assert _contents(tmp_path) == {"old": SENTINEL, "new.conf.secrets/misp-key": "mine"}


_TWO = """[RH-ISAC MISP]
key = k
[microsoft soc-emea]
product = Microsoft Sentinel
appSecret = one
[microsoft soc emea]
product = Microsoft Sentinel
appSecret = two
[microsoft soc_EMEA]
product = Microsoft Sentinel
appSecret = three
"""


def test_each_secret_has_a_name_of_its_own(tmp_path: Path) -> None:
    """Also where sections differ by signs only that no name of a file or variable keeps."""
    sections = ("microsoft soc-emea", "microsoft soc emea", "microsoft soc_EMEA")
    imported = take(tmp_path, _TWO)
    to_file(imported, tmp_path / "new.conf", Secrets.FILES, {}, force=False)
    files = [Path(entries(imported, name, "appSecret")[0].removeprefix("file:")) for name in sections]
    assert [path.read_text() for path in files] == ["one\n", "two\n", "three\n"]
    assert len({path.name.lower() for path in files}) == 3
    imported = take(tmp_path, _TWO)
    to_text(imported, Secrets.ENV, {})
    assert [entries(imported, name, "appSecret")[0] for name in sections] == [
        "env:MICROSOFT_SOC_EMEA_APP_SECRET",
        "env:MICROSOFT_SOC_EMEA_APP_SECRET_2",
        "env:MICROSOFT_SOC_EMEA_APP_SECRET_3",
    ]
