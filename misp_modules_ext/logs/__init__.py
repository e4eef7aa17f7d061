"""What is written to a log, in which fields, and how it looks.

All of it uses `logging` as it comes. Inside misp-modules the host's configuration decides what is shown; our commands
alone set it up (`set_up`). `docs/logs.md` tells administrators about lines and fields.
"""

from __future__ import annotations

from .fields import FIELDS, What, fields, fields_of
from .lines import ROOT, JsonLine, TextLine, logger
from .setup import Wish, is_json, set_up
from .standing import Standing
from .traffic import Traffic

__all__ = [
    "FIELDS",
    "ROOT",
    "JsonLine",
    "Standing",
    "TextLine",
    "Traffic",
    "What",
    "Wish",
    "fields",
    "fields_of",
    "is_json",
    "logger",
    "set_up",
]
