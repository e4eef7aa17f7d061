"""A ledger that cannot keep anything: every door says so with the remedy, nothing is half done, MISP's modules go on.

Through the real service and the command line. When the cause is gone, the same request works as if nothing had been.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from misp_modules_ext.demo.service import Service
from misp_modules_ext.ledger import Ledger
from tests.support import commands
from tests.support.recordings import recording
from tests.support.world import World

#: Seconds that MISP waits in these tests.
PATIENCE = 10
PASSWORD = "ledger-password"


@dataclass
class Doors:
    """All ways in, with a configuration that names a ledger of a test's own."""

    service: Service
    world: World
    folder: Path

    def use(self, url: str) -> None:
        """Name another ledger, and stores that no other one has."""
        self.world.configure(only=("microsoft", "microsoft defender"), sourceSystem=f"Test {uuid.uuid4()}")
        self.switch(url)

    def switch(self, url: str) -> None:
        """Name another ledger for the same stores."""
        config = self.world.config
        fresh = config.with_suffix(".new")
        text, changed = re.subn(r"(?m)^(\[ledger\]\nurl = ).*$", lambda found: found[1] + url, config.read_text())
        assert changed == 1
        fresh.write_text(text)
        fresh.chmod(0o600)
        fresh.replace(config)

    def file(self, path: Path) -> None:
        """Name a file as the ledger."""
        self.use(f"sqlite:///{path}")

    def export(self, count: int = 0) -> str:
        """What the analyst reads; with `count`, of an event with so many more attributes."""
        answer = self.service.query({**_event(count), "module": "export_to_microsoft", "config": {}})
        assert set(answer) == {"data"}
        page = base64.b64decode(answer["data"]).decode()
        shown = re.sub(r"(?s)<(style|script).*?</\1>|<[^>]+>", " ", page)
        return " ".join(html.unescape(shown).split())

    def action(self, module: str) -> dict[str, Any]:
        """What MISP's workflow gets."""
        event = _event()["data"][0]
        answer: dict[str, Any] = self.service.query(
            {"module": module, "params": {}, "timeout": PATIENCE, "data": event}
        )
        return answer

    def push(self) -> subprocess.CompletedProcess[bytes]:
        """`misp-microsoft push -`, with the state directory of the service."""
        return commands.run(
            *("push", "-", "--config", self.world.config),
            stdin=json.dumps(_event()["data"]).encode(),
            env={**os.environ, "XDG_STATE_HOME": str(self.world.config.parent / "state")},
        )

    def refuse(self, *words: str) -> None:
        """Every door refuses with these words, in its own form and in time, and nothing is sent or half done."""
        before, state = self.world.emulator.requests(), self.world.emulator.state()
        log = self.folder / "misp-modules.log"
        tracebacks = log.read_text(errors="replace").count("Traceback")
        began = time.monotonic()
        page = self.export()
        assert time.monotonic() - began < PATIENCE
        assert "No: nothing was sent. The ledger cannot be used." in page
        errors = [self.action(module)["error"] for module in ("push_to_microsoft", "push_to_microsoft_or_stop")]
        pushed = self.push()
        assert pushed.returncode == 2
        assert b"Traceback" not in pushed.stderr
        # All of it is one sentence on one line, however much an environment adds before it.
        told = pushed.stderr.decode().strip().splitlines()[-1]
        for text in (page, *errors, told):
            assert all(word in text for word in words), text
            assert PASSWORD not in text
        assert self.world.emulator.requests() == before
        assert self.world.emulator.state() == state
        self.goes_on()
        assert log.read_text(errors="replace").count("Traceback") == tracebacks

    def goes_on(self) -> None:
        """MISP's own modules answer as ever."""
        theirs = recording("export_event_require_standard_format") | {"module": "cef_export", "config": {}}
        assert "198.51.100.23" in base64.b64decode(self.service.query(theirs)["data"]).decode()
        assert len(self.service.get("/modules")) > 20

    def work(self) -> None:
        """Every door works, and everything is where it should be, once."""
        assert "Yes: 18 of 18 selected attributes are there" in self.export()
        for module in ("push_to_microsoft", "push_to_microsoft_or_stop"):
            assert self.action(module) == {"data": True}
        pushed = self.push()
        assert pushed.returncode == 0, pushed.stderr.decode()
        assert (len(self.world.patterns()), len(self.world.defender())) == (18, 16)


