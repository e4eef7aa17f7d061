"""Looking values up: what the ledger holds of them, what Microsoft does, and whether they were seen. Sends nothing."""

from __future__ import annotations

__all__ = ["SOURCES", "Answered", "AtLedger", "Found", "Problem", "Question", "look_up"]

from misp_modules_ext.delivery.lookup.engine import SOURCES, Found, Question, look_up
from misp_modules_ext.delivery.lookup.ledger import AtLedger
from misp_modules_ext.delivery.lookup.remembering import Answered, Problem
