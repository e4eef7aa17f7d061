"""What `misp-microsoft serve` runs: the misp-modules service as it is, with our lines in its log.

Beside misp-modules' own arguments it takes `--log-json` and `--log-level`, which `serve` gives it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
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
    from misp_modules.__main__ import main as serve  # noqa: PLC0415 - importing it sets up loggers of its own

    _wake_up_for_signals()
    return int(serve())


def _wake_up_for_signals() -> None:
    """Let the service's loop see a signal at once, whichever thread it arrives in.

    misp-modules sets handlers of its own. Those run in the main thread alone, when it next has something to do: an idle
    service could go on until somebody asks it something. What stays of these is the descriptor into which a signal is
    written at once; it wakes the loop, which then stops.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, loop.stop)
    # A forked child shares the descriptor, and a signal to it is not for us. asyncio does this from Python 3.12 on.
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))


if __name__ == "__main__":
    sys.exit(main())
