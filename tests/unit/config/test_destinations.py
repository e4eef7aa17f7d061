"""Destinations: products, APIs, what they need, and their own rules."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme
from pydantic import ValidationError

from misp_modules_ext.config import Api, DestinationSettings, IndicatorRules, Selection, load
from misp_modules_ext.config.schema import DESTINATION, Key
from misp_modules_ext.config.settings import DAY
from misp_modules_ext.model.indicator import Kind, Severity
from misp_modules_ext.model.misp import Pap, Tlp
from tests.unit.config.samples import (
    APPLICATION,
    DEFENDER,
    SENTINEL,
    TENANT,
    WORKSPACE,
    destination,
    only_problem,
    problems,
    read,
    section,
    write,
)

#: As RH-ISAC's README shows it, with values filled in.
OLD_FILE = f"""# RH-ISAC MISP - Check the ./misp/README.md file for details.
[RH-ISAC MISP]
key = aaaabbbbccccddddeeeeffff000011112222333344

[splunk]
base_url = https://localhost:8089
username = <SPLUNK USERNAME>
password = 50%;off#

[crowdstrike]
falcon_client_id = <API ID GOES HERE>

[microsoft]
product = Microsoft Defender ATP
tenantId = {TENANT}
appId = {APPLICATION}
appSecret = secret-of-nobody
"""


def test_the_file_of_rh_isacs_members(tmp_path: Path) -> None:
    """Four keys, beside sections of other integrations: no warning, and every default as documented."""
    settings = read(tmp_path, OLD_FILE)
    assert settings.warnings == ()
    assert settings.misp is None
    assert settings.rh_isac is not None
    assert settings.rh_isac.url == "https://misp.rhisac.org"
    assert settings.rh_isac.key is not None
    assert settings.rh_isac.sync_tags == ("rhisac: vetted",)
    (only,) = settings.destinations
    assert only.product == "Microsoft Defender ATP"
    assert only.api is Api.DEFENDER
    assert only.selection == Selection(sync_tags=(("https://misp.rhisac.org", frozenset({"rhisac: vetted"})),))
    assert only.indicator == IndicatorRules()
    assert only.store == ("defender", TENANT, "", "MISP-modules-ext")


def test_sync_tags_of_sections_with_one_address_are_united(tmp_path: Path) -> None:
    """Whichever of them is read, the events are those of one MISP."""
    more = "\n[misp community]\nurl = https://misp.RHISAC.org/\nsyncTags = mine\n"
    (only,) = read(tmp_path, OLD_FILE + more).destinations
    assert only.selection.sync_tags == (("https://misp.rhisac.org", frozenset({"rhisac: vetted", "mine"})),)


def test_the_old_file_for_sentinel_needs_one_key_more(tmp_path: Path) -> None:
    """The problem names it and where to find it."""
    found = only_problem(tmp_path, OLD_FILE.replace("Microsoft Defender ATP", "Azure Sentinel"))
    assert found.startswith("[microsoft] workspaceId: is missing")
    assert "Log Analytics workspaces > the workspace > Overview > Workspace ID" in found


@pytest.mark.parametrize(
    ("product", "api"),
    [
        ("Azure Sentinel", Api.SENTINEL),
        ("microsoft sentinel", Api.SENTINEL),
        ("MICROSOFT DEFENDER ATP", Api.DEFENDER),
        ("Microsoft Defender", Api.DEFENDER),
    ],
)
def test_products(tmp_path: Path, product: str, api: Api) -> None:
    """The API follows from the product."""
    base = SENTINEL if api is Api.SENTINEL else DEFENDER
    only = destination(tmp_path, section("microsoft", base, product=product))
    assert only.api is api
    assert only.product.lower() == product.lower()


def test_a_misspelt_product(tmp_path: Path) -> None:
    """With a suggestion."""
    found = only_problem(tmp_path, section("microsoft", SENTINEL, product="Azure Sentinal"))
    assert found == "[microsoft] product: “Azure Sentinal” is not a product. Did you mean Azure Sentinel?"


def test_sentinel_with_all_that_it_needs(tmp_path: Path) -> None:
    """Braces around a GUID are tolerated; the scope is Azure's management API."""
    only = destination(tmp_path, section("microsoft", SENTINEL, workspaceId="{" + WORKSPACE.upper() + "}"))
    assert only.workspace_id == WORKSPACE
    assert only.scope == "https://management.azure.com/.default"
    assert only.api_version == "2024-02-01-preview"
    assert only.endpoint_api == "https://api.ti.sentinel.azure.com"


