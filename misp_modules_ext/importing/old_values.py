"""The values of an old configuration, as records. None of them shows what it holds: it may be a secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Env:
    """What an environment variable says when the program starts.

    Attributes:
        name: of the variable.
        has_default: the old file says what counts without it.
    """

    name: str
    has_default: bool = False


@dataclass(frozen=True, slots=True)
class Vault:
    """A secret that the old file takes from an Azure Key Vault, by its name there."""

    name: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """What is not data.

    Attributes:
        what: why, in the middle of a sentence.
    """

    what: str


#: A name that the file takes from elsewhere.
IMPORTED = Unknown("is imported from another file, which is not read")

Data: TypeAlias = "str | int | float | bool | Env | Vault | Unknown | tuple[Value, ...] | dict[str, Value] | None"


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the old file.

    Attributes:
        line: where it is assigned, from 1.
        condition: the line of an `if` or the like that it depends on, 0 for none.
        size: its parts, itself included.
    """

    line: int
    data: Data = field(repr=False)
    condition: int = 0
    size: int = 1

    @property
    def known(self) -> bool:
        """It is data that is not empty."""
        return not isinstance(self.data, Unknown | Vault) and self.data not in (None, "")


@dataclass(slots=True)
class Module:
    """What a file says.

    Attributes:
        names: the values at the end of the file, by name.
        used: names that another value is made of.
        notes: lines that do something else, with what they are.
    """

    names: dict[str, Value] = field(default_factory=dict, repr=False)
    used: set[str] = field(default_factory=set)
    notes: list[tuple[int, str]] = field(default_factory=list)


def texts(value: Value) -> tuple[str, ...] | None:
    """The entries of a list of texts, or of one text; `None` for anything else."""
    if isinstance(value.data, str):
        return (value.data,)
    if isinstance(value.data, tuple) and all(isinstance(part.data, str) for part in value.data):
        return tuple(str(part.data) for part in value.data)
    return None


def table(value: Value | None) -> Mapping[str, Value]:
    """The entries of a table, none for anything else."""
    return value.data if value is not None and isinstance(value.data, dict) else {}
