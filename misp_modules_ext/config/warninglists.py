"""MISP warninglists whose hits are not pushed unless the configuration says otherwise.

Names as in MISP/misp-warninglists (`lists/*/list.json`, seen 2026-08-20), spelling included: MISP reports hits by name.
Datacenter ranges, content delivery networks and top-sites lists are left out on purpose: attackers use those too.
"""

from __future__ import annotations

SPECIAL_USE = (
    "List of RFC 1918 CIDR blocks",
    "List of RFC 5735 CIDR blocks",
    "List of RFC 6598 CIDR blocks",
    "List of RFC 6761 Special-Use Domain Names",
    "List of RFC 3849 CIDR blocks",
    "List of RFC 5771 multicast CIDR blocks",
    "List of IPv6 link local blocks",
)
PUBLIC_DNS = (
    "List of known IPv4 public DNS resolvers",
    "List of known IPv6 public DNS resolvers",
    "List of known public DNS resolvers expressed as hostname",
)
CERTIFICATE_STATUS = ("CRL and OCSP domains", "CRL and OCSP IP addresses")
HASHES = (
    "List of known hashes for empty files",
    "List of known hashes with common false-positives (based on Florian Roth input list)",
    "Hashes that are often included in IOC lists but are false positives.",
    "List of hashes for EICAR test virus",
)
MICROSOFT = (
    "List of known Office 365 URLs",
    "List of known Office 365 IP address ranges",
    "List of known microsoft domains",
    "List of known Windows 10 connection endpoints",
    "List of Azure Applicaiton IDs",
)

#: The default of `warninglists`.
DEFAULT = (*SPECIAL_USE, *PUBLIC_DNS, *CERTIFICATE_STATUS, *HASHES, *MICROSOFT)
