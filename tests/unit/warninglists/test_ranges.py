"""Ranges of addresses, flattened for all lists together."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.warninglists.ranges import Range, read_range, steps


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("192.0.2.1", "04c0000201", "04c0000201"),
        ("192.0.2.77/24", "04c0000200", "04c00002ff"),
        ("0.0.0.0/0", "0400000000", "04ffffffff"),
        ("2001:db8::/32", "0620010db8" + "00" * 12, "0620010db8" + "ff" * 12),
        ("2001:DB8::1", "0620010db8" + "00" * 11 + "01", "0620010db8" + "00" * 11 + "01"),
    ],
)
def test_addresses_and_ranges_are_read(text: str, first: str, last: str) -> None:
    """Of both versions; bits behind the prefix do not count."""
    assert read_range(text) == Range(bytes.fromhex(first), bytes.fromhex(last))


@pytest.mark.parametrize(
    "text", ["", "dns.google", "8.8.8", "08.8.8.8", "8.8.8.8/33", "8.8.8.8/", "8.8.8.8/-1", "8.8.8.8/٣", "::/129", "\0"]
)
def test_everything_else_is_none(text: str) -> None:
    """Also addresses that some programs read as octal."""
    assert read_range(text) is None


def test_ranges_that_nest_overlap_and_end_with_the_last_address() -> None:
    """From each step on, the lists that hold all of it; IPv6 begins anew."""
    given_ = [("10.0.0.0/8", 1), ("10.1.0.0/16", 2), ("10.1.0.0/16", 1), ("255.255.255.255", 3), ("::1", 4)]
    held = [(found, number) for text, number in given_ if (found := read_range(text))]
    told = [(key.hex(), sorted(lists)) for key, lists in steps(held)]
    assert told == [
        ("0400000000", []),
        ("040a000000", [1]),
        ("040a010000", [1, 2]),
        ("040a020000", [1]),
        ("040b000000", []),
        ("04ffffffff", [3]),
        ("06" + "00" * 16, []),
        ("06" + "00" * 15 + "01", [4]),
        ("06" + "00" * 15 + "02", []),
    ]


NETWORKS = st.builds(
    lambda number, prefix: ip_network((number, prefix), strict=False), st.integers(0, 2**32 - 1), st.integers(0, 32)
)


@given(st.lists(st.tuples(NETWORKS, st.integers(1, 5)), max_size=12), st.integers(0, 2**32 - 1))
def test_a_step_names_the_lists_that_hold_an_address(held: list[tuple[IPv4Network, int]], number: int) -> None:
    """Any ranges of any lists, at any address and at every border."""
    made = dict(steps((read, lists) for network, lists in held if (read := read_range(str(network)))))
    keys = sorted(key for key in made if key[0] == 4)
    borders = {number, *(int(n.network_address) for n, _ in held), *(int(n.broadcast_address) for n, _ in held)}
    for at in borders:
        key = b"\4" + at.to_bytes(4, "big")
        step = max(k for k in keys if k <= key)
        expected = {lists for n, lists in held if int(n.network_address) <= at <= int(n.broadcast_address)}
        assert made[step] == expected
