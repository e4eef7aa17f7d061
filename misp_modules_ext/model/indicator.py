"""Observables, the evidence for them, and the indicators that destinations receive."""

from __future__ import annotations

import hashlib
import json
import uuid
from enum import Enum, IntEnum
from typing import NamedTuple

import orjson

from misp_modules_ext.model.misp import Tlp

#: DESIGN.md 4 rule 3: the namespace of our STIX ids, itself derived from the distribution's name. Never changes.
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "misp-modules-ext")
_NAMESPACE = NAMESPACE.bytes
#: The digit that holds a UUID's variant: its upper two bits are 10.
_VARIANT = {f"{digit:x}": f"{digit & 3 | 8:x}" for digit in range(16)}


class Kind(str, Enum):
    """What an observable is. Names are stored and sent, so they are never renamed."""

    IPV4_ADDR = "ipv4-addr"
    IPV6_ADDR = "ipv6-addr"
    IPV4_CIDR = "ipv4-cidr"
    IPV6_CIDR = "ipv6-cidr"
    DOMAIN_NAME = "domain-name"
    URL = "url"
    EMAIL_ADDR = "email-addr"
    FILE_MD5 = "file-md5"
    FILE_SHA1 = "file-sha1"
    FILE_SHA256 = "file-sha256"
    FILE_NAME = "file-name"
    FILE_PATH = "file-path"
    FILE_SHA224 = "file-sha224"
    FILE_SHA384 = "file-sha384"
    FILE_SHA512 = "file-sha512"
    FILE_SHA512_224 = "file-sha512-224"
    FILE_SHA512_256 = "file-sha512-256"
    FILE_SHA3_224 = "file-sha3-224"
    FILE_SHA3_256 = "file-sha3-256"
    FILE_SHA3_384 = "file-sha3-384"
    FILE_SHA3_512 = "file-sha3-512"
    FILE_AUTHENTIHASH = "file-authentihash"
    FILE_IMPHASH = "file-imphash"
    FILE_SSDEEP = "file-ssdeep"
    FILE_TLSH = "file-tlsh"
    X509_MD5 = "x509-fingerprint-md5"
    X509_SHA1 = "x509-fingerprint-sha1"
    X509_SHA256 = "x509-fingerprint-sha256"
    JA3 = "ja3"
    JA3S = "ja3s"
    URI = "uri"
    USER_AGENT = "user-agent"
    AUTONOMOUS_SYSTEM = "autonomous-system"
    EMAIL_SUBJECT = "email-subject"
    EMAIL_SENDER_NAME = "email-sender-name"
    EMAIL_MESSAGE_ID = "email-message-id"
    EMAIL_X_MAILER = "email-x-mailer"
    MUTEX = "mutex"
    PROCESS_NAME = "process-name"
    WINDOWS_REGISTRY_KEY = "windows-registry-key"
    BTC = "btc"
    DASH = "dash"
    XMR = "xmr"
    IBAN = "iban"
    BIC = "bic"
    BANK_ACCOUNT_NR = "bank-account-nr"
    ABA_RTN = "aba-rtn"
    BIN = "bin"
    PHONE_NUMBER = "phone-number"

    def __str__(self) -> str:
        return self.value


class Severity(IntEnum):
    """Microsoft's four steps, mildest first."""

    INFORMATIONAL = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3

    @property
    def label(self) -> str:
        """As Microsoft writes it, for example `High`."""
        return self.name.capitalize()


class Action(str, Enum):
    """What Defender does on a match, in its own words; `Alert` and `AlertAndBlock`, which it had before, are not sent.

    Source: Defender for Endpoint API, "Indicator resource type".
    """

    AUDIT = "Audit"  # alerts, and nothing else
    ALLOWED = "Allowed"
    WARN = "Warn"
    BLOCK = "Block"
    BLOCK_AND_REMEDIATE = "BlockAndRemediate"

    def __str__(self) -> str:
        return self.value


#: Those that keep people from something, the mildest first.
BLOCKING = (Action.WARN, Action.BLOCK, Action.BLOCK_AND_REMEDIATE)


class Observable(NamedTuple):
    """One thing a sensor can look for: the unit of identity (DESIGN.md 4, rule 2)."""

    kind: Kind
    value: str

    def stix_id(self, generation: int = 0) -> str:
        """STIX id of this observable's indicator.

        Args:
            generation: how often this ledger has revoked it; STIX makes a revocation permanent for an id.
        """
        # Kinds are texts; finding an enumeration's value takes twice as long.
        name = f":{self.value}#{generation}" if generation else ":" + self.value
        # UUIDv5 of RFC 9562 by hand: uuid.uuid5 takes three times as long, and every attribute needs one.
        text = hashlib.sha1(_NAMESPACE + (self.kind + name).encode(), usedforsecurity=False).hexdigest()
        variant = _VARIANT[text[16]]
        return f"indicator--{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"


