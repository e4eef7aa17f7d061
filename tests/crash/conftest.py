"""A nursery for all tests of a process: its imports take seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash.processes import Nursery


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Starts services and workers."""
    with Nursery(tmp_path_factory.mktemp("nursery") / "nursery.log") as made:
        yield made
