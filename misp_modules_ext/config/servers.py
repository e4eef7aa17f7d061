"""Addresses of databases and queues: checked by their shape only, and never shown, as they may hold a password."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from misp_modules_ext.config import values
from misp_modules_ext.config.findings import Invalid

_FILE = "Write for example sqlite:////var/lib/misp-modules-ext/ledger.db: three slashes and an absolute path."
_DATABASE = "Write for example postgresql://user:password@host/database, or sqlite:////path/to/ledger.db."
_QUEUE = "Write for example redis://localhost:6379/0, or rediss:// for TLS."
_DATABASES = frozenset({"postgres", "postgresql", "mysql", "mariadb"})
_QUEUES = frozenset({"redis", "rediss"})


def ledger(text: str) -> SecretStr:
    """The address of the ledger: `sqlite:///PATH`, or a database on PostgreSQL, MySQL or MariaDB."""
    written = values.secret(text)
    parts = _split(written, _DATABASE)
    kind = parts.scheme.partition("+")[0]
    if kind == "sqlite":
        # An address without a host has an empty one between the second and the third slash.
        if parts.netloc or not parts.path.startswith("//") or len(parts.path) < 3:
            raise Invalid("names no absolute path of a file.", _FILE)
    elif kind not in _DATABASES:
        raise Invalid("is no address of SQLite, PostgreSQL, MySQL or MariaDB.", _DATABASE)
    elif not parts.path.strip("/"):
        raise Invalid("names no database.", _DATABASE)
    return written


def queue(text: str) -> SecretStr:
    """The address of a Redis: `redis://…` or `rediss://…`."""
    written = values.secret(text)
    parts = _split(written, _QUEUE)
    if parts.scheme not in _QUEUES or not parts.hostname:
        raise Invalid("is no address of a Redis.", _QUEUE)
    return written


def _split(written: SecretStr, remedy: str) -> SplitResult:
    try:
        parts = urlsplit(written.get_secret_value())
        port = parts.port
    except ValueError:
        # Not the error's words: they quote the address.
        parts, port = SplitResult("", "", "", "", ""), None
    if not parts.scheme or port == 0:
        raise Invalid("is no address.", remedy)
    return parts
