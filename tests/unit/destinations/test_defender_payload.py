"""Indicators for Defender, judged by Microsoft's field list."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from misp_modules_ext.config.settings import Api
from misp_modules_ext.destinations import defender_payload as payload
from misp_modules_ext.emulator.behaviour import Behaviour
from misp_modules_ext.emulator.defender_rules import complaint
from misp_modules_ext.model.indicator import Context, Kind, Observable, Severity
from misp_modules_ext.model.outcome import Reason
from tests.support.build import NOW, destination, due
from tests.support.shared import shared

from .values import HELD_BY_DEFENDER, VALUES


def _entity(kind: Kind = Kind.DOMAIN_NAME, value: str = "c2.evil.example", /, **fields: Any) -> dict[str, Any]:
    settings = {
        name: fields.pop(name) for name in ("severity_set", "rbac_group_names", "generate_alert") if name in fields
    }
    if "severity_set" in settings:
        settings["severity"] = settings.pop("severity_set")
    return payload.entity(due(kind, value, **fields), destination(api=Api.DEFENDER, **settings))


@pytest.mark.parametrize("kind", sorted(HELD_BY_DEFENDER))
def test_only_documented_fields_and_words_are_sent(kind: Kind) -> None:
    """Each field stands in Microsoft's list, each enumeration has one of its words, all that is required is there."""
    fields = json.loads(shared("microsoft", "mde-indicator.json").read_text())["entity"]
    document = _entity(kind, VALUES[kind], rbac_group_names=("A", "B"))
    assert set(document) <= set(fields)
    assert not any(fields[name].get("readOnly") for name in document)
    assert {name for name, rule in fields.items() if rule.get("required") is True} <= set(document)
    for name, given in document.items():
        assert given in fields[name].get("values", [given])


def test_an_indicator_alerts_and_names_where_it_comes_from() -> None:
    """Audit with an alert, our name as application, the STIX id as external id, groups as a list."""
    document = _entity(rbac_group_names=("Servers",), generate_alert=False)
    assert (document["action"], document["generateAlert"]) == ("Audit", True)
    assert document["application"] == "MISP-modules-ext"
    assert document["externalId"] == due().stamp.stix_id
    assert document["rbacGroupNames"] == ["Servers"]
    assert document["expirationTime"] == "2027-03-24T12:00:00.000Z"
    assert "recommendedActions" not in document
    assert "rbacGroupNames" not in _entity()


def test_the_configured_severity_wins_even_when_it_is_the_mildest() -> None:
    """Informational counts as configured."""
    assert _entity()["severity"] == "Medium"
    assert _entity(severity_set=Severity.INFORMATIONAL)["severity"] == "Informational"


@pytest.mark.parametrize(
    "fields", [{"title": "", "facts": (), "references": ()}, {"title": "x " * 900, "facts": ("y " * 900,)}]
)
def test_texts_are_there_and_within_the_limits(fields: dict[str, Any]) -> None:
    """Title and description are required, whatever the event holds."""
    document = _entity(**fields)
    assert 0 < len(document["title"]) <= payload.MAX_TITLE
    assert 0 < len(document["description"]) <= payload.MAX_DESCRIPTION


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("2001:4860:4860::8888", "2001:4860:4860:0:0:0:0:8888"),
        ("2001:db8::", "2001:db8:0:0:0:0:0:0"),
        ("2001:0DB8::1", "2001:db8:0:0:0:0:0:1"),
        ("not an address", "not an address"),
    ],
)
def test_ipv6_has_all_eight_segments(text: str, full: str) -> None:
    """As the reference page asks; what is no address is Defender's to refuse."""
    assert payload.value(Observable(Kind.IPV6_ADDR, text)) == full


def test_all_other_values_go_byte_exact() -> None:
    """Only IPv6 is spelled anew."""
    assert [payload.value(Observable(kind, "X'y\\Z")) for kind in HELD_BY_DEFENDER - {Kind.IPV6_ADDR}] == ["X'y\\Z"] * 6


@pytest.mark.parametrize("kind", sorted(frozenset(Kind) - HELD_BY_DEFENDER))
def test_peers_08_what_defender_does_not_hold_is_said_not_sent(kind: Kind) -> None:
    """Networks, e-mail addresses and file names are skipped with a sentence of their own."""
    refusal = payload.refusal(Observable(kind, VALUES[kind]))
    assert refusal is not None
    assert refusal.reason is Reason.KIND_NOT_HELD
    assert refusal.message


@pytest.mark.parametrize(
    ("url", "held"), [("https://a.example/", True), ("http://a.example", True), ("ftp://a.example", False)]
)
def test_only_http_is_matched(url: str, held: bool) -> None:
    """Network protection looks at http and https."""
    assert (payload.refusal(Observable(Kind.URL, url)) is None) is held


@pytest.mark.parametrize("action", ["Allowed", "Audit", "Warn", "Block", "BlockAndRemediate"])
def test_certificates_are_never_only_audited(action: str) -> None:
    """Defender documents two actions for them; the default, Audit, is not one of the two."""
    named = SimpleNamespace(value=action)
    observable = Observable(Kind.X509_SHA1, VALUES[Kind.X509_SHA1])
    refusal = payload.refusal(observable, named)  # type: ignore[arg-type]
    assert (refusal is None) is (action in ("Allowed", "BlockAndRemediate"))
    assert payload.TYPES[Kind.X509_SHA1] == "CertificateThumbprint"


def test_every_kind_is_decided() -> None:
    """A kind is held or refused."""
    assert {kind for kind in Kind if payload.refusal(Observable(kind, VALUES[kind])) is None} == HELD_BY_DEFENDER


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Evil.Example", "evil.example", True),
        ("HTTP://Evil.Example/A", "http://evil.example/A", True),
        ("http://evil.example/A", "http://evil.example/a", False),
        ("evil.example/A", "evil.example/a", False),
        ("http://evil.example?A", "http://evil.example?a", False),
        ("2001:db8:0:0:0:0:0:1", "2001:DB8::1", True),
        (" AB ", "ab", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_spellings_of_one_value_are_recognised(one: str, other: str, same: bool) -> None:
    """Hosts and hashes without case, IPv6 in any notation; the path of a URL keeps its case."""
    assert (payload.folded(one) == payload.folded(other)) is same


def test_techniques_go_where_there_are_some() -> None:
    """Each once, whatever names it has; the member is not documented, so it is not sent for nothing."""
    techniques = (("T1566", "Phishing"), ("T1566", "Spearphishing"), ("T1566.001", ""))
    document = _entity(context=Context(techniques=techniques))
    assert document["mitreTechniques"] == ["T1566", "T1566.001"]
    assert complaint(document, NOW, Behaviour()) is None
    assert "mitreTechniques" not in _entity()


def test_who_is_behind_it_comes_first_in_the_description() -> None:
    """Defender has no labels; the way back to MISP stays whole."""
    context = Context(actors=("APT28", "Sofacy"), malware=("CHOPSTICK", "X-Agent", "X-Tunnel", "XAgentOSX"))
    described = _entity(context=context, references=())["description"]
    assert described == "threat actor: APT28, Sofacy; malware: CHOPSTICK, X-Agent, X-Tunnel; C2 server"
    linked = _entity(context=context)["description"]
    assert linked.startswith("threat actor:")
    assert linked.endswith(due().indicator.references[0].url)
    assert len(linked) <= payload.MAX_DESCRIPTION
