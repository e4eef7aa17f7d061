"""Reading the files that a configuration consists of: regular ones only, and with what tells whether they change."""

from __future__ import annotations

import os
import ssl
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from misp_modules_ext.config.findings import Invalid

#: A configuration is some kilobytes long; a megabyte is somebody's log file.
MOST_BYTES = 1_048_576


class Signature(NamedTuple):
    """What differs when a file has been changed; `mode` and `changed` also by chmod and chown."""

    inode: int
    mode: int
    modified: int
    changed: int
    size: int


@dataclass(frozen=True, slots=True)
class Content:
    """A file as it was read.

    Attributes:
        data: its bytes; they may be secret, so a traceback with local variables must not show them.
        status: of the very file that was read, not of what has its name now.
    """

    data: bytes = field(repr=False)
    status: os.stat_result

    @property
    def signature(self) -> Signature:
        """Of the file that was read."""
        return _signature(self.status)

    @property
    def world_readable(self) -> bool:
        """Everybody on this machine can read it."""
        return bool(self.status.st_mode & stat.S_IROTH)


def read(path: Path) -> Content:
    """Read a regular file of at most `MOST_BYTES`.

    Raises:
        Invalid: it cannot be read; the message begins in the middle of a sentence about the file.
    """
    try:
        # O_NONBLOCK: opening a named pipe must not wait for somebody to write into it.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    try:
        return _read_open(path, handle)
    except OSError as error:
        raise _unreadable(path, error) from None
    finally:
        os.close(handle)


def _read_open(path: Path, handle: int) -> Content:
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        raise Invalid(f"{_what(status)}, not a file: {path}.", "Name a regular file.")
    parts = []
    length = 0
    while part := os.read(handle, 65_536):
        parts.append(part)
        length += len(part)
        if length > MOST_BYTES:
            raise Invalid(f"is longer than {MOST_BYTES} bytes: {path}.", "Is it the right file?")
    return Content(b"".join(parts), status)


def signature(path: Path) -> Signature | None:
    """What tells whether the file changes, `None` when it cannot be seen."""
    try:
        return _signature(path.stat())
    except (OSError, ValueError):
        return None


def text(data: bytes) -> str:
    """Decode UTF-8 with or without a byte order mark; line ends of any system become newlines.

    Raises:
        Invalid: it is not UTF-8 text.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Invalid("is written in UTF-16.", "Save it as UTF-8.")
    try:
        decoded = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid("is not text in UTF-8.", "Is it the right file? If so, save it as UTF-8.") from None
    if "\0" in decoded:
        raise Invalid("is not text: it holds zero bytes.", "Is it the right file?")
    return decoded.replace("\r\n", "\n").replace("\r", "\n")


def check_certificates(path: Path) -> None:
    """See that a file holds certificates of authorities in PEM form.

    Raises:
        Invalid: it does not, or it cannot be read.
    """
    pem = text(read(path).data)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError):
        raise Invalid(
            f"holds no certificate in PEM form: {path}.", "Name a file with “-----BEGIN CERTIFICATE-----” in it."
        ) from None


def _signature(status: os.stat_result) -> Signature:
    return Signature(status.st_ino, status.st_mode, status.st_mtime_ns, status.st_ctime_ns, status.st_size)


def _what(status: os.stat_result) -> str:
    return "is a directory" if stat.S_ISDIR(status.st_mode) else "is a pipe or a device"


def _unreadable(path: Path, error: OSError | ValueError) -> Invalid:
    if isinstance(error, FileNotFoundError):
        return Invalid(f"does not exist: {path}.", "Create the file, or correct the path.")
    if isinstance(error, PermissionError):
        return Invalid(f"may not be read by this user: {path}.", f"Give the user the right to read {path}.")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else "the path is not valid"
    return Invalid(f"cannot be read ({reason}): {path}.", "Correct the path.")
