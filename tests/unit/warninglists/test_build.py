"""Building the index."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from misp_modules_ext.config import warninglists as defaults
from misp_modules_ext.errors import WarninglistError
from misp_modules_ext.warninglists import package
from misp_modules_ext.warninglists.build import build
from misp_modules_ext.warninglists.index import Index, Question
from tests.support import lists


def test_it_is_built_once_and_again_when_the_lists_change(tmp_path: Path) -> None:
    """By their content: a version may stay while lists change."""
    path = tmp_path / "state" / "warninglists.db"
    found = lists.package(tmp_path / "package", lists.TOP, lists.RESOLVERS)
    facts, built = build(found, path)
    assert built
    assert facts.version == "1.0"
    assert dict(facts.lists) == {lists.TOP[0]: 2, lists.RESOLVERS[0]: 2}
    assert build(found, path) == (facts, False)
    assert build(found, path, force=True) == (facts, True)
    changed = (*lists.TOP[:3], ("example.org", "example.com"))
    again, built = build(lists.package(tmp_path / "package", changed, lists.RESOLVERS), path)
    assert built
    assert again.digest != facts.digest


def test_folder_and_file_are_the_owners_alone(tmp_path: Path) -> None:
    """As the ledger beside it."""
    path = tmp_path / "state" / "warninglists.db"
    build(lists.package(tmp_path / "package", lists.TOP), path)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def test_nothing_is_left_beside_it(tmp_path: Path) -> None:
    """Neither of this building nor of one that was killed."""
    path = tmp_path / "warninglists.db"
    killed = tmp_path / ".warninglists-killed"
    killed.mkdir()
    (killed / "staging.db").write_bytes(b"half")
    build(lists.package(tmp_path / "package", lists.TOP), path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["package", "warninglists.db", "warninglists.lock"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "is no warninglist"),
        (b"[]", "is no warninglist"),
        (json.dumps({"name": "x", "type": "string"}).encode(), "is no warninglist"),
        (json.dumps({"name": "x", "type": "bloom", "list": []}).encode(), "compares in a way"),
        (json.dumps({"name": "x", "type": "regex", "list": ["/(/"]}).encode(), "cannot be used"),
        (json.dumps({"name": lists.TOP[0], "type": "string", "list": []}).encode(), "Two warninglists are called"),
    ],
)
def test_a_list_that_cannot_be_read_leaves_the_index_as_it_was(tmp_path: Path, content: bytes, words: str) -> None:
    """An index without one of its lists would let pass what that list refuses."""
    path = tmp_path / "warninglists.db"
    before, _ = build(lists.package(tmp_path / "package", lists.TOP), path)
    found = lists.package(tmp_path / "package", lists.TOP, lists.RESOLVERS)
    found.files[1].write_bytes(content)
    with pytest.raises(WarninglistError, match=words):
        build(found, path)
    index = Index(path)
    assert index.facts == before
    index.close()


def test_lists_as_misp_reads_them(tmp_path: Path) -> None:
    """Without a type they are `string`, without attribute types they are for all; entries may carry comments."""
    file = tmp_path / "list.json"
    file.write_text(json.dumps({"name": "x", "list": {"a": "why", "b": "", "": ""}}), encoding="utf-8")
    assert package.read(file) == package.Warninglist("x", "string", frozenset(), ("a", "b"))
    file.write_text(json.dumps({"name": "x", "type": ["cidr"], "list": [8]}), encoding="utf-8")
    assert package.read(file) == package.Warninglist("x", "cidr", frozenset(), ("8",))


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    """With the path and the cause."""
    (tmp_path / "file").write_text("")
    with pytest.raises(WarninglistError, match=r"file/warninglists\.db cannot be built: .*What to do: "):
        build(lists.package(tmp_path / "package", lists.TOP), tmp_path / "file" / "warninglists.db")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_builds_belongs_to_the_folders_owner(tmp_path: Path) -> None:
    """An administrator builds it, and the service's user reads it."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)
    path = folder / "warninglists.db"
    build(lists.package(tmp_path / "package", lists.TOP), path)
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12345)


def test_every_list_of_the_default_is_one_of_the_packages() -> None:
    """Names must be spelled as the lists spell them, also where that is wrong."""
    found = package.installed()
    assert found is not None
    names = {json.loads(file.read_bytes())["name"] for file in found.files}
    assert set(defaults.DEFAULT) <= names


def test_values_are_in_all_lists_that_hold_them(tmp_path: Path) -> None:
    """One look answers for all lists at once, however often a list has an entry."""
    other = ("Other", "string", ("domain",), ("outlook.office365.com", "outlook.office365.com"))
    index = Index(lists.index(tmp_path / "i.db", lists.OFFICE, other))
    (hits,) = index.hits([Question("domain", ("outlook.office365.com",))])
    assert hits == (lists.OFFICE[0], "Other")
    index.close()
