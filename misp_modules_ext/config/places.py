"""Where the ledger and other state are when the configuration does not say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

#: Of a machine's service, whose configuration is below `/etc`.
SYSTEM_STATE = Path("/var/lib/misp-modules-ext")
LEDGER_FILE = "ledger.db"
WARNINGLISTS_FILE = "warninglists.db"


def ledger(configuration: Path, environ: Mapping[str, str] = os.environ) -> str:
    """The address of the ledger that belongs to a configuration file.

    Args:
        configuration: absolute path of the file.
        environ: the variables of the process, for `$XDG_STATE_HOME` and `$HOME`.

    Returns:
        `sqlite:///` and an absolute path: the system's when the file lies below `/etc`, else the user's.
    """
    return f"sqlite:///{state(configuration, environ) / LEDGER_FILE}"


def warninglists(configuration: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """The index of warninglists that belongs to a configuration file; arguments as `ledger`."""
    return state(configuration, environ) / WARNINGLISTS_FILE


def state(configuration: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """The folder for what is kept beside a configuration file; arguments as `ledger`."""
    # A path like /etc/../home/me lies elsewhere; a symbolic link in /etc lies in /etc.
    lies_in_etc = Path(os.path.normpath(configuration)).is_relative_to("/etc")
    return SYSTEM_STATE if lies_in_etc else _users_state(environ)


def _users_state(environ: Mapping[str, str]) -> Path:
    """As the XDG base directory specification has it: a relative path in the variable does not count."""
    named = environ.get("XDG_STATE_HOME", "")
    if named.startswith("/"):
        return Path(named) / "misp-modules-ext"
    home = environ.get("HOME", "")
    if home.startswith("/"):
        return Path(home) / ".local/state/misp-modules-ext"
    try:
        return Path.home() / ".local/state/misp-modules-ext"
    except RuntimeError:
        # An account without a home is a service's.
        return SYSTEM_STATE
