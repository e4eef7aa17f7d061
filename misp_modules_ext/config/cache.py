"""The configuration of a long-running process: read again when it has changed, and only then."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from misp_modules_ext.config import files
from misp_modules_ext.config.load import Reading, read
from misp_modules_ext.config.search import Found, find
from misp_modules_ext.config.settings import Settings

_lock = threading.Lock()
_readings: dict[Found, Reading] = {}


def cached(path: Path | None = None) -> Settings:
    """As `load`, but the same object as before while nothing has changed.

    Changed means: another file is found, the file itself (inode, times, size), or a variable or further file that one
    of its values came from. Safe to call from several threads. Errors are not kept: the next call looks again.

    Args:
        path: the file; searched when it is `None`.

    Raises:
        ConfigurationError: as `load`.
    """
    found = find(path, os.environ)
    with _lock:
        reading = _readings.get(found)
        if reading is None or not _holds(found, reading):
            _readings.pop(found, None)
            reading = read(found, os.environ)
            _readings[found] = reading
        return reading.settings


def _holds(found: Found, reading: Reading) -> bool:
    references = reading.references
    return (
        files.signature(found.path) == reading.signature
        and all(os.environ.get(name) == value for name, value in references.variables.items())
        and all(files.signature(path) == seen for path, seen in references.files.items())
    )
