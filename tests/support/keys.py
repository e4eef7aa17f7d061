"""Keys of MISP's users, as long as real ones, and found nowhere but where the key is."""

from __future__ import annotations


def misp_key(whose: str = "this-server") -> str:
    """The key of a user.

    Args:
        whose: tells keys from each other; 20 characters at most.
    """
    assert len(whose) <= 20
    return f"a-test-key-of-{whose}-".ljust(40, "0")
