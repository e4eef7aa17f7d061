"""Which kinds each API of Microsoft's can be asked about, and in which spellings. Pure.

Sources: Defender for Endpoint API, "Get file / domain / IP statistics"; advanced hunting schema and Azure Monitor table
reference for the tables that the query files name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from misp_modules_ext.destinations.defender_payload import full_ipv6
from misp_modules_ext.destinations.wire import repair
from misp_modules_ext.model.indicator import Kind, Observable


class Askable(NamedTuple):
    """What can be asked about values of one kind.

    Attributes:
        families: with what Sentinel's `ObservableKey` begins for such a value; empty when it holds none.
        defender: Defender can hold an indicator of it.
        statistics: the part of Defender's address with statistics of it, `""` for none.
        hunting: the query file for advanced hunting, `""` for none.
        logs: the query file for Log Analytics, `""` for none.
    """

    families: tuple[str, ...] = ()
    defender: bool = False
    statistics: str = ""
    hunting: str = ""
    logs: str = ""


_ADDRESS = Askable((), True, "ips", "hunting_address", "logs_address")
_FILE = ("file:hashes",)
_CERTIFICATE = ("x509-certificate:hashes",)
_NETWORK = "network-traffic:"

ASKABLE: Mapping[Kind, Askable] = {
    Kind.IPV4_ADDR: _ADDRESS._replace(families=("ipv4-addr:", _NETWORK)),
    Kind.IPV6_ADDR: _ADDRESS._replace(families=("ipv6-addr:", _NETWORK)),
    Kind.IPV4_CIDR: Askable(("ipv4-addr:", _NETWORK)),
    Kind.IPV6_CIDR: Askable(("ipv6-addr:", _NETWORK)),
    Kind.DOMAIN_NAME: Askable(("domain-name:",), True, "domains", "hunting_domain", "logs_domain"),
    Kind.URL: Askable(("url:",), True, "", "hunting_url", "logs_url"),
    Kind.EMAIL_ADDR: Askable(("email-addr:",), False, "", "hunting_mail"),
    Kind.FILE_MD5: Askable(_FILE, True, "", "hunting_md5", "logs_md5"),
    Kind.FILE_SHA1: Askable(_FILE, True, "files", "hunting_sha1", "logs_hash"),
    Kind.FILE_SHA256: Askable(_FILE, True, "files", "hunting_sha256", "logs_hash"),
    Kind.FILE_NAME: Askable(("file:name",)),
    Kind.X509_MD5: Askable(_CERTIFICATE),
    Kind.X509_SHA1: Askable(_CERTIFICATE, True),
    Kind.X509_SHA256: Askable(_CERTIFICATE),
    Kind.USER_AGENT: Askable((_NETWORK,)),
    Kind.WINDOWS_REGISTRY_KEY: Askable(("windows-registry-key:",)),
}
_NOTHING = Askable()
_HASHES = frozenset({Kind.FILE_MD5, Kind.FILE_SHA1, Kind.FILE_SHA256, Kind.X509_MD5, Kind.X509_SHA1, Kind.X509_SHA256})


def askable(observable: Observable) -> Askable:
    """What can be asked about an observable: nothing about what no request can carry byte-exact."""
    if repair(observable.value) != observable.value:
        return _NOTHING
    found = ASKABLE.get(observable.kind, _NOTHING)
    if observable.kind is Kind.URL and not observable.value.lower().startswith(("http://", "https://")):
        return found._replace(defender=False)
    return found


def spellings(observable: Observable) -> tuple[str, ...]:
    """The value as others may have written it, ours first: hashes in capitals, IPv6 with all segments."""
    kind, value = observable
    others = [value.upper()] if kind in _HASHES else [full_ipv6(value)] if kind is Kind.IPV6_ADDR else []
    return tuple(dict.fromkeys([value, *others]))
