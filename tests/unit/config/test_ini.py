"""From the text of a file to raw sections and values."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from misp_modules_ext.config import ini, load
from misp_modules_ext.config.findings import Findings, Invalid
from tests.unit.config.samples import DEFENDER, SECRET, destination, only_problem, problems, section, write


def _parse(text: str) -> tuple[dict[str, dict[str, str]], list[str]]:
    findings = Findings()
    sections = ini.parse(text, findings)
    found = {s.name: {key: value.text for key, value in s.values.items()} for s in sections}
    return found, [problem.message for problem in findings.problems]


def test_values_hold_every_character() -> None:
    """Comments stand on lines of their own, so these belong to the value."""
    found, wrong = _parse("# c\n; c\n[a]\nKey = x;y#z%(w)s=v : u\n  # c\nother: 1\n")
    assert wrong == []
    assert found == {"a": {"key": "x;y#z%(w)s=v : u", "other": "1"}}


def test_lists_go_on_in_indented_lines() -> None:
    """Blank lines and comments between the entries do not end the list."""
    found, wrong = _parse("[a]\ntags =\n  rhisac: vetted\n\n  # comment\n  type:OSINT\nb = 1\n")
    assert wrong == []
    assert found["a"]["tags"].split("\n")[1] == "rhisac: vetted"
    assert found["a"]["tags"].split("\n")[-1] == "type:OSINT"
    assert found["a"]["b"] == "1"


def test_keys_keep_how_they_were_written() -> None:
    """Messages show the key as the file has it."""
    (only,) = ini.parse("[a]\nTenantID = x\n", Findings())
    assert only.values["tenantid"].key == "TenantID"


def test_a_default_section_is_a_section() -> None:
    """The parser would copy its keys into every other section."""
    found, wrong = _parse("[DEFAULT]\na = 1\n[b]\nc = 2\n")
    assert wrong == []
    assert found["b"] == {"c": "2"}


def test_every_repetition_is_told_with_its_line() -> None:
    """Not only the first, and the rest of the file is still read."""
    found, wrong = _parse("[a]\nx = 1\nX = 2\nx : 3\ny = 4\n[a]\nz = 5\n")
    assert wrong == [
        "line 3 repeats a key of [a].",
        "line 4 repeats a key of [a].",
        "line 6 begins a second section [a].",
    ]
    assert found["a"].keys() == {"x", "y", "z"}


def test_every_line_that_is_not_ini_is_told() -> None:
    """By its number only: it may be the half of a secret."""
    found, wrong = _parse("[a]\nx = 1\nhalf-a-secret\n[broken\ny = 2\n")
    assert [message.split()[1] for message in wrong] == ["3", "4"]
    assert not any("half" in message for message in wrong)
    assert found["a"].keys() == {"x", "y"}


def test_keys_before_the_first_section() -> None:
    """Nothing can be said about the rest, so nothing else is."""
    found, wrong = _parse("\nproduct = Azure Sentinel\n[microsoft]\n")
    assert wrong == ["line 2 stands before the first section."]
    assert found == {}


def test_a_file_of_nothing_but_repetitions() -> None:
    """The work is bounded."""
    _, wrong = _parse("[a]\n" + "x = 1\n" * 500)
    assert len(wrong) == ini.MOST_DUPLICATES


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_editors_of_every_system(tmp_path: Path, line_end: str, mark: str) -> None:
    """Line ends and byte order mark of Windows and old Macs."""
    path = tmp_path / "file.conf"
    text = section("microsoft", DEFENDER)
    path.write_bytes((mark + text.replace("\n", line_end)).encode("utf-8"))
    assert destination(tmp_path, path.read_bytes().decode("utf-8")).app_secret.get_secret_value() == SECRET


def test_values_from_the_environment(tmp_path: Path) -> None:
    """`env:NAME` for any key."""
    only = destination(
        tmp_path,
        section("microsoft", DEFENDER, appSecret="env:APP_SECRET", tags="env:TAGS"),
        environ={"APP_SECRET": SECRET, "TAGS": "one, two\nthree"},
    )
    assert only.app_secret.get_secret_value() == SECRET
    assert only.selection.tags == {"one, two", "three"}


@pytest.mark.parametrize(("environ", "state"), [({}, "not set"), ({"APP_SECRET": ""}, "empty")])
def test_a_missing_variable_is_named(tmp_path: Path, environ: dict[str, str], state: str) -> None:
    """With where to set it."""
    found = only_problem(tmp_path, section("microsoft", DEFENDER, appSecret="env:APP_SECRET"), environ=environ)
    assert found.startswith(
        f"[microsoft] appSecret: takes its value from the environment variable APP_SECRET, which is {state}"
    )


def test_what_is_no_name_of_a_variable_is_not_shown(tmp_path: Path) -> None:
    """It may be a secret that begins like that."""
    found = only_problem(tmp_path, section("microsoft", DEFENDER, appSecret="env:Qz~not-a-name"))
    assert "Qz~" not in found


def test_values_from_files(tmp_path: Path) -> None:
    """The newline at the end does not count."""
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET.encode() + b"\r\n")
    secret.chmod(0o600)
    only = destination(tmp_path, section("microsoft", DEFENDER, appSecret=f"file:{secret}"))
    assert only.app_secret.get_secret_value() == SECRET


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """With the key that asks for it."""
    found = only_problem(tmp_path, section("microsoft", DEFENDER, appSecret=f"file:{tmp_path}/gone"))
    assert found.startswith(f"[microsoft] appSecret: takes its value from a file that does not exist: {tmp_path}/gone.")


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xff", b"two\nlines\n", b" padded\n", b"a\0b"])
def test_a_file_without_a_usable_secret(tmp_path: Path, content: bytes) -> None:
    """Empty, binary, several lines, padded: told without its content."""
    secret = tmp_path / "secret"
    secret.write_bytes(content)
    secret.chmod(0o600)
    found = only_problem(tmp_path, section("microsoft", DEFENDER, appSecret=f"file:{secret}"))
    assert found.startswith("[microsoft] appSecret: ")
    assert "padded" not in found
    assert "lines\n" not in found


def test_a_relative_file_is_refused(tmp_path: Path) -> None:
    """Relative to what would be anybody's guess."""
    assert "no absolute path" in only_problem(tmp_path, section("microsoft", DEFENDER, appSecret="file:secret"))


