"""`docs/context.md` against the program."""

from __future__ import annotations

from pathlib import Path

import pytest

from misp_modules_ext.translate import context_markdown
from misp_modules_ext.translate.attack import VERSION
from misp_modules_ext.translate.threats import THREATS

PAGE = " ".join((Path(__file__).parents[3] / "docs" / "context.md").read_text("utf-8").split())


@pytest.mark.parametrize("name", context_markdown())
def test_the_page_holds_the_tables(name: str) -> None:
    """Word by word."""
    assert " ".join(context_markdown()[name].split()) in PAGE


def test_the_page_says_what_the_code_says() -> None:
    """The order of threat types, and which ATT&CK the table holds."""
    assert f"{', '.join(THREATS)} counts" in PAGE
    assert f"ATT&CK {VERSION}" in PAGE
