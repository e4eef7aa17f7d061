"""Naming events of MISP: by UUID, by number, in a list."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from misp_modules_ext.cli.references import reference, sort_out
from misp_modules_ext.errors import UsageError

UUID = "5E1A2B3C-0000-4000-8000-00000000abcd"
LOWER = UUID.lower()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _pipe(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (UUID, LOWER),
        ("17", "17"),
        ("0017", "17"),
        ("0", ""),
        ("-5", ""),
        ("1.5", ""),
        ("x", ""),
        ("", ""),
        ("\u0661\u0667", ""),
    ],
)
def test_what_names_an_event(word: str, expected: str) -> None:
    """A UUID, or a number in ordinary digits that is one of MISP's."""
    assert reference(word) == expected


def test_uuids_and_numbers_are_events_of_misp(here: Path) -> None:
    """Each once, in order; everything else is a file."""
    assert sort_out([UUID, "17", LOWER, "0017"], []).references == (LOWER, "17")
    assert sort_out(["event.json"], []).files == ("event.json",)


@pytest.mark.parametrize("name", [UUID, "17"])
def test_a_file_that_is_called_so_is_the_file(here: Path, name: str) -> None:
    """MISP's feeds name their files by UUID. It is said how to mean which."""
    (here / name).write_text("{}")
    named = sort_out([name], [])
    assert (named.references, named.files) == ((), (name,))
    assert f"--search eventid={name}" in named.notes[0]
    assert f"./{name}" in named.notes[0]
    assert sort_out([f"./{name}"], []).notes == ()


def test_a_folder_that_is_called_so_is_not(here: Path) -> None:
    """Nothing can be read from it."""
    (here / "17").mkdir()
    assert sort_out(["17"], []).references == ("17",)


def test_both_in_one_command_would_not_be_one_thing(here: Path) -> None:
    """A file only adds; the sentence says to push one after the other."""
    with pytest.raises(UsageError, match="one after the other"):
        sort_out([UUID, "event.json"], [])


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_a_list_has_comments_and_blank_lines(here: Path, start: bytes) -> None:
    """One entry a line; also from Windows, and added to what was named otherwise."""
    written = f"# events of the week\r\n\r\n  {UUID}  # phishing\r\n17\r\n".encode()
    (here / "list.txt").write_bytes(start + written)
    assert sort_out(["18"], ["list.txt"]).references == ("18", LOWER, "17")


def test_a_list_as_powershell_writes_it(here: Path) -> None:
    """UTF-16 with its mark."""
    (here / "list.txt").write_bytes("17\r\n".encode("utf-16"))
    assert sort_out([], ["list.txt"]).references == ("17",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"17\n18, 19\nfoo\n", "line 2: 18, 19 is neither the UUID nor the number of an event (2 such lines in all)"),
        (b"17\n\x1b[31mred", r"line 2: \x1b[31mred"),
        (b"\xff\x00\xfe", "no text in UTF-8"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_taken(here: Path, content: bytes, words: str) -> None:
    """Else half of a list would go, and nobody would know which half."""
    (here / "list.txt").write_bytes(content)
    with pytest.raises(UsageError) as refused:
        sort_out([], ["list.txt"])
    assert words in str(refused.value)
    assert "list.txt" in str(refused.value)


def test_a_list_that_is_not_there(here: Path) -> None:
    """A sentence with its name."""
    with pytest.raises(UsageError, match=r"missing\.txt cannot be read: No such file"):
        sort_out([], ["missing.txt"])


def test_a_list_without_entries_names_nothing(here: Path) -> None:
    """What a script made may be empty."""
    (here / "list.txt").write_text("# none\n")
    assert sort_out([], ["list.txt"]).references == ()


@pytest.mark.parametrize("content", [b"17\n", f"# mine\n{UUID}\n17\n".encode()])
def test_standard_input_may_be_a_list(here: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """When it begins with a UUID or a number, which no MISP JSON does."""
    _pipe(monkeypatch, content)
    named = sort_out(["-"], [])
    assert named.references[-1] == "17"
    assert named.files == ()


@pytest.mark.parametrize("content", [b'{"Event": {}}', b"[17]", b"", b"# none", b"\xff\xfe\xfd"])
def test_else_standard_input_is_a_file(here: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Whose reader says what is wrong with it."""
    _pipe(monkeypatch, content)
    named = sort_out(["-"], [])
    assert (named.references, named.files, named.content) == ((), ("-",), content)


def test_a_list_on_standard_input_with_a_wrong_line(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a list all the same."""
    _pipe(monkeypatch, b"17\nfoo\n")
    with pytest.raises(UsageError, match="standard input, line 2: foo"):
        sort_out(["-"], [])


def test_standard_input_is_read_once(here: Path) -> None:
    """Two readers would share it."""
    with pytest.raises(UsageError, match="once"):
        sort_out(["-"], ["-"])
