"""Everything this package raises on purpose.

One class for each thing a caller does differently::

    MispMicrosoftError
     ├─ ConfigurationError     fix rh-isac.conf            (exit code 2)
     ├─ UsageError             fix the call or the input   (exit code 2)
     ├─ MispError              MISP did not answer          (exit code 5)
     │   ├─ EventNotFound          deleted, or not for our key's eyes: MISP answers both alike
     │   └─ MispRefused            the key is wrong, or may not do that
     ├─ LedgerError            nothing can be kept          (exit code 2)
     │   └─ LedgerBusy             in use, or lost for a moment: a little later it may work
     ├─ WarninglistError       the index cannot be used     (exit code 2)
     └─ DestinationError       Microsoft did not take it
         ├─ CredentialsRefused     Entra gave no token              (exit code 4)
         ├─ PermissionRefused      401 or 403 after a good token    (exit code 4)
         ├─ NotFound               the workspace or the API is not at that address
         ├─ Retired                Microsoft has switched this API off
         ├─ Throttled              429: try again after `retry_after` seconds
         ├─ Unavailable            5xx, time-out, DNS, TLS, broken answer
         └─ BatchRefused           400: something in this one request is wrong

`str(error)` is always a sentence a person can act on, and never holds a secret.
"""

from __future__ import annotations

__all__ = [
    "BatchRefused",
    "ConfigurationError",
    "CredentialsRefused",
    "DestinationError",
    "EventNotFound",
    "LedgerBusy",
    "LedgerError",
    "MispError",
    "MispMicrosoftError",
    "MispRefused",
    "NotFound",
    "PermissionRefused",
    "Problem",
    "Retired",
    "Throttled",
    "Unavailable",
    "UsageError",
    "WarninglistError",
]

from collections.abc import Sequence
from dataclasses import dataclass

#: Between what happened and its remedy.
TO_DO = " What to do: "


class MispMicrosoftError(Exception):
    """Base of all errors of this package."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a configuration file.

    Attributes:
        section: the section as written, `""` for the file as a whole.
        key: the key as written, `""` for the section as a whole.
        message: what is wrong.
        remedy: what to do about it.
    """

    section: str
    key: str
    message: str
    remedy: str

    def __str__(self) -> str:
        place = f"[{self.section}]" if self.section else "file"
        return f"{place}{' ' + self.key if self.key else ''}: {self.message} {self.remedy}".strip()


class ConfigurationError(MispMicrosoftError):
    """The configuration cannot be used; `problems` holds every reason found, not only the first."""

    def __init__(self, problems: Sequence[Problem], path: str | None = None) -> None:
        self.problems = tuple(problems)
        self.path = path
        where = f"{path}: " if path else ""
        count = len(self.problems)
        head = f"{where}{count} problem{'s' if count != 1 else ''} in the configuration"
        super().__init__("\n".join([f"{head}:", *(f"  {number}. {p}" for number, p in enumerate(self.problems, 1))]))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by the arguments: the message alone would not make the same error again."""
        return (type(self), (self.problems, self.path))


class UsageError(MispMicrosoftError):
    """A command, a request or an input file cannot be understood."""


class MispError(MispMicrosoftError):
    """MISP could not be read: no connection, no TLS, a server error, or no answer of MISP's. Repeating may help."""


class EventNotFound(MispError):
    """MISP shows no such event to this key: it was deleted, never existed, or is not shared with the key's user."""


class MispRefused(MispError):
    """MISP does not take the key, or its user may not do what was asked (401, 403, 405). Repeating does not help."""


class LedgerError(MispMicrosoftError):
    """The ledger cannot be opened, read or written; nothing was kept."""


class LedgerBusy(LedgerError):
    """The ledger is in use, or was lost for a moment: the same may work a little later."""


class WarninglistError(MispMicrosoftError):
    """The index of warninglists is missing, or cannot be read or built. Without it values are not looked up."""


class DestinationError(MispMicrosoftError):
    """A destination did not take a request, for a reason that is not one indicator's own."""


class CredentialsRefused(DestinationError):
    """Entra gave no token for this application."""


class PermissionRefused(DestinationError):
    """The token was good, but this application may not do that (401 or 403)."""


class NotFound(DestinationError):
    """The address or the workspace does not exist (404)."""


class Retired(DestinationError):
    """Microsoft has switched this API off."""


class Throttled(DestinationError):
    """Too many requests; nothing of the refused request was taken.

    Args:
        message: the sentence.
        retry_after: seconds to wait, as Microsoft said, or `None` when it did not say.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(DestinationError):
    """No usable answer: 5xx, time-out, DNS, TLS, a broken body. Whether the request took effect is unknown.

    Args:
        message: the sentence.
        retry_after: seconds to wait when the answer said so (a 503 may), else `None`.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BatchRefused(DestinationError):
    """The whole request was answered 400: at least one item, or the request itself, is wrong.

    Args:
        message: Microsoft's own words, shortened.
        code: Microsoft's error code, `""` when there was none.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code
