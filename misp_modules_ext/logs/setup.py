"""Setting up the log of a process of our own. What misp-modules loads never calls this."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from typing import TextIO

from misp_modules_ext.logs.lines import ROOT, JsonLine, TextLine


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks of the log.

    Attributes:
        as_json: JSON lines instead of text.
        debug: requests to Microsoft and MISP, too.
        level: name of the lowest level to show; `""` for what the command has.
    """

    as_json: bool = False
    debug: bool = False
    level: str = ""

    def over(self, other: Wish) -> Wish:
        """Both: what is asked here counts before what is asked there."""
        return Wish(self.as_json or other.as_json, self.debug or other.debug, self.level or other.level)

    def lowest(self, usual: int) -> int:
        """The lowest level to show, where the command's own is `usual`."""
        if self.level:
            return int(getattr(logging, self.level.upper()))
        if self.debug:
            return logging.DEBUG
        # Who asks for lines that a program reads wants the line of each submission.
        return min(usual, logging.INFO) if self.as_json else usual


def is_json() -> bool:
    """Whether this process was set up to log JSON lines."""
    return any(isinstance(handler.formatter, JsonLine) for handler in logging.getLogger(ROOT).handlers)


def set_up(wish: Wish, usual: int = logging.WARNING, stream: TextIO | None = None) -> None:
    """Write our lines, and warnings of libraries, to a stream; what was set up before is replaced.

    Args:
        wish: what a person asks for.
        usual: the command's own level.
        stream: where to; `None` for standard error.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLine() if wish.as_json else TextLine())
    # Libraries write headers and bodies at lower levels: their secrets are theirs to show, so nothing below a warning.
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    ours = logging.getLogger(ROOT)
    # Not through the root logger, which a module beside ours in misp-modules may set up as it likes.
    ours.handlers, ours.propagate = [handler], False
    ours.setLevel(wish.lowest(usual))
