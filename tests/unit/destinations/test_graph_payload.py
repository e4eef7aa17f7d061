"""tiIndicators, judged by Microsoft's field list."""

from __future__ import annotations

import json
from typing import Any

import pytest

from misp_modules_ext.config.settings import Api
from misp_modules_ext.destinations import graph_payload as payload
from misp_modules_ext.emulator.graph_rules import check_body, problem
from misp_modules_ext.model.indicator import Context, Kind, Observable, Severity
from misp_modules_ext.model.misp import Tlp
from tests.support.build import destination, due
from tests.support.shared import shared

from .values import HELD_BY_DEFENDER, HELD_BY_GRAPH, VALUES

PRODUCTS = {"Azure Sentinel": HELD_BY_GRAPH, "Microsoft Defender ATP": HELD_BY_DEFENDER}
HASH_TYPES = {
    Kind.FILE_MD5: "md5",
    Kind.FILE_SHA1: "sha1",
    Kind.FILE_SHA256: "sha256",
    Kind.FILE_AUTHENTIHASH: "authenticodeHash256",
    Kind.FILE_SSDEEP: "ctph",
    Kind.FILE_TLSH: "lsHash",
}
READ_BY_DEFENDER = {"domainName", "url", "networkDestinationIPv4", "networkDestinationIPv6", "fileHashValue"}
HELD = [(product, kind) for product, kinds in PRODUCTS.items() for kind in sorted(kinds)]


def _facts() -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(shared("microsoft", "tiIndicator.json").read_text())
    return facts


def _entity(product: str, kind: Kind = Kind.DOMAIN_NAME, **fields: Any) -> dict[str, Any]:
    return payload.entity(due(kind, VALUES[kind], **fields), destination(api=Api.GRAPH, product=product))


@pytest.mark.parametrize(("product", "kind"), HELD)
def test_only_documented_properties_and_words_are_sent(product: str, kind: Kind) -> None:
    """Each property exists, each enumeration has one of its words, all that the product requires is there."""
    facts, document = _facts(), _entity(product, kind)
    assert set(document) <= {one["name"] for one in facts["properties"]}
    assert document["action"] in facts["enums"]["tiAction"]
    assert document["tlpLevel"] in facts["enums"]["tlpLevel"]
    assert document.get("fileHashType", "md5") in facts["enums"]["fileHashType"]
    assert document["threatType"] in facts["string_vocabularies"]["threatType"]
    stamped = {"azureTenantId"}
    assert {name for name in facts["required"][product] if not name.startswith("(")} - stamped <= set(document)


@pytest.mark.parametrize(("product", "kind"), HELD)
def test_each_indicator_has_exactly_one_observable(product: str, kind: Kind) -> None:
    """For Defender one of the properties that it reads, with addresses as destinations."""
    known = {name for names in _facts()["observable_properties"].values() for name in names}
    fields = {name: given for name, given in _entity(product, kind).items() if name in known}
    hash_type = fields.pop("fileHashType", None)
    assert list(map(str, fields.values())) == [VALUES[kind]]
    assert hash_type == HASH_TYPES.get(kind)
    if product == payload.DEFENDER:
        assert set(fields) <= READ_BY_DEFENDER


@pytest.mark.parametrize(
    ("product", "name"),
    [
        ("Azure Sentinel", "Azure Sentinel"),
        ("Microsoft Sentinel", "Azure Sentinel"),
        ("Microsoft Defender ATP", "Microsoft Defender ATP"),
        ("Microsoft Defender", "Microsoft Defender ATP"),
    ],
)
def test_products_have_graphs_old_names(product: str, name: str) -> None:
    """The new names are answered 400."""
    assert _entity(product)["targetProduct"] == name
    assert name in _facts()["string_vocabularies"]["targetProduct"]


def test_defender_behind_graph_holds_what_defender_holds() -> None:
    """Sentinel takes what Graph has a field for; the rest is refused with a sentence of its own."""
    assert {
        kind for kind in Kind if payload.refusal(Observable(kind, VALUES[kind]), payload.DEFENDER) is None
    } == HELD_BY_DEFENDER
    refusals = {kind: payload.refusal(Observable(kind, VALUES[kind]), payload.SENTINEL) for kind in Kind}
    assert {kind for kind, refusal in refusals.items() if refusal is None} == HELD_BY_GRAPH
    assert all(refusal.message.startswith("Graph's") for refusal in refusals.values() if refusal is not None)


