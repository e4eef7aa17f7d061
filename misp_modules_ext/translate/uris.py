"""URIs: a URL where there is a scheme with a host, and otherwise what stands there.

In MISP the type `uri` holds whole URLs, `host/path` and bare paths. Of `host/path` the host is normalised as in a URL;
a path is kept byte for byte.
"""

from __future__ import annotations

import re

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate.hosts import is_normal_name
from misp_modules_ext.translate.text import Notes, NotValid, refang, shown
from misp_modules_ext.translate.urls import has_scheme, url

_SPACE = re.compile(r"\s")
# What follows a path without a slash, as in `index.php?id=1`, does not make a host of it.
_HOST = re.compile(r"([^/?#\\]*)(?:/.*)?", re.DOTALL)
_ADDRESS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
#: In front of `host/path`, to read it as the URL that it would be.
_BORROWED = "http://"
#: They name a page that every site has.
_EVERYWHERE = frozenset({"/", "//", "?", "#"})


def uri(text: str) -> tuple[Observable, Notes]:
    """Read a URI.

    Raises:
        NotValid: white space, a host alone, a host that cannot be one, or the root of any site.
    """
    if has_scheme(text):
        return url(text)
    if _SPACE.search(text):
        raise NotValid(f"{shown(text)} holds white space, which no URI does: split or correct the value in MISP.")
    if text in _EVERYWHERE:
        raise NotValid(f"{shown(text)} names a page that every site has.")
    host = host_of(text)
    if not host:
        return Observable(Kind.URI, text), ()
    if host == text:
        raise NotValid(f"{shown(text)} is a host without a path: give the attribute the type `domain` or `ip-dst`.")
    try:
        observable, notes = url(_BORROWED + text)
    except NotValid as error:
        raise NotValid(_returned(str(error))) from error
    return Observable(Kind.URI, _returned(observable.value)), tuple(map(_returned, notes))


def _returned(sentence: str) -> str:
    return sentence.replace(_BORROWED, "", 1)


def host_of(text: str) -> str:
    """The host, with its port, that a URI without a scheme begins with; `""` when it begins with a path."""
    found = _HOST.fullmatch(text)
    host = found.group(1) if found else ""
    name = refang(host).partition(":")[0].lower().removesuffix(".")
    return host if ("." in name and is_normal_name(name)) or _ADDRESS.fullmatch(name) else ""
