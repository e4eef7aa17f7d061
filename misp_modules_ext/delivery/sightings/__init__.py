"""`sightings`: what Microsoft says of what this ledger holds there becomes sightings in MISP.

`running` is one run: first every destination is asked and what it says is noted in the ledger (`asking`), then MISP is
told what is noted (`adding`). A run that ends between the two, or anywhere else, loses nothing: what is noted waits.
Nor does it double anything: before it adds, every run asks MISP which sightings of ours the attributes have.

Hits become sightings of type 0, alerts that people classified as false positives (`doubts`) those of type 1.
"""

from __future__ import annotations

__all__ = ["Done", "Wish", "run"]

from misp_modules_ext.delivery.sightings.account import Done, Wish
from misp_modules_ext.delivery.sightings.running import run
