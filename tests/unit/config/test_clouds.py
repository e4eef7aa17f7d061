"""Hosts and scopes of Microsoft's clouds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from misp_modules_ext.config import Api
from misp_modules_ext.config.clouds import ASSUMED, CLOUDS, ENDPOINTS, endpoint
from misp_modules_ext.config.findings import Invalid
from misp_modules_ext.destinations.msal_http import _LOGIN_HOSTS
from tests.support.shared import shared
from tests.unit.config.samples import DEFENDER, SENTINEL, destination, only_problem, section


def _facts() -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(shared("microsoft", "clouds.json").read_text("utf-8"))
    return facts


@pytest.mark.parametrize(
    ("cloud", "facts"), [("global", "global"), ("gcc", "gcc"), ("gcc-high", "gcc_high"), ("dod", "dod")]
)
def test_login_and_defender_are_as_collected(cloud: str, facts: str) -> None:
    """Authority, host and scope of Defender in each cloud."""
    known = _facts()[facts]
    found = endpoint(cloud, Api.DEFENDER)
    assert found.login + "/{tenant}" == known["authority"]
    assert found.api == known["mde"]
    assert found.scope == known.get("mde_scope", known["mde"] + "/.default").removesuffix(" (O)")
    assert (found.hunting, found.hunting_scope) == (known["graph"], known["graph"] + "/.default")


@pytest.mark.parametrize(("cloud", "facts"), [("global", "global"), ("gcc-high", "gcc_high")])
def test_sentinel_is_as_collected(cloud: str, facts: str) -> None:
    """Host of the upload API; the token is for Azure's management API."""
    known = _facts()[facts]
    found = endpoint(cloud, Api.SENTINEL)
    assert found.api == known["sentinel_upload"].split()[0]
    assert found.scope == known["arm_scope"]
    assert found.management == known["arm"]
    assert found.logs in str(known["log_analytics"])
    assert found.logs_scope == known.get("log_analytics_scope", found.logs + "/.default")


@pytest.mark.parametrize("cloud", ["gcc", "gcc-high", "dod"])
@pytest.mark.parametrize("api", [Api.SENTINEL, Api.DEFENDER])
def test_what_was_only_seen_or_assumed_is_marked(cloud: str, api: Api) -> None:
    """The facts say (O) for observed and (U) for unverified; Sentinel in GCC is documented as the global one."""
    known = _facts()[cloud.replace("-", "_")]
    fact = known["mde_scope"] if "mde_scope" in known and api is Api.DEFENDER else known.get("sentinel_upload", "")
    doubtful = "(O)" in fact or "(U)" in fact or "third-party" in fact or (cloud, api) == ("dod", Api.DEFENDER)
    assert ("unverified" in ASSUMED.get((cloud, api), "")) is doubtful


def test_the_login_hosts_of_every_cloud_are_known() -> None:
    """A secret goes to no other host; what MSAL calls them by counts too."""
    for facts in _facts().values():
        for word in str(facts["authority"]).split() if isinstance(facts, dict) else []:
            if word.startswith("https://"):
                assert word.removeprefix("https://").split("/")[0] in _LOGIN_HOSTS


def test_sentinel_in_gcc_is_the_public_one() -> None:
    """GCC tenants use the global Sentinel; DoD is taken to be as GCC High."""
    assert endpoint("gcc", Api.SENTINEL) == endpoint("global", Api.SENTINEL)
    assert endpoint("dod", Api.SENTINEL) == endpoint("gcc-high", Api.SENTINEL)


def test_graph_is_global() -> None:
    """And only there."""
    assert endpoint("global", Api.GRAPH).api == _facts()["global"]["graph"]
    for cloud in ("gcc", "gcc-high", "dod"):
        with pytest.raises(Invalid, match="global cloud only"):
            endpoint(cloud, Api.GRAPH)


