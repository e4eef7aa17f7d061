"""One value of each kind, with what is awkward in it."""

from __future__ import annotations

from misp_modules_ext.model.indicator import Kind

VALUES = {
    Kind.IPV4_ADDR: "203.0.113.7",
    Kind.IPV6_ADDR: "2001:db8::7",
    Kind.IPV4_CIDR: "203.0.113.0/24",
    Kind.IPV6_CIDR: "2001:db8::/32",
    Kind.DOMAIN_NAME: "c2.evil.example",
    Kind.URL: "http://evil.example/it's?q=a\\b&c=%2F#é",
    Kind.EMAIL_ADDR: "o'brien@evil.example",
    Kind.FILE_MD5: "0123456789abcdef" * 2,
    Kind.FILE_SHA1: "01234567" * 5,
    Kind.FILE_SHA256: "0123456789abcdef" * 4,
    Kind.FILE_NAME: "it's \\ a 'file' 😀.exe",
}
HELD_BY_DEFENDER = frozenset(VALUES) - {Kind.IPV4_CIDR, Kind.IPV6_CIDR, Kind.EMAIL_ADDR, Kind.FILE_NAME}
