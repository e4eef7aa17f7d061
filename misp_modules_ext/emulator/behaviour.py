"""Switches for what Microsoft does not document, each with the likeliest default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the emulator acts where the documentation is silent or contradicts itself, or practice was seen to differ.

    Nothing here was tried against the live services. Each default is the reading that the documentation supports best;
    set the other value to see that a client copes with it too.

    Attributes:
        token_lifetime: Seconds a bearer token lives. Entra answers 3599 for most applications.
        own_audience: A token for the emulator's own address is good for every API. Microsoft has no such audience, and
            it hides a wrong scope, since all APIs share the address.
        without_permission: Names of APIs (``sentinel``, ``management``, ``defender``, ``statistics``, ``graph``,
            ``alerts``, ``hunting``, ``logs``) for which no application has a role: they answer 403.
        upload_error_key: Name of the list of messages in an item error of the upload. The reference page shows
            ``errorMessages``, the swagger declares ``validationErrorMessages``.
        all_invalid_status: Answer to an upload in which every object is invalid. "200 when at least one object is
            validated" suggests 400; 200 with an error for every index is the other reading.
        older_modified: What an upload with a ``modified`` older than the stored one does. Not stated; STIX calls it an
            older version, so ``ignore`` keeps the stored one, answers as if accepted, and leaves a note at
            ``/_emulator/requests``. ``apply`` overwrites.
        revived: What ``revoked: false`` for a revoked id does. STIX calls revocation permanent: ``refuse`` answers an
            item error, ``ignore`` keeps it revoked silently with a note, ``apply`` revives it.
        unhyphenated_path: Also serve the path spelling ``threatintelligence-stix-objects:upload`` of the connector
            template for US Government clouds.
        upload_retry_after: Send a ``Retry-After`` header with Sentinel's 429 as well. The page shows a message only.
        read_back_delay: Seconds until an upload shows at the management API ("within a few minutes" in reality).
        delete_by_resource_id: ``DELETE`` of the resource id that ``query`` returned deletes. Seen in a client, in no
            swagger. Without it the call answers 200 and changes nothing.
        delete_by_name: ``DELETE …/main/indicators/{name}`` deletes uploaded objects. Users saw 200 without effect.
        management_per_minute: Limit of the management API for one application; none by default because the size of
            Azure's token bucket is not known.
        defender_full_ipv6: Refuse IPv6 values that do not spell all eight segments, as the page on address indicators
            asks.
        defender_refuse_expired: Refuse an ``expirationTime`` in the past. Not stated.
        defender_value_limit: Longest ``indicatorValue`` in characters; not documented, so none.
        defender_own_only: Applications see and edit only what they created (permission ``Ti.ReadWrite``) instead of
            everything (``Ti.ReadWrite.All``).
        alerts_page: Most alerts of a page, whatever ``$top`` says. Not stated.
        hunting_capitals: Answers of advanced hunting have their keys with capital letters, as in an older example.
        graph_deletes_sentinel: Graph's deletes remove indicators for Sentinel too. One user saw that they do not.
    """

    token_lifetime: int = 3599
    own_audience: bool = False
    without_permission: frozenset[str] = frozenset()
    upload_error_key: Literal["errorMessages", "validationErrorMessages"] = "errorMessages"
    all_invalid_status: Literal[200, 400] = 400
    older_modified: Literal["ignore", "apply"] = "ignore"
    revived: Literal["refuse", "ignore", "apply"] = "refuse"
    unhyphenated_path: bool = True
    upload_retry_after: bool = False
    read_back_delay: float = 0.0
    delete_by_resource_id: bool = True
    delete_by_name: bool = False
    management_per_minute: int | None = None
    defender_full_ipv6: bool = True
    defender_refuse_expired: bool = True
    defender_value_limit: int | None = None
    defender_own_only: bool = False
    alerts_page: int = 1000
    hunting_capitals: bool = False
    graph_deletes_sentinel: bool = True