def test_the_name_of_a_workspace_is_not_its_id(tmp_path: Path) -> None:
    """The usual mistake gets its own words."""
    found = only_problem(tmp_path, section("microsoft", SENTINEL, workspaceId="soc-workspace"))
    assert "not the workspace's name" in found
    assert "Overview > Workspace ID" in found


def test_graph_is_accepted_with_a_warning(tmp_path: Path) -> None:
    """For either product, whose name it keeps."""
    for product in ("Azure Sentinel", "Microsoft Defender ATP"):
        settings = read(tmp_path, section("microsoft", DEFENDER, product=product, api="graph"))
        (only,) = settings.destinations
        assert (only.product, only.api) == (product, Api.GRAPH)
        (warning,) = settings.warnings
        assert "April 2026" in warning


@pytest.mark.parametrize(("base", "api"), [(SENTINEL, "defender"), (DEFENDER, "sentinel")])
def test_an_api_of_the_other_product(tmp_path: Path, base: dict[str, str], api: str) -> None:
    """A contradiction, not a choice."""
    found = only_problem(tmp_path, section("microsoft", base, api=api))
    assert found.startswith(f"[microsoft] api: {api} does not belong to the product")


def test_everything_missing_is_told(tmp_path: Path) -> None:
    """With where to find each."""
    found = problems(tmp_path, "[microsoft]\ncloud = global\n")
    assert [text.split(":")[0] for text in found] == [
        "[microsoft] product",
        "[microsoft] tenantId",
        "[microsoft] appId",
        "[microsoft] appSecret",
    ]


@pytest.mark.parametrize("key", ["tenantId", "appId", "appSecret", "workspaceId"])
def test_placeholders_are_problems(tmp_path: Path, key: str) -> None:
    """Each is told once, and not also as missing or malformed."""
    found = only_problem(tmp_path, section("microsoft", SENTINEL, **{key: "<MICROSOFT AZURE TENANT ID HERE>"}))
    assert found == f"[microsoft] {key}: is still the placeholder of the example. Put your own value there."


def test_a_placeholder_of_what_may_be_missing_can_be_removed(tmp_path: Path) -> None:
    """That is told only where it helps."""
    found = only_problem(
        tmp_path,
        section("microsoft", SENTINEL) + section("misp", {"url": "https://misp.example"}, key="<MISP API KEY HERE>"),
    )
    assert found.endswith("Put your own value there, or remove the line.")


def test_a_placeholder_in_a_file_that_a_value_comes_from(tmp_path: Path) -> None:
    """Also told."""
    secret = tmp_path / "secret"
    secret.write_text("<MICROSOFT GRAPH API SECRET KEY HERE>\n")
    found = only_problem(tmp_path, section("microsoft", DEFENDER, appSecret=f"file:{secret}"))
    assert "placeholder" in found


def test_the_id_of_a_secret_is_suspected(tmp_path: Path) -> None:
    """The portal shows ID and value side by side."""
    (warning,) = read(tmp_path, section("microsoft", DEFENDER, appSecret=TENANT)).warnings
    assert "probably the ID of the secret" in warning
    assert TENANT not in warning


def test_audit_needs_its_alert(tmp_path: Path) -> None:
    """Microsoft refuses the indicator otherwise."""
    found = only_problem(tmp_path, section("microsoft", DEFENDER, generateAlert="no"))
    assert "requires an alert with Audit" in found


