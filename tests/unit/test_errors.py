"""Every error prints a sentence."""

from __future__ import annotations

import pickle

import pytest

from misp_modules_ext import errors
from misp_modules_ext.errors import ConfigurationError, MispMicrosoftError, Problem


def _all(kind: type[MispMicrosoftError]) -> list[type[MispMicrosoftError]]:
    return [kind, *(leaf for child in kind.__subclasses__() for leaf in _all(child))]


@pytest.mark.parametrize("kind", [k for k in _all(MispMicrosoftError) if k is not ConfigurationError])
def test_str_is_the_message(kind: type[MispMicrosoftError]) -> None:
    """A connector of another project printed every reason as an empty string."""
    assert str(kind("what happened and what to do")) == "what happened and what to do"


def test_configuration_problems_are_all_named() -> None:
    """Number, section, key, message and remedy of each."""
    problems = [
        Problem("microsoft", "workspaceId", "is missing.", "Add it."),
        Problem("", "", "is no INI file.", "Start from the example."),
    ]
    text = str(ConfigurationError(problems, "rh-isac.conf"))
    assert "2 problems" in text
    assert "1. [microsoft] workspaceId: is missing. Add it." in text
    assert "2. file: is no INI file. Start from the example." in text


def test_configuration_errors_can_be_pickled() -> None:
    """Test runners and worker processes hand errors on that way."""
    error = ConfigurationError([Problem("microsoft", "appId", "is missing.", "Add it.")], "rh-isac.conf")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (str(again), again.problems, again.path) == (str(error), error.problems, error.path)


def test_the_public_names_are_declared() -> None:
    """`__all__` lists every class of the module."""
    declared = set(errors.__all__)
    defined = {
        name for name, value in vars(errors).items() if isinstance(value, type) and value.__module__ == errors.__name__
    }
    assert declared == defined
