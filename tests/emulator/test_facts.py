"""The emulator's tables against the field lists extracted from Microsoft's own files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from misp_modules_ext.emulator import behaviour, defender, defender_rules, entra, graph, graph_rules, sentinel, stix

FACTS = Path(__file__).parents[3] / "shared" / "data" / "microsoft"


def _facts(name: str) -> Any:
    path = FACTS / name
    if not path.exists() and os.environ.get("CI") != "true":
        pytest.skip(f"{name} is not beside this checkout")
    return json.loads(path.read_text("utf-8"))


def test_graph_properties() -> None:
    """Every property of the tiIndicator is known with its enumeration and vocabulary, and no other."""
    facts = _facts("tiIndicator.json")
    assert {item["name"] for item in facts["properties"]} == graph_rules.PROPERTIES - {"id", "@odata.type"}
    for name, enum in (("action", "tiAction"), ("tlpLevel", "tlpLevel"), ("diamondModel", "diamondModel")):
        assert [*graph_rules.ENUMS[name], "unknownFutureValue"] == facts["enums"][enum]
    assert [*graph_rules.ENUMS["fileHashType"], "unknownFutureValue"] == facts["enums"]["fileHashType"]
    assert list(graph_rules.ENUMS["targetProduct"]) == facts["string_vocabularies"]["targetProduct"]
    assert sorted(graph_rules.THREATS) == sorted(facts["string_vocabularies"]["threatType"])
    assert sorted(graph_rules.KILL_CHAIN) == sorted(facts["string_vocabularies"]["killChain"])
    assert facts["limits"]["description_max_chars"] == graph_rules.DESCRIPTION_LENGTH
    assert facts["limits"]["batch"] == graph.BATCH


def test_graph_required() -> None:
    """The required properties of each product, less what the system stamps and the observables."""
    for product, names in _facts("tiIndicator.json")["required"].items():
        plain = {name for name in names if not name.startswith("(")} - {"azureTenantId", "targetProduct"}
        assert set(graph_rules.REQUIRED[product]) == plain


def test_defender() -> None:
    """Types, actions for each, severities, limits, filters and error codes."""
    facts = _facts("mde-indicator.json")
    fields = facts["entity"]
    assert set(fields["indicatorType"]["values"]) == set(defender_rules.ACTIONS)
    assert set(fields["severity"]["values"]) == defender_rules.SEVERITIES
    assert {name for name, field in fields.items() if field.get("required") is True} == set(defender_rules.REQUIRED)
    actions = facts["actions_per_type"]
    for kind, key in (("FileMd5", "file"), ("IpAddress", "ip"), ("Url", "url_domain"), ("DomainName", "url_domain")):
        assert set(actions[key]) == defender_rules.ACTIONS[kind]
    assert set(actions["certificate"]) == defender_rules.ACTIONS["CertificateThumbprint"]
    operations = {item["op"]: item for item in facts["operations"]}
    assert set(operations["list"]["filterable"]) == defender.FILTERABLE
    assert operations["import"]["batch"] == operations["batchDelete"]["batch"] == defender.BATCH
    assert facts["tenant_limit"] == defender.CAPACITY


def test_sentinel() -> None:
    """Types, required properties, TLP markings, limits and the api-version."""
    facts = _facts("sentinel-upload-documented-fields.json")
    assert set(facts["supported_types"]) == set(stix.REQUIRED)
    required = {name for part in ("common", "indicator") for name, f in facts[part].items() if f.get("required")}
    assert required == set(stix.REQUIRED["indicator"])
    assert {mark: level for level, mark in facts["tlp_marking_ids"].items()} == stix.TLP_MARKINGS
    top = facts["top_level"]
    assert (top["stixobjects"]["max_items"], top["sourcesystem"]["max"]) == (sentinel.BATCH, sentinel.SOURCE_LENGTH)
    assert {name.lower() for name in top["sourcesystem"]["restricted"]} == sentinel.RESTRICTED_SOURCES
    swagger = _facts("sentinel-upload-2024-02-01-preview.swagger.json")
    assert swagger["info"]["version"] == sentinel.API_VERSION
    assert behaviour.Behaviour().upload_error_key in facts["responses"]["200_partial"]["errors"][0]


def test_entra() -> None:
    """Each refusal that the emulator knows and the list has answers with the listed error and status."""
    listed = {item["code"].removeprefix("AADSTS"): item for item in _facts("aadsts.json")["codes"]}
    for code, known in entra.CODES.items():
        fact = listed.get(str(code), {})
        assert known.error in fact.get("error", known.error)
        assert known.status == fact.get("http", known.status)


def test_audiences() -> None:
    """The clouds' addresses are audiences of the API they belong to, and of no other."""
    clouds = {name: cloud for name, cloud in _facts("clouds.json").items() if isinstance(cloud, dict)}
    # Microsoft retired Sentinel in China, and Defender and tiIndicators never were there.
    assert "Sentinel gone" in clouds.pop("china_21vianet")["status"]
    for cloud in clouds.values():
        assert cloud["graph"].split(" ")[0] in graph.AUDIENCES
        if cloud["arm"].startswith("https"):
            assert cloud["arm"] in sentinel.ARM_AUDIENCES
        if cloud.get("mde"):
            assert cloud["mde"] in defender.AUDIENCES
    assert len(sentinel.ARM_AUDIENCES | defender.AUDIENCES | graph.AUDIENCES) == sum(
        map(len, (sentinel.ARM_AUDIENCES, defender.AUDIENCES, graph.AUDIENCES))
    )
