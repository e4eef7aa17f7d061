"""The keys of reading back from Sentinel stand together."""

from __future__ import annotations

from pathlib import Path

import pytest

from misp_modules_ext.config import azure_names
from misp_modules_ext.config.findings import Invalid
from tests.unit.config.samples import DEFENDER, SENTINEL, destination, problems, read, section

SUBSCRIPTION = "44444444-4444-4444-8444-444444444444"
PLACE = {"subscriptionId": SUBSCRIPTION, "resourceGroup": "soc(prod)_1.a", "workspaceName": "soc-workspace"}


def test_all_three_and_hard_delete(tmp_path: Path) -> None:
    """Each reaches its field."""
    only = destination(tmp_path, section("microsoft", SENTINEL, **PLACE, hardDelete="yes"))
    assert (only.subscription_id, only.resource_group, only.workspace_name) == tuple(PLACE.values())
    assert only.hard_delete is True
    assert only.endpoint_management == "https://management.azure.com"


def test_none_of_them(tmp_path: Path) -> None:
    """Then there is no reading back, and withdrawing means revoking."""
    only = destination(tmp_path, section("microsoft", SENTINEL, hardDelete="no"))
    assert (only.subscription_id, only.resource_group, only.workspace_name) == ("", "", "")
    assert only.hard_delete is False


@pytest.mark.parametrize("absent", PLACE)
def test_two_of_three(tmp_path: Path, absent: str) -> None:
    """The missing one is named, with where to find it."""
    (found,) = problems(tmp_path, section("microsoft", SENTINEL, **(PLACE | {absent: ""})))
    assert found.startswith(f"[microsoft] {absent}: is missing: reading back from Sentinel needs subscriptionId, ")
    assert "Log Analytics workspaces > the workspace > Overview" in found


def test_hard_delete_needs_all_three(tmp_path: Path) -> None:
    """Each is named."""
    found = problems(tmp_path, section("microsoft", SENTINEL, hardDelete="yes"))
    assert [text.partition(":")[0] for text in found] == [f"[microsoft] {name}" for name in PLACE]
    assert all("hardDelete" in text for text in found)


@pytest.mark.parametrize("name", PLACE)
def test_a_wrong_one_is_told_once(tmp_path: Path, name: str) -> None:
    """And not also as missing; its value is not shown."""
    (found,) = problems(tmp_path, section("microsoft", SENTINEL, **(PLACE | {name: "no/such/thing."})))
    assert found.startswith(f"[microsoft] {name}: ")
    assert "no/such" not in found


def test_they_do_nothing_at_defender(tmp_path: Path) -> None:
    """Warnings, and nothing is missing."""
    settings = read(tmp_path, section("microsoft", DEFENDER, subscriptionId=SUBSCRIPTION, hardDelete="yes"))
    assert [warning.split(" has")[0] for warning in settings.warnings] == [
        "[microsoft] subscriptionId:",
        "[microsoft] hardDelete:",
    ]
    assert settings.destinations[0].endpoint_management == ""


@pytest.mark.parametrize(
    ("keys", "origin"),
    [
        ({"cloud": "gcc-high"}, "https://management.usgovcloudapi.net"),
        ({"endpoint.api": "https://localhost:8443"}, "https://localhost:8443"),
        (
            {"endpoint.api": "https://gateway.example", "endpoint.management": "https://management.azure.com/"},
            "https://management.azure.com",
        ),
    ],
)
def test_where_the_resource_manager_is(tmp_path: Path, keys: dict[str, str], origin: str) -> None:
    """The cloud's, unless the API is elsewhere: then there too, unless it is said."""
    only = destination(tmp_path, section("microsoft", {**SENTINEL, **PLACE, **keys}))
    assert only.endpoint_management == origin


@pytest.mark.parametrize("text", ["", "a/b", "x" * 91, "ends.", "two\nlines"])
def test_what_is_no_resource_group(text: str) -> None:
    """By Azure's rules."""
    with pytest.raises(Invalid):
        azure_names.resource_group(text)


@pytest.mark.parametrize("text", ["abc", "-abcd", "abcd-", "a_b_c", "x" * 64, "größe"])
def test_what_is_no_name_of_a_workspace(text: str) -> None:
    """By Azure's rules."""
    with pytest.raises(Invalid):
        azure_names.workspace(text)


@pytest.mark.parametrize("text", ["Gruppe-Süd", "rg", "x" * 90, "(a)"])
def test_resource_groups(text: str) -> None:
    """Letters of any alphabet."""
    assert azure_names.resource_group(text) == text
