"""Writing for people and pipes: the account, a report file, the progress of a push."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from misp_modules_ext.cli.common import console, error_console
from misp_modules_ext.delivery.submit import Watch
from misp_modules_ext.errors import UsageError
from misp_modules_ext.model.account import Account
from misp_modules_ext.report import html_pieces, to_json, to_terminal

#: Seconds between two lines of progress where there is no terminal.
LINE_EVERY = 15.0


@contextmanager
def standard_output(afterwards: str = "") -> Iterator[None]:
    """Print in it. A reader who goes early, as with `| head`, changes nothing of what was done, nor the exit code.

    Args:
        afterwards: what to add when standard output cannot be written.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
    except OSError as error:
        _drop_output()
        raise UsageError(f"Standard output cannot be written: {error.strerror}. {afterwards}".strip()) from error


def show(account: Account, *, as_json: bool) -> None:
    """Print the account.

    Raises:
        UsageError: standard output cannot be written.
    """
    with standard_output("What was sent is at Microsoft all the same."):
        if as_json:
            sys.stdout.buffer.write(to_json(account))
        else:
            to_terminal(account, console())


def _drop_output() -> None:
    """Let nothing that is still buffered fail again when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_report(path: Path, account: Account) -> None:
    """Write the HTML report; a report that is there already stays until the new one is whole.

    Raises:
        UsageError: it cannot be written; what was sent is sent all the same.
    """
    plain = path.is_file() or not path.exists()
    target = path.with_name(f".{path.name}.{os.getpid()}.new") if plain else path
    try:
        with target.open("w", encoding="utf-8", errors="replace") as file:
            file.writelines(html_pieces(account))
        if plain:
            target.replace(path)
    except OSError as error:
        if plain:
            target.unlink(missing_ok=True)
        raise UsageError(
            f"The report cannot be written to {path}: {error.strerror}. What was sent is at Microsoft all the same."
        ) from error
    error_console().print(f"Report: {path}")


@contextmanager
def progress() -> Iterator[Watch]:
    """Show how far a push is: bars on a terminal, otherwise a line now and then. On standard error."""
    errors = error_console()
    if not errors.is_terminal:
        yield _Lines()
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True) as bars:
        tasks = {}

        def watch(name: str, answered: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=answered)

        yield watch


class _Lines:
    """Progress as plain lines; a push that is over soon writes none."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}

    def __call__(self, name: str, answered: int, total: int) -> None:
        now = time.monotonic()
        due = self._next.setdefault(name, now + LINE_EVERY)
        if now >= due:
            self._next[name] = now + LINE_EVERY
            error_console().print(f"[{name}] {answered} of {total} answered")
