"""The HTML report, parsed as a browser would and not only searched."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from itertools import pairwise

import pytest

from misp_modules_ext import __version__
from misp_modules_ext.model.account import Account, EventAccount
from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.model.outcome import Outcome, Reason
from misp_modules_ext.report import html_pieces, to_html, view
from tests.unit.report import samples
from tests.unit.report.dom import Element, parse

ACCOUNTS = {
    "arrived": samples.arrived(),
    "mixed": samples.mixed(),
    "every outcome": samples.every_outcome(),
    "hostile": samples.hostile(),
    "hostile, one destination": replace(samples.hostile(), destinations=samples.hostile().destinations[:1]),
    "problem": samples.problem(),
    "hostile problem": samples.account(problem="".join(samples.HOSTILE), problem_code="internal"),
    "preview": replace(samples.arrived(), preview=True),
    "no destination": samples.account(),
    "no attribute": samples.account(samples.destination("microsoft", [])),
    "many destinations": samples.many(3, destinations=50),
    "large": samples.many(2_500),
}
OTHER = "7d4f3c1a-0e5b-4b7d-8a5e-1f2e3d4c5b6a"
FORBIDDEN = {"script", "iframe", "object", "embed", "img", "link", "base", "form", "audio", "video", "foreignobject"}


@pytest.fixture(params=list(ACCOUNTS.values()), ids=list(ACCOUNTS), scope="module")
def document(request: pytest.FixtureRequest) -> Element:
    """Each account's report as a tree."""
    return parse(to_html(request.param))


def rows(document: Element) -> list[list[str]]:
    """The text of the cells of the large table."""
    return [
        [cell.text.strip() for cell in row.elements]
        for table in document.all("table", "rows")
        for row in table.one("tbody").elements
    ]


def test_it_is_one_file_that_needs_and_runs_nothing(document: Element) -> None:
    """No script, no handler, no style attribute, no element that loads, no address but the link to MISP."""
    for element in document.walk():
        assert element.tag not in FORBIDDEN
        for name, value in element.attributes.items():
            assert not name.startswith("on")
            assert name not in {"style", "src", "srcset", "xlink:href", "action", "formaction", "ping"}
            assert name != "href" or value == f"https://misp.example.org/events/view/{samples.EVENT}"
    style = document.one("style").text
    assert "url(" not in style
    assert "@import" not in style


def test_links_tell_nothing_to_the_page_they_open(document: Element) -> None:
    """Links to MISP carry rel=noopener noreferrer."""
    for link in document.all("a"):
        assert (link.attributes["rel"] or "").split() == ["noopener", "noreferrer"]


