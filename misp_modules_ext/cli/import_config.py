"""`misp-microsoft import-config`: from another tool's configuration to `rh-isac.conf`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from misp_modules_ext.cli import tables
from misp_modules_ext.cli.acted import print_json
from misp_modules_ext.cli.common import JsonOption, console, error_console
from misp_modules_ext.cli.output import standard_output
from misp_modules_ext.errors import Problem, UsageError
from misp_modules_ext.importing import Import, Kind, read_old
from misp_modules_ext.importing.draft import How, Row
from misp_modules_ext.importing.write import Loaded, Secrets, judge, to_file, to_text

#: The new file when nobody names it: where every command looks for it first.
NEW = Path("rh-isac.conf")


def import_config(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The old configuration. It is read, never executed.")],
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The new file; - is standard output. Without it ./rh-isac.conf, and nothing of an rh-isac.conf.",
        ),
    ] = "",
    kind: Annotated[
        Kind | None, typer.Option("--from", help="Whose configuration it is; without it, told by its content.")
    ] = None,
    secrets: Annotated[
        Secrets,
        typer.Option(
            "--secrets", help="Keep secrets in the new file, take them from variables, or put each in a file."
        ),
    ] = Secrets.KEEP,
    force: Annotated[bool, typer.Option("--force", help="Replace the new file if it is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make an rh-isac.conf of the configuration of RH-ISAC's script, misp2sentinel or misp2defender.

    Says of each key what became of it. Secrets are not shown. Exit code 0: written, and it can be used; 2: something
    has to be filled in first, or the file cannot be read.
    """
    if output == "-" and as_json:
        raise UsageError("Standard output takes one of the two: name a file with --output, or leave out --json.")
    imported = read_old(file, kind)
    if imported.kind is Kind.RH_ISAC and not output:
        loaded, where = judge(file, os.environ), None
    elif output == "-":
        written = to_text(imported, secrets, os.environ)
        loaded, where = written.loaded, None
        with standard_output():
            sys.stdout.write(written.text)
    else:
        target = Path(output) if output else NEW
        written = to_file(imported, target, secrets, os.environ, force=force)
        loaded, where = written.loaded, written.path
    with standard_output("The file is written all the same." if where else ""):
        if as_json:
            print_json(_document(imported, where, loaded))
        else:
            _print(error_console() if output == "-" else console(), imported, where, loaded, to_stdout=output == "-")
    raise typer.Exit(2 if loaded.problems else 0)


def _document(imported: Import, where: Path | None, loaded: Loaded) -> dict[str, Any]:
    return {
        "schema": 1,
        "command": "import-config",
        "from": imported.kind.value,
        "file": str(imported.path),
        "output": str(where) if where else None,
        "loads": not loaded.problems,
        "problems": [
            {"section": p.section, "key": p.key, "message": p.message, "remedy": p.remedy} for p in loaded.problems
        ],
        "warnings": list(loaded.warnings),
        "keys": [_row(row) for row in imported.draft.rows],
        "steps": imported.draft.steps,
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "old": row.old,
        "line": row.line or None,
        "new": row.new or None,
        "how": row.how.value,
        "message": row.message or None,
    }


def _print(out: Console, imported: Import, where: Path | None, loaded: Loaded, *, to_stdout: bool) -> None:
    rows = imported.draft.rows
    tables.line(out, f"{imported.path} is a configuration of {imported.whose}.")
    cells = ((row.old, str(row.line or ""), row.new, str(row.how), row.message) for row in rows)
    tables.table(out, ("old", "line", "new", "how", "remark"), cells, right=("line",))
    counts = ((how, sum(row.how is how for row in rows)) for how in How)
    tables.line(out, ", ".join(f"{count} {how}" for how, count in counts if count) + ".")
    if where:
        tables.line(out, f"Written: {where}")
    elif not to_stdout:
        tables.line(out, "Nothing was written: this kind of file is read as it is. --output FILE writes a new one.")
    _verdict(out, loaded.problems, loaded.warnings)
    for number, step in enumerate(imported.draft.steps, 1):
        if number == 1:
            tables.line(out, "Next:")
        tables.line(out, f"{number}. {step}", indent=4)


def _verdict(out: Console, problems: Sequence[Problem], warnings: Sequence[str]) -> None:
    if problems:
        tables.line(out, f"It can be used when this is mended ({len(problems)}):")
        for problem in problems:
            tables.line(out, str(problem), indent=4)
    else:
        tables.line(out, "It can be used.")
    for warning in warnings:
        tables.line(out, f"Warning: {warning}", indent=4)
