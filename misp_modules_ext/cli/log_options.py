"""`--log-json`, `--debug` and `--log-level`: before the command or after it, for every command."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, get_type_hints

import typer

from misp_modules_ext.logs import Wish, set_up

_PANEL = "Log"
_CONTEXT = "context_of_the_log"


class LevelName(str, Enum):
    """What `--log-level` takes."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


JsonLinesOption = Annotated[
    bool,
    typer.Option("--log-json", help="Log as JSON lines, with a line for each submission.", rich_help_panel=_PANEL),
]
DebugOption = Annotated[
    bool,
    typer.Option("--debug", help="Log every request to Microsoft and MISP, secrets masked.", rich_help_panel=_PANEL),
]
LevelOption = Annotated[
    LevelName | None,
    typer.Option("--log-level", help="The lowest level to log, on standard error.", rich_help_panel=_PANEL),
]


def wish(log_json: bool, debug: bool, log_level: LevelName | None) -> Wish:
    """What the three options ask for."""
    return Wish(log_json, debug, log_level.value if log_level else "")


def logged(command: Callable[..., None], usual: int = logging.WARNING) -> Callable[..., None]:
    """A command that also takes the three options, and sets up the log before it begins.

    Args:
        command: a function that typer can make a command of.
        usual: the lowest level to log when nothing is asked for.
    """
    hints = get_type_hints(command, include_extras=True)
    own = [one.replace(annotation=hints[name]) for name, one in inspect.signature(command).parameters.items()]
    # typer fills only one parameter with the context.
    theirs = next((one.name for one in own if one.annotation is typer.Context), "")

    @functools.wraps(command)
    def run(*args: Any, **given: Any) -> None:
        context: typer.Context = given[theirs] if theirs else given.pop(_CONTEXT)
        asked = wish(given.pop("log_json"), given.pop("debug"), given.pop("log_level"))
        before = context.obj if isinstance(context.obj, Wish) else Wish()
        context.obj = asked.over(before)
        set_up(context.obj, usual)
        command(*args, **given)

    added: dict[str, tuple[Any, object]] = {} if theirs else {_CONTEXT: (typer.Context, inspect.Parameter.empty)}
    added |= {
        "log_json": (JsonLinesOption, False),
        "debug": (DebugOption, False),
        "log_level": (LevelOption, None),
    }
    kind = inspect.Parameter.KEYWORD_ONLY
    more = [inspect.Parameter(n, kind, default=default, annotation=of) for n, (of, default) in added.items()]
    run.__signature__ = inspect.Signature([*own, *more])  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in (*own, *more)}
    return run