class Reference(NamedTuple):
    """Where an indicator comes from.

    Attributes:
        event: event UUID.
        attribute: attribute UUID.
        url: link to the event in MISP, `""` when the MISP address is not configured.
    """

    event: str
    attribute: str
    url: str = ""


class Context(NamedTuple):
    """What is known about the threat behind a value; each list sorted, without repetition.

    Attributes:
        phases: STIX 2.1 kill chain phases, `(kill_chain_name, phase_name)`.
        techniques: of MITRE ATT&CK, `(id, name)`, for example `("T1566.001", "Spearphishing Attachment")`.
        actors: names of threat actors.
        malware: names of malware families and tools.
    """

    phases: tuple[tuple[str, str], ...] = ()
    techniques: tuple[tuple[str, str], ...] = ()
    actors: tuple[str, ...] = ()
    malware: tuple[str, ...] = ()


NO_CONTEXT = Context()


class Evidence(NamedTuple):
    """That one attribute of one event vouches for one observable, with the context it gives.

    Attributes:
        title: the event's info.
        event_date: `YYYY-MM-DD`.
        facts: short facts of this attribute, for example `file name: a.exe`, `port: 8443`, its own comment.
        labels: names of exportable, non-local tags, plus configured ones; sorted.
        valid_from: seconds since 1970 UTC.
        valid_until: seconds since 1970 UTC.
        action: what it asks Defender to do on a match; `None` when it has no say in that.
        context: what its tags say about the threat.
        vetoes: actions that it forbids, whoever else asks for them.
    """

    observable: Observable
    reference: Reference
    title: str
    event_date: str
    severity: Severity
    confidence: int
    threat_type: str
    tlp: Tlp
    labels: tuple[str, ...]
    facts: tuple[str, ...]
    valid_from: int
    valid_until: int
    action: Action | None = Action.AUDIT
    context: Context = NO_CONTEXT
    vetoes: tuple[Action, ...] = ()


# A tuple for the same reason as those of `account`: making a frozen dataclass takes four times as long.
class Indicator(NamedTuple):
    """What a destination should hold for one observable: a pure function of the evidence that passed its gates.

    Attributes:
        title: the leading event's info (may be long; destinations shorten it).
        facts: facts of all evidence in a stable order, without repetition.
        references: at most ten back-links, in a stable order.
        valid_from: seconds since 1970 UTC.
        valid_until: seconds since 1970 UTC.
        confidence: 0-100.
        context: that of all evidence.
    """

    observable: Observable
    title: str
    severity: Severity
    confidence: int
    threat_type: str
    action: Action
    tlp: Tlp
    labels: tuple[str, ...]
    facts: tuple[str, ...]
    references: tuple[Reference, ...]
    valid_from: int
    valid_until: int
    context: Context = NO_CONTEXT

    def content_hash(self) -> bytes:
        """32 bytes that differ exactly when the content does; the same in every process."""
        parts = (
            *self.observable,
            self.title,
            self.severity,
            self.confidence,
            self.threat_type,
            self.action,
            self.tlp,
            self.labels,
            self.facts,
            tuple(map(tuple, self.references)),
            self.valid_from,
            self.valid_until,
            tuple(self.context),
        )
        # JSON says strings, numbers and lists in one way each, so different parts are different bytes. It takes a third
        # of the time of `repr`, and is the same under every version of Python.
        try:
            document = orjson.dumps(parts)
        except TypeError:  # half a surrogate pair, or a number beyond 64 bits
            document = json.dumps(parts, ensure_ascii=False).encode("utf-8", "surrogatepass")
        return hashlib.sha256(document).digest()


class Stamp(NamedTuple):
    """The state that travels with content but is not content (DESIGN.md 4, rules 3 and 4).

    Attributes:
        stix_id: `indicator--<uuid>`.
        created_ms: milliseconds since 1970 UTC; never moves.
        modified_ms: milliseconds since 1970 UTC; moves with content, never backwards.
    """

    stix_id: str
    created_ms: int
    modified_ms: int


#: Of content alone.
UNSTAMPED = Stamp("", 0, 0)


class Due(NamedTuple):
    """An indicator that a destination should receive now."""

    indicator: Indicator
    stamp: Stamp
    #: Microsoft's own id of the entry when it is known to exist already, else `""`.
    remote_id: str = ""
    #: An earlier request for it may have arrived although no answer came.
    unanswered: bool = False
    #: What is there may have another action, or be for other device groups.
    rewritten: bool = False
    #: Ids of entries of ours for the same value that must be gone when this one is there.
    others: tuple[str, ...] = ()
    #: Some of these do what this one would not: they may not stay when it is refused.
    lowers: bool = False