def test_settings_of_defender(tmp_path: Path) -> None:
    """Severity, device groups, doors and brakes."""
    only = destination(
        tmp_path,
        section(
            "microsoft",
            DEFENDER,
            severity="informational",
            rbacGroupNames="\n  Servers, all\n  Clients",
            doors="\n  Export\n  cli",
            maxPerEvent="0",
            maxPerDay="7",
            maxIndicators="9000",
            maxWithdraw="0",
            sourceSystem="Our MISP",
            action="audit",
            generateAlert="true",
        ),
    )
    assert only.severity is Severity.INFORMATIONAL
    assert only.rbac_group_names == ("Servers, all", "Clients")
    assert only.doors == {"export", "cli"}
    assert only.max_per_event == 0
    assert (only.max_per_day, only.max_indicators, only.max_withdraw) == (7, 9000, 0)
    assert only.source_system == "Our MISP"


def test_doors_are_one_a_line(tmp_path: Path) -> None:
    """The remedy says so when they are not."""
    found = only_problem(tmp_path, section("microsoft", DEFENDER, doors="export, cli"))
    assert "one entry a line" in found
    assert destination(tmp_path, section("microsoft", DEFENDER, doors="none")).doors == frozenset()


def test_keys_without_effect_are_warnings_and_do_not_count(tmp_path: Path) -> None:
    """Two sections that differ by such a key only are still one store."""
    keys = {"workspaceId": WORKSPACE, "apiVersion": "2024-02-01"}
    settings = read(tmp_path, section("microsoft", DEFENDER, **keys))
    assert [warning.split(" has")[0] for warning in settings.warnings] == [
        "[microsoft] workspaceId:",
        "[microsoft] apiVersion:",
    ]
    (only,) = settings.destinations
    assert (only.workspace_id, only.api_version) == ("", "")
    found = only_problem(tmp_path, section("microsoft", DEFENDER, **keys), section("microsoft two", DEFENDER))
    assert "same store" in found


@pytest.mark.parametrize("key", [key for key in DESTINATION if Api.SENTINEL not in key.apis], ids=lambda key: key.name)
def test_defenders_keys_at_sentinel(tmp_path: Path, key: Key) -> None:
    """Each is a warning."""
    name = key.name
    values = {
        "action": "Audit",
        "severity": "High",
        "generateAlert": "yes",
        "rbacGroupNames": "Servers",
        "maxIndicators": "9000",
        "blockTags": "block",
        "blockAndRemediateTags": "remediate",
        "warnTags": "warn",
        "auditTags": "audit",
        "allowTags": "allow",
        "blockOrgs": TENANT,
        "neverBlock": "example.org",
        "endpoint.hunting": "https://graph.example",
    }
    (warning,) = read(tmp_path, section("microsoft", SENTINEL, **{name: values[name]})).warnings
    assert warning == f"[microsoft] {name}: has no effect at Sentinel; it is ignored."


def test_one_store_under_two_names(tmp_path: Path) -> None:
    """Both are named, with the way out; regardless of case."""
    found = only_problem(
        tmp_path, section("microsoft", SENTINEL), section("microsoft soc", SENTINEL, workspaceId=WORKSPACE.upper())
    )
    assert found.startswith("[microsoft soc]: is the same store as [microsoft].")
    assert "another sourceSystem" in found
    settings = read(tmp_path, section("microsoft", SENTINEL), section("microsoft soc", SENTINEL, sourceSystem="Other"))
    assert len(settings.destinations) == 2


def test_graph_has_no_source_system_to_tell_two_apart(tmp_path: Path) -> None:
    """So the way out is another one."""
    found = problems(
        tmp_path,
        section("microsoft", DEFENDER, api="graph"),
        section("microsoft two", DEFENDER, api="graph", sourceSystem="Other"),
    )
    assert found == [
        "[microsoft two]: is the same store as [microsoft]. Put both into one section: tenant and API are the same."
    ]


