"""One value of the old file into one key of ours."""

from __future__ import annotations

import re
from collections.abc import Callable

from misp_modules_ext.config.findings import Invalid
from misp_modules_ext.config.values import is_placeholder, shown
from misp_modules_ext.importing.draft import Draft, How, Row, unfit
from misp_modules_ext.importing.old_values import IMPORTED, Data, Env, Module, Unknown, Value, Vault

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
#: A name of the old file that may be shown; what looks otherwise may be a value that slipped.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_ |.-]{0,49}", re.ASCII)


class Old:
    """The names of an old file that are still to be accounted for.

    Args:
        module: the file.
        draft: what it becomes.
    """

    def __init__(self, module: Module, draft: Draft) -> None:
        self.left = dict(module.names)
        self.notes = module.notes
        self._used = module.used
        self.draft = draft

    def take(self, *names: str) -> tuple[str, Value | None]:
        """The first of these names that the file has, and its value; the others stay to be told."""
        for name in names:
            if name in self.left:
                return name, self.left.pop(name)
        return names[0], None

    def rest(self, built_in: dict[str, str], nothing: dict[str, str]) -> None:
        """Account for all that is left.

        Args:
            built_in: what we do by ourselves, by old name.
            nothing: what has no equivalent, with what to do instead, by old name.
        """
        for name, value in self.left.items():
            if name in built_in:
                self.draft.tell(Row(name, value.line, "", How.BUILT_IN, built_in[name]))
            elif name in nothing:
                self.draft.tell(Row(name, value.line, "", How.NOTHING, nothing[name]))
            elif name in self._used or isinstance(value.data, Vault) or value.data == IMPORTED:
                continue  # Told where it is used.
            else:
                self.draft.tell(Row(name, value.line, "", How.NOT_UNDERSTOOD, _strange(value)))
        for line, what in self.notes:
            self.draft.tell(Row("(no setting)", line, "", How.NOT_UNDERSTOOD, f"The line holds {what}."))


def _strange(value: Value) -> str:
    if isinstance(value.data, Unknown):
        return f"It {value.data.what}, and this tool has no key that would need it."
    return "No setting of that tool has this name, and no other line of the file uses it."


def show_name(name: str) -> str:
    """A name of the old file in a table."""
    return name if _NAME.fullmatch(name) else "(a name not shown)"


def carry(
    draft: Draft,
    old: str,
    value: Value | None,
    section: str,
    key: str,
    *,
    placeholder: str = "",
    missing: str = "",
    message: str = "",
    secret: bool = False,
    parse: Callable[[str], object] | None = None,
) -> bool:
    """Carry a value over as it is.

    Args:
        draft: the new file.
        old: the key's name in the old file.
        value: `None` when the old file has none.
        section: ours.
        key: ours.
        placeholder: what stands in the new file for a person to replace when there is no value to carry; `""` when the
            key may be left out.
        missing: what to tell of a value that is not there.
        message: what to tell of one that is carried.
        secret: the value must not be shown.
        parse: reads the value as our configuration does.

    Returns:
        Whether a value was carried.
    """
    new = f"[{section}] {key}"
    line = value.line if value is not None else 0
    entry, why = _entry(value, parse)
    if why or not entry:
        if placeholder:
            lacking = f"{why} {missing}".strip() or ("It is not there." if value is None else "It is empty.")
            draft.fill_in(section, key, placeholder, Row(old, line, new, How.FILL_IN, lacking))
        elif value is not None and why:
            draft.tell(Row(old, line, "", How.NOT_UNDERSTOOD, f"{why} {new} would take it."))
        elif value is not None:
            draft.tell(Row(old, line, "", How.KEPT, f"It is empty there, too. {missing}".strip()))
        return False
    assert value is not None  # noqa: S101 - an entry comes of a value
    how, told = How.KEPT, [message]
    if isinstance(value.data, Env):
        how = How.TRANSLATED
        told.append(f"The environment variable {value.data.name} has to be set where this program runs.")
        if value.data.has_default:
            told.append("What the old file used without it counts no more.")
    if value.condition:
        told.append(doubt(value))
    draft.put(section, key, (entry,), Row(old, line, new, how, " ".join(filter(None, told))), secret=secret)
    return True


def doubt(value: Value) -> str:
    """That a value is one of several."""
    return f"It depends on line {value.condition} of the old file: check it." if value.condition else ""


def _entry(value: Value | None, parse: Callable[[str], object] | None) -> tuple[str, str]:
    """The text to write, and why there is none."""
    data = value.data if value is not None else None
    if isinstance(data, Env):
        known = _VARIABLE.fullmatch(data.name)
        return (f"env:{data.name}", "") if known else ("", "It names an environment variable that none can be.")
    if isinstance(data, Unknown | Vault | tuple | dict):
        return "", _no_text(data)
    text = plain(data)
    if not text or is_placeholder(text):
        return "", "It is still what the example has there." if text else ""
    if why := unfit(text):
        return "", f"It {why}."
    return _checked(text, parse)


def _no_text(data: Data) -> str:
    if isinstance(data, Unknown):
        return f"It {data.what}."
    if isinstance(data, Vault):
        name = shown(data.name)
        return f"It comes from an Azure Key Vault ({name}): write file:/path or env:NAME, and have it put there."
    return "It is a list or a table, where one value is meant."


def _checked(text: str, parse: Callable[[str], object] | None) -> tuple[str, str]:
    try:
        if parse is not None:
            parse(text)
    except Invalid as error:
        return "", f"The value {error.message} {error.remedy}"
    return text, ""


def plain(data: str | float | bool | None) -> str:
    """A value as the new file writes it."""
    if isinstance(data, bool):
        return "yes" if data else "no"
    return "" if data is None else str(data)
