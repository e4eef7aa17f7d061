"""Which STIX patterns end as an ObservableKey and ObservableValue: one comparison with a string, nothing more.

Sentinel stores a pattern that it cannot parse with empty key and value ("Work with STIX objects and indicators"); such
an indicator matches in no analytics rule.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# STIX 2.1, section 9.4: [object-type:property.path = 'text'], where \' and \\ are the only escapes.
_STEP = r"(?:[A-Za-z_][\w-]*|'(?:[^'\\]|\\['\\])+')(?:\[(?:\d+|\*)\])?"
_SINGLE = re.compile(
    rf"\s*\[\s*(?P<type>[a-z0-9][a-z0-9-]*)\s*:\s*(?P<path>{_STEP}(?:\.{_STEP})*)"
    r"\s*=\s*'(?P<value>(?:[^'\\]|\\['\\])*)'\s*\]\s*"
)
_ESCAPE = re.compile(r"\\(['\\])")


class Observable(NamedTuple):
    """Key and value as the log table shows them; both empty when the pattern could not be parsed."""

    key: str
    value: str


UNPARSED = Observable("", "")


def observable(pattern: str) -> Observable:
    """Take a pattern apart; several comparisons, other operators and qualifiers leave it unparsed."""
    found = _SINGLE.fullmatch(pattern)
    if found is None:
        return UNPARSED
    return Observable(f"{found['type']}:{found['path']}", _ESCAPE.sub(r"\1", found["value"]))
