"""What every destination can do, whichever of Microsoft's APIs is behind it.

A destination knows nothing of MISP. One call of `send` or `withdraw` is one request to Microsoft (after the token):
splitting, parallel requests, retries, halving and deadlines are the delivery's work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.model.finding import Finding
from misp_modules_ext.model.indicator import Due, Indicator, Observable
from misp_modules_ext.model.outcome import Outcome, Reason


class Refusal(NamedTuple):
    """Why a destination will not be sent an indicator."""

    reason: Reason
    message: str = ""


class Cleared(Refusal):
    """A refusal after which nothing of ours is there, be it that it was deleted for that."""

    __slots__ = ()


class ItemResult(NamedTuple):
    """Microsoft's answer for one indicator of a request.

    Attributes:
        outcome: ACCEPTED or REJECTED; SKIPPED for a refusal that is no fault (capacity).
        reason: set unless accepted.
        message: Microsoft's own words, shortened and without secrets.
        remote_id: Microsoft's id of the entry where it gives one.
        gone: what was there of ours is deleted, and this one did not come in its place.
    """

    outcome: Outcome
    reason: Reason | None = None
    message: str = ""
    remote_id: str = ""
    gone: bool = False


class Entry(NamedTuple):
    """What Microsoft's list says of one entry.

    Attributes:
        remote_id: Microsoft's id of it.
        stix_id: the STIX id that came with it, `""` when it has none.
        observable: what it is about, in our spelling; `None` when that cannot be told exactly.
        ours: it carries our name (Sentinel's `source`, Defender's `application`; at Graph a STIX id as we make them).
            Whether this very ledger made it, only the ledger knows.
        valid_until: seconds since 1970 UTC; `None` when it has no end, or none that can be read.
        revoked: it was taken back and does nothing any more.
        says: for `Destination.differs` of the same destination.
    """

    remote_id: str
    stix_id: str
    observable: Observable | None
    ours: bool
    valid_until: int | None
    revoked: bool
    says: Mapping[str, object]


class Limit(NamedTuple):
    """So many requests in so many seconds, counted per calling application."""

    requests: int
    seconds: float


class Destination(Protocol):
    """One store at Microsoft."""

    settings: DestinationSettings
    #: Requests that may be under way at once.
    in_flight: int
    #: Microsoft's documented rate for the sending request, or `None`.
    limit: Limit | None

    @property
    def cannot_list(self) -> str:
        """Why `entries` can tell nothing, and the remedy; `""` when it can."""
        ...

    def refuses(self, indicator: Indicator) -> Refusal | None:
        """Whether this destination has no place for the indicator. Pure: decides from the indicator alone."""
        ...

    def digest(self, indicator: Indicator) -> bytes:
        """32 bytes that differ exactly when what an update would say of the indicator does, ids and stamps apart. Pure.

        No destination shows all of an indicator: what differs elsewhere only makes no other entry there.
        """
        ...

    def survey(self, dues: Sequence[Due], timeout: float) -> list[Due | Refusal]:
        """Look at what is there before sending, where the API needs that.

        An entry is this ledger's when it has the due's `remote_id`, or when it carries our name and an earlier request
        for it had no answer (`unanswered`). Nothing is looked up when every `remote_id` is known.

        Returns:
            In the order of `dues`: the due with its `remote_id` as it was found (`""` when nothing is there), or why it
            must not be sent (an entry of someone else, of another ledger); `Cleared` when ours is not there any more.

        Raises:
            DestinationError: Microsoft did not answer, or its list cannot be known to be whole.
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
        """Take back; arguments, results and errors as `send`.

        Only what this ledger created: by `remote_id`, by STIX id, or by our name where an earlier request had no
        answer. Absent entries count as accepted.
        """
        ...

    def entries(self, timeout: float) -> list[Entry]:
        """All of ours that Microsoft holds, and at Defender what others hold, too: they share the slots.

        Args:
            timeout: seconds for all pages together.

        Raises:
            DestinationError: a page is missing, or the list cannot be known to be whole. Never is a part returned.
        """
        ...

    def differs(self, entry: Entry, due: Due) -> str:
        """What an entry says otherwise than a due would have it, `""` when nothing.

        Compares what we set and Microsoft gives back as it was, in any spelling of times and spaces; labels that
        people add are no difference.
        """
        ...

    def check(self) -> list[Finding]:
        """Try host, token and permission without changing anything."""
        ...

    def hosts(self) -> list[str]:
        """`https://host:port` of every host this destination talks to, for a firewall rule."""
        ...


class Beside(NamedTuple):
    """An object that stands beside an indicator.

    Attributes:
        stix_id: `<type>--<uuid>`; follows from what it is, so it is the same in every process.
        document: the object.
        shared: it belongs to no indicator alone.
        needs: STIX ids of shared objects that must be there before it.
    """

    stix_id: str
    document: Mapping[str, Any]
    shared: bool = False
    needs: tuple[str, ...] = ()


@runtime_checkable
class HoldsObjects(Protocol):
    """A destination that also takes objects of context."""

    def beside(self, due: Due) -> list[Beside]:
        """What stands beside an indicator that it holds. Pure."""
        ...

    def again(self, document: Mapping[str, Any], generation: int) -> dict[str, Any]:
        """An object of `beside` after it was taken back so many times: what was is not used again. Pure."""
        ...

    def taken_back(self, document: Mapping[str, Any], modified_ms: int) -> dict[str, Any]:
        """An object of `beside` as it is taken back for good. Pure.

        Args:
            document: as it was sent.
            modified_ms: milliseconds since 1970 UTC.
        """
        ...

    def put(self, documents: Sequence[Mapping[str, Any]], timeout: float) -> list[ItemResult]:
        """Create or update objects, at most `MAX_OBJECTS`, in one request; results and errors as `Destination.send`."""
        ...


#: So many objects may one request hold.
MAX_OBJECTS = 100
