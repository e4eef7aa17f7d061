"""A process with a drain that forks: each child must be able to begin its own. Prints how the children ended.

The drain is between two rounds at that moment: neither Python nor SQLite promises anything to a child of a process that
was in the middle of a call in another thread, and misp-modules does not fork.

Run as a program, with the configuration in the environment.
"""

from __future__ import annotations

import json
import os
import sys
import time

from sqlalchemy import select

from misp_modules_ext.config import cached
from misp_modules_ext.delivery import embedded
from misp_modules_ext.ledger import open_ledger, schema

CHILDREN = 4
#: Seconds in which a child's drain must show.
PATIENCE = 30.0


def seen(pid: int) -> bool:
    """Whether the ledger knows the drain of a process."""
    ledger = open_ledger(cached().ledger.url.get_secret_value())
    found = select(schema.drain.c.holder).where(schema.drain.c.pid == pid)
    return ledger.read(lambda connection: connection.execute(found).first()) is not None


def drains() -> bool:
    """Whether the drain of this process shows in time."""
    end = time.monotonic() + PATIENCE
    while not seen(os.getpid()):
        if time.monotonic() > end:
            return False
        embedded.wake()
        time.sleep(0.02)
    return True


def child() -> int:
    """Fork, with a drain in the parent; the child's id."""
    embedded.wake()
    time.sleep(1.0)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if drains() else 1)
    return pid


def main() -> None:
    """Fork again and again."""
    embedded.ensure()
    assert drains()
    children = [child() for _ in range(CHILDREN)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    sys.stdout.write(json.dumps({"codes": codes, "alive": drains()}))


if __name__ == "__main__":
    main()
