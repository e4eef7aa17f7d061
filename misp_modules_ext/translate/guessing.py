"""What a person means by a text: the observables that it may be, in any spelling that MISP takes."""

from __future__ import annotations

from collections.abc import Iterable

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.misp import Attribute
from misp_modules_ext.translate.observation import observe
from misp_modules_ext.translate.suffixes import is_top_level
from misp_modules_ext.translate.templates import TEMPLATES
from misp_modules_ext.translate.types import TYPES

#: Types by which a bare text is read. Nearly every text is a file name, so that is the last resort, and for names below
#: no known top-level domain, such as `invoice.exe`.
_TYPES = ("ip-dst", "domain", "url", "email", "md5", "sha1", "sha256", "AS", "ja3-fingerprint-md5", "regkey")
_LAST = "filename"


def meant(text: str) -> tuple[Observable, ...]:
    """The observables that a text may be, each once; none when it can be nothing.

    Args:
        text: a value, also defanged; `KIND:VALUE` names one of several kinds, and `TYPE:VALUE` one of MISP's types.
    """
    said, _, value = text.partition(":")
    named = said.strip().lower()
    if value.strip() and named in list(Kind):
        return read_as(Kind(named), value.strip())
    # Else `sha256:…` would be the name of a file, of which the answer is "never there".
    if value.strip() and (typed := observe(Attribute("", named, value.strip())).observables):
        return tuple(dict.fromkeys(typed))
    found = dict.fromkeys(one for type_ in _TYPES for one in observe(Attribute("", type_, text)).observables)
    if all(one.kind is Kind.DOMAIN_NAME and not is_top_level(one.value.rpartition(".")[2]) for one in found):
        found |= dict.fromkeys(observe(Attribute("", _LAST, text)).observables)
    return tuple(found)


def read_as(kind: Kind, text: str) -> tuple[Observable, ...]:
    """A text as a value of one kind, in the spelling in which that kind is sent; none when it can be none."""
    types = [type_ for type_, row in TYPES.items() if kind in row.kinds and "|" not in type_]
    if not types:
        # Only objects have such values, and each has them in another place.
        return (Observable(kind, text),)
    found = dict.fromkeys(one for type_ in types for one in observe(Attribute("", type_, text)).observables)
    return tuple(one for one in found if one.kind is kind)


def inputs(kinds: Iterable[Kind]) -> list[str]:
    """MISP's attribute types, and names of its objects, that may hold a value of one of these kinds."""
    wanted = frozenset(kinds)
    types = [type_ for type_, row in TYPES.items() if wanted.intersection(row.kinds)]
    objects = [
        name
        for name, template in TEMPLATES.items()
        if any(
            wanted.intersection(TYPES[template.read_as.get(relation, relation)].kinds)
            for relation in template.observables
            if template.read_as.get(relation, relation) in TYPES
        )
    ]
    return sorted({*types, *objects})
