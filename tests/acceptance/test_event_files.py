"""Every event file from the wild through `misp-microsoft push FILE --json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from misp_modules_ext.cli import main
from tests.support.shared import event_files, shared
from tests.support.world import World


def _push(path: Path, config: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["misp-microsoft", "push", str(path), "--json", "--config", str(config)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_there_are_134_of_them() -> None:
    """So that a missing folder is no silent success."""
    shared("events", "INDEX.tsv")
    assert len(event_files()) == 134


@pytest.mark.parametrize("path", event_files(), ids=lambda path: path.stem)
def test_the_account_adds_up(
    path: Path, world: World, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """No traceback; every attribute of the index is read, and has an outcome and a reason."""
    config = world.configure(selection={"published": "false", "toIds": "false"}, window="3650 days")
    code = _push(path, config, monkeypatch)
    out, err = capfdbinary.readouterr()
    assert b"Traceback" not in err
    assert code in (0, 1), err.decode()
    report = json.loads(out)
    index = dict(line.split("\t")[0:5:4] for line in shared("events", "INDEX.tsv").read_text().splitlines()[1:])
    read = int(index[str(path.relative_to(shared("events")))])
    for destination in report["destinations"]:
        counts = dict(destination["counts"])
        assert counts.pop("read") == read == sum(counts.values()) == len(destination["items"])
        fine = {"accepted", "merged", "unchanged"}
        assert all(item["outcome"] in fine or (item["reason"] and item["message"]) for item in destination["items"])
        assert not counts["rejected"], [i for i in destination["items"] if i["outcome"] == "rejected"][:3]
        sent = {o["indicator"] for i in destination["items"] for o in i["observables"] if o["outcome"] == "accepted"}
        assert len(sent) == sum(o["outcome"] == "accepted" for i in destination["items"] for o in i["observables"])
        if destination["api"] == "sentinel":
            assert sent == set(world.emulator.state()["sentinel"].get("33333333-3333-4333-8333-333333333333", {}))


@pytest.mark.parametrize("arguments", [("\x1bc.json",), ("\x1bc.json", "\x9b2J"), ("--from", "\x1bc")])
def test_no_name_reaches_the_terminal_as_a_command(
    arguments: tuple[str, ...], world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A file from anywhere may be called anything."""
    config = str(world.configure())
    monkeypatch.setattr(sys, "argv", ["misp-microsoft", "push", *arguments, "--config", config])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    out, err = capfd.readouterr()
    assert "x1bc" in err
    assert "\x1b" not in out + err
    assert "\x9b" not in out + err