def test_references_stand_on_the_first_line_only(tmp_path: Path) -> None:
    """An entry on a line of its own is a tag, whatever it looks like."""
    only = destination(tmp_path, section("microsoft", DEFENDER, tags="\n    env:prod\n    file:benign"))
    assert only.selection.tags == {"env:prod", "file:benign"}


def test_a_secret_file_that_everybody_reads_is_a_warning(tmp_path: Path) -> None:
    """With the command that mends it."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o644)
    path = write(tmp_path, section("microsoft", DEFENDER, appSecret=f"file:{secret}"), mode=0o644)
    (warning,) = load(path, {}).warnings
    assert warning.startswith("[microsoft] appSecret: comes from")
    assert warning.endswith(f"chmod o-r {secret}")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Opening it must not block the program for ever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert "is a pipe or a device" in only_problem(tmp_path, section("microsoft", DEFENDER, appSecret=f"file:{pipe}"))


def test_references_are_not_followed_for_others(tmp_path: Path) -> None:
    """Values of other integrations' sections are nobody's business here."""
    only = destination(tmp_path, section("splunk", token=f"file:{tmp_path}/gone"), section("microsoft", DEFENDER))
    assert only.name == "microsoft"


def test_reports_of_the_raw_values_hold_no_value() -> None:
    """A traceback with local variables shows their repr."""
    (only,) = ini.parse(f"[microsoft]\nappSecret = {SECRET}\n", Findings())
    assert SECRET not in repr(only)
    assert SECRET not in repr(ini.References({}).resolve(SECRET))


def test_a_broken_reference_raises_without_a_cause() -> None:
    """Nothing of the file stands in the chain of exceptions."""
    with pytest.raises(Invalid) as caught:
        ini.References({}).resolve("file:/nonexistent/file")
    assert caught.value.__suppress_context__


def test_all_problems_come_together(tmp_path: Path) -> None:
    """Syntax, keys, values and missing keys of several sections in one report."""
    found = problems(
        tmp_path,
        "[misp]\nurl = misp.example.org\n",
        "[selection]\nmaxTlp = purple\ntlp\n",
        "[microsoft]\nproduct = Azure Sentinel\nproduct = Azure Sentinel\nappid = x\nworkspace = y\n",
    )
    places = [text.split(":")[0] for text in found]
    assert places == [
        "file",
        "file",
        "[selection] maxTlp",
        "[misp] url",
        "[microsoft] appId",
        "[microsoft] workspace",
        "[microsoft] tenantId",
        "[microsoft] appSecret",
        "[microsoft] workspaceId",
    ]