SELECTION = {
    "toIds": "no",
    "published": "off",
    "unpublishedGrace": "2 days",
    "missingGrace": "12 hours",
    "types": "\n ip-dst\n filename|sha256",
    "tags": "rhisac: vetted",
    "excludeTags": "\n a\n b",
    "pickTag": "none",
    "maxTlp": "green",
    "maxPap": "PAP:GREEN",
    "minDistribution": "1",
    "sharingGroups": TENANT.upper(),
    "orgs": APPLICATION,
    "excludeOrgs": WORKSPACE,
    "warninglists": "none",
    "allowDocumentationRanges": "yes",
}
INDICATOR = {
    "window": "90 days",
    "window.url": "12 hours",
    "window.file-sha256": "2 weeks",
    "window.tlp-amber+strict": "30",
    "confidence": "75",
    "threatType": "C2",
    "tlp": "red",
    "labels": "\n one\n two",
}
SELECTED = Selection(
    to_ids=False,
    published=False,
    unpublished_grace=2 * DAY,
    missing_grace=DAY // 2,
    types=frozenset({"ip-dst", "filename|sha256"}),
    tags=frozenset({"rhisac: vetted"}),
    exclude_tags=frozenset({"a", "b"}),
    pick_tag="",
    max_tlp=Tlp.GREEN,
    max_pap=Pap.GREEN,
    min_distribution=1,
    sharing_groups=frozenset({TENANT}),
    orgs=frozenset({APPLICATION}),
    exclude_orgs=frozenset({WORKSPACE}),
    warninglists=frozenset(),
    allow_documentation_ranges=True,
)
RULES = IndicatorRules(
    window=90 * DAY,
    window_by_kind=((Kind.URL, DAY // 2), (Kind.FILE_SHA256, 14 * DAY)),
    window_by_tlp=((Tlp.AMBER_STRICT, 30 * DAY),),
    confidence=75,
    threat_type="C2",
    tlp=Tlp.RED,
    labels=("one", "two"),
)


def test_rules_of_all_destinations(tmp_path: Path) -> None:
    """Every key of both sections reaches its field."""
    only = destination(
        tmp_path, section("microsoft", DEFENDER), section("selection", SELECTION), section("indicator", INDICATOR)
    )
    assert only.selection == SELECTED
    assert only.indicator == RULES


def test_rules_of_one_destination(tmp_path: Path) -> None:
    """The same keys at the destination do the same."""
    only = destination(tmp_path, section("microsoft", {**DEFENDER, **SELECTION, **INDICATOR}))
    assert only.selection == SELECTED
    assert only.indicator == RULES


def test_an_own_rule_replaces_that_key_only(tmp_path: Path) -> None:
    """Also of a group of keys; the other destination keeps the general rule."""
    settings = read(
        tmp_path,
        section("selection", maxTlp="green", tags="general", excludeTags="x"),
        section("indicator", {"window.url": "1", "window.domain-name": "2"}),
        section("microsoft", {**SENTINEL, "tags": "own", "excludeTags": "none", "window.url": "9"}),
        section("microsoft two", DEFENDER),
    )
    own, other = settings.destinations
    assert own.selection.tags == {"own"}
    assert own.selection.max_tlp is Tlp.GREEN
    assert own.selection.exclude_tags == frozenset()
    assert dict(own.indicator.window_by_kind) == {Kind.URL: 9 * DAY, Kind.DOMAIN_NAME: 2 * DAY}
    assert other.selection.tags == {"general"}
    assert other.selection.exclude_tags == {"x"}
    assert dict(other.indicator.window_by_kind) == {Kind.URL: DAY, Kind.DOMAIN_NAME: 2 * DAY}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("types", "\n ip-dst\n ip_src"),
        ("minDistribution", "4"),
        ("orgs", "ORGNAME"),
        ("maxTlp", "amber strict"),
        ("confidence", "high"),
        ("window.url", "for ever"),
        ("published", "always"),
    ],
)
def test_values_that_rules_cannot_take(tmp_path: Path, key: str, value: str) -> None:
    """Told at the section where they stand."""
    assert only_problem(tmp_path, section("microsoft", {**DEFENDER, key: value})).startswith(f"[microsoft] {key}: ")


