"""From MISP attributes to indicators: pure code, no input or output, no clock.

`types` is the table of MISP's attribute types, `templates` that of its objects; `docs/types.md` is made of both.

The way: `observe` reads a value, `special` says whether it must not be sent, `evidence` adds what event and attribute
say about it, `merge` makes one indicator of all evidence for one observable.

What may change in a value (DESIGN.md 4, rule 2); all else reaches Microsoft byte for byte:

- white space around it is removed;
- defanged spellings are undone: schemes (`hxxp`, `htxp`, `h**p`, `ttp`, `meow`, `fxp`), dots (`[.] (.) {.} <.> [dot]`
  and the like, in a host or address alone also `[.`, `.]` and a backslash before it), `[@]`, `[at]` and `[:]`; behind
  the host of a URL and in a local part only where it cannot be meant as it stands;
- hosts and hashes are written in lower case, hosts without the trailing dot, international names as A-labels; a TLSH as
  its library writes it, fingerprints of certificates without separators;
- IPv6 addresses are written as RFC 5952 says, IPv4-mapped ones as IPv4; ranges without the bits behind the prefix,
  ranges of one address as that address;
- schemes of URLs are written in lower case. User, port, path, query, fragment and percent-encoding stay;
- registry keys have their hive in full, single backslashes, and none at the end; autonomous systems are numbers;
- message ids lose their angle brackets, accounts and telephone numbers their separators, a BIC its `XXX`; letters in
  accounts and banks are written in upper case, Bitcoin's `bc1…` in lower case.

Each change is a note in the report. Values with characters that nobody sees are refused, never repaired.
"""

from __future__ import annotations

__all__ = [
    "NO_DATE",
    "PARSERS",
    "PLAIN",
    "EventContext",
    "Marks",
    "Merged",
    "Observation",
    "Place",
    "carried_ipv4",
    "context_markdown",
    "ends",
    "event_link",
    "evidence",
    "inputs",
    "is_normal_name",
    "is_public_suffix",
    "leader",
    "meant",
    "merge",
    "observe",
    "place",
    "plain",
    "read_as",
    "special",
    "templates_markdown",
    "tenth_of_window",
    "types_markdown",
    "why_it_ended",
]

from misp_modules_ext.translate.catalogue import templates_markdown, types_markdown
from misp_modules_ext.translate.context import NO_DATE, EventContext, event_link, evidence
from misp_modules_ext.translate.context_tables import context_markdown
from misp_modules_ext.translate.guessing import inputs, meant, read_as
from misp_modules_ext.translate.hosts import is_normal_name
from misp_modules_ext.translate.lifetime import ends, tenth_of_window, why_it_ended
from misp_modules_ext.translate.machine_tags import plain
from misp_modules_ext.translate.markings import Marks
from misp_modules_ext.translate.merging import Merged, leader, merge
from misp_modules_ext.translate.observation import Observation, observe
from misp_modules_ext.translate.special_use import carried_ipv4, special
from misp_modules_ext.translate.suffixes import is_public_suffix
from misp_modules_ext.translate.types import PARSERS, PLAIN
from misp_modules_ext.translate.urls import Place, place
