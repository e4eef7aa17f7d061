"""The upload: whole requests, identity, versions, revocation, history."""

from __future__ import annotations

from typing import Any

import pytest

from misp_modules_ext.emulator.intel import Intel

from .world import ARM, UPLOAD, WORKSPACE, World, indicator, stix_id

LATER = "2026-11-24T10:00:00.001Z"


def test_all_good_is_200_with_an_empty_body(world: World) -> None:
    """A full batch of 100 is accepted and stored as sent."""
    items = [indicator(number) for number in range(100)]
    answer = world.upload(*items)
    assert (answer.status, answer.body) == (200, b"")
    assert list(world.stored().values()) == items


@pytest.mark.parametrize("key", ["errorMessages", "validationErrorMessages"])
def test_item_errors_leave_the_others_accepted(key: Any) -> None:
    """The wrong one is reported by its index, in the documented or the swagger's spelling; the others are stored."""
    world = World(upload_error_key=key)
    answer = world.upload(indicator(1), indicator(2, id=None), indicator(3))
    message = "Error for Property=id: Required property is missing. Actual value: NULL."
    assert answer.status == 200
    assert answer.json() == {"errors": [{"recordIndex": 1, key: [message]}]}
    assert list(world.stored()) == [stix_id(1), stix_id(3)]


def test_nothing_valid_is_400(world: World) -> None:
    """When no object is valid the request is refused as a whole, in the swagger's shape."""
    answer = world.upload(indicator(1, confidence=101))
    assert (answer.status, answer.json()["error"]["code"]) == (400, "BadRequest")
    assert answer.headers["x-ms-error-code"] == "BadRequest"
    assert world.stored() == {}


def test_nothing_valid_may_be_200() -> None:
    """The other reading: 200 with an error for every index."""
    answer = World(all_invalid_status=200).upload(indicator(1, confidence=101), indicator(2, name=7))
    assert answer.status == 200
    assert [error["recordIndex"] for error in answer.json()["errors"]] == [0, 1]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        [],
        {},
        {"stixobjects": [indicator()]},
        {"sourcesystem": " ", "stixobjects": [indicator()]},
        {"sourcesystem": "x" * 257, "stixobjects": [indicator()]},
        {"sourcesystem": "Microsoft Sentinel", "stixobjects": [indicator()]},
        {"sourcesystem": "MISP"},
        {"sourcesystem": "MISP", "stixobjects": []},
        {"sourcesystem": "MISP", "stixobjects": indicator()},
        {"sourcesystem": "MISP", "stixobjects": [indicator(n) for n in range(101)]},
        {"sourcesystem": "MISP", "indicators": [indicator()]},
    ],
)
def test_bad_requests(world: World, body: object) -> None:
    """Whatever breaks the rules of the body is 400 and stores nothing."""
    answer = world.send("POST", UPLOAD, body)
    assert (answer.status, answer.json()["error"]["code"]) == (400, "BadRequest")
    assert world.stored() == {}


def test_the_longest_source_system_is_accepted(world: World) -> None:
    """256 characters are allowed."""
    assert world.upload(indicator(), source="x" * 256).status == 200


def test_a_body_that_is_not_announced_as_json_is_refused(world: World) -> None:
    """Another content type, even one that mentions JSON, is 415 in the swagger's shape and stores nothing."""
    body = {"sourcesystem": "M", "stixobjects": [indicator()]}
    for kind in ("text/plain", "text/json", "application/json-seq", "application/x-www-form-urlencoded", ""):
        answer = world.send("POST", UPLOAD, body, **{"Content-Type": kind})
        assert (answer.status, answer.json()["error"]["code"]) == (415, "UnsupportedMediaType")
        assert answer.headers["x-ms-error-code"] == "UnsupportedMediaType"
    assert world.stored() == {}


def test_the_content_type_may_name_a_charset(world: World) -> None:
    """Parameters and case of the content type do not matter."""
    body = {"sourcesystem": "M", "stixobjects": [indicator()]}
    assert world.send("POST", UPLOAD, body, **{"Content-Type": "Application/JSON; charset=utf-8"}).status == 200