def _event(count: int = 0) -> dict[str, Any]:
    """The recorded event, published, with `count` more domains."""
    body = recording("export_event_require_standard_format") | {"timeout": PATIENCE}
    event = body["data"][0]["Event"]
    event["published"] = True
    template = next(a for a in event["Attribute"] if a["type"] == "domain")
    for number in range(count):
        own = {"id": str(9000 + number), "uuid": str(uuid.UUID(int=number + 1)), "value": f"h{number}.example"}
        event["Attribute"].append({**template, **own})
    event["attribute_count"] = str(int(event["attribute_count"]) + count)
    return body


@pytest.fixture
def doors(served: tuple[Service, World]) -> Iterator[Doors]:
    """The running service, which has its ordinary ledger again afterwards."""
    service, world = served
    yield Doors(service, world, world.config.parent)
    world.configure()


@contextmanager
def _disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of its own, in memory."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a disk")
    place = folder / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode()}")
    try:
        yield place
    finally:
        # Lazily: the service has the ledger open.
        subprocess.run(["/bin/umount", "--lazy", str(place)], check=True)


def _remount(place: Path, how: str) -> None:
    subprocess.run(["/bin/mount", "-o", f"remount,{how}", str(place)], check=True)


def test_a_folder_in_the_place_of_the_file(doors: Doors, tmp_path: Path) -> None:
    """Named by mistake; the remedy names the key."""
    place = tmp_path / "ledger.db"
    place.mkdir()
    doors.file(place)
    doors.refuse(str(place), "cannot be created or written: Is a directory", "[ledger] url")
    place.rmdir()
    doors.work()


def test_a_file_in_the_place_of_the_folder(doors: Doors, tmp_path: Path) -> None:
    """The folder cannot be made."""
    place = tmp_path / "state"
    place.write_text("")
    doors.file(place / "ledger.db")
    doors.refuse("ledger.db", "cannot be created or written", "[ledger] url")


def test_something_else_in_the_place_of_the_file(doors: Doors, tmp_path: Path) -> None:
    """Garbage is left as it was: it may be somebody's."""
    place = tmp_path / "ledger.db"
    garbage = b"This is no database, but it is long enough to be looked at. " * 200
    place.write_bytes(garbage)
    doors.file(place)
    doors.refuse("not a database", "[ledger] url", "Nothing was kept")
    assert place.read_bytes() == garbage


def test_a_damaged_ledger(doors: Doors, tmp_path: Path) -> None:
    """A true ledger whose pages are lost: no traceback, no guess."""
    place = tmp_path / "ledger.db"
    Ledger(f"sqlite:///{place}").close()
    with place.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (place.stat().st_size - 4096))
    doors.file(place)
    doors.refuse("ledger.db refused", "malformed", "backup")


def test_a_ledger_of_a_newer_version(doors: Doors, tmp_path: Path) -> None:
    """What is in it is not touched; the remedy is to update."""
    place = tmp_path / "ledger.db"
    Ledger(f"sqlite:///{place}").close()
    with closing(sqlite3.connect(place)) as connection, connection:
        (ours,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        connection.execute("UPDATE alembic_version SET version_num = '9999_from_the_future'")
    before = _dump(place)
    doors.file(place)
    doors.refuse("newer version of misp-modules-ext", "9999_from_the_future", "Update this one", "Nothing was changed")
    assert _dump(place) == before
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (ours,))
    doors.work()


def _dump(place: Path) -> list[str]:
    with closing(sqlite3.connect(place)) as connection:
        return list(connection.iterdump())


def test_a_second_ledger_on_the_same_stores(doors: Doors, tmp_path: Path) -> None:
    """The first one is named, with both ways out; it goes on working."""
    doors.use(doors.world.ledger)
    doors.work()
    requests = doors.world.emulator.requests()
    second = tmp_path / "second.db"
    doors.switch(f"sqlite:///{second}")
    doors.refuse("belongs to another ledger", "ledger.db", "reconcile --adopt", "Nothing was taken")
    with closing(sqlite3.connect(second)) as connection:
        assert connection.execute("SELECT count(*) FROM event").fetchone() == (0,)
    doors.switch(doors.world.ledger)
    doors.work()
    assert doors.world.emulator.requests() == requests


