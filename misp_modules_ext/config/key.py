"""What a row of the tables of keys says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from misp_modules_ext.config.settings import Api
from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.model.misp import Tlp

#: The form of a list: one entry a line.
LIST = "list"

ALL_APIS = frozenset(Api)
SENTINEL = frozenset({Api.SENTINEL})
DEFENDER = frozenset({Api.DEFENDER})


class Part(str, Enum):
    """A kind of section that has rows below. The value is how the reference page titles it."""

    MISP = "[RH-ISAC MISP], [misp], [misp NAME]"
    DESTINATION = "[microsoft], [microsoft NAME]"
    SELECTION = "[selection]"
    INDICATOR = "[indicator]"
    LEDGER = "[ledger]"
    QUEUE = "[queue]"
    LOOKUP = "[lookup]"
    WRITE_BACK = "[write-back]"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a section.

    Attributes:
        name: as documented; the file may write it in any case.
        field: of the section's settings class, `""` when the key is checked and no more.
        parse: from the text to the value; raises `Invalid`.
        form: what may be written.
        meaning: for the reference page, a sentence or two.
        default: what is in force without the key, as text that `parse` reads; `""` when that cannot be written.
        instead: the default in words, where `default` is `""`.
        apis: where the key has an effect.
        secret: the value must not be shown.
        plain_file: a path of something else than certificates of authorities, looked into with the whole section.
        member: for one row of a group, which entry of the mapping `field` it sets.
        group: the documented name of the group.
    """

    name: str
    field: str
    parse: Callable[[str], object]
    form: str
    meaning: str
    default: str = ""
    instead: str = ""
    apis: frozenset[Api] = ALL_APIS
    secret: bool = False
    plain_file: bool = False
    member: Kind | Tlp | None = None
    group: str = ""
