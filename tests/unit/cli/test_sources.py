"""Where a push gets its events from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from misp_modules_ext.cli.references import Named
from misp_modules_ext.cli.sources import Found, read_files, read_misp
from misp_modules_ext.config.settings import MispSettings, Settings
from misp_modules_ext.errors import EventNotFound, MispError, MispRefused, UsageError
from tests.support.keys import misp_key

UUID = "5E1A2B3C-0000-4000-8000-00000000abcd"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("misp", [None, MispSettings(name="misp", url="https://misp.example")])
def test_without_a_key_misp_is_not_read(here: Path, misp: MispSettings | None) -> None:
    """The sentence names the key and the other way."""
    with pytest.raises(UsageError, match=r"(?s)5E1A2B3C.*\[misp\].*save the event as JSON"):
        read_misp(Settings(path=here, misp=misp), misp, [UUID])


def test_a_blank_key_is_none(here: Path) -> None:
    """As an empty variable of a container gives it."""
    blank = MispSettings(name="misp", url="https://misp.example", key=SecretStr(" "))
    with pytest.raises(UsageError, match="no key"):
        read_misp(Settings(path=here, misp=blank), blank, [UUID])


def test_a_bad_file_costs_itself(here: Path) -> None:
    """The good one is read; each bad one has a sentence with its name, and the exit code of a wrong call."""
    event = {"Event": {"uuid": UUID, "info": "x", "Attribute": []}}
    (here / "good.json").write_text(json.dumps(event))
    (here / "bad.json").write_text("{")
    (here / "half.json").write_text(json.dumps([event, 7]))
    found = read_files(Named(files=("good.json", "bad.json", "missing.json", "half.json", "nul\0")))
    assert [event.uuid for event in found.events] == [UUID.lower()] * 2
    assert found.codes == {2}
    assert [sentence.split()[2].rstrip(":") for sentence in found.unread[:2]] == ["bad.json", "missing.json"]
    assert len(found.unread) == 4
    assert found.missing == []


def test_good_files_mean_no_exit_code(here: Path) -> None:
    """Nothing is unread."""
    (here / "good.json").write_text(json.dumps({"Event": {"uuid": UUID, "info": "x", "Attribute": []}}))
    found = read_files(Named(files=("good.json",)))
    assert (found.unread, found.codes) == ([], set())


@pytest.mark.parametrize(
    ("error", "code"), [(UsageError, 2), (EventNotFound, 2), (MispRefused, 4), (MispError, 5)], ids=str
)
def test_an_event_that_misp_does_not_show_is_a_wrong_call(error: type[UsageError | MispError], code: int) -> None:
    """MISP answered: it is not unreachable."""
    found = Found()
    found.note(UUID, error("No."))
    assert found.codes == {code}


def test_without_a_key_for_misp_other_sections_are_offered(tmp_path: Path) -> None:
    """A member with RH-ISAC's MISP alone names that; only sections that have a key are offered."""
    keyless = Settings(path=tmp_path, destinations=())
    with pytest.raises(UsageError, match=r"Add url and key to \[misp\], or save"):
        read_misp(keyless, None, ["1234"])
    member = MispSettings(name="RH-ISAC MISP", url="https://misp.example", key=SecretStr(misp_key()))
    other = MispSettings(name="misp other", url="https://other.example")
    with pytest.raises(UsageError, match="choose another MISP with --misp 'RH-ISAC MISP', or save"):
        read_misp(keyless.model_copy(update={"rh_isac": member, "other_misps": (other,)}), None, ["1234"])
