"""Who sends where, and for how long."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from misp_modules_ext.config.settings import MispSettings, Settings
from misp_modules_ext.delivery.places import (
    LEASE_VARIABLE,
    REQUEST_PART,
    base_url_of,
    holder,
    place_of,
    told_of_sightings,
)
from misp_modules_ext.delivery.sender import Policy
from misp_modules_ext.ledger import Ledger, register
from misp_modules_ext.ledger.lease import LEASE_MS
from tests.support.build import destination
from tests.support.keys import misp_key

HERE = destination()
MISP = MispSettings(name="misp", url="https://misp.example")


def test_reports_link_to_the_misp_that_is_served() -> None:
    """Without `[misp]` there is no link."""
    assert base_url_of(Settings(path=Path("rh-isac.conf"), misp=MISP)) == "https://misp.example"
    assert base_url_of(Settings(path=Path("rh-isac.conf"))) == ""


@pytest.mark.parametrize(
    ("served", "shared", "told"),
    [
        ({}, {}, {"", "https://misp.example"}),
        ({"sightings": False}, {}, set()),
        ({}, {"sightings": True}, {"", "https://misp.example", "https://shared.example"}),
        ({}, {"sightings": False, "url": "https://MISP.example/"}, set()),
        ({"key": None}, {}, set()),
    ],
)
def test_a_misp_that_others_share_is_told_of_sightings_only_when_its_section_says_so(
    served: dict[str, object], shared: dict[str, object], told: set[str]
) -> None:
    """Of two sections with one address, the one that says no counts."""
    key = SecretStr(misp_key())
    rh_isac = MispSettings.model_validate(
        {"name": "RH-ISAC MISP", "url": "https://shared.example", "key": key} | shared
    )
    misp = MISP.model_copy(update={"key": key} | served)
    settings = Settings(path=Path("rh-isac.conf"), misp=misp, rh_isac=rh_isac)
    assert set(told_of_sightings(settings)) == told


def test_a_holder_is_unique_and_says_who_it_is() -> None:
    """`status` shows it; two of one process are different ones."""
    one, other = holder("worker"), holder("worker")
    assert one != other
    assert one.startswith("worker ")
    assert f" {os.getpid()} " in one
    assert len(holder("x" * 200)) == 64


def test_a_place_has_what_draining_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease of a minute, which no request outlasts."""
    monkeypatch.delenv(LEASE_VARIABLE, raising=False)
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    (store,) = ledger.write(lambda connection: register(connection, [(HERE, lambda _: None)]))
    settings = Settings(path=tmp_path / "rh-isac.conf", misp=MISP, destinations=(HERE,))
    place = place_of(ledger, store, settings, "me", Policy(attempts=2, request_timeout=500))
    assert (place.ledger, place.store, place.holder, place.base_url) == (ledger, store, "me", "https://misp.example")
    assert place.destination.settings == HERE
    assert place.lease_ms == LEASE_MS == 60_000
    assert place.policy is not None
    assert place.policy.attempts == 2
    assert place.policy.request_timeout == pytest.approx(LEASE_MS / 1000 * REQUEST_PART)
    default = place_of(ledger, store, settings, "me").policy
    assert default is not None
    assert default.request_timeout == Policy().request_timeout == 40
    ledger.close()
