"""The durable ledger: what vouches for each value, what each destination should hold, holds, and is due.

The way in is `take` (a view of an event) and `refresh` (without one); `flight` and `lease` are the way out.
"""

from __future__ import annotations

__all__ = [
    "Ledger",
    "Origin",
    "Part",
    "Parts",
    "Settled",
    "Store",
    "Taken",
    "event_missing",
    "let_go",
    "open_ledger",
    "refresh",
    "register",
    "take",
]

from misp_modules_ext.ledger.intake import Taken, take
from misp_modules_ext.ledger.ledger import Ledger, open_ledger
from misp_modules_ext.ledger.parts import Part, Parts
from misp_modules_ext.ledger.placing import Settled
from misp_modules_ext.ledger.refreshing import event_missing, let_go, refresh
from misp_modules_ext.ledger.stores import Store, register
from misp_modules_ext.ledger.views import Origin
