"""MISP's object templates: which of an object's attributes count as indicators, and which are context for the others.

Rows of data, read from MISP's own definitions (github.com/MISP/misp-objects) and judged one by one: a hash of a file
is an indicator and its size is context; who received a mail is neither. What a row does not name is read as its
attribute type says (`misp_modules_ext.translate.types`) and is no context; the same holds for templates without a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Fact(NamedTuple):
    """How a value is told with the indicators of its object.

    Attributes:
        name: what stands before it, for example `file name` in `file name: a.exe`.
        type: the MISP attribute type of the value; a value that is special (a private address) or that its type
            refuses is not to be told. `""` for plain text.
    """

    name: str
    type: str = ""


class Template(NamedTuple):
    """One template.

    Attributes:
        observables: the relations that count as indicators when their IDS flag is on.
        read_as: relation -> the MISP attribute type by which its value is read, where that is not its own.
        facts: relation -> how its value is told with the object's indicators.
        silent: relation -> why it becomes no indicator although its type might; `*` stands for all relations.
    """

    observables: frozenset[str] = frozenset()
    read_as: Mapping[str, str] = MappingProxyType({})
    facts: Mapping[str, Fact] = MappingProxyType({})
    silent: Mapping[str, str] = MappingProxyType({})

    def why_silent(self, relation: str) -> str:
        """Why an attribute becomes no indicator here; `""` when it may."""
        return self.silent.get(relation) or self.silent.get("*", "")


_SHA2 = "md5 sha1 sha224 sha256 sha384 sha512 sha512/224 sha512/256 ssdeep"
_HASHES = f"{_SHA2} sha3-224 sha3-256 sha3-384 sha3-512 tlsh"
_NONE: Mapping[str, Fact] = MappingProxyType({})

_RECIPIENT = "It says who received a mail, and so who was attacked."
_PERSON = "The object is about a person or an organisation; nothing of that goes to Microsoft."
_VICTIM = "The object is about who was attacked; to alert on that would be to alert on the victim."
_OWN_SIDE = "It is the side that was attacked, not the attacker's."
_REGISTRATION = "It belongs to whoever registered or serves the name, who serves many others too."
_AUTHORITY = "It belongs to the authority that issued the certificate, not to its holder."
_CARD = "It is about a payment card, which is its holder's; nothing of that goes to Microsoft."
_RICH_HEADER = "It is the hash of a part of the header, which many files share, not of the file."
_PART_OF_FILE = "It is the hash of a section of the file, which other files may share; the file's own hashes go."
_CONFIGURATION = "It is the hash of a configuration, which no sensor computes."
_BENIGN_SOURCE = "It is where the report or the tool comes from, not what it is about."
_NETWORK = "It is the network that the address lies in, which serves many others too."
_PUBLISHED = "It is where something was written or shown, on a site that serves many others."
_PICTURE = "It is a picture that shows or illustrates something."
_RECORD = "It identifies a record, a rule or a product, not something malicious."
_MACHINE = "It is about a machine of the one who was attacked or of whoever examined it."
_CONTACT = "It is how to reach those who do it, not where it comes from."


def _row(
    observables: str = "",
    facts: Mapping[str, Fact] = _NONE,
    silent: Mapping[str, str] | None = None,
) -> Template:
    """A row; `relation=type` among the observables is one that is read as that type."""
    pairs = [word.partition("=") for word in observables.split()]
    return Template(
        frozenset(relation for relation, _, _ in pairs),
        MappingProxyType({relation: type_ for relation, _, type_ in pairs if type_}),
        MappingProxyType(dict(facts)),
        MappingProxyType({} if silent is None else dict(silent)),
    )


def _some(facts: Mapping[str, Fact], relations: str) -> dict[str, Fact]:
    return {relation: facts[relation] for relation in relations.split()}


def _each(relations: str, reason: str) -> dict[str, str]:
    return dict.fromkeys(relations.split(), reason)


_FILE_FACTS = {
    "filename": Fact("file name", "filename"),
    "size-in-bytes": Fact("file size", "size-in-bytes"),
    "mimetype": Fact("MIME type", "mime-type"),
    "magic": Fact("file type"),
    "fullpath": Fact("file path"),
    "path": Fact("folder"),
    "compilation-timestamp": Fact("compiled", "datetime"),
}
# No address and no host: on one side of a connection stands whom it was aimed at.
_CONNECTION_FACTS = {
    "dst-port": Fact("destination port", "port"),
    "src-port": Fact("source port", "port"),
    "layer4-protocol": Fact("protocol"),
    "layer7-protocol": Fact("application protocol"),
    "protocol": Fact("protocol"),
}
# Of the server; the client may be the reader's own.
_FINGERPRINTED = {
    "ip-dst": Fact("destination address", "ip-dst"),
    "domain": Fact("domain", "domain"),
    "hostname": Fact("host", "hostname"),
    "description": Fact("description"),
}

#: Why nothing of an object goes -> the templates.
_NOTHING_OF: Mapping[str, str] = {
    _PERSON: """
        contact-list credential employee facebook-account fbi-most-wanted google-account identity instagram-account
        keybase-account legal-entity news-agency news-media organization parler-account persnona person reddit-account
        twitter-account user-account
        ftm-Airplane ftm-Assessment ftm-Asset ftm-Associate ftm-Audio ftm-BankAccount ftm-Call ftm-Company ftm-Contract
        ftm-ContractAward ftm-CourtCase ftm-CourtCaseParty ftm-Debt ftm-Directorship ftm-Document ftm-Documentation
        ftm-EconomicActivity ftm-Email ftm-Event ftm-Family ftm-Folder ftm-HyperText ftm-Image ftm-Land ftm-LegalEntity
        ftm-License ftm-Membership ftm-Message ftm-Organization ftm-Ownership ftm-Package ftm-Pages ftm-Passport
        ftm-Payment ftm-Person ftm-PlainText ftm-PublicBody ftm-RealEstate ftm-Representation ftm-Sanction
        ftm-Succession ftm-Table ftm-TaxRoll ftm-UnknownLink ftm-UserAccount ftm-Vehicle ftm-Vessel ftm-Video
        ftm-Workbook""",
    _VICTIM: "victim target-system",
    _MACHINE: """
        container-instance container-network device edr-report mfa-auth regripper-system-hive-network-information
        shadowserver-scan-http-proxy ssh-authorized-keys wifi-connection""",
    _PUBLISHED: """
        blog chat-message forged-document game-cheat instant-message-group leaked-document narrative publication
        youtube-channel youtube-playlist""",
    _PICTURE: "image meme-image",
    _RECORD: """
        ai-compute-component ai-dataset-component ai-model-component cap-resource container-image geojson gpx
        iot-firmware nova-rule owasp-crs-rule pcap-metadata remote-controller sigmf-expanded-recording
        taranis-news-item trusted-timestamp uav""",
    _BENIGN_SOURCE: "ADS flowintel-task git-vuln-finder intelmq_report original-imported-file",
    "It is what the signature says of its publisher, whose name may be stolen.": "authenticode-signerinfo",
    "It is of the domain that signs mail, which may be anyone's.": "dkim",
    "It is the zone that holds the name, which many others may share.": "passive-dns",
    "A program took it from a ticket, which names those who were attacked too.": "rtir",
    "It is of a site that somebody visited, and which serves many others.": """
        tsk-web-bookmark tsk-web-cookie tsk-web-history""",
    "It is the hash of a file on which the rule was tried, which may be a false positive.": "yara",
}

_ROWS: Mapping[str, Template] = {
    # Files.
    "file": _row(f"{_HASHES} authentihash imphash filename malware-sample certificate fullpath=file-path", _FILE_FACTS),
    "pe": _row(
        "authentihash imphash original-filename internal-filename",
        {
            "original-filename": Fact("original file name", "filename"),
            "internal-filename": Fact("internal file name", "filename"),
            "compilation-timestamp": Fact("compiled", "datetime"),
            "company-name": Fact("company"),
            "product-name": Fact("product"),
            "file-description": Fact("file description"),
            "type": Fact("file type"),
        },
        {"richpe": _RICH_HEADER},
    ),
    **dict.fromkeys(
        ("pe-section", "elf-section", "macho-section"),
        _row(silent=_each(_SHA2, _PART_OF_FILE)),
    ),
    "lnk": _row(
        f"{_SHA2} tlsh filename malware-sample fullpath=file-path",
        {
            **_some(_FILE_FACTS, "filename size-in-bytes fullpath path"),
            "lnk-command-line-arguments": Fact("arguments"),
            "lnk-local-path": Fact("target"),
            "lnk-working-directory": Fact("working folder"),
        },
    ),
    "apk": _row(f"{_HASHES} filename malware-sample url", _some(_FILE_FACTS, "filename size-in-bytes mimetype")),
    "android-app": _row(
        "certificate=x509-fingerprint-sha1 certificate-sha256=x509-fingerprint-sha256 domain sha256",
        {"name": Fact("application"), "appid": Fact("application id")},
    ),
    "artifact": _row(
        "md5 sha1 sha256 sha512 sha3-256 sha3-512 ssdeep tlsh url", {"mime_type": Fact("MIME type", "mime-type")}
    ),
    "script": _row("filename", {"filename": Fact("file name", "filename"), "language": Fact("language")}),
    "hashlookup": _row(
        "MD5 SHA-1 SHA-256 SSDEEP TLSH FileName",
        {
            "FileName": Fact("file name", "filename"),
            "FileSize": Fact("file size", "size-in-bytes"),
            "KnownMalicious": Fact("known as malicious by"),
            "PackageName": Fact("package"),
        },
    ),
    "directory": _row("", {"path": Fact("folder")}),
    "cs-beacon-config": _row(
        "md5 sha1 sha256 binary-md5 binary-sha1 binary-sha256 jar-md5 vt-sha256 c2 beacon-host ip",
        {
            "c2": Fact("command and control", "url"),
            "watermark": Fact("watermark"),
            "beacon-type": Fact("beacon type"),
        },
        {
            **_each("config-md5 config-sha1 config-sha256", _CONFIGURATION),
            "asn": "It is the network of the provider, which serves many others too.",
        },
    ),
    # Hosts and addresses.
    "domain-ip": _row(
        "domain hostname ip",
        {
            "domain": Fact("domain", "domain"),
            "hostname": Fact("host", "hostname"),
            "ip": Fact("address", "ip-dst"),
            "port": Fact("port", "port"),
        },
    ),
    "ip-port": _row(
        "ip ip-src ip-dst domain hostname AS",
        {
            "ip": Fact("address", "ip-dst"),
            "domain": Fact("domain", "domain"),
            "hostname": Fact("host", "hostname"),
            "dst-port": Fact("destination port", "port"),
            "src-port": Fact("source port", "port"),
            "protocol": Fact("protocol"),
        },
        {"ptr-record": _REGISTRATION},
    ),
    "network-connection": _row(
        "ip-src ip-dst hostname-src hostname-dst",
        _some(_CONNECTION_FACTS, "dst-port src-port layer4-protocol layer7-protocol"),
    ),
    "network-socket": _row(
        "ip-src ip-dst hostname-src hostname-dst filename",
        _some(_CONNECTION_FACTS, "dst-port src-port protocol"),
    ),
    "netflow": _row(
        "ip-src ip-dst src-as dst-as",
        {
            **_some(_CONNECTION_FACTS, "dst-port src-port protocol"),
            "src-as": Fact("source AS", "AS"),
        },
    ),
    "ddos": _row(
        "ip-src",
        {"type": Fact("attack"), "protocol": Fact("protocol"), "src-port": Fact("source port", "port")},
        {
            **_each("ip-dst domain-dst", _OWN_SIDE),
        },
    ),
    "asn": _row(
        "asn subnet-announced",
        {
            "asn": Fact("autonomous system", "AS"),
            "description": Fact("description"),
            "country": Fact("country"),
        },
    ),
    "dns-record": _row(
        "queried-domain a-record aaaa-record cname-record",
        {"queried-domain": Fact("domain", "domain"), "a-record": Fact("address", "ip-dst")},
        _each("mx-record ns-record ptr-record soa-record spf-record srv-record", _REGISTRATION),
    ),
    "whois": _row(
        "domain",
        {"registrar": Fact("registrar", "whois-registrar"), "creation-date": Fact("registered", "datetime")},
        _each("nameserver ip-address", _REGISTRATION),
    ),
    "tor-node": _row("address", {"nickname": Fact("name of the node"), "flags": Fact("flags")}),
    "tor-hiddenservice": _row("address", {"title": Fact("title"), "description": Fact("description")}),
    "c2-list": _row("c2-ip c2-ipport"),
    "attacker-infra": _row(
        "ip asn binary_md5 binary_sha1 binary_sha256",
        {"ip": Fact("address", "ip-src"), "asn": Fact("autonomous system", "AS")},
        _each("config_md5 config_sha1 config_sha256", _CONFIGURATION),
    ),
    "shodan-report": _row("ip hostname", {"port": Fact("port", "port"), "org": Fact("organisation")}),
    "authentication-failure-report": _row("ip-src", {}, {"ip-dst": _OWN_SIDE}),
    "rogue-dns": _row(
        "rogue-dns phishing-ip", {"phishing-ip": Fact("address", "ip-dst")}, {"hijacked-domain": _OWN_SIDE}
    ),
    # The web.
    "url": _row(
        "url domain host ip",
        {
            "url": Fact("URL", "url"),
            "port": Fact("port", "port"),
            "ip": Fact("address", "ip-dst"),
        },
        {"credential": "It is a key or a secret, which is not something to look for."},
    ),
    "http-request": _row(
        "host ip-src ip-dst uri url user-agent",
        {
            "method": Fact("HTTP method", "http-method"),
            "user-agent": Fact("user agent", "user-agent"),
            "content-type": Fact("content type"),
        },
    ),
    "bad-bot": _row("ip-src user-agent", {"user-agent": Fact("user agent", "user-agent")}),
    "malicious-website": _row(
        "domain hostname ip url",
        {"domain": Fact("domain", "domain"), "hostname": Fact("host", "hostname"), "ip": Fact("address", "ip-dst")},
    ),
    "phishing": _row(
        "url url-redirect hostname ip",
        {"hostname": Fact("host", "hostname"), "ip": Fact("address", "ip-dst"), "target": Fact("imitates")},
    ),
    "phishing-kit": _row(
        "kit-url phishing-domain threat-actor-email",
        {"kit-name": Fact("kit"), "target": Fact("imitates"), "threat-actor": Fact("threat actor")},
    ),
    "shortened-link": _row(
        "shortened-url redirect-url", {"redirect-url": Fact("leads to", "url")}, {"domain": _REGISTRATION}
    ),
    "browser-extension": _row("c2-url exfil-url crx-sha256 malicious-file", silent={"store-url": _BENIGN_SOURCE}),
    # Mail.
    "email": _row(
        "from from-domain reply-to return-path from-display-name subject message-id x-mailer attachment ip-src "
        "received-header-ip received-header-hostname",
        {
            "from": Fact("from", "email-src"),
            "subject": Fact("subject", "email-subject"),
            "attachment": Fact("attachment", "email-attachment"),
            "x-mailer": Fact("mailer", "email-x-mailer"),
            "send-date": Fact("sent", "datetime"),
        },
        _each("to cc bcc to-display-name cc-display-name bcc-display-name reply-to-display-name", _RECIPIENT),
    ),
    "spearphishing-attachment": _row(
        "attachment-md5 attachment-sha1 attachment-sha256 attachment-name artifact-dropped-md5 artifact-dropped-sha1 "
        "artifact-dropped-sha256 artifact-dropped-name c2-domain c2-ip c2-url email-sender malicious-url sender-ip "
        "subject",
        {"subject": Fact("subject", "email-subject"), "attachment-name": Fact("attachment", "filename")},
    ),
    "spearphishing-link": _row(
        "email-sender embedded-link redirect-url sender-ip subject", {"subject": Fact("subject", "email-subject")}
    ),
    # Certificates and fingerprints.
    "x509": _row(
        "x509-fingerprint-md5 x509-fingerprint-sha1 x509-fingerprint-sha256 dns_names ip uri",
        {
            "subject": Fact("subject"),
            "issuer": Fact("issuer"),
            "serial-number": Fact("serial number"),
            "validity-not-before": Fact("valid from", "datetime"),
            "validity-not-after": Fact("valid until", "datetime"),
        },
        {
            **_each("issuing_certificate ocsp_server", _AUTHORITY),
            "email": "It is an address that the certificate names, which may be anyone's.",
        },
    ),
    "ja3": _row("ja3-fingerprint-md5 ip-src ip-dst", _some(_FINGERPRINTED, "ip-dst description")),
    "ja3s": _row(
        "ja3-fingerprint-md5 ja3s-fingerprint-md5=ja3s-fingerprint-md5 ip-src ip-dst domain hostname", _FINGERPRINTED
    ),
    # What runs on a machine.
    "process": _row(
        "image name=process-name",
        {
            "name": Fact("process"),
            "image": Fact("image", "filename"),
            "parent-process-name": Fact("parent process"),
        },
        {"parent-image": "It is the program that started this one, often one of the system's own."},
    ),
    "mutex": _row("name=mutex", {"description": Fact("description"), "operating-system": Fact("operating system")}),
    "registry-key": _row(
        "key",
        {
            "name": Fact("value name"),
            "data": Fact("value data"),
            "data-type": Fact("value type"),
            "hive": Fact("hive"),
        },
    ),
    # Money and telephones.
    "bank-account": _row(
        "iban swift account aba-rtn",
        {"institution-name": Fact("bank"), "currency-code": Fact("currency"), "swift": Fact("BIC", "bic")},
    ),
    "coin-address": _row("address address-xmr", {"symbol": Fact("currency")}),
    "btc-wallet": _row("wallet-address"),
    "btc-transaction": _row("btc-address"),
    "cryptocurrency-transaction": _row("address"),
    "credit-card": _row(silent={"*": _CARD}),
    "phone-number": _row("phone-number"),
    "phone": _row(silent={"*": _PERSON}),
    # What sensors, traps and enrichments report: one side is the attacker's, the other is not.
    "attack-step": _row("source-domain source-ip", silent=_each("dst-domain dst-ip", _OWN_SIDE)),
    "bgp-hijack": _row("detected-asn", silent=_each("expected-asn subnet-announced", _OWN_SIDE)),
    "cowrie": _row("src_ip", silent={"dst_ip": _OWN_SIDE}),
    "ddos-config": _row(silent={"*": _OWN_SIDE}),
    "gtp-attack": _row("ipSrc", silent={"ipDest": _OWN_SIDE}),
    "intelmq_event": _row(
        "source.fqdn source.ip source.url malware.hash.md5 malware.hash.sha1 malware.hash.sha256",
        {},
        {
            **_each(
                "destination.asn destination.fqdn destination.ip destination.local_hostname destination.local_ip "
                "destination.network destination.url",
                _OWN_SIDE,
            ),
            **_each("source.asn source.network", _NETWORK),
            **_each("source.local_hostname source.local_ip", _MACHINE),
            **_each("event_description.url feed.url screenshot_url", _BENIGN_SOURCE),
        },
    ),
    "muonfp": _row("ip-src", silent={"ip-dst": _OWN_SIDE}),
    "paloalto-threat-event": _row("src", silent={"dst": _OWN_SIDE}),
    "crowdstrike-report": _row("file-hash filename", silent={"ip": _MACHINE}),
    "crowdsec-ip-context": _row("ip", silent={**_each("as-num ip-range", _NETWORK), "reverse-dns": _REGISTRATION}),
    "greynoise-ip": _row("ip-src", silent={"asn": _NETWORK, **_each("domain rdns rdns_parent", _REGISTRATION)}),
    "ip-api-address": _row("ip-src", silent={"asn": _NETWORK}),
    "network-profile": _row("domain ip-address url", silent={"asn": _NETWORK, "dns-server": _REGISTRATION}),
    **dict.fromkeys(
        ("shadowserver-beacon-ttl-report", "shadowserver-beacon-url-overlap"), _row("ip", silent={"asn": _NETWORK})
    ),
    "shadowserver-malware-url-report": _row("host ip sha256 url", silent={"asn": _NETWORK}),
    "research-scanner": _row(
        "scanning_host scanning_ip",
        silent={**_each("contact_email contact_phone domain", _CONTACT), "asn": _NETWORK},
    ),
    "malicious-package-report": _row("ioc-domain ioc-ip ioc-url", silent={"origin-sha256": _BENIGN_SOURCE}),
    "typosquatting-finder": _row(silent={"*": _OWN_SIDE}),
    "typosquatting-finder-result": _row(
        "queried-domain a-record aaaa-record", silent=_each("mx-record ns-record", _REGISTRATION)
    ),
    "tracking-id": _row("url", silent={"hostname": "It is a site on which the mark was found, assumed to be safe."}),
    "boleto": _row(
        "beneficiary-bank-account", silent={"beneficiary-bank-agency": "It is an agency's, which serves many others."}
    ),
    "apivoid-email-verification": _row("email", silent={"domain": _REGISTRATION}),
    # Posts and messages: not where they stand, but what they lead to and who sent them.
    **dict.fromkeys(
        (
            "facebook-group",
            "facebook-post",
            "microblog",
            "parler-comment",
            "parler-post",
            "reddit-comment",
            "social-media-group",
            "twitter-list",
            "twitter-post",
            "youtube-comment",
            "youtube-video",
        ),
        _row("embedded-link", silent={"url": _PUBLISHED}),
    ),
    "facebook-page": _row("embedded-link", silent=_each("contact-detail url", _PUBLISHED)),
    "reddit-post": _row("embedded-link", silent=_each("thumbnail-url url", _PUBLISHED)),
    "reddit-subreddit": _row("embedded-link", silent=_each("banner-background-url icon-img-url url", _PUBLISHED)),
    "scheduled-event": _row(
        "embedded-link", silent={**_each("e-mail fax-number phone-number", _PERSON), "url": _PUBLISHED}
    ),
    "instant-message": _row("from-number", silent={"to-number": _RECIPIENT, "url": _PUBLISHED}),
    "short-message-service": _row("from", silent={"to": _RECIPIENT, "smsc": _REGISTRATION, "url-rfc5724": _RECIPIENT}),
    # Of these nothing goes.
    **{name: _row(silent={"*": reason}) for reason, names in _NOTHING_OF.items() for name in names.split()},
}

#: Name of a template -> its row.
TEMPLATES: Mapping[str, Template] = MappingProxyType(dict(_ROWS))

#: Of templates that have no row.
OTHER = Template()


def template(name: str) -> Template:
    """The row of a template; one that names nothing where there is none."""
    return TEMPLATES.get(name, OTHER)