@pytest.mark.parametrize(
    ("target", "method", "status"),
    [
        (UPLOAD.split("?")[0], "POST", 400),
        (UPLOAD.replace("2024-02-01-preview", "2022-07-01"), "POST", 400),
        (UPLOAD.replace(WORKSPACE, "soc-workspace"), "POST", 404),
        (UPLOAD.replace(":upload", ":remove"), "POST", 404),
        (UPLOAD, "GET", 405),
    ],
)
def test_addresses(world: World, target: str, method: str, status: int) -> None:
    """api-version, workspace GUID, path and method are checked."""
    assert world.send(method, target, {"sourcesystem": "M", "stixobjects": [indicator()]}).status == status


def test_the_workspace_is_one_whatever_its_spelling(world: World) -> None:
    """Braces and upper case name the same workspace."""
    spelled = UPLOAD.replace(WORKSPACE, "{" + WORKSPACE.upper() + "}")
    assert world.send("POST", spelled, {"sourcesystem": "M", "stixobjects": [indicator()]}).status == 200
    assert list(world.stored()) == [stix_id(1)]


@pytest.mark.parametrize(("served", "status"), [(True, 200), (False, 404)])
def test_the_spelling_of_the_government_template(served: bool, status: int) -> None:
    """The path without the first hyphen is served unless switched off."""
    target = UPLOAD.replace("threat-intelligence", "threatintelligence")
    world = World(unhyphenated_path=served)
    assert world.send("POST", target, {"sourcesystem": "M", "stixobjects": [indicator()]}).status == status


def test_same_source_and_id_is_an_update(world: World) -> None:
    """The second upload replaces the first; another source system makes a second object."""
    world.upload(indicator(1))
    world.upload(indicator(1, modified=LATER, name="new"))
    assert world.stored()[stix_id(1)]["name"] == "new"
    world.upload(indicator(1), source="Other")
    assert world.core.state()["sources"] == {WORKSPACE: {"MISP": 1, "Other": 1}}


def test_an_older_version_is_ignored_and_noted(world: World) -> None:
    """An upload whose `modified` is older changes nothing, answers 200, and leaves a note in the log."""
    world.upload(indicator(1, modified=LATER, name="new"))
    answer = world.upload(indicator(1, name="old"))
    assert (answer.status, answer.body) == (200, b"")
    assert world.stored()[stix_id(1)]["name"] == "new"
    assert "older" in world.core.requests()[-1]["notes"][0]


def test_an_older_version_may_be_applied() -> None:
    """The other reading: whatever comes last counts."""
    world = World(older_modified="apply")
    world.upload(indicator(1, modified=LATER, name="new"))
    world.upload(indicator(1, name="old"))
    assert world.stored()[stix_id(1)]["name"] == "old"


@pytest.mark.parametrize(
    ("revived", "status", "revoked"), [("refuse", 400, True), ("ignore", 200, True), ("apply", 200, False)]
)
def test_revocation_is_permanent(revived: Any, status: int, revoked: bool) -> None:
    """A revoked id stays revoked, except where the behaviour lets it revive; revoking again is fine."""
    world = World(revived=revived)
    for _ in range(2):
        assert world.upload(indicator(1, revoked=True, modified=LATER)).status == 200
    again = indicator(1, revoked=False, modified="2026-11-24T11:00:00Z")
    assert world.upload(again).status == status
    assert world.stored()[stix_id(1)]["revoked"] is revoked


def test_every_upload_writes_rows(world: World) -> None:
    """The log grows with each accepted object, changed or not, and keeps the older version."""
    world.upload(indicator(1, pattern="[file:name = 'a' AND file:size = 1]"))
    world.core.advance(60)
    world.upload(indicator(1, modified=LATER))
    history = world.core.history()
    assert history["count"] == 2
    first, second = history["rows"]
    assert (first["ObservableKey"], first["ObservableValue"]) == ("", "")
    assert (second["ObservableKey"], second["ObservableValue"]) == ("ipv4-addr:value", "203.0.113.1")
    assert first["Id"] == second["Id"] == f"TUlTUA==---{stix_id(1)}"
    assert (first["TimeGenerated"], second["TimeGenerated"]) == ("2026-11-24T10:00:00.000Z", "2026-11-24T10:01:00.000Z")
    assert world.core.history(last=1)["rows"] == [second]


