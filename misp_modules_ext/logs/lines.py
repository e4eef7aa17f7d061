"""A record as one line of text or of JSON, whoever writes it.

Values come from attackers and words from servers. A line break in them would forge a line, and a terminal obeys escape
sequences: so what cannot be seen is written as an escape, and every record is one line, tracebacks included.
"""

from __future__ import annotations

import json
import logging
import re
from datetime import datetime, timezone

from misp_modules_ext.logs.fields import fields_of

#: The logger that all of ours are below.
ROOT = "misp_modules_ext"


def logger(below: str = "") -> logging.Logger:
    """Our logger, or one below it, whose records are one line also where the host writes them, as misp-modules does."""
    found = logging.getLogger(f"{ROOT}.{below}" if below else ROOT)
    # Adding a filter that is there already does nothing.
    found.addFilter(_one_line)
    return found


class TextLine(logging.Formatter):
    """For people: `2026-11-24T09:30:00Z WARNING [microsoft] throttled: …`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line without its end."""
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        name = "" if record.name.split(".")[0] == ROOT else f"{record.name}: "
        return f"{moment:%Y-%m-%dT%H:%M:%SZ} {record.levelname} {name}{_visible(super().format(record))}"


class JsonLine(logging.Formatter):
    """For programs: one JSON object in ASCII, with the fields of `fields.FIELDS`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line without its end."""
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        document: dict[str, object] = {
            "time": f"{moment:%Y-%m-%dT%H:%M:%S}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "what": None,
            "message": record.getMessage(),
        }
        document |= fields_of(record)
        if record.exc_info:
            document["exception"] = record.exc_text or self.formatException(record.exc_info)
        # In ASCII all that a terminal or an editor could obey is escaped; orjson writes no ASCII.
        return json.dumps(document, ensure_ascii=True, default=str)


def _one_line(record: logging.LogRecord) -> bool:
    """Make the words of a record one line; of a traceback, mark each further line as such."""
    record.msg, record.args = _visible(record.getMessage()), ()
    if record.exc_info and record.exc_text is None:
        lines = logging.Formatter().formatException(record.exc_info).splitlines()
        record.exc_text = "\n".join(f"  | {_shown(line)}" for line in lines)
    return True


def _visible(text: str) -> str:
    return _shown(re.sub(r"\s+", " ", text).strip())


def _shown(line: str) -> str:
    return line if line.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in line)


def _escape(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