@pytest.mark.parametrize(("number", "held"), [("2147483647", True), ("2147483648", False), ("4199999999", False)])
def test_numbers_are_numbers_and_end_where_graphs_end(number: str, held: bool) -> None:
    """`networkDestinationAsn` is an Edm.Int32: half of all AS numbers does not fit."""
    observable = Observable(Kind.AUTONOMOUS_SYSTEM, number)
    assert (payload.refusal(observable, payload.SENTINEL) is None) is held
    assert payload.observable_fields(observable, payload.SENTINEL) == {"networkDestinationAsn": int(number)}


def test_every_tlp_and_severity_has_its_word() -> None:
    """TLP 2.0 in the words of TLP 1.0, with a tag where they say less; severity grows with ours, within 0 to 5."""
    assert [_entity("Azure Sentinel", tlp=tlp)["tlpLevel"] for tlp in Tlp] == [
        "white",
        "green",
        "amber",
        "amber",
        "red",
    ]
    assert "tlp:amber+strict" in _entity("Azure Sentinel", tlp=Tlp.AMBER_STRICT)["tags"]
    levels = [_entity("Azure Sentinel", severity=severity)["severity"] for severity in Severity]
    assert levels == sorted(set(levels))
    low, high = _facts()["limits"]["severity"]
    assert low <= levels[0] <= levels[-1] <= high


@pytest.mark.parametrize(
    ("given", "sent"), [("malware", "Malware"), (" C2 ", "C2"), ("WatchList", "WatchList"), ("x", "WatchList")]
)
def test_threat_types_are_the_vocabularys(given: str, sent: str) -> None:
    """An unknown one is the word for "other"."""
    assert _entity("Azure Sentinel", threat_type=given)["threatType"] == sent


def test_texts_keep_to_their_limits() -> None:
    """A description of at most 100 characters that is never empty."""
    most = _facts()["limits"]["description_max_chars"]
    assert len(_entity("Azure Sentinel", title="word " * 100)["description"]) <= most
    assert _entity("Azure Sentinel", title="")["description"]
    assert len(_entity("Azure Sentinel", facts=("fact " * 1000,))["additionalInformation"]) <= payload.MAX_INFORMATION


def test_updates_for_defender_name_only_what_may_change_there() -> None:
    """Defender refuses an update that holds anything else."""
    known = due()._replace(remote_id="42")
    changed = payload.update(known, destination(api=Api.GRAPH, product="Microsoft Defender ATP"))
    assert set(changed) == {"id", "targetProduct", "expirationDateTime", "severity", "description"}
    whole = payload.update(known, destination(api=Api.GRAPH, product="Azure Sentinel"))
    assert whole == {"id": "42"} | payload.entity(known, destination(api=Api.GRAPH, product="Azure Sentinel"))


def test_context_fills_the_fields_that_graph_has_for_it() -> None:
    """In Graph's words; a tactic of ATT&CK only where it means the same."""
    context = Context(
        phases=(
            ("lockheed-martin-cyber-kill-chain", "actions-on-objectives"),
            ("lockheed-martin-cyber-kill-chain", "delivery"),
            ("mitre-attack", "command-and-control"),
            ("mitre-attack", "initial-access"),
            ("unified-kill-chain", "exploitation"),
        ),
        actors=("Sofacy",),
        malware=("X-Tunnel",),
    )
    facts, labels = ("sighted as a false positive", "C2 server"), ('false-positive:risk="low"', "type:OSINT")
    document = _entity("Azure Sentinel", context=context, facts=facts, labels=labels)
    assert document["killChain"] == ["Actions", "C2", "Delivery"]
    assert document["activityGroupNames"] == ["Sofacy"]
    assert document["malwareFamilyNames"] == ["X-Tunnel"]
    assert document["knownFalsePositives"] == 'sighted as a false positive; false-positive:risk="low"'
    assert document["diamondModel"] == "infrastructure"
    assert problem(check_body(document)) is None
    bare = _entity("Azure Sentinel", Kind.FILE_MD5)
    assert bare["diamondModel"] == "capability"
    assert not {"killChain", "activityGroupNames", "malwareFamilyNames", "knownFalsePositives"} & set(bare)