def test_rows_cut_long_texts_and_know_no_confidence_without_a_version(world: World) -> None:
    """The log cuts description and pattern at 1,000 characters; STIX 2.0, the default, has no confidence."""
    world.upload(indicator(1, description="x" * 1001, confidence=80, spec_version=None))
    world.upload(indicator(2, confidence=80))
    first, second = world.core.history()["rows"]
    assert len(first["Data"]["description"]) == 1000
    assert (first["Confidence"], second["Confidence"]) == (None, 80)


def test_the_log_is_bounded_and_keeps_the_count(world: World) -> None:
    """Old rows go, their number stays."""
    intel = Intel(world.core.clock, keep=3)
    for number in range(5):
        intel.put(WORKSPACE, "MISP", indicator(number))
    assert intel.row_count == 5
    assert [row["Data"]["id"] for row in intel.rows()] == [stix_id(2), stix_id(3), stix_id(4)]


def test_patterns_of_other_languages_are_stored_unparsed(world: World) -> None:
    """A YARA rule is accepted without key and value."""
    assert world.upload(indicator(1, pattern_type="yara", pattern="rule x { condition: true }")).status == 200
    assert world.core.history()["rows"][0]["ObservableKey"] == ""


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"pattern": "hello world"}, "not one comparison"),
        ({"pattern": "[file:name = 'it's']"}, "not one comparison"),
        ({"pattern": "[file:name = 'a' AND file:hashes.MD5 = 'b']"}, "not one comparison"),
        ({"pattern": "[file:hashes.'SHA256' = 'aa']"}, "no hash 'SHA256'"),
        ({"pattern": "[url:value = '']"}, "the value is empty"),
        ({"pattern_type": "yara"}, "pattern_type yara"),
    ],
)
def test_peers_11_what_matches_nothing_is_stored_and_noted(world: World, changes: dict[str, str], why: str) -> None:
    """PEERS 11: the upload answers 200 and stores it without key and value; the request's entry says so."""
    answer = world.upload(indicator(1), indicator(2, **changes))
    assert (answer.status, answer.body) == (200, b"")
    assert [row["ObservableKey"] for row in world.core.history()["rows"]] == ["ipv4-addr:value", ""]
    (note,) = world.core.requests()[-1]["notes"]
    assert note.startswith(f"{stix_id(2)} stored with empty key and value")
    assert why in note


def test_the_limit_is_a_hundred_requests_a_minute(world: World) -> None:
    """The 101st request is refused by the gateway, with the seconds in the message and no header."""
    headers = world.bearer(ARM)
    for _ in range(100):
        assert world.reply("POST", UPLOAD, {}, headers).answer.status == 400  # type: ignore[union-attr]
    answer = world.reply("POST", UPLOAD, {}, headers).answer
    assert answer is not None
    assert answer.status == 429
    assert answer.json() == {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 60 seconds."}
    assert "Retry-After" not in answer.headers
    assert world.upload(indicator(), source="x").status == 429
    other = world.reply("POST", UPLOAD, {}, world.bearer(ARM, app="app-2")).answer
    assert other is not None
    assert other.status == 400
    world.core.advance(60)
    assert world.upload(indicator()).status == 200


def test_retry_after_can_be_sent() -> None:
    """With the switch on, the header says what the message says."""
    world = World(upload_retry_after=True)
    for _ in range(100):
        world.upload()
    assert world.upload().headers["Retry-After"] == "60"


def test_a_deletion_is_a_row(world: World) -> None:
    """A deletion is a row of its own."""
    intel = world.core.intel
    intel.put(WORKSPACE, "MISP", indicator(1, labels=["a"]))
    record = intel.get(WORKSPACE, ("MISP", stix_id(1)))
    assert record is not None
    intel.delete(WORKSPACE, record)
    assert [row["IsDeleted"] for row in intel.rows()] == [False, True]
    assert intel.rows()[0]["Tags"] == ["a"]
