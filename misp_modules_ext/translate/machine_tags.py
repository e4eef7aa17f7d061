"""Machine tags: `namespace:predicate="value"`, as MISP's taxonomies and galaxies write them."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

_MACHINE_TAG = re.compile(
    r'(?P<namespace>[^:="]+):(?P<predicate>[^="]+)(?:=\s*(?P<quote>"?)(?P<value>.*)(?P=quote))?', re.DOTALL
)


class MachineTag(NamedTuple):
    """A machine tag, or a plain tag whose namespace and predicate are `""`.

    Attributes:
        namespace: in lower case.
        predicate: in lower case.
        value: as written; that of a plain tag is the whole tag; `""` when there is none.
    """

    namespace: str
    predicate: str
    value: str

    @property
    def word(self) -> str:
        """The value in lower case; where there is none, the predicate, which says it all then."""
        return self.value.lower() or self.predicate


def machine_tag(name: str) -> MachineTag:
    """Read a tag name; characters that nobody sees do not make it another one."""
    shown = seen(name)
    found = _MACHINE_TAG.fullmatch(shown)
    if found is None:
        return MachineTag("", "", shown)
    parts = (found["namespace"], found["predicate"], found["value"] or "")
    namespace, predicate, value = (part.strip() for part in parts)
    return MachineTag(namespace.lower(), predicate.lower(), value)


def seen(name: str) -> str:
    """A tag name without the characters that nobody sees, and without space around it."""
    return "".join(c for c in name if unicodedata.category(c) != "Cf").strip()
