"""What `misp-microsoft serve` runs: the misp-modules service as it is, with our lines in its log.

Beside misp-modules' own arguments it takes `--log-json` and `--log-level`, which `serve` gives it.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

from misp_modules_ext.logs import Wish, set_up


def main() -> int:
    """Run the service until it is stopped; its exit code."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--log-json", action="store_true")
    parser.add_argument("--log-level", default="info")
    ours, theirs = parser.parse_known_args()
    set_up(Wish(ours.log_json, level=ours.log_level))
    sys.argv[1:] = theirs
    _wake_up_for_signals()
    from misp_modules.__main__ import main as serve  # noqa: PLC0415 - importing it sets up loggers of its own

    return int(serve())


def _wake_up_for_signals() -> None:
    """Let the service's loop see a signal at once, whichever thread it arrives in.

    misp-modules' own handlers, which take the place of these, run when the loop next has something to do: without this
    an idle service could go on until somebody asks it something.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, loop.stop)


if __name__ == "__main__":
    sys.exit(main())