def test_nothing_goes_in_the_clear() -> None:
    """Every host is https, every scope is a default scope."""
    for found in ENDPOINTS.values():
        assert found.login.startswith("https://")
        assert found.api.startswith("https://")
        assert found.scope.endswith("/.default")


def test_china_is_refused(tmp_path: Path) -> None:
    """With the date on which Microsoft ended it."""
    for base in (SENTINEL, DEFENDER):
        found = only_problem(tmp_path, section("microsoft", base, cloud="china"))
        assert found.startswith("[microsoft] cloud: ")
        assert "2026-08-18" in found


def test_a_destination_gets_its_clouds_hosts(tmp_path: Path) -> None:
    """Regardless of case."""
    only = destination(tmp_path, section("microsoft", SENTINEL, cloud="GCC-High"))
    assert only.cloud == "gcc-high"
    assert only.endpoint_login == "https://login.microsoftonline.us"
    assert only.endpoint_api == "https://api.ti.sentinel.azure.us"
    assert only.scope == "https://management.usgovcloudapi.net/.default"


def test_endpoints_can_be_named(tmp_path: Path) -> None:
    """The scope stays the cloud's: it says for what the token is, not where it goes."""
    only = destination(
        tmp_path,
        section(
            "microsoft", DEFENDER, endpoint__login="https://localhost:8443/", endpoint__api="https://LOCALHOST:8443/a/"
        ),
    )
    assert only.endpoint_login == "https://localhost:8443"
    assert only.endpoint_api == "https://localhost:8443/a"
    assert only.scope == "https://api.securitycenter.microsoft.com/.default"
    assert (only.endpoint_hunting, only.hunting_scope) == (
        "https://localhost:8443/a",
        "https://graph.microsoft.com/.default",
    )


def test_a_regional_host_of_defenders_has_no_advanced_hunting(tmp_path: Path) -> None:
    """Graph stays where it is, unless that is said, too."""
    regional = {"endpoint.api": "https://eu.api.security.microsoft.com"}
    only = destination(tmp_path, section("microsoft", {**DEFENDER, **regional}))
    assert only.endpoint_hunting == "https://graph.microsoft.com"
    named = {**DEFENDER, **regional, "endpoint.hunting": "https://graph.example"}
    assert destination(tmp_path, section("microsoft", named)).endpoint_hunting == "https://graph.example"


@pytest.mark.parametrize("cloud", [cloud for cloud in CLOUDS if cloud != "china"])
def test_what_is_not_verified_can_be_replaced(tmp_path: Path, cloud: str) -> None:
    """Hosts, scope, path and version of the upload, in every cloud."""
    only = destination(
        tmp_path,
        section(
            "microsoft",
            SENTINEL,
            cloud=cloud,
            endpoint__login="https://login.example",
            endpoint__api="https://ti.example",
            endpoint__management="https://arm.example",
            endpoint__scope="https://Audience.example/.default",
            endpoint__logs="https://logs.example",
            endpoint__logsScope="https://logs-audience.example/.default",
            uploadPath="threatintelligence-stix-objects:upload",
            apiVersion="2026-01-01",
        ),
    )
    assert (only.endpoint_login, only.endpoint_api) == ("https://login.example", "https://ti.example")
    assert (only.endpoint_management, only.scope) == ("https://arm.example", "https://audience.example/.default")
    assert (only.endpoint_logs, only.logs_scope) == ("https://logs.example", "https://logs-audience.example/.default")
    assert (only.upload_path, only.api_version) == ("threatintelligence-stix-objects:upload", "2026-01-01")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("endpoint__scope", "https://management.azure.com", "does not end in /.default"),
        ("endpoint__scope", "http://management.azure.com/.default", "not an https address"),
        ("uploadPath", "../admin", "no last part of a path"),
        ("uploadPath", "a/b", "no last part of a path"),
    ],
)
def test_what_cannot_be_a_scope_or_path(tmp_path: Path, key: str, value: str, words: str) -> None:
    """Told with an example."""
    assert words in only_problem(tmp_path, section("microsoft", SENTINEL, **{key: value}))
