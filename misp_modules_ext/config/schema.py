"""The keys as data: how each is read, where it has an effect, and what the reference page says about it.

`load` reads by these tables and `reference` prints them; later features add rows here and remove theirs from `notyet`.
"""

from __future__ import annotations

from misp_modules_ext.config.key import ALL_APIS, Key, Part
from misp_modules_ext.config.ledger_keys import LEDGER, QUEUE
from misp_modules_ext.config.lookup_keys import LOOKUP
from misp_modules_ext.config.rule_keys import INDICATOR, SELECTION
from misp_modules_ext.config.store_keys import DESTINATION, MISP, PRODUCTS
from misp_modules_ext.config.write_back_keys import WRITE_BACK

__all__ = [
    "ALL_APIS",
    "DESTINATION",
    "INDICATOR",
    "KEYS",
    "LEDGER",
    "LOOKUP",
    "MISP",
    "PRODUCTS",
    "QUEUE",
    "SELECTION",
    "WRITE_BACK",
    "Key",
    "Part",
    "effective",
]

KEYS: dict[Part, tuple[Key, ...]] = {
    Part.MISP: MISP,
    Part.DESTINATION: DESTINATION,
    Part.SELECTION: SELECTION,
    Part.INDICATOR: INDICATOR,
    Part.LEDGER: LEDGER,
    Part.QUEUE: QUEUE,
    Part.LOOKUP: LOOKUP,
    Part.WRITE_BACK: WRITE_BACK,
}


def effective(part: Part) -> tuple[Key, ...]:
    """The keys that a section of this kind may hold; a destination may hold its own rules."""
    own = KEYS[part]
    return (*own, *SELECTION, *INDICATOR) if part is Part.DESTINATION else own