def test_the_policy_allows_exactly_this_style_sheet(document: Element) -> None:
    """The hash in the content security policy is that of the style element, and nothing else is allowed."""
    policy = document.one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"] or ""
    digest = base64.b64encode(hashlib.sha256(document.one("style").text.encode()).digest()).decode()
    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_it_is_accessible_by_its_structure(document: Element) -> None:
    """Language, one h1, headings without gaps, scoped table headers, labelled inputs and pictures, unique ids."""
    assert document.one("html").attributes["lang"] == "en"
    assert document.one("title").text.strip()
    levels = [int(e.tag[1]) for e in document.walk() if re.fullmatch("h[1-6]", e.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all("scope" in cell.attributes for cell in document.all("th"))
    labels = {label.attributes["for"] for label in document.all("label")}
    assert {field.attributes["id"] for field in document.all("input")} == labels
    assert all("aria-hidden" in svg.attributes or svg.attributes.get("aria-label") for svg in document.all("svg"))
    ids = [element.attributes["id"] for element in document.walk() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    for element in document.walk():
        for name in ("aria-labelledby", "aria-describedby"):
            assert element.attributes.get(name, ids[0] if ids else None) in [*ids, None]


def test_no_character_that_hides_gets_in(document: Element) -> None:
    """No control, bidirectional or zero-width character reaches a reader; joiners stay in prose."""
    assert all(c.isprintable() or c in "\n\u200d" for c in document.text)
    document.text.encode("utf-8")


def test_every_card_adds_up() -> None:
    """In each card the terms of the sum add up to what was read."""
    for card in parse(to_html(samples.mixed())).all("article"):
        *terms, total = [int(term.one("b").text) for term in card.all(cls="term")]
        assert sum(terms) == total == 17


def test_the_order_of_the_page() -> None:
    """Title, answer, destinations, items, reasons, how to read it."""
    headings = [e.text for e in parse(to_html(samples.arrived())).walk() if e.tag in {"h1", "h2"}]
    assert headings == [
        samples.arrived().events[0].info,
        "Yes: 10 of 10 selected attributes are at all 3 destinations.",
        "Destinations",
        "What became of every attribute",
        "Reasons, and what to do",
        "How to read this",
    ]


def test_the_table_names_every_attribute_with_what_became_of_it() -> None:
    """A row has value, type, outcome, reason and notes, destinations and end."""
    found = {row[0]: row for row in rows(parse(to_html(samples.arrived())))}
    assert len(found) == 16
    assert found["198.51.100.23"][1:] == ["ip-dstipv4-addr", "accepted", "", "all 3", "2027-03-14"]
    assert found["10.0.0.5"][1:] == ["ip-dst", "skipped", f"special-value {Reason.SPECIAL_VALUE.meaning}", "all 3", ""]
    port = found["203.0.113.77|8443as 203.0.113.77"]
    assert port[3] == "Port 8443 is in the description."
    both = next(row for value, row in found.items() if value.startswith("panel.loader"))
    assert both[0] == "panel.loader.example|198.51.100.24domain-name panel.loader.exampleipv4-addr 198.51.100.24"


def test_parts_that_differ_say_so() -> None:
    """A part with an outcome of its own shows it, with its reason."""
    parts = (
        samples.part(Kind.FILE_SHA256, "ab"),
        samples.part(Kind.FILE_NAME, "x.exe", Outcome.SKIPPED, Reason.KIND_NOT_HELD),
    )
    item = samples.item("filename|sha256", "x.exe|ab", *parts, outcome=Outcome.ACCEPTED)
    document = parse(to_html(samples.account(samples.destination("microsoft", [item]))))
    held, other = document.one("ul", "parts").elements
    assert held.text == "file-sha256 ab"
    assert other.text == f"file-name x.exe skipped {Reason.KIND_NOT_HELD.sentence}"


def test_hostile_values_stay_text() -> None:
    """Each hostile value can be read in its row, with escapes for what hides; none became an element."""
    document = parse(to_html(samples.hostile()))
    shown = [row[0] for row in rows(document)]
    assert shown[0] == "<script>alert(1)</script>"
    assert "user\\u202egpj.exe" in shown
    assert "nul\\x00byte" in shown
    assert shown[-1] == "(empty)"
    marks = {mark.attributes["title"] for mark in document.all(cls="hidden-character")}
    assert {"U+202E RIGHT-TO-LEFT OVERRIDE", "U+001B control character", "U+200B ZERO WIDTH SPACE"} <= marks
    assert document.all("b", onmouseover="alert(1)") == []


def test_a_long_value_is_folded_and_whole() -> None:
    """10,000 characters are behind a fold, each of them."""
    document = parse(to_html(samples.hostile()))
    fold = document.all("details", "long")[0]
    assert "10,000 characters" in fold.elements[0].text
    assert any(code.text == "a" * 10_000 for code in document.all("code"))


def test_events_of_others_show_their_uuid() -> None:
    """Without a title an event goes by its UUID, as heading and in the table."""
    nameless = parse(to_html(samples.account(events=(EventAccount(samples.EVENT, ""),))))
    assert nameless.one("h1").text == samples.EVENT
    items = [samples.skipped("domain", "a.example", Reason.TLP)]
    items.append(samples.item("domain", "b.example", reason=Reason.TLP, event=OTHER))
    events = (EventAccount(samples.EVENT, "Ours"), EventAccount(OTHER, "", notes=("Seen in part.",)))
    several = parse(to_html(samples.account(samples.destination("microsoft", items), events=events)))
    assert several.one("h1").text == "2 events"
    assert [row[-1] for row in rows(several)] == ["Ours", OTHER]
    assert "Seen in part." in several.one("ul", "events").text
    assert OTHER in several.one("ul", "events").text


def test_a_preview_cannot_be_taken_for_the_real_thing() -> None:
    """Title, head line, answer and headings say that nothing was sent."""
    document = parse(to_html(replace(samples.arrived(), preview=True)))
    assert document.one("title").text.startswith("Preview: ")
    assert document.one(cls="stamp").text == "Preview: nothing was sent"
    assert document.one(id="answer").text.startswith("Preview: nothing was sent.")
    assert document.one(id="items").text == "What would become of every attribute"
    assert "preview" in document.one("body").classes


def test_a_problem_is_a_whole_page() -> None:
    """The problem's text with its lines, what to do, and the facts for a support request."""
    document = parse(to_html(samples.problem()))
    assert document.one("pre", "problem").text.count("\n") == 2
    assert [code.text for code in document.one("pre", "problem").all("code")] == ["tenantId"]
    assert "misp-microsoft check" in document.one("ul", "steps").text
    facts = document.one("dl", "facts").text
    assert samples.problem().submission in facts
    assert __version__ in facts


def test_the_filters_name_what_there_is() -> None:
    """One choice for each outcome that occurs and for each destination; rows carry the classes the rules need."""
    document = parse(to_html(samples.mixed()))
    names = {field.attributes["id"]: field.attributes["name"] for field in document.all("input", type="radio")}
    outcomes = ("all", "rejected", "pending", "skipped", "accepted", "merged")
    assert names == {
        **{f"show-{o}": "outcome" for o in outcomes},
        **{f"at-{d}": "destination" for d in ("all", "0", "1", "2")},
    }
    style = document.one("style").text
    assert all(f"#show-{outcome}:checked" in style for outcome in Outcome)
    assert re.findall(r"#at-(\d):checked", style) == ["0", "1", "2"]
    marks = [frozenset(row.classes) for t in document.all("table", "rows") for row in t.one("tbody").elements]
    assert set(marks) == {
        frozenset({"all"}),
        frozenset({"d0", "d1"}),
        frozenset({"d0"}),
        frozenset({"d1"}),
        frozenset({"d2"}),
    }


@pytest.mark.parametrize("count", [1, 41])
def test_one_or_very_many_destinations_have_no_filter(count: int) -> None:
    """A filter of one choice, or of hundreds, would help nobody."""
    document = parse(to_html(samples.many(3, destinations=count)))
    assert document.all("input", name="destination") == []
    assert len(document.all("article")) == count


def test_rows_beyond_the_limit_are_folded_and_complete() -> None:
    """Every attribute stands in the page; what is folded says which rows it holds."""
    document = parse(to_html(ACCOUNTS["large"]))
    assert len(rows(document)) == 2_500
    folds = [page.elements[0].text for page in document.all("details", "page")]
    assert folds == ["Accepted: rows 1,376 to 1,875 of 1,875"]
    assert all("open" not in page.attributes for page in document.all("details", "page"))


def test_many_places_are_folded_by_name() -> None:
    """A row for 7 of 8 destinations names them all, folded."""
    place = samples.many(1, destinations=8)
    there = samples.item("domain", "host-0.example", samples.part(Kind.DOMAIN_NAME, "host-0.example"))
    account = replace(place, destinations=(samples.destination("other", [there]), *place.destinations[1:]))
    where = [row[4] for row in rows(parse(to_html(account)))]
    assert where[0] == "7 of 8" + ", ".join(f"microsoft soc-{n}" for n in range(1, 8))


def test_removed_indicators_are_listed() -> None:
    """What was withdrawn for attributes that are gone stands at its destination."""
    document = parse(to_html(samples.every_outcome()))
    assert [entry.text for entry in document.one("ul", "removed").elements] == ["withdrawn domain-name gone.example"]


def test_every_reason_comes_with_what_to_do() -> None:
    """The list of reasons gives each code its meaning and remedy."""
    table = parse(to_html(samples.every_outcome())).one("table", "reasons").one("tbody")
    found = {row.one("b", "code").text: [cell.text for cell in row.elements[2:]] for row in table.elements}
    plain = {r.code: [r.meaning.replace("`", ""), r.remedy.replace("`", "")] for r in Reason}
    assert found == plain


@pytest.mark.parametrize("account", ACCOUNTS.values(), ids=ACCOUNTS.keys())
def test_pieces_are_the_whole(account: Account) -> None:
    """Writing piece by piece gives the same file."""
    assert "".join(html_pieces(account)) == to_html(account)


def test_no_piece_of_a_large_report_is_most_of_it() -> None:
    """A page of many tables comes in many pieces; the largest holds the rows that are open at once."""
    pieces = [len(piece) for piece in html_pieces(samples.many(6_000))]
    assert max(pieces) < sum(pieces) / 2


def test_small_parts_of_a_bar_can_be_seen() -> None:
    """One refused attribute among many still shows."""
    items = [*samples.many(400).destinations[0].items, samples.skipped("url", "x", Reason.REJECTED)]
    bar = view.outcome_bar(samples.destination("microsoft", items))
    assert min(part.width for part in bar) > 1


def test_what_does_more_than_alert_is_marked() -> None:
    """At its row, beside the outcome; and why another one does not."""
    page = to_html(samples.acting())
    assert page.count('<span class="badge action">Block</span>') == 2
    assert "Would be Block, is Audit: <code>neverBlock</code> covers it with c.example." in page
    assert "badge action" not in to_html(samples.mixed()).split("</style>")[1]
