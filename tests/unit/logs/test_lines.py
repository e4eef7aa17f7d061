"""A record is one line, whoever writes it, and nothing in it forges another or commands a terminal."""

from __future__ import annotations

import io
import json
import logging
import sys

import pytest

from misp_modules_ext.logs import JsonLine, TextLine, What, fields, logger

#: What an attacker would put into a value: a line of ours, an escape sequence, a character that turns the line around.
HOSTILE = "a\n2026-01-01T00:00:00Z INFO forged\r\x1b[2K\u202eb\u2028c\ud800"


def _record(message: str, *args: object, name: str = "misp_modules_ext", **more: object) -> logging.LogRecord:
    made = logging.makeLogRecord(
        {"name": name, "msg": message, "args": args, "levelname": "WARNING", "created": 0.5, "msecs": 500.0}
    )
    vars(made).update(more)
    return made


def test_a_text_line_holds_a_hostile_value_in_one_line() -> None:
    """Spaces in place of line breaks, escapes in place of what cannot be seen."""
    line = TextLine().format(_record("[x] %s", HOSTILE))
    assert line.startswith("1970-01-01T00:00:00Z WARNING [x] a 2026-01-01")
    assert line.isprintable()
    assert "\\x1b[2K" in line
    assert "\\u202e" in line


def test_a_json_line_is_ascii_and_gives_the_value_back() -> None:
    """Programs get the words as they were."""
    line = JsonLine().format(_record("%s", HOSTILE, **fields(What.SENT, destination=HOSTILE, count=3)))
    assert line.isascii()
    assert line.isprintable()
    found = json.loads(line)
    assert found["message"] == found["destination"] == HOSTILE
    assert (found["time"], found["level"], found["what"]) == ("1970-01-01T00:00:00.500Z", "WARNING", "sent")
    assert list(found) == ["time", "level", "logger", "what", "message", "destination", "count"]


def test_a_librarys_line_says_whose_it_is() -> None:
    """And has no `what`."""
    record = _record("pool is full", name="urllib3.connectionpool")
    assert TextLine().format(record).endswith("WARNING urllib3.connectionpool: pool is full")
    assert json.loads(JsonLine().format(record))["what"] is None


def test_our_records_are_one_line_in_a_log_that_is_not_ours() -> None:
    """misp-modules, or Python's last resort, writes them as they come."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    ours = logger("a-test")
    ours.addHandler(handler)
    try:
        ours.warning("[x] %s", HOSTILE.replace("\ud800", ""))
        try:
            raise ValueError(HOSTILE.replace("\ud800", ""))
        except ValueError:
            ours.exception("unexpected")
    finally:
        ours.removeHandler(handler)
    first, second, *trace = written.getvalue().splitlines()
    assert first.startswith("[x] a 2026-01-01")
    assert second == "unexpected"
    assert trace
    assert all(line.startswith("  | ") and line.isprintable() for line in trace)


@pytest.mark.parametrize("form", [TextLine(), JsonLine()])
def test_a_traceback_is_in_the_same_line(form: logging.Formatter) -> None:
    """A program that reads line by line loses nothing of it."""
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        line = form.format(_record("unexpected", exc_info=sys.exc_info()))
    assert "ValueError" in line
    assert line.isprintable()
