"""The short keys under which the ledger keeps observables and attributes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from misp_modules_ext.errors import LedgerError
from misp_modules_ext.model.indicator import Observable


def observable_id(observable: Observable) -> int:
    """63 bits of a digest of kind and value: known without asking the database.

    Of a hundred million values, two share their number with a chance of one in two thousand; `no_clash` then refuses.
    """
    kind, value = observable
    digest = hashlib.sha256((kind + ":" + value).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


class Numbers(dict[Observable, int]):
    """The ids of observables, each made once: a digest takes longer than to look it up."""

    def __missing__(self, observable: Observable) -> int:
        number = self[observable] = observable_id(observable)
        return number


def no_clash(named: Mapping[int, Observable], stored: Iterable[tuple[int, str, str]]) -> None:
    """Make sure that the ids of observables are not those of other ones.

    Args:
        named: observables by id.
        stored: (id, kind, value) of what the ledger holds.

    Raises:
        LedgerError: two different values have one id; nothing may be mixed up.
    """
    for number, kind, value in stored:
        found = named[number]
        if (found.kind.value, found.value) != (kind, value):
            raise LedgerError(
                f"Two values share one number in the ledger: {found.value[:80]!r} and {value[:80]!r}. This is next to "
                "impossible; please report it to this project. Nothing was kept."
            )


def uuid_bytes(text: str) -> bytes:
    """16 bytes of a UUID."""
    return bytes.fromhex(text.replace("-", ""))


def uuid_text(key: bytes) -> str:
    """The UUID of 16 bytes, in lower case. By hand: `uuid.UUID` takes three times as long, and every row needs one."""
    text = key.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
