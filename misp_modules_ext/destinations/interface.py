"""What every destination can do, whichever of Microsoft's APIs is behind it.

A destination knows nothing of MISP. One call of `send` or `withdraw` is one request to Microsoft (after the token):
splitting, parallel requests, retries, halving and deadlines are the delivery's work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.model.indicator import Due, Indicator
from misp_modules_ext.model.outcome import Outcome, Reason


class Refusal(NamedTuple):
    """Why a destination will not be sent an indicator."""

    reason: Reason
    message: str = ""


class ItemResult(NamedTuple):
    """Microsoft's answer for one indicator of a request.

    Attributes:
        outcome: ACCEPTED or REJECTED; SKIPPED for a refusal that is no fault (capacity).
        reason: set unless accepted.
        message: Microsoft's own words, shortened and without secrets.
        remote_id: Microsoft's id of the entry where it gives one.
    """

    outcome: Outcome
    reason: Reason | None = None
    message: str = ""
    remote_id: str = ""


class Limit(NamedTuple):
    """So many requests in so many seconds, counted per calling application."""

    requests: int
    seconds: float


class Finding(NamedTuple):
    """One line of `check`.

    Attributes:
        what: what was tried, for example `token for https://management.azure.com`.
        ok: it worked.
        answer: what came back.
        remedy: what to do; `""` when ok.
        refused: the failure is one of credentials or permission.
        misconfigured: the failure is a wrong address or workspace.
    """

    what: str
    ok: bool
    answer: str
    remedy: str = ""
    refused: bool = False
    misconfigured: bool = False


class Destination(Protocol):
    """One store at Microsoft."""

    settings: DestinationSettings
    #: Requests that may be under way at once.
    in_flight: int
    #: Microsoft's documented rate for the sending request, or `None`.
    limit: Limit | None

    def refuses(self, indicator: Indicator) -> Refusal | None:
        """Whether this destination has no place for the indicator. Pure: decides from the indicator alone."""
        ...

    def survey(self, dues: Sequence[Due], timeout: float) -> list[Due | Refusal]:
        """Look at what is there before sending, where the API needs that.

        Returns:
            In the order of `dues`: the due with its `remote_id` filled in when it is there and ours, or why it must not
            be sent (someone else's entry, no room).

        Raises:
            DestinationError: Microsoft did not answer.
        """
        ...

    def batches(self, dues: Sequence[Due]) -> list[list[Due]]:
        """Split into what one request may hold."""
        ...

    def send(self, batch: Sequence[Due], timeout: float) -> list[ItemResult]:
        """Create or update, in one request.

        Args:
            batch: one of `batches`, or a part of it.
            timeout: seconds this may take, at most.

        Returns:
            One result for each of `batch`, in its order.

        Raises:
            BatchRefused: 400; nothing was taken.
            DestinationError: another cause that is not one indicator's own.
        """
        ...

    def withdraw(self, batch: Sequence[Due], timeout: float) -> list[ItemResult]:
        """Take back, in one request; arguments, results and errors as `send`. Absent entries count as accepted."""
        ...

    def check(self) -> list[Finding]:
        """Try host, token and permission without changing anything."""
        ...

    def hosts(self) -> list[str]:
        """`https://host:port` of every host this destination talks to, for a firewall rule."""
        ...