def test_a_list_with_commas_is_suspected(tmp_path: Path) -> None:
    """A refused tag that is never seen would let data out in silence."""
    settings = read(tmp_path, section("microsoft", DEFENDER), section("selection", excludeTags="tlp:red, internal"))
    assert settings.destinations[0].selection.exclude_tags == {"tlp:red, internal"}
    (warning,) = settings.warnings
    assert warning.startswith("[selection] excludeTags: “tlp:red, internal” counts as one entry.")


def test_a_private_authority(tmp_path: Path) -> None:
    """A PEM file that holds certificates."""
    ca = tmp_path / "ca.pem"
    ca.write_bytes(trustme.CA().cert_pem.bytes())
    settings = read(
        tmp_path, section("microsoft", DEFENDER, ca=str(ca)), section("misp", url="https://misp.example", ca=str(ca))
    )
    assert settings.destinations[0].ca == ca
    assert settings.misp is not None
    assert settings.misp.ca == ca


@pytest.mark.parametrize(
    "content", [b"", b"no certificate", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_file_without_authorities(tmp_path: Path, content: bytes) -> None:
    """Found now, not at the first request."""
    ca = tmp_path / "ca.pem"
    ca.write_bytes(content)
    assert only_problem(tmp_path, section("microsoft", DEFENDER, ca=str(ca))).startswith("[microsoft] ca: ")


def test_a_missing_authority_and_a_folder_of_them(tmp_path: Path) -> None:
    """Each with its path."""
    for ca, message in ((tmp_path / "gone.pem", "does not exist"), (tmp_path, "is a directory")):
        assert message in only_problem(tmp_path, section("microsoft", DEFENDER, ca=str(ca)))


def test_misps(tmp_path: Path) -> None:
    """One over http is a warning; one without an address is a problem."""
    settings = read(
        tmp_path,
        section("microsoft", DEFENDER),
        section("misp", url="http://misp.example.org/", key="abc"),
        section("misp lab", url="https://lab.example.org"),
    )
    assert settings.misp is not None
    assert settings.misp.url == "http://misp.example.org"
    (warning,) = settings.warnings
    assert warning.startswith("[misp] url: is http")
    found = only_problem(tmp_path, section("microsoft", DEFENDER), section("misp", key="abc"))
    assert found.startswith("[misp] url: is missing.")


@pytest.mark.parametrize(
    ("written", "remedy"),
    [("tenentId", "Did you mean tenantId?"), ("windw.url", "Did you mean window.url?"), ("polo", "Remove the line")],
)
def test_unknown_keys(tmp_path: Path, written: str, remedy: str) -> None:
    """As written, with the nearest key."""
    found = only_problem(tmp_path, section("microsoft", {**DEFENDER, written: "x"}))
    assert found.startswith(f"[microsoft] {written}: is not a key of this section. {remedy}")


def test_a_file_that_everybody_reads(tmp_path: Path) -> None:
    """A warning when it holds secrets, and none when it does not."""
    (warning,) = load(write(tmp_path, section("microsoft", DEFENDER), mode=0o644), {}).warnings
    assert "[microsoft] appSecret" in warning
    assert "chmod o-r" in warning
    path = write(tmp_path, section("microsoft", DEFENDER, appSecret="env:X"), mode=0o644)
    assert load(path, {"X": "secret-of-nobody"}).warnings == ()


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    """They are shared between threads."""
    only = destination(tmp_path, section("microsoft", DEFENDER))
    with pytest.raises(ValidationError):
        only.cloud = "gcc"  # type: ignore[misc]
    assert isinstance(hash(only), int)
    assert DestinationSettings.model_config.get("extra") == "forbid"


def test_objects_of_context_are_for_sentinel(tmp_path: Path) -> None:
    """In any case; elsewhere the key is ignored, and said to be."""
    assert not destination(tmp_path, section("microsoft", SENTINEL)).sends_objects
    assert destination(tmp_path, section("microsoft", SENTINEL, context="Objects")).sends_objects
    settings = read(tmp_path, section("microsoft", DEFENDER, context="objects"))
    assert settings.warnings == ("[microsoft] context: has no effect at Defender; it is ignored.",)
    assert not settings.destinations[0].sends_objects
