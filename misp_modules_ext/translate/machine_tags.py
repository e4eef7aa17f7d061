"""Machine tags: `namespace:predicate="value"`, as MISP's taxonomies and galaxies write them."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

#: Beside the category Cf: combining grapheme joiner, fillers, inherent vowels, and selectors of variants.
_IGNORED = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
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


def plain(name: str) -> str:
    """A form in which tag names that look alike are equal: in lower case, NFKC (UAX 15), without what nobody sees."""
    if name.isascii():
        return name.strip().lower()
    return seen(_IGNORED.sub("", unicodedata.normalize("NFKC", _IGNORED.sub("", name)))).lower()