def test_a_full_disk(doors: Doors, tmp_path: Path) -> None:
    """Nothing of a large event is taken, so nothing of it is sent; what was there stays, and with room all goes."""
    with _disk(tmp_path, "12m") as disk:
        doors.file(disk / "ledger.db")
        doors.work()
        requests = doors.world.emulator.requests()
        _fill(disk / "filler")
        page = doors.export(6000)
        assert "No: nothing was sent. The ledger cannot be used." in page
        assert "disk is full" in page
        assert "Free some space" in page
        assert doors.world.emulator.requests() == requests
        doors.goes_on()
        (disk / "filler").unlink()
        doors.work()
        assert doors.world.emulator.requests() == requests
        assert "Yes: 318 of 318 selected attributes are there" in doors.export(300)


def test_a_full_disk_at_the_very_beginning(doors: Doors, tmp_path: Path) -> None:
    """Not even the tables can be made."""
    with _disk(tmp_path, "1m") as disk:
        _fill(disk / "filler")
        doors.file(disk / "ledger.db")
        doors.refuse("ledger.db", "full", "Free some space")
        (disk / "filler").unlink()
        _remount(disk, "size=64m")
        doors.work()


def test_a_disk_with_room_for_the_file_alone(doors: Doors, tmp_path: Path) -> None:
    """SQLite then calls it an error of the disk, and has no log in which anybody could read more."""
    with _disk(tmp_path, "64k") as disk:
        (disk / "filler").write_bytes(b"\0" * 44_000)
        doors.file(disk / "ledger.db")
        doors.refuse("ledger.db", "disk I/O error", "whether the disk of that file is full")
        (disk / "filler").unlink()
        _remount(disk, "size=64m")
        doors.work()


def _fill(path: Path) -> None:
    """Use up all space of a disk."""
    try:
        with path.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)
    except OSError:
        return


def test_a_read_only_disk(doors: Doors, tmp_path: Path) -> None:
    """As after an error of the disk; when it can be written again, everything goes."""
    with _disk(tmp_path, "64m") as disk:
        Ledger(f"sqlite:///{disk / 'ledger.db'}").close()
        with _read_only(disk):
            doors.file(disk / "ledger.db")
            doors.refuse("ledger.db cannot be created or written: Read-only file system", "[ledger] url")
        doors.work()


@contextmanager
def _read_only(disk: Path) -> Iterator[None]:
    """A mount of the mount: the disk itself may still have files open."""
    subprocess.run(["/bin/mount", "--bind", str(disk), str(disk)], check=True)
    try:
        _remount(disk, "bind,ro")
        yield
    finally:
        subprocess.run(["/bin/umount", "--lazy", str(disk)], check=True)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_server_that_does_not_run(doors: Doors, kind: str) -> None:
    """The address without the password, the server's words, and the remedy."""
    doors.use(f"{kind}://misp:{PASSWORD}@127.0.0.1:9/ledger")
    doors.refuse("misp:***@127.0.0.1:9/ledger", "refused", "Start the database, or correct [ledger] url")


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_server_that_never_answers(doors: Doors, kind: str) -> None:
    """A firewall that swallows everything: MISP has its answer before its patience ends."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        doors.use(f"{kind}://misp:{PASSWORD}@127.0.0.1:{silent.getsockname()[1]}/ledger")
        doors.refuse("misp:***@127.0.0.1", "[ledger] url")


def test_a_ledger_that_another_process_holds(doors: Doors, tmp_path: Path) -> None:
    """A process that hangs in the middle of a transaction: MISP has its answer before its patience ends."""
    place = tmp_path / "ledger.db"
    Ledger(f"sqlite:///{place}").close()
    doors.file(place)
    with closing(sqlite3.connect(place, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        doors.refuse("locked", "look for one that hangs")
        other.execute("ROLLBACK")
    doors.work()
