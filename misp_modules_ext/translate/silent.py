"""MISP's attribute types that yield no observable, each with the reason, as an analyst reads it in the report."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: Reason -> the types that it holds for, separated by white space; types with a space in them stand below.
_BY_REASON = {
    "It is a note, a number or a time, not something that a sensor can match.": """
        comment text other hex float counter integer datetime boolean uuid anonymised size-in-bytes http-method
        mime-type process-state""",
    "It is a rule or a pattern; Microsoft's indicators hold single values. Deploy it as a rule.": """
        snort suricata bro zeek yara sigma kusto-query stix2-pattern pattern-in-file pattern-in-traffic
        pattern-in-memory filename-pattern""",
    "It is about a person, and nothing of that goes to Microsoft.": """
        first-name middle-name last-name full-name date-of-birth place-of-birth gender passport-number
        passport-country passport-expiration redress-number nationality visa-number issue-date-of-the-visa
        primary-residence country-of-residence special-service-request frequent-flyer-number travel-details
        payment-details place-port-of-original-embarkation place-port-of-clearance
        place-port-of-onward-foreign-destination passenger-name-record-locator-number identity-card-number eppn""",
    "It says who or what was attacked; to alert on that would be to alert on the victim.": """
        target-user target-email target-machine target-org target-location target-external""",
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
    "No product of Microsoft's takes an indicator of this type.": """
        pdb git-commit-id jarm-fingerprint favicon-mmh3 hassh-md5 hasshserver-md5 community-id dom-hash gene vhash
        telfhash pehash impfuzzy cdhash filename|vhash filename|impfuzzy filename|pehash windows-scheduled-task
        windows-service-name windows-service-displayname mac-address mac-eui-64 email-body email-header
        email-mime-boundary email-thread-index mobile-application-id azure-application-id chrome-extension-id
        edge-extension-id""",
    "This version does not carry it yet.": """
        email-subject email-src-display-name email-dst-display-name email-x-mailer email-message-id user-agent
        ja3-fingerprint-md5 regkey regkey|value AS mutex port uri authentihash ssdeep imphash tlsh sha224 sha384 sha512
        sha512/224 sha512/256 sha3-224 sha3-256 sha3-384 sha3-512 filename|authentihash filename|ssdeep
        filename|imphash filename|tlsh filename|sha224 filename|sha384 filename|sha512 filename|sha512/224
        filename|sha512/256 filename|sha3-224 filename|sha3-256 filename|sha3-384 filename|sha3-512
        x509-fingerprint-sha1 x509-fingerprint-md5 x509-fingerprint-sha256 btc dash xmr iban bic bank-account-nr
        aba-rtn bin cc-number prtn phone-number""",
}
_NO_TYPE_OF_MICROSOFTS = "No product of Microsoft's takes an indicator of this type."

#: MISP attribute type -> why it yields no observable.
SILENT: Mapping[str, str] = MappingProxyType(
    {type_: reason for reason, types in _BY_REASON.items() for type_ in types.split()}
    | {"named pipe": _NO_TYPE_OF_MICROSOFTS}
)
