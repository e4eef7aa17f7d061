"""A worker process: rounds of draining, one after the other, until it is ended."""

from __future__ import annotations

import logging
import time

from misp_modules_ext.config import cached
from misp_modules_ext.delivery.places import holder
from misp_modules_ext.delivery.rounds import Rounds


def main() -> None:
    """Drain for ever."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    rounds = Rounds(holder("worker"), "worker")
    while True:
        rounds.go(cached(), wait=True)
        time.sleep(0.1)


if __name__ == "__main__":
    main()
