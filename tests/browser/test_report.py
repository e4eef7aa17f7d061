"""The HTML report in a real browser, opened from a file as an analyst opens the download."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from misp_modules_ext.model.account import Account
from misp_modules_ext.model.outcome import Outcome
from misp_modules_ext.report import html_pieces
from tests.unit.report import samples

from .conftest import Page

ACCOUNTS = {
    "arrived": samples.arrived(),
    "mixed": samples.mixed(),
    "every outcome": samples.every_outcome(),
    "hostile": samples.hostile(),
    "problem": samples.problem(),
    "preview": replace(samples.arrived(), preview=True),
    "no destination": samples.account(),
    "many destinations": samples.many(3, destinations=50),
}
ROWS = ".rows tbody tr"

#: Contrast of every text on its ground, after WCAG 2.1, 1.4.3; alpha does not occur in our style sheet.
CONTRASTS = """
(() => {
  const light = colour => {
    const [r, g, b] = colour.match(/\\d+/g)
      .map(n => n / 255)
      .map(c => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const ground = element => {
    const colour = getComputedStyle(element).backgroundColor;
    return colour === 'rgba(0, 0, 0, 0)' && element.parentElement ? ground(element.parentElement) : colour;
  };
  const found = {};
  for (const element of document.querySelectorAll('body *')) {
    const text = [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!text || !element.checkVisibility()) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(ground(element))].sort((x, y) => y - x);
    found[element.tagName + '.' + element.className] = (a + .05) / (b + .05);
  }
  return found;
})()
"""

Opener = Callable[[Account], Page]


@pytest.fixture
def opened(page: Page, tmp_path: Path) -> Opener:
    """Writes an account's report and opens the file."""

    def open_report(account: Account) -> Page:
        path = tmp_path / "misp.event.1.export_to_microsoft.export.html"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(html_pieces(account))
        page.open(path.as_uri())
        return page

    return open_report


@pytest.mark.parametrize("account", ACCOUNTS.values(), ids=ACCOUNTS.keys())
def test_it_renders_and_the_console_is_silent(account: Account, opened: Opener) -> None:
    """The answer can be seen, nothing but the file is asked for, no error, no violation of the policy, no script."""
    page = opened(account)
    assert page.visible_count("#answer") == 1
    assert page.complaints() == []
    assert len(page.requests()) == 1
    assert page.evaluate("document.scripts.length") == 0
    assert page.evaluate("document.styleSheets[0].cssRules.length") > 50


@pytest.mark.parametrize("account", ACCOUNTS.values(), ids=ACCOUNTS.keys())
def test_every_report_is_set_in_the_same_letters(account: Account, opened: Opener) -> None:
    """That of a failure as well; only values and the words of the failure itself are set like code."""
    page = opened(account)
    for text in ("h1", "#answer", "footer"):
        assert "monospace" not in page.evaluate(f"getComputedStyle(document.querySelector('{text}')).fontFamily")


def test_the_policy_is_in_force(opened: Opener) -> None:
    """A style or script that got in after all would neither work nor go unnoticed here."""
    page = opened(ACCOUNTS["arrived"])
    page.evaluate(
        """document.body.insertAdjacentHTML('beforeend', '<p id="x" style="color: red">x</p><img src="https://x.example/">')"""
    )
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))")
    assert page.evaluate("window.ran") is None
    assert page.evaluate("getComputedStyle(document.querySelector('#x')).color") != "rgb(255, 0, 0)"
    refused = [text for text in page.complaints() if "Content Security Policy" in text]
    for what in ("inline style", "Loading the image", "inline script"):
        assert any(what in text for text in refused)


def test_filters_work_without_scripts(opened: Opener) -> None:
    """A click on an outcome and on a destination leaves exactly their rows, and "all" brings all back."""
    page = opened(ACCOUNTS["mixed"])
    assert page.visible_count(ROWS) == 30
    page.click("label[for=show-accepted]")
    assert page.visible_count(ROWS) == page.visible_count(f"{ROWS}:has(.badge.accepted)") == 10
    page.click("label[for='at-1']")
    assert page.visible_count(ROWS) == page.visible_count(f"{ROWS}.d1") == 8
    page.click("label[for=show-all]")
    assert page.visible_count(ROWS) == 17
    page.click("label[for='at-2']")
    assert page.visible_count(ROWS) == 17
    page.click("label[for=at-all]")
    assert page.visible_count(ROWS) == 30


def test_every_outcome_has_a_working_filter(opened: Opener) -> None:
    """Each outcome's choice shows its own rows."""
    page = opened(ACCOUNTS["every outcome"])
    for outcome in Outcome:
        page.click(f"label[for=show-{outcome}]")
        count = page.visible_count(ROWS)
        assert count == page.visible_count(f".g-{outcome} tbody tr") > 0


def test_filters_work_from_the_keyboard(opened: Opener) -> None:
    """The arrow keys move through the choices, and the one in focus can be seen."""
    page = opened(ACCOUNTS["mixed"])
    page.evaluate("document.querySelector('#show-all').focus()")
    page.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "show-rejected"
    assert page.visible_count(ROWS) == 1
    assert page.evaluate("getComputedStyle(document.querySelector('label[for=show-rejected]')).outlineStyle") == "solid"


def test_folded_rows_open(opened: Opener) -> None:
    """Beyond the limit rows wait behind a fold and appear with a click."""
    page = opened(samples.many(2_500))
    assert page.visible_count(ROWS) == 2_000
    page.click(".page summary")
    assert page.visible_count(ROWS) == 2_500


@pytest.mark.parametrize("account", ACCOUNTS.values(), ids=ACCOUNTS.keys())
@pytest.mark.parametrize("width", [320, 400, 1280])
def test_nothing_runs_out_of_the_window(account: Account, width: int, opened: Opener, page: Page) -> None:
    """On a phone and on a desktop the page is as wide as the window (WCAG 2.1, 1.4.10)."""
    page.resize(width, 800)
    opened(account)
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("name", ["mixed", "every outcome", "problem", "preview"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(name: str, scheme: str, opened: Opener, page: Page) -> None:
    """Every text has a contrast of 4.5 or more, in light and in dark."""
    page.prefer(scheme)
    opened(ACCOUNTS[name])
    found = page.evaluate(CONTRASTS)
    assert len(found) > 10
    assert {text: contrast for text, contrast in found.items() if contrast < 4.5} == {}


def test_dark_is_dark_and_paper_is_white(opened: Opener, page: Page) -> None:
    """The reader's preference counts on the screen and not on paper."""
    ground = "getComputedStyle(document.body).backgroundColor"
    opened(ACCOUNTS["mixed"])
    assert page.evaluate(ground) == "rgb(244, 246, 248)"
    page.prefer("dark")
    assert page.evaluate(ground) == "rgb(16, 21, 27)"
    page.prefer("dark", media="print")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    assert page.visible_count(".items label") == 0
    assert page.visible_count(ROWS) == 30
    assert page.pdf().startswith(b"%PDF-")
