"""Collecting what is wrong and what is odd while a configuration is read, so that all of it is reported together."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from misp_modules_ext.errors import Problem


class Invalid(ValueError):
    """A value cannot be used.

    Args:
        message: what is wrong; never the value of a secret.
        remedy: what to do about it.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class Findings:
    """Problems and warnings, in the order found."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[str] = []

    def problem(self, section: str, key: str, message: str, remedy: str) -> None:
        """Note something that has to be mended before the configuration can be used."""
        found = Problem(section, key, message, remedy)
        if found not in self.problems:
            self.problems.append(found)

    def invalid(self, section: str, key: str, error: Invalid) -> None:
        """Note a value that its parser refused."""
        self.problem(section, key, error.message, error.remedy)

    def warning(self, section: str, key: str, sentence: str) -> None:
        """Note something odd but usable."""
        text = str(Problem(section, key, sentence, ""))
        if text not in self.warnings:
            self.warnings.append(text)


def closest(word: str, known: Iterable[str], cutoff: float = 0.7) -> str:
    """The known word that looks most like this one regardless of case, `""` when none is near."""
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[near[0]] if near else ""
