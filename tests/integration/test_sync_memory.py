"""`sync` needs no more memory for ten times as many attributes, whether they are many events or one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from misp_modules_ext.misp.client import MOST_AT_ONCE
from tests.support.keys import misp_key
from tests.support.world import World

ROOT = Path(__file__).resolve().parents[2]
KEY = misp_key()
#: The larger run may need so much more than one of a tenth of its size.
GROWTH = 1.25

#: The command in a process of its own, which tells at its end how much of it was in memory at most.
_COMMAND = """
import sys
from misp_modules_ext.cli import main
from misp_modules_ext.misp import client
client.MOST_AT_ONCE = int(sys.argv.pop(1))
try:
    main()
finally:
    sys.stdout.flush()
    with open("/proc/self/status") as status:
        print(next(line for line in status if line.startswith("VmHWM:")).split()[1], file=sys.stderr)
"""


class Figures(NamedTuple):
    """Of one run: megabytes, seconds, attributes."""

    peak: float
    took: float
    read: int


@contextmanager
def _misp(events: int, attributes: int) -> Iterator[str]:
    """The address of a MISP in another process."""
    argv = [sys.executable, "-m", "tests.support.large_misp", str(events), str(attributes)]
    environment = os.environ | {"LARGE_MISP_KEY": KEY}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def _run(world: World, events: int, attributes: int, most: int) -> Figures:
    """Microsoft refuses, so that all of it waits in the ledger: sending is measured elsewhere."""
    world.emulator.fault(api="sentinel", status=403, times=1_000_000)
    with _misp(events, attributes) as url:
        world.configure(only=("microsoft",), more={"RH-ISAC MISP": {"url": url, "key": KEY}}, maxPerEvent="0")
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", _COMMAND, str(most), "sync", "--json", "--config", str(world.config)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            check=False,
        )
        took = time.monotonic() - began
    assert done.returncode == 4, done.stderr
    said = json.loads(done.stdout)
    counts = said["destinations"][0]["counts"]
    assert said["events"]["read"] == events
    assert counts["pending"] == counts["read"] == events * attributes
    return Figures(int(done.stderr.split()[-1]) / 1024, took, counts["read"])


def _flat(world: World, small: tuple[int, int], large: tuple[int, int], most: int) -> None:
    before, after = (_run(world, *size, most) for size in (small, large))
    print(f"{before} {after}")
    assert after.peak <= GROWTH * before.peak, (before, after)


@pytest.mark.parametrize(("small", "large"), [((2, 500), (20, 500)), ((1, 1000), (1, 10_000))], ids=["many", "one"])
def test_memory_does_not_grow(world: World, small: tuple[int, int], large: tuple[int, int]) -> None:
    """With parts of 500 attributes."""
    _flat(world, small, large, 500)


@pytest.mark.property
@pytest.mark.skipif(os.environ.get("HYPOTHESIS_PROFILE") != "long", reason="takes half an hour: `make test-long`")
@pytest.mark.parametrize(("small", "large"), [((50, 2000), (500, 2000)), ((1, 100_000), (1, 1_000_000))])
def test_a_million_attributes_take_no_more(world: World, small: tuple[int, int], large: tuple[int, int]) -> None:
    """As the program has it: a million attributes, as 500 events and as one."""
    _flat(world, small, large, MOST_AT_ONCE)
