"""What false alerts are about, in the spelling of the ledger."""

from __future__ import annotations

import pytest

from misp_modules_ext.delivery.sightings.doubts import doubted
from misp_modules_ext.destinations.looking import FalseAlert
from misp_modules_ext.model.indicator import Kind, Observable

ADDRESS = (Kind.IPV4_ADDR, Kind.IPV6_ADDR)
URL = (Kind.URL, Kind.DOMAIN_NAME)
EVIL = Observable(Kind.DOMAIN_NAME, "evil.example")


@pytest.mark.parametrize(
    ("kinds", "value", "meant"),
    [
        (ADDRESS, "203.0.113.1", {Observable(Kind.IPV4_ADDR, "203.0.113.1")}),
        (ADDRESS, "2001:DB8:0:0:0:0:0:1", {Observable(Kind.IPV6_ADDR, "2001:db8::1")}),
        (ADDRESS, "no address", set()),
        (URL, "Evil.example.", {EVIL}),
        (URL, "evil.example/path", {EVIL}),
        (URL, "HTTPS://Evil.example:8443/A?b", {Observable(Kind.URL, "https://evil.example:8443/A?b"), EVIL}),
        (URL, "http://203.0.113.1/a", {Observable(Kind.URL, "http://203.0.113.1/a")}),
        (
            URL,
            "https://sub.evil.example",
            {Observable(Kind.URL, "https://sub.evil.example"), Observable(Kind.DOMAIN_NAME, "sub.evil.example")},
        ),
        ((Kind.FILE_SHA1,), "AB" * 20, {Observable(Kind.FILE_SHA1, "ab" * 20)}),
        ((Kind.FILE_SHA1,), "ab" * 16, set()),
        ((Kind.EMAIL_ADDR,), "A@Evil.example", {Observable(Kind.EMAIL_ADDR, "A@evil.example")}),
    ],
)
def test_values_are_read_as_misps_are(kinds: tuple[Kind, ...], value: str, meant: set[Observable]) -> None:
    """By the code that makes indicators: what cannot be one is passed over."""
    found = list(doubted([FalseAlert("a", kinds, value, 7)]))
    assert {one for one, _ in found} == meant
    assert all(moment == 7 for _, moment in found)
