"""Public suffixes: the same answers as the library's whose list we read."""

from __future__ import annotations

from pathlib import Path

import pytest
from publicsuffixlist import PSLFILE, PublicSuffixList

from misp_modules_ext.translate.suffixes import is_public_suffix


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("com", True),
        ("unknown", True),
        ("co.uk", True),
        ("evil.co.uk", False),
        ("github.io", True),
        ("kobe.jp", True),
        ("anything.kobe.jp", True),
        ("city.kobe.jp", False),
        ("c2.city.kobe.jp", False),
        ("xn--55qx5d.cn", True),
        ("evil.unknown", False),
    ],
)
def test_what_is_a_public_suffix(name: str, public: bool) -> None:
    """Rules, wildcards, exceptions, and names that no rule covers."""
    assert is_public_suffix(name) is public


def test_the_library_says_the_same() -> None:
    """Of every name that a rule speaks of, of those above and below it, and of its neighbours."""
    library = PublicSuffixList()
    lines = Path(PSLFILE).read_text("utf-8").splitlines()
    rules = [line.split()[0] for line in lines if line.strip() and not line.startswith("//")]
    assert len(rules) > 9000
    for rule in rules:
        name = rule.lstrip("!*.").lower().encode("idna").decode("ascii")
        above = name.partition(".")[2] or name
        for asked in (name, above, f"x.{name}", f"y.x.{name}", f"x.{above}", f"city.{name}"):
            assert is_public_suffix(asked) is library.is_public(asked), asked
