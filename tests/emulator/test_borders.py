"""Who may import what: the emulator is the independent judge, and its core knows no sockets."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "misp_modules_ext" / "emulator"
WITH_SOCKETS = {"app.py", "server.py"}


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.name)
def test_imports_stay_within(path: Path) -> None:
    """No module reaches into the rest of the package; only the HTTP layer knows Tornado and sockets."""
    found = set(_imports(path))
    assert not {name for name in found if name.startswith(("misp_modules_ext", "misp_modules", ".."))}
    if path.name not in WITH_SOCKETS:
        assert not {name for name in found if name.split(".")[0] in ("tornado", "socket", "asyncio", "requests")}
