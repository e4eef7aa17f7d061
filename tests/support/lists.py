"""Small warninglists, and an index of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from misp_modules_ext.warninglists.build import build
from misp_modules_ext.warninglists.package import Package

ADDRESSES = ("ip-src", "ip-dst", "domain|ip", "ip-dst|port", "ip-src|port")
HOSTS = ("hostname", "domain", "domain|ip", "url")
HASHES = ("md5", "sha1", "sha256", "filename|md5", "filename|sha1", "filename|sha256")
#: Name, way of comparing, attribute types, entries: one of each kind, under names that MISP's lists have.
RESOLVERS = ("List of known IPv4 public DNS resolvers", "cidr", ADDRESSES, ("8.8.8.8", "9.9.9.9/32"))
OFFICE = ("List of known Office 365 URLs", "string", HOSTS, ("outlook.office365.com",))
TOP = ("Top 1000 website from Alexa", "hostname", HOSTS, ("example.org", ".Wikipedia.org"))
EMPTY = ("List of known hashes for empty files", "string", HASHES, ("d41d8cd98f00b204e9800998ecf8427e",))
CLOUD = (
    "List of known Amazon AWS IP address ranges",
    "cidr",
    ADDRESSES,
    ("3.0.0.0/15", "3.1.0.0/16", "2600:1f00::/24"),
)
#: As it is in MISP: each alternative of the second pattern counts alone.
PHONES = (
    "Unattributed phone number.",
    "regex",
    ("phone-number", "whois-registrant-phone"),
    ("/((?:\\+|00)1)?55501([0-9]{2})/g", "/1(3|8)00975707|08|09|10|11/g"),
)

One = tuple[str, str, Iterable[str], Iterable[str]]


def package(folder: Path, *lists: One, version: str = "1.0") -> Package:
    """The lists as files, as the package has them."""
    files = []
    for number, (name, match, types, entries) in enumerate(lists):
        file = folder / f"list-{number}" / "list.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        written: dict[str, Any] = {
            "name": name,
            "type": match,
            "version": 1,
            "description": name,
            "list": list(entries),
        }
        if types:
            written["matching_attributes"] = list(types)
        file.write_text(json.dumps(written), encoding="utf-8")
        files.append(file)
    return Package(version, tuple(files))


def index(path: Path, *lists: One) -> Path:
    """Build an index of these lists."""
    build(package(path.parent / "package", *lists), path, force=True)
    return path
