"""Reports that were kept are read again."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files

import jsonschema  # type: ignore[import-untyped]
import pytest

from misp_modules_ext.errors import LedgerError
from misp_modules_ext.model.account import Account, Difference
from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.model.outcome import Outcome, Reason
from misp_modules_ext.report import exit_code, from_json, to_dict, to_html, to_json, verdict
from tests.unit.report import samples

UPDATE = samples.part(Kind.DOMAIN_NAME, "b.example")._replace(
    change="update",
    differences=(Difference("labels", "", "malware:x"), Difference("tlp", "tlp:green", "tlp:amber")),
)
PREVIEW = samples.account(
    samples.destination(
        "microsoft",
        [
            samples.item("domain", "a.example", samples.part(Kind.DOMAIN_NAME, "a.example")._replace(change="create")),
            samples.item("domain", "b.example", UPDATE),
        ],
    ),
    preview=True,
)
ACCOUNTS = {
    "arrived": samples.arrived(),
    "mixed": samples.mixed(),
    "every outcome": samples.every_outcome(),
    "hostile": samples.hostile(),
    "problem": samples.problem(),
    "preview": PREVIEW,
    "acting": samples.acting(),
    "up to date": replace(samples.arrived(), as_of=samples.STARTED + 60),
    "unfinished": samples.account(problem="It still runs.", problem_code="unfinished"),
    "no destination": samples.account(),
}


@pytest.mark.parametrize("account", ACCOUNTS.values(), ids=ACCOUNTS.keys())
def test_what_was_written_is_read(account: Account) -> None:
    """Written once more, it is the same text; and both kinds of rendering say the same."""
    again = from_json(to_json(account))
    assert to_json(again) == to_json(account)
    assert verdict(again) == verdict(account)
    whole = replace(account, started=int(account.started), finished=int(account.finished))
    assert to_html(again) == to_html(whole)


@pytest.mark.parametrize("account", ACCOUNTS.values(), ids=ACCOUNTS.keys())
def test_all_of_it_follows_the_schema(account: Account) -> None:
    """Changes of a preview, and reports that were brought up to date, as well."""
    schema = json.loads(files("misp_modules_ext.report").joinpath("report.schema.json").read_text(encoding="utf-8"))
    errors = jsonschema.Draft202012Validator(schema).iter_errors(to_dict(account))
    assert [error.message for error in errors] == []


def test_a_reasons_own_sentence_is_not_kept_twice() -> None:
    """It may improve; what Microsoft said of an item stays."""
    account = from_json(to_json(samples.mixed()))
    messages = {(i.reason, i.message) for d in account.destinations for i in d.items if i.reason}
    assert (Reason.REJECTED, "Indicator value is not a valid URL.") in messages
    assert (Reason.CREDENTIALS_REFUSED, "") in messages


def test_unknown_properties_are_passed_over() -> None:
    """A newer version may have written more."""
    document = to_dict(samples.arrived())
    document["later"] = 1
    document["destinations"][0]["items"][0]["later"] = 1
    assert to_json(from_json(json.dumps(document).encode())) == to_json(samples.arrived())


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b'{"schema": 2}', b'{"schema": 1}', b"null"])
def test_what_cannot_be_read_is_a_sentence(document: bytes) -> None:
    """Damaged, or of another schema."""
    with pytest.raises(LedgerError, match="newer version"):
        from_json(document)


def test_an_unknown_outcome_is_not_guessed() -> None:
    """It would be counted as something else."""
    document = to_json(samples.arrived()).replace(b'"accepted"', b'"teleported"')
    with pytest.raises(LedgerError):
        from_json(document)


def test_an_unfinished_submission_waits() -> None:
    """Exit code 3, and the sentence says where to look."""
    account = ACCOUNTS["unfinished"]
    assert exit_code(account) == 3
    assert "misp-microsoft status" in verdict(account).steps[0]


def test_outcomes_are_enumerations_again() -> None:
    """Not mere words: everything that renders compares by identity."""
    account = from_json(to_json(samples.every_outcome()))
    assert {item.outcome for item in account.destinations[0].items} == set(Outcome)
    assert all(item.outcome in Outcome for item in account.destinations[0].items)
