"""Tables and sentences of the commands that tell what the ledger holds; in a pipe one line for each row, for grep."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from misp_modules_ext.report.text import iso, one_line

#: Cells that are left out in a pipe.
_NOTHING = frozenset({"", "0"})


def text(out: Console, words: str, style: str = "") -> Text:
    """Words as they are: no markup, no control characters, nothing that the output's encoding lacks."""
    encoding = out.encoding or "utf-8"
    return Text(one_line(words).encode(encoding, "backslashreplace").decode(encoding), style=style)


def line(out: Console, words: str, style: str = "", indent: int = 0) -> None:
    """Print one line, as long as it is."""
    out.print(Text(" " * indent) + text(out, words, style), soft_wrap=True)


def table(out: Console, head: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[str] = ()) -> None:
    """Print a table; in a pipe a line for each row, which begins with its first cell and leaves out what is nothing.

    Args:
        out: where to.
        head: names of the columns.
        rows: cells.
        right: the columns that hold numbers.
    """
    if not out.is_terminal:
        for first, *others in rows:
            told = ", ".join(
                f"{name} {cell}" for name, cell in zip(head[1:], others, strict=True) if cell not in _NOTHING
            )
            line(out, f"{first}: {told or 'nothing'}")
        return
    made = Table(header_style="bold")
    for name in head:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(text(out, cell) for cell in row))
    out.print(made)


def when(milliseconds: int | None) -> str:
    """A moment for people and JSON, `""` for none."""
    return "" if milliseconds is None else iso(milliseconds / 1000)
