"""The table of MISP's attribute types: what each becomes and how it is read, or why it becomes nothing.

One row for every type that MISP knows; `docs/types.md` is made of it, and a test fails when PyMISP brings a type
without a row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.translate.addresses import IPV4, address
from misp_modules_ext.translate.coins import btc, dash, xmr
from misp_modules_ext.translate.composites import (
    Parser,
    domain_and_address,
    host_and_port,
    key_and_value,
    name_and_hash,
    one,
    one_of_people,
)
from misp_modules_ext.translate.files import HASHES, digest, file_name_or_path, file_path, ssdeep, tlsh
from misp_modules_ext.translate.fingerprints import certificate, ja3, ja3s
from misp_modules_ext.translate.hosts import domain, is_normal_name, is_onion, onion
from misp_modules_ext.translate.mail import mail_address, mailer, message_id, sender_name, subject
from misp_modules_ext.translate.money import aba_rtn, bank_account, bank_identification, bic, iban, phone_number
from misp_modules_ext.translate.systems import autonomous_system, mutex, process_name, registry_key, user_agent
from misp_modules_ext.translate.text import MAX_LENGTH
from misp_modules_ext.translate.uris import uri
from misp_modules_ext.translate.urls import is_normal_url, url


class Row(NamedTuple):
    """What becomes of one type.

    Attributes:
        kinds: what its values may be; empty when it becomes nothing.
        read: reads a value; `None` when it becomes nothing.
        told: what else is told with the indicators, `""` for nothing.
        reason: why it becomes nothing, as an analyst reads it in the report; `""` when it becomes something.
    """

    kinds: tuple[Kind, ...] = ()
    read: Parser | None = None
    told: str = ""
    reason: str = ""


_ADDRESSES = (Kind.IPV4_ADDR, Kind.IPV6_ADDR, Kind.IPV4_CIDR, Kind.IPV6_CIDR)
_BESIDE = "the file name is told with it"
_FOLDERS = "a path when it has folders"
_PORT = "the port is told with it"
#: Outside of an `email` object. An address is one indicator, whichever type it has; at Graph it stands as a sender.
_DROP_BOX = "read as a mailbox of the attacker's, to which something is sent; who was attacked is a `target-email`"
_FUZZY = {"ssdeep": (Kind.FILE_SSDEEP, ssdeep), "tlsh": (Kind.FILE_TLSH, tlsh)}
_CERTIFICATES = {
    "x509-fingerprint-md5": Kind.X509_MD5,
    "x509-fingerprint-sha1": Kind.X509_SHA1,
    "x509-fingerprint-sha256": Kind.X509_SHA256,
}

#: Types that become indicators.
_READ: Mapping[str, Row] = {
    # Addresses and hosts.
    **dict.fromkeys(("ip-src", "ip-dst"), Row(_ADDRESSES, one(address))),
    **dict.fromkeys(("ip-src|port", "ip-dst|port"), Row(_ADDRESSES, host_and_port(address), _PORT)),
    **dict.fromkeys(("domain", "hostname"), Row((Kind.DOMAIN_NAME,), one(domain))),
    "onion-address": Row((Kind.DOMAIN_NAME,), one(onion)),
    "hostname|port": Row((Kind.DOMAIN_NAME,), host_and_port(domain), _PORT),
    "domain|ip": Row((Kind.DOMAIN_NAME, *_ADDRESSES), domain_and_address, "two indicators, each told with the other"),
    "AS": Row((Kind.AUTONOMOUS_SYSTEM,), one(autonomous_system)),
    # The web.
    "url": Row((Kind.URL,), one(url)),
    "uri": Row((Kind.URL, Kind.URI), one(uri)),
    "user-agent": Row((Kind.USER_AGENT,), one(user_agent)),
    "ja3-fingerprint-md5": Row((Kind.JA3,), one(ja3)),
    **{type_: Row((kind,), one(partial(certificate, kind))) for type_, kind in _CERTIFICATES.items()},
    # Mail.
    **dict.fromkeys(("email", "email-src", "email-reply-to"), Row((Kind.EMAIL_ADDR,), one(mail_address))),
    "email-dst": Row((Kind.EMAIL_ADDR,), one(mail_address), _DROP_BOX),
    "email-subject": Row((Kind.EMAIL_SUBJECT,), one_of_people(subject)),
    "email-src-display-name": Row((Kind.EMAIL_SENDER_NAME,), one_of_people(sender_name)),
    "email-message-id": Row((Kind.EMAIL_MESSAGE_ID,), one(message_id)),
    "email-x-mailer": Row((Kind.EMAIL_X_MAILER,), one(mailer)),
    "email-attachment": Row((Kind.FILE_NAME, Kind.FILE_PATH), one_of_people(file_name_or_path), _FOLDERS),
    # Files.
    **{type_: Row((kind,), one(partial(digest, kind))) for type_, kind in HASHES.items()},
    **{type_: Row((kind,), one(read)) for type_, (kind, read) in _FUZZY.items()},
    "filename": Row((Kind.FILE_NAME, Kind.FILE_PATH), one_of_people(file_name_or_path), _FOLDERS),
    **{
        f"filename|{type_}": Row((kind,), name_and_hash(partial(digest, kind)), _BESIDE)
        for type_, kind in HASHES.items()
    },
    **{f"filename|{type_}": Row((kind,), name_and_hash(read), _BESIDE) for type_, (kind, read) in _FUZZY.items()},
    "malware-sample": Row(
        (Kind.FILE_MD5,),
        name_and_hash(partial(digest, Kind.FILE_MD5)),
        f"{_BESIDE}, the sample itself never goes",
    ),
    # Machines.
    "mutex": Row((Kind.MUTEX,), one(mutex)),
    "regkey": Row((Kind.WINDOWS_REGISTRY_KEY,), one(registry_key)),
    "regkey|value": Row((Kind.WINDOWS_REGISTRY_KEY,), key_and_value, "the value is told with it"),
    # Money and telephones.
    "btc": Row((Kind.BTC,), one(btc)),
    "dash": Row((Kind.DASH,), one(dash)),
    "xmr": Row((Kind.XMR,), one(xmr)),
    "iban": Row((Kind.IBAN,), one(iban)),
    "bic": Row((Kind.BIC,), one(bic)),
    "bank-account-nr": Row((Kind.BANK_ACCOUNT_NR,), one(bank_account)),
    "aba-rtn": Row((Kind.ABA_RTN,), one(aba_rtn)),
    "bin": Row((Kind.BIN,), one(bank_identification)),
    **dict.fromkeys(("phone-number", "prtn"), Row((Kind.PHONE_NUMBER,), one(phone_number))),
}

_NO_PRODUCT = "No product of Microsoft's takes an indicator of this type."
#: Types that become nothing: reason -> types, separated by white space.
_SILENT: Mapping[str, str] = {
    "It is a note, a number or a time, not something that a sensor can match.": """
        comment text other hex float counter integer datetime boolean uuid anonymised http-method mime-type
        process-state""",
    "A port alone would match traffic of every machine. It goes with the address or host that it belongs to.": "port",
    "A size alone would match files of every machine. It is told with the file that it belongs to.": "size-in-bytes",
    "It is a rule or a pattern; Microsoft's indicators hold single values. Deploy it as a rule.": """
        snort suricata bro zeek yara sigma kusto-query stix2-pattern pattern-in-file pattern-in-traffic
        pattern-in-memory filename-pattern""",
    "It is about a person, and nothing of that goes to Microsoft.": """
        first-name middle-name last-name full-name date-of-birth place-of-birth gender passport-number
        passport-country passport-expiration redress-number nationality visa-number issue-date-of-the-visa
        primary-residence country-of-residence special-service-request frequent-flyer-number travel-details
        payment-details place-port-of-original-embarkation place-port-of-clearance
        place-port-of-onward-foreign-destination passenger-name-record-locator-number identity-card-number eppn""",
    "It is the number of a payment card, which is its holder's; it goes nowhere.": "cc-number",
    "It says who or what was attacked; to alert on that would be to alert on the victim.": """
        target-user target-email target-machine target-org target-location target-external""",
    "It is the name of who received a mail, and so of who was attacked.": "email-dst-display-name",
    "It names who or what is behind an attack, not something that a sensor sees.": """
        threat-actor campaign-name campaign-id malware-type""",
    "It names a weakness or a product, not something that a sensor sees.": "vulnerability cpe weakness",
    "It is a file of the event's. Its hashes go when they are attributes of their own.": "attachment",
    "It is a reference for people to read.": "link",
    "It says who registered a name or when, and no product of Microsoft's looks for that.": """
        whois-registrant-email whois-registrant-phone whois-registrant-name whois-registrant-org whois-registrar
        whois-creation-date dns-soa-email""",
    "It is an account on a service, and no product of Microsoft's looks for that.": """
        github-username github-repository github-organisation jabber-id twitter-id""",
    "It is a key or a secret, which is not something to look for.": """
        pgp-public-key pgp-private-key ssh-fingerprint cookie dkim dkim-signature""",
    "It is the result of an analysis by another tool.": "cortex",
    _NO_PRODUCT: """
        pdb git-commit-id jarm-fingerprint favicon-mmh3 hassh-md5 hasshserver-md5 community-id dom-hash gene vhash
        telfhash pehash impfuzzy cdhash filename|vhash filename|impfuzzy filename|pehash windows-scheduled-task
        windows-service-name windows-service-displayname mac-address mac-eui-64 email-body email-header
        email-mime-boundary email-thread-index mobile-application-id azure-application-id chrome-extension-id
        edge-extension-id""",
}

#: MISP attribute type -> its row.
TYPES: Mapping[str, Row] = MappingProxyType(
    {
        **_READ,
        **{type_: Row(reason=reason) for reason, types in _SILENT.items() for type_ in types.split()},
        "named pipe": Row(reason=_NO_PRODUCT),  # the only type with a space in it
    }
)

#: How `misp_modules_ext.translate.templates` has relations read that MISP has no attribute type for.
RELATIONS: Mapping[str, Row] = MappingProxyType(
    {
        "file-path": Row((Kind.FILE_PATH,), one_of_people(file_path)),
        "process-name": Row((Kind.PROCESS_NAME,), one_of_people(process_name)),
        "ja3s-fingerprint-md5": Row((Kind.JA3S,), one(ja3s)),
    }
)

#: MISP attribute type -> how its value is read.
PARSERS: Mapping[str, Parser] = MappingProxyType({type_: row.read for type_, row in TYPES.items() if row.read})

#: The same, and those of `RELATIONS`, for attributes of objects.
PARSERS_IN_OBJECTS: Mapping[str, Parser] = MappingProxyType(
    {**PARSERS, **{name: row.read for name, row in RELATIONS.items() if row.read}}
)


class Plain(NamedTuple):
    """A short way for values that need no work, as nearly all do.

    Attributes:
        kind: what such a value is.
        holds: whether the value is one: then its parser finds it, as it stands, without facts and notes.
    """

    kind: Kind
    holds: Callable[[str], object]


#: Folders make a name a path, and wildcards a pattern.
_NO_SHORT_NAME = re.compile(r"[/\\*?]")


def _short_text(value: str) -> bool:
    return 0 < len(value) <= MAX_LENGTH and value.isascii() and value.isprintable() and value[0] != " " != value[-1]


def _short_name(value: str) -> bool:
    return not _NO_SHORT_NAME.search(value) and value not in (".", "..") and _short_text(value)


def _short_url(value: str) -> bool:
    return len(value) <= MAX_LENGTH and is_normal_url(value)


#: MISP attribute type -> its short way, which takes a third of the time of the long one.
PLAIN: Mapping[str, Plain] = MappingProxyType(
    {
        "ip-src": Plain(Kind.IPV4_ADDR, IPV4.fullmatch),
        "ip-dst": Plain(Kind.IPV4_ADDR, IPV4.fullmatch),
        "domain": Plain(Kind.DOMAIN_NAME, is_normal_name),
        "hostname": Plain(Kind.DOMAIN_NAME, is_normal_name),
        "onion-address": Plain(Kind.DOMAIN_NAME, is_onion),
        "url": Plain(Kind.URL, _short_url),
        "md5": Plain(Kind.FILE_MD5, re.compile("[0-9a-f]{32}").fullmatch),
        "sha1": Plain(Kind.FILE_SHA1, re.compile("[0-9a-f]{40}").fullmatch),
        "sha256": Plain(Kind.FILE_SHA256, re.compile("[0-9a-f]{64}").fullmatch),
        "filename": Plain(Kind.FILE_NAME, _short_name),
        "mutex": Plain(Kind.MUTEX, _short_text),
    }
)
