"""`python -m tests.bench`; see `tests.bench.run`."""

from __future__ import annotations

import os
import sys
import tempfile

from tests.bench.run import main

if __name__ == "__main__":
    # Which ledger a store belongs to is noted there; those of the bench are no real ones.
    with tempfile.TemporaryDirectory(prefix="misp-modules-ext-bench-state-") as state:
        os.environ["XDG_STATE_HOME"] = state
        sys.exit(main())
