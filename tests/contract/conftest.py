"""Destinations against the emulator, over TLS, with unmodified msal and requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from misp_modules_ext.config.settings import Api, DestinationSettings
from misp_modules_ext.destinations import asking, create, limits
from misp_modules_ext.destinations.interface import Destination
from misp_modules_ext.emulator import Emulator
from tests.support.build import destination

from .servers import Authority

TENANT = "11111111-1111-4111-8111-111111111111"
APP = "22222222-2222-4222-8222-222222222222"
SECRET = "the-right-secret"
WORKSPACE = "33333333-3333-4333-8333-333333333333"
SCOPES = {
    Api.SENTINEL: "https://management.azure.com/.default",
    Api.DEFENDER: "https://api.securitycenter.microsoft.com/.default",
    Api.GRAPH: "https://graph.microsoft.com/.default",
}
PRODUCTS = {
    Api.SENTINEL: "Microsoft Sentinel",
    Api.DEFENDER: "Microsoft Defender",
    Api.GRAPH: "Azure Sentinel",
}

Make = Callable[..., Destination]


@pytest.fixture(scope="session")
def _running() -> Iterator[Emulator]:
    with Emulator(rates=False, apps=[(TENANT, APP, SECRET)]) as emulator:
        yield emulator


@pytest.fixture
def emulator(_running: Emulator) -> Iterator[Emulator]:
    """A Microsoft that holds nothing, knows one application, and has no faults."""
    _running.reset()
    _running.clear_faults()
    yield _running
    _running.clear_faults()


def settings_for(emulator: Emulator, api: Api, **fields: Any) -> DestinationSettings:
    """A destination there, with the right secret."""
    defaults: dict[str, Any] = {
        "name": f"microsoft {api}",
        "product": PRODUCTS[api],
        "api": api,
        "tenant_id": TENANT,
        "app_id": APP,
        "app_secret": SecretStr(SECRET),
        "workspace_id": WORKSPACE,
        "endpoint_login": emulator.url,
        "endpoint_api": emulator.url,
        "scope": SCOPES[api],
        "api_version": "",
        "ca": emulator.ca,
    }
    return destination(**(defaults | fields))


@pytest.fixture(autouse=True)
def unhurried() -> Iterator[None]:
    """The rates that this process keeps, and the pauses that Microsoft asked for, are those of one test alone."""
    _forget_haste()
    yield
    _forget_haste()


def _forget_haste() -> None:
    limits._limiters.clear()
    asking._pauses.clear()


@pytest.fixture
def make(emulator: Emulator) -> Make:
    """`make(Api.SENTINEL, app_secret=…)` gives a destination at the emulator."""

    def _make(api: Api, **fields: Any) -> Destination:
        return create(settings_for(emulator, api, **fields))

    return _make


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority for servers that a test writes itself."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def wrong_ca(tmp_path: Path) -> Path:
    """An authority that signed nothing here."""
    return Authority(tmp_path).ca
