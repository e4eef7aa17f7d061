"""Reading `rh-isac.conf`: found, read whole, checked whole, one frozen object (DESIGN.md 5).

`load` reads it, `cached` reads it again only when it has changed; `find` says which file it is.
"""

from __future__ import annotations

from misp_modules_ext.config.cache import cached
from misp_modules_ext.config.load import load
from misp_modules_ext.config.search import Found, find
from misp_modules_ext.config.settings import (
    ActionRules,
    Api,
    DestinationSettings,
    IndicatorRules,
    LedgerSettings,
    LookupSettings,
    MispSettings,
    Selection,
    Settings,
    WriteBackSettings,
)

__all__ = [
    "ActionRules",
    "Api",
    "DestinationSettings",
    "Found",
    "IndicatorRules",
    "LedgerSettings",
    "LookupSettings",
    "MispSettings",
    "Selection",
    "Settings",
    "WriteBackSettings",
    "cached",
    "find",
    "load",
]
