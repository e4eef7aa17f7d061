"""What all module doors share."""

from __future__ import annotations

import pytest

from misp_modules_ext.delivery.submit import LEAST
from misp_modules_ext.doors import action, export
from misp_modules_ext.doors.common import answer, names, preview, time_to_answer
from misp_modules_ext.errors import UsageError
from misp_modules_ext.misp.requests import Body, ModuleRequest, read_export


@pytest.mark.parametrize(
    ("option", "expected"),
    [("", ()), ("defender", ("defender",)), ("a, b\nmicrosoft c ,", ("a", "b", "microsoft c")), (" , ", ())],
)
def test_names(option: str, expected: tuple[str, ...]) -> None:
    """Commas and line breaks separate, blanks around names do not count."""
    assert names(option) == expected


@pytest.mark.parametrize(("option", "expected"), [("", False), ("true", True), ("YES", True), ("0", False)])
def test_preview(option: str, expected: bool) -> None:
    """Empty means no."""
    assert preview(option) is expected


def test_a_mistyped_preview_sends_nothing() -> None:
    """Someone who wrote `ture` wanted to look, not to send."""
    with pytest.raises(UsageError, match="ture"):
        preview("ture")


def test_the_answer_comes_before_misps_patience_ends() -> None:
    """A margin for the way, larger for large requests, and never no time at all."""
    assert 8 < time_to_answer(10, 1000) < 10
    assert time_to_answer(10, 100_000) < time_to_answer(10, 1000)
    assert time_to_answer(1, 1000) == LEAST


def test_a_defect_is_an_account_and_not_an_exception() -> None:
    """Whatever a door's reading raises, MISP's modules stay alive, and the text of the exception stays out."""

    def broken(body: Body) -> ModuleRequest:
        raise KeyError("secret detail")

    account = answer("export", b"{}", broken, lambda made: made)
    assert account.problem_code == "internal"
    assert "KeyError" in account.problem
    assert "secret detail" not in account.problem


def test_the_events_of_a_decoded_body_are_dropped_once_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """misp-modules holds the dictionary until the answer is written, and asks only for the module's name in it."""
    monkeypatch.setenv("RH_ISAC_CONF", "/nonexistent/rh-isac.conf")
    body = {"module": "export_to_microsoft", "timeout": 300, "data": [{"Event": {"info": "x"}}]}
    seen = []

    def read(body: Body) -> ModuleRequest:
        seen.append(read_export(body))
        return seen[0]

    account = answer("export", body, read, lambda made: made)
    assert account.problem_code == "configuration"
    assert seen[0].events[0].info == "x"
    assert body == {"module": "export_to_microsoft", "timeout": 300}


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b'{"data": [{"Event": {"info": "x"}}]}'])
def test_export_never_answers_with_an_error(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export's error is an empty download in MISP, so there is always data."""
    monkeypatch.setenv("RH_ISAC_CONF", "/nonexistent/rh-isac.conf")
    assert set(export.handle(body)) == {"data"}


@pytest.mark.parametrize("handle", [action.handle, action.handle_or_stop])
def test_actions_answer_an_error_that_is_a_string(handle: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list or object would be logged as "Array"."""
    monkeypatch.setenv("RH_ISAC_CONF", "/nonexistent/rh-isac.conf")
    assert callable(handle)
    said = handle(b'{"data": {"Event": {"info": "x", "attribute_count": 0, "Attribute": [], "Object": []}}}')
    assert set(said) == {"error"}
    assert isinstance(said["error"], str)
    assert "rh-isac.conf" in said["error"]


def test_an_export_asks_misp_for_all_tags() -> None:
    """Without these words those that are not exportable are left out, and local ones for whoever may synchronise."""
    assert export.FETCH_OPTIONS.items() >= {"includeAllTags": True, "excludeLocalTags": False}.items()
