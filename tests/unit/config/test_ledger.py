"""The ledger and the queue: their addresses, and where the ledger is when nothing is said."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from misp_modules_ext.config import LedgerSettings, Settings, places
from misp_modules_ext.config.settings import DAY
from tests.unit.config.samples import SENTINEL, only_problem, read, section

HOME = {"HOME": "/home/analyst"}


@pytest.mark.parametrize(
    ("configuration", "environ", "file"),
    [
        ("/etc/misp-modules-ext/rh-isac.conf", HOME, "/var/lib/misp-modules-ext/ledger.db"),
        ("/etc/../home/analyst/rh-isac.conf", HOME, "/home/analyst/.local/state/misp-modules-ext/ledger.db"),
        ("/etcetera/rh-isac.conf", HOME, "/home/analyst/.local/state/misp-modules-ext/ledger.db"),
        ("/srv/rh-isac.conf", HOME | {"XDG_STATE_HOME": "/state"}, "/state/misp-modules-ext/ledger.db"),
        (
            "/srv/rh-isac.conf",
            HOME | {"XDG_STATE_HOME": "state"},
            "/home/analyst/.local/state/misp-modules-ext/ledger.db",
        ),
    ],
)
def test_where_the_ledger_is(configuration: str, environ: Mapping[str, str], file: str) -> None:
    """The machine's for the machine's configuration, else the user's; a relative state folder does not count."""
    assert places.ledger(Path(configuration), environ) == f"sqlite:///{file}"


def test_a_process_without_a_home_has_one_in_the_users_database() -> None:
    """A service's environment may be empty; where it starts decides nothing."""
    assert places.ledger(Path("/srv/rh-isac.conf"), {}).startswith("sqlite:////")


def test_without_the_section(tmp_path: Path) -> None:
    """It is beside the user's other state; there is no queue."""
    settings = read(tmp_path, section("microsoft", SENTINEL), environ=HOME)
    assert settings.ledger.url.get_secret_value() == ("sqlite:////home/analyst/.local/state/misp-modules-ext/ledger.db")
    assert settings.ledger.retention == 400 * DAY
    assert settings.queue_url is None


def test_settings_made_by_hand_have_a_ledger_as_well() -> None:
    """By the same rule, so that no process keeps its own by accident."""
    made = Settings(path=Path("/srv/rh-isac.conf"))
    assert made.ledger == LedgerSettings.model_validate({"url": places.ledger(made.path, os.environ)})


def test_retention_alone_keeps_the_place(tmp_path: Path) -> None:
    """And the other way round."""
    settings = read(tmp_path, section("microsoft", SENTINEL), section("ledger", retention="2 weeks"), environ=HOME)
    assert settings.ledger.retention == 14 * DAY
    assert settings.ledger.url.get_secret_value().startswith("sqlite:////home/analyst/")


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////srv/misp/ledger.db",
        "postgres://misp@db.example/misp",
        "postgresql://misp:pass%40word@db.example:5432/misp?sslmode=verify-full",
        "postgresql:///misp?host=/var/run/postgresql",
        "mysql://misp:x@127.0.0.1/misp",
        "mariadb://misp:x@[2001:db8::1]:3306/misp",
    ],
)
def test_addresses_of_a_ledger(tmp_path: Path, url: str) -> None:
    """As written, also out of a variable."""
    for written, environ in ((url, {}), ("env:LEDGER", {"LEDGER": url})):
        settings = read(tmp_path, section("microsoft", SENTINEL), section("ledger", url=written), environ=environ)
        assert settings.ledger.url.get_secret_value() == url


@pytest.mark.parametrize(
    "url",
    [
        "ledger.db",
        "/srv/misp/ledger.db",
        "sqlite:ledger.db",
        "sqlite://ledger.db",
        "sqlite:///ledger.db",
        "sqlite:////",
        "sqlite:///:memory:",
        "oracle://misp@db.example/misp",
        "postgresql://misp@db.example",
        "postgresql://misp@db.example/",
        "mysql://misp@db.example:port/misp",
        "mysql://misp@[db.example/misp",
        "mysql://misp@db.example:0/misp",
    ],
)
def test_what_is_no_address_of_a_ledger(tmp_path: Path, url: str) -> None:
    """Told with an example; the address is not shown."""
    found = only_problem(tmp_path, section("microsoft", SENTINEL), section("ledger", url=url))
    assert found.startswith("[ledger] url: ")
    assert "Write for example" in found
    assert "misp@" not in found


@pytest.mark.parametrize("url", ["redis://localhost", "rediss://:secret@queue.example:6380/1", "redis://[::1]:6379"])
def test_addresses_of_a_queue(tmp_path: Path, url: str) -> None:
    """With or without TLS."""
    settings = read(tmp_path, section("microsoft", SENTINEL), section("queue", url=url))
    assert settings.queue_url is not None
    assert settings.queue_url.get_secret_value() == url


@pytest.mark.parametrize("url", ["localhost:6379", "http://queue.example", "redis://", "redis://queue.example:many"])
def test_what_is_no_address_of_a_queue(tmp_path: Path, url: str) -> None:
    """Told with an example."""
    found = only_problem(tmp_path, section("microsoft", SENTINEL), section("queue", url=url))
    assert found.startswith("[queue] url: ")
    assert "redis://localhost" in found


def test_a_password_in_a_file_that_everybody_reads(tmp_path: Path) -> None:
    """The ledger's address is a secret like the others."""
    path = tmp_path / "ledger-url"
    path.write_text("postgresql://misp:x@db.example/misp\n")
    path.chmod(0o644)
    settings = read(tmp_path, section("microsoft", SENTINEL), section("ledger", url=f"file:{path}"))
    (warning,) = settings.warnings
    assert warning.startswith("[ledger] url: comes from")
