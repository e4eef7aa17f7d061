"""Public suffixes: the names under which everyone can have a name (publicsuffix.org).

The list is the one that `publicsuffixlist` brings. The library itself answers in five times the time, and takes seven
times as long to read the list; a test holds both answers against each other.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from publicsuffixlist import PSLFILE


def is_public_suffix(name: str) -> bool:
    """Whether a whole name is a public suffix.

    A name of one label always is one. A rule `*.kobe.jp` makes `kobe.jp` and each name right under it one, unless there
    is an exception such as `!city.kobe.jp`.

    Args:
        name: in lower case, in ASCII.
    """
    _, dot, parent = name.partition(".")
    rules = _rules()
    if not dot or name in rules or f"*.{name}" in rules:
        return True
    return f"*.{parent}" in rules and f"!{name}" not in rules


#: Top-level names that are no public suffixes, and are used as domains all the same (RFC 2606, RFC 6761, RFC 7686).
_RESERVED = frozenset({"example", "invalid", "local", "localhost", "onion", "test"})


def is_top_level(label: str) -> bool:
    """Whether a label, in lower case and in ASCII, is a top-level domain that exists, or one that is reserved."""
    return label in _rules() or label in _RESERVED


@cache
def _rules() -> frozenset[str]:
    """All rules of the list, its ICANN and its private section, in lower case and in ASCII."""
    lines = Path(PSLFILE).read_text("utf-8").lower().splitlines()
    rules = (line.split()[0] for line in lines if line.strip() and not line.startswith("//"))
    return frozenset(rule if rule.isascii() else rule.encode("idna").decode("ascii") for rule in rules)
