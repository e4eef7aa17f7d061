"""The accepted state on disk, so that it outlives the process."""

from __future__ import annotations

import json
from pathlib import Path

from .core import Core
from .tls import write_private

STATE_FILE = "state.json"


class StateError(Exception):
    """The state file cannot be read."""


def load_state(core: Core, folder: Path) -> None:
    """Fill the core from `folder`, if a state was kept there.

    Raises:
        StateError: The file is not one that `save_state` wrote.
    """
    path = folder / STATE_FILE
    try:
        saved = json.loads(path.read_bytes())
        core.load(saved)
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(f"{path} is not a state file of the emulator; move it away to start empty") from error


def save_state(core: Core, folder: Path) -> None:
    """Write the core's state, whole or not at all.

    Raises:
        OSError: The file cannot be written.
    """
    write_private(folder / STATE_FILE, json.dumps(core.dump()).encode())
