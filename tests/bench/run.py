"""The measures of DESIGN.md 10: a line for each, with what was reached and what is wanted.

The exit code is 1 when one is missed. `make bench` runs all of them.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from tests.bench import commit, memory, million, repeat, translation
from tests.bench.line import Line, Size
from tests.support.databases import KINDS

#: What `--lines` names.
MEASURES: Mapping[str, Callable[[Size, Sequence[str], Path], Iterator[Line]]] = {
    "translation": translation.lines,
    "commit": commit.lines,
    "repeat": repeat.lines,
    "memory": memory.lines,
    "million": million.lines,
}


def main(arguments: Sequence[str] | None = None, out: TextIO = sys.stdout) -> int:
    """Measure and print.

    Args:
        arguments: of the command line.
        out: where to print.

    Returns:
        The exit code.
    """
    asked = _parser().parse_args(arguments)
    judged = asked.part == 1
    out.write(f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}\n")
    missed = False
    with tempfile.TemporaryDirectory(prefix="misp-modules-ext-bench-") as folder:
        for line in _lines(asked.lines, asked.databases, Size().part(asked.part), Path(folder)):
            out.write(line.text(judged=judged) + "\n")
            out.flush()
            missed = missed or not line.met
    return 1 if missed and judged else 0


def _lines(names: Sequence[str], kinds: Sequence[str], size: Size, folder: Path) -> Iterator[Line]:
    for name, measure in MEASURES.items():
        if name in names:
            yield from measure(size, kinds, folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--lines", nargs="+", choices=list(MEASURES), default=list(MEASURES), help="which measures")
    parser.add_argument("--databases", nargs="+", choices=KINDS, default=list(KINDS), help="where a ledger is needed")
    parser.add_argument("--part", type=int, default=1, metavar="N", help="an Nth of the size, and nothing is judged")
    return parser
