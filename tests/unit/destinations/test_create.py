"""What `create` makes, and what a destination says before it asks anything."""

from __future__ import annotations

import pytest

from misp_modules_ext.config.settings import Api
from misp_modules_ext.destinations import create
from misp_modules_ext.destinations.interface import Limit
from tests.support.build import destination


@pytest.mark.parametrize(
    ("api", "limit", "in_flight"),
    [
        (Api.SENTINEL, Limit(100, 60.0), 12),
        (Api.DEFENDER, Limit(30, 60.0), 2),
        (Api.GRAPH, Limit(1000, 60.0), 4),
    ],
)
def test_each_api_has_its_destination_with_documented_limits(api: Api, limit: Limit, in_flight: int) -> None:
    """Without opening a connection."""
    settings = destination(api=api)
    made = create(settings)
    assert made.settings is settings
    assert (made.limit, made.in_flight) == (limit, in_flight)


def test_hosts_are_named_with_their_ports() -> None:
    """As a firewall rule needs them, each once."""
    made = create(destination(endpoint_login="https://login.example", endpoint_api="https://[2001:db8::1]:8443/"))
    assert made.hosts() == ["https://login.example:443", "https://[2001:db8::1]:8443"]
    same = create(destination(endpoint_login="https://one.example/", endpoint_api="https://one.example"))
    assert same.hosts() == ["https://one.example:443"]
