"""The JSON report and its schema."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from misp_modules_ext.model.account import Account
from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.model.outcome import Outcome, Reason
from misp_modules_ext.report import json_pieces, to_dict, to_json
from tests.unit.report import samples

ACCOUNTS = {
    "arrived": samples.arrived(),
    "mixed": samples.mixed(),
    "every outcome": samples.every_outcome(),
    "hostile": samples.hostile(),
    "problem": samples.problem(),
    "problem without code": samples.account(problem="x"),
    "preview": replace(samples.arrived(), preview=True),
    "no destination": samples.account(),
    "no attribute": samples.account(samples.destination("microsoft", [])),
    "acting": samples.acting(),
    "many destinations": samples.many(3, destinations=50),
}


@pytest.fixture(scope="module")
def validator() -> Any:
    """A validator for the written schema, which is valid itself."""
    schema = json.loads(files("misp_modules_ext.report").joinpath("report.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("account", ACCOUNTS.values(), ids=ACCOUNTS.keys())
def test_every_report_follows_the_schema(account: Account, validator: Any) -> None:
    """What is rendered is what the written schema promises."""
    assert [error.message for error in validator.iter_errors(to_dict(account))] == []


@pytest.mark.parametrize("account", ACCOUNTS.values(), ids=ACCOUNTS.keys())
def test_in_pieces_it_is_the_same(account: Account) -> None:
    """So it is kept in the ledger."""
    assert json.loads(b"".join(json_pieces(account))) == to_dict(account)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), 2),
        (("started",), "2026-11-18 11:06:43"),
        (("door",), "window"),
        (("destinations", 0, "state"), "fine"),
        (("destinations", 0, "message"), ""),
        (("destinations", 0, "counts", "read"), -1),
        (("destinations", 0, "items", 10, "reason"), None),
        (("destinations", 0, "items", 10, "message"), None),
        (("destinations", 0, "items", 0, "outcome"), "sent"),
        (("destinations", 0, "items", 0, "attribute"), "17"),
        (("destinations", 0, "items", 0, "observables", 0, "indicator"), "17"),
        (("destinations", 0, "items", 0, "observables", 0, "expires"), 0),
    ],
)
def test_the_schema_refuses_what_is_wrong(path: tuple[str | int, ...], value: object, validator: Any) -> None:
    """The schema is strict enough to notice a broken report."""
    document = to_dict(samples.arrived())
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    assert place[path[-1]] != value
    place[path[-1]] = value
    assert not validator.is_valid(document)


def test_keys_and_their_order() -> None:
    """DESIGN.md 7's keys stand in its order; ours are added between."""
    document = to_dict(samples.every_outcome())
    destination = document["destinations"][0]
    item = destination["items"][0]
    assert list(document) == [
        *("schema", "submission", "door", "ledger", "started", "finished"),
        *("preview", "problem", "warnings", "events", "destinations"),
    ]
    assert list(document["events"][0]) == ["uuid", "info", "url", "complete", "notes"]
    assert list(destination) == ["name", "product", "api", "state", "message", "counts", "items", "removed"]
    assert list(destination["counts"]) == [
        *("read", "accepted", "unchanged", "merged", "withdrawn", "pending", "skipped", "rejected"),
    ]
    assert list(item) == [
        *("event", "attribute", "type", "value", "outcome", "reason", "message", "notes", "observables"),
    ]
    assert list(item["observables"][0]) == ["kind", "value", "outcome", "indicator", "expires", "reason", "message"]
    assert destination["removed"] == [
        {
            "kind": "domain-name",
            "value": "gone.example",
            "indicator": samples.part(Kind.DOMAIN_NAME, "gone.example").indicator,
            "outcome": "withdrawn",
        }
    ]


def test_values_of_one_item() -> None:
    """Times end in Z, nothing to say is null, lists are lists."""
    document = to_dict(samples.arrived())
    assert (document["started"], document["finished"]) == ("2026-11-18T11:06:40Z", "2026-11-18T11:06:43Z")
    item = document["destinations"][0]["items"][0]
    assert (item["reason"], item["message"], item["notes"]) == (None, None, [])
    assert item["observables"][0]["expires"] == "2027-03-14T04:53:20Z"
    assert document["problem"] is None


def test_counts_add_up_in_every_report() -> None:
    """The accounting identity holds in what is written, not only in the record."""
    for account in ACCOUNTS.values():
        for destination in to_dict(account)["destinations"]:
            counts = destination["counts"]
            assert sum(counts.values()) == 2 * counts["read"] == 2 * len(destination["items"])


def test_a_reason_brings_its_sentence() -> None:
    """Items and observables without a message of their own say what their reason says."""
    items = {i["reason"]: i for i in to_dict(samples.every_outcome())["destinations"][0]["items"] if i["reason"]}
    assert {reason.code: reason.sentence for reason in Reason} == {c: i["message"] for c, i in items.items()}
    part = samples.part(Kind.URL, "https://a.example/", Outcome.REJECTED, Reason.REJECTED)
    item = samples.item("url", "https://a.example/", part, reason=Reason.REJECTED, message="Their words.")
    written = to_dict(samples.account(samples.destination("microsoft", [item])))["destinations"][0]["items"][0]
    assert written["message"] == "Their words."
    assert written["observables"][0]["message"] == Reason.REJECTED.sentence


def test_values_survive_byte_by_byte() -> None:
    """JSON is for programs: values stay as MISP holds them, also those that UTF-8 cannot hold."""
    items = to_dict(samples.hostile())["destinations"][0]["items"]
    assert tuple(item["value"] for item in items) == samples.HOSTILE


def test_utf8_is_written_as_such_and_ends_with_a_line_end() -> None:
    """Readers and `tail` see text, not escapes."""
    text = to_json(samples.arrived())
    assert "“Top 1000 websites”".encode() in text
    assert text.endswith(b"}\n")


def test_a_problem_keeps_its_code_and_text() -> None:
    """A program can tell the kinds of problems apart."""
    problem = to_dict(samples.problem())["problem"]
    assert problem["code"] == "configuration"
    assert "Did you mean `tenantId`?" in problem["message"]


def test_what_does_more_than_alert_says_so() -> None:
    """Only there: readers of older reports find what they know."""
    (found,) = to_dict(samples.acting())["destinations"]
    told = [
        {key: part[key] for key in ("action", "actionNote") if key in part}
        for item in found["items"]
        for part in item["observables"]
    ]
    note = "Would be Block, is Audit: `neverBlock` covers it with c.example."
    assert told == [{}, {"action": "Block"}, {"action": "Block"}, {"actionNote": note}]
