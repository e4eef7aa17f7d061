"""What became of an attribute, and why: one enumeration for report, metrics and documents (DESIGN.md 4, rule 1)."""

from __future__ import annotations

from enum import Enum


class Outcome(str, Enum):
    """What became of an attribute or observable at one destination."""

    REJECTED = "rejected"
    PENDING = "pending"
    SKIPPED = "skipped"
    WITHDRAWN = "withdrawn"
    ACCEPTED = "accepted"
    MERGED = "merged"
    UNCHANGED = "unchanged"

    def __str__(self) -> str:
        return self.value


#: An attribute with several observables counts once, by the first of these that any of them has.
WORST_FIRST = tuple(Outcome)


class State(str, Enum):
    """How a destination as a whole did during one submission."""

    OK = "ok"
    THROTTLED = "throttled"
    PAUSED = "paused"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    RETIRED = "retired"
    MISCONFIGURED = "misconfigured"

    def __str__(self) -> str:
        return self.value


class Reason(Enum):
    """Why something was skipped, is pending or was rejected.

    Each member is `(code, outcome, meaning, remedy)`; codes are stable, sentences may improve.
    """

    # What MISP says about the attribute.
    DELETED = ("deleted", Outcome.SKIPPED, "The attribute or its object is deleted in MISP.", "Nothing to do.")
    TO_IDS_OFF = (
        "to-ids-off",
        Outcome.SKIPPED,
        "The attribute is not marked for detection (to_ids is off or missing).",
        "Set the IDS flag on the attribute in MISP if sensors should look for it.",
    )
    UNPUBLISHED = (
        "unpublished",
        Outcome.SKIPPED,
        "The event is not published, or the request does not say that it is.",
        "Publish the event in MISP, or set `published = false` in [selection].",
    )
    MALFORMED = (
        "malformed",
        Outcome.SKIPPED,
        "This part of the event does not have the shape of a MISP attribute.",
        "Look at the message, and correct the file or the program that wrote it.",
    )
    OUTDATED = (
        "outdated",
        Outcome.SKIPPED,
        "The ledger has seen a later state of this event, by which this indicator does not go.",
        "Push the event as MISP has it now.",
    )
    # The gates of [selection].
    TYPE_NOT_SELECTED = (
        "type-not-selected",
        Outcome.SKIPPED,
        "`types` in [selection] does not name this attribute type.",
        "Add the type to `types` if it should go.",
    )
    TAG_MISSING = (
        "tag-missing",
        Outcome.SKIPPED,
        "Neither attribute nor event carries a tag that `tags` in [selection] asks for.",
        "Add the tag in MISP, or change `tags`.",
    )
    TAG_EXCLUDED = (
        "tag-excluded",
        Outcome.SKIPPED,
        "Attribute or event carries a tag that `excludeTags` in [selection] refuses.",
        "Remove the tag in MISP, or change `excludeTags`.",
    )
    NOT_PICKED = (
        "not-picked",
        Outcome.SKIPPED,
        "Other attributes of this event carry the pick tag and this one does not.",
        "Add the pick tag to this attribute as well, or remove it from the others.",
    )
    TLP = (
        "tlp",
        Outcome.SKIPPED,
        "The traffic light protocol marking is stricter than this destination may receive.",
        "Change the TLP tag in MISP, or `maxTlp` in [selection] or at the destination.",
    )
    PAP = (
        "pap",
        Outcome.SKIPPED,
        "The permissible actions protocol marking is stricter than this destination may receive.",
        "Change the PAP tag in MISP, or `maxPap` in [selection] or at the destination.",
    )
    DISTRIBUTION = (
        "distribution",
        Outcome.SKIPPED,
        "The distribution is narrower than `minDistribution` in [selection] allows, or is not said.",
        "Change the distribution in MISP, or `minDistribution`.",
    )
    SHARING_GROUP = (
        "sharing-group",
        Outcome.SKIPPED,
        "The sharing group is not among `sharingGroups` in [selection], or the request does not name it.",
        "Add the UUID of the sharing group to `sharingGroups`.",
    )
    ORGANISATION = (
        "organisation",
        Outcome.SKIPPED,
        "The event's creator organisation is not selected by `orgs` and `excludeOrgs` in [selection], or is not said.",
        "Change `orgs` or `excludeOrgs`; both take UUIDs of organisations.",
    )
    WARNINGLIST = (
        "warninglist",
        Outcome.SKIPPED,
        "The value is on a MISP warninglist that [selection] refuses: sensors would raise false alarms.",
        "Check the value; if it is right, remove that list's name from `warninglists`.",
    )
    MAX_PER_EVENT = (
        "max-per-event",
        Outcome.SKIPPED,
        "The event has more indicators than `maxPerEvent` allows, those already there included.",
        "Raise `maxPerEvent` at the destination if the event is meant to be this large.",
    )
    DOOR_CLOSED = (
        "door-closed",
        Outcome.SKIPPED,
        "`doors` of this destination does not allow this way in.",
        "Use another door, or add this one to `doors`.",
    )
    # What the value says.
    UNSUPPORTED_TYPE = (
        "unsupported-type",
        Outcome.SKIPPED,
        "This attribute type holds nothing that Microsoft's products can match.",
        "Nothing to do.",
    )
    INVALID_VALUE = (
        "invalid-value",
        Outcome.SKIPPED,
        "The value is not what its attribute type says.",
        "Correct the value or the type in MISP.",
    )
    SPECIAL_VALUE = (
        "special-value",
        Outcome.SKIPPED,
        "The value is private, reserved, loopback, multicast, for documentation, or a public suffix.",
        "Nothing to do: as an indicator it would match your own systems or half of the internet.",
    )
    EXPIRED = (
        "expired",
        Outcome.SKIPPED,
        "The indicator's lifetime is already over.",
        "Edit the attribute in MISP if it still counts; where nothing in MISP ended it, lengthen `window` in "
        "[indicator].",
    )
    # What the destination is.
    KIND_NOT_HELD = (
        "kind-not-held",
        Outcome.SKIPPED,
        "This destination has no place for this kind of indicator.",
        "Nothing to do; another destination may hold it.",
    )
    ALREADY_THERE = (
        "already-there",
        Outcome.SKIPPED,
        "Someone else has put this value there; it is left alone.",
        "Remove that entry at Microsoft if this tool should own the value.",
    )
    CAPACITY = (
        "capacity",
        Outcome.SKIPPED,
        "The destination is full.",
        "Remove old indicators there.",
    )
    ON_HOLD = (
        "on-hold",
        Outcome.SKIPPED,
        "A person has taken this value back or changed it at Microsoft, so it is left alone.",
        "`misp-microsoft show VALUE` says who and why; `misp-microsoft release VALUE` ends it.",
    )
    # Not the indicator's fault: it will go when the cause is gone.
    NOT_IN_TIME = (
        "not-in-time",
        Outcome.PENDING,
        "It was not sent in time. It is kept and goes later.",
        "Nothing to do; `misp-microsoft status` shows what waits.",
    )
    THROTTLED = (
        "throttled",
        Outcome.PENDING,
        "Microsoft asks to slow down. It is kept and goes later.",
        "Nothing to do.",
    )
    UNREACHABLE = (
        "unreachable",
        Outcome.PENDING,
        "Microsoft could not be reached or did not answer properly.",
        "See the message; it is kept and goes when the cause is gone.",
    )
    CREDENTIALS_REFUSED = (
        "credentials-refused",
        Outcome.PENDING,
        "Entra refused this application's credentials.",
        "Follow the message; it is kept and goes by itself then.",
    )
    PERMISSION_REFUSED = (
        "permission-refused",
        Outcome.PENDING,
        "The application lacks a permission or role at Microsoft.",
        "Follow the message; it is kept and goes by itself then.",
    )
    NOT_FOUND = (
        "not-found",
        Outcome.PENDING,
        "The workspace or API is not at the configured address.",
        "Correct `workspaceId`, `cloud` or `endpoint.api`; it is kept and goes by itself then.",
    )
    RETIRED = (
        "retired",
        Outcome.PENDING,
        "Microsoft has retired this API.",
        "Use `api = sentinel` or `api = defender` for this destination.",
    )
    WITHDRAWAL_CAP = (
        "withdrawal-cap",
        Outcome.PENDING,
        "More is to be withdrawn within a day than `maxWithdraw` allows, so this waits.",
        "If that much is meant to go, run `misp-microsoft retry --withdrawals --yes`; else correct the events in MISP.",
    )
    MAX_PER_DAY = (
        "max-per-day",
        Outcome.PENDING,
        "More new indicators came within a day than `maxPerDay` allows, so this waits.",
        "Nothing to do: it goes when a day is over. Or raise `maxPerDay`.",
    )
    PAUSED = (
        "paused",
        Outcome.PENDING,
        "The destination refuses everything alike, so the cause is not this indicator.",
        "Follow the message; it is kept and goes by itself then.",
    )
    # The indicator's own fault, as Microsoft sees it.
    REJECTED = (
        "rejected-by-microsoft",
        Outcome.REJECTED,
        "Microsoft refused this indicator.",
        "Read Microsoft's message; report it to this project if the value is right.",
    )

    def __init__(self, code: str, outcome: Outcome, meaning: str, remedy: str) -> None:
        self.code = code
        self.outcome = outcome
        self.meaning = meaning
        self.remedy = remedy

    def __str__(self) -> str:
        return self.code

    @classmethod
    def of(cls, code: str | None) -> Reason | None:
        """The reason with this code; `None` for none, and for one that this version does not know."""
        return _BY_CODE.get(code) if code else None

    @property
    def sentence(self) -> str:
        """Meaning and remedy as one text."""
        return f"{self.meaning} {self.remedy}"


_BY_CODE = {reason.code: reason for reason in Reason}
