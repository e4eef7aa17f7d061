"""Requests recorded from a real MISP (2.5.1 with misp-modules 3.1.1); event and values are ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "recordings"


def recording(name: str) -> dict[str, Any]:
    """One recorded request, as a dictionary of its own."""
    loaded: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return loaded


def names(prefix: str) -> list[str]:
    """Names of the recordings that begin with `prefix`."""
    return sorted(path.stem for path in FOLDER.glob(f"{prefix}*.json"))
