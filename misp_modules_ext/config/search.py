"""Finding `rh-isac.conf`, and whether a file found by searching may be trusted."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from misp_modules_ext.errors import ConfigurationError, Problem

FILE_NAME = "rh-isac.conf"
VARIABLE = "RH_ISAC_CONF"
SYSTEM_FILE = Path("/etc/misp-modules-ext") / FILE_NAME


class Found(NamedTuple):
    """A configuration file.

    Attributes:
        searched: nobody named it, so its owner and mode must be right (see `distrust`).
    """

    path: Path
    searched: bool


def places(environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Where a file is searched that nobody named, in this order."""
    home = environ.get("HOME", "")
    users = (Path(home) / ".config/misp-modules-ext" / FILE_NAME,) if home else ()
    return (_absolute(Path(FILE_NAME)), *users, SYSTEM_FILE)


def _absolute(path: Path) -> Path:
    try:
        return path.absolute()
    except OSError:
        return path  # The working directory has been removed; looking there will say so.


def find(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Found:
    """The configuration file: the named one, that of `$RH_ISAC_CONF`, or the first of `places` that exists.

    Args:
        path: what `--config` said. Like the variable's, it is not looked for here: reading it says what is wrong.
        environ: the variables of the process.

    Raises:
        ConfigurationError: there is none; lists the places searched.
    """
    if path is not None:
        return Found(_absolute(path), searched=False)
    if named := environ.get(VARIABLE, ""):
        return Found(_absolute(Path(named)), searched=False)
    looked = []
    for place in places(environ):
        seen = _look(place)
        if not seen:
            return Found(place, searched=True)
        looked.append(f"{place} ({seen})")
    raise ConfigurationError([_nothing(looked)])


def _look(place: Path) -> str:
    """`""` when something is there, else why not."""
    try:
        place.stat()
    except (FileNotFoundError, NotADirectoryError):
        return "not there"
    except OSError as error:
        return f"cannot be seen: {error.strerror}"
    except ValueError:
        return "not a valid path"
    return ""


def _nothing(looked: list[str]) -> Problem:
    return Problem(
        "",
        "",
        f"there is no configuration. Searched: --config, ${VARIABLE} (not set), {', '.join(looked)}.",
        f"Copy rh-isac.conf.example to one of these places as {FILE_NAME}, and put your values in.",
    )


def distrust(path: Path, status: os.stat_result, user: int) -> list[Problem]:
    """Why a file found by searching is not read: whoever can write it says where indicators and credentials go.

    Args:
        path: of the file, for the messages.
        status: of the opened file.
        user: the caller's effective user id.
    """
    name = shlex.quote(str(path))
    problems = []
    if status.st_uid not in {user, 0}:
        problems.append(
            Problem(
                "",
                "",
                f"{path} belongs to user {status.st_uid}, neither to you nor to root, so it is not read.",
                f"If you trust it: chown {user} {name} (as root), or name it with --config.",
            )
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        problems.append(
            Problem("", "", f"{path} can be written by others, so it is not read.", f"Run: chmod go-w {name}")
        )
    return problems
