"""The keys of what Defender does on a match."""

from __future__ import annotations

from pathlib import Path

import pytest

from misp_modules_ext.config import ActionRules, Api
from misp_modules_ext.model.indicator import Action
from tests.unit.config.samples import DEFENDER, SENTINEL, destination, only_problem, read, section

ORG = "aaaaaaaa-0000-4000-8000-000000000001"
MISP = section("misp", {"url": "https://misp.example.org", "key": "0123456789"})


def test_all_of_them(tmp_path: Path) -> None:
    """Tags in lower case, UUIDs in lower case, entries of neverBlock in the form in which they are compared."""
    rules = destination(
        tmp_path,
        MISP,
        section(
            "microsoft",
            DEFENDER,
            action="warn",
            blockTags="\n  Block: Me\n  other",
            blockAndRemediateTags="Remediate",
            warnTags="W",
            auditTags="A",
            allowTags="L",
            blockOrgs=ORG.upper(),
            neverBlock="Example.ORG",
        ),
    ).actions
    assert rules == ActionRules(
        action=Action.WARN,
        block_tags=frozenset({"block: me", "other"}),
        block_and_remediate_tags=frozenset({"remediate"}),
        warn_tags=frozenset({"w"}),
        audit_tags=frozenset({"a"}),
        allow_tags=frozenset({"l"}),
        block_orgs=frozenset({ORG}),
        never_block=frozenset({"example.org"}),
    )
    assert rules.acts
    assert rules.blocks


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("example.org", "example.org"),
        ("*.Example.org.", "example.org"),
        (".example.org", "example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("_dmarc.example.org", "_dmarc.example.org"),
        ("corp", "corp"),
        ("203.0.113.7", "203.0.113.7/32"),
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("2001:DB8:0:0::/32", "2001:db8::/32"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("44D88612FEA8A8F36DE82E1278ABB02F", "44d88612fea8a8f36de82e1278abb02f"),
        ("a" * 40, "a" * 40),
        ("0" * 64, "0" * 64),
        *((digit * length, digit * length) for digit in "0a" for length in (32, 40, 56, 64, 96, 128)),
    ],
)
def test_entries_of_never_block(tmp_path: Path, written: str, kept: str) -> None:
    """Host names cover their subdomains anyway, so a star in front says nothing more."""
    keys = {"blockTags": "b", "blockOrgs": ORG, "neverBlock": written}
    assert destination(tmp_path, MISP, section("microsoft", DEFENDER, **keys)).actions.never_block == {kept}


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("https://example.org/", "is no host name, IP address, range or hash"),
        ("someone@example.org", "is no host name, IP address, range or hash"),
        ("exa mple.org", "is no host name, IP address, range or hash"),
        ("a" * 64 + ".org", "is no host name, IP address, range or hash"),
        ("203.0.113.7/24", "is no range: its address lies within one. Write 203.0.113.0/24."),
        ("203.0.113.256", "is no IP address or range"),
        ("203.0.113", "is no IP address or range"),
        ("2001:db8::zz", "is no host name, IP address, range or hash"),
        ("1" * 31, "is no IP address or range"),
    ],
)
def test_entries_that_are_none(tmp_path: Path, written: str, words: str) -> None:
    """Told with what to write: one that covers nothing would protect nothing, unnoticed."""
    keys = {"blockTags": "b", "blockOrgs": ORG, "neverBlock": written}
    found = only_problem(tmp_path, MISP, section("microsoft", DEFENDER, **keys))
    assert found.startswith("[microsoft] neverBlock: ")
    assert words in found


@pytest.mark.parametrize("action", ["Alert", "AlertAndBlock", "Deny"])
def test_actions_that_are_none(tmp_path: Path, action: str) -> None:
    """Microsoft has dropped the first two: they are never sent."""
    found = only_problem(tmp_path, section("microsoft", DEFENDER, action=action))
    assert f"“{action}” is not an action of Defender" in found


@pytest.mark.parametrize("keys", [{"action": "Block"}, {"blockTags": "b"}, {"allowTags": "a"}])
def test_without_organisations_every_action_stays_audit_and_that_is_told(tmp_path: Path, keys: dict[str, str]) -> None:
    """A list of whom to trust that nobody wrote trusts nobody."""
    (warning,) = read(tmp_path, MISP, section("microsoft", DEFENDER, **keys)).warnings
    assert warning.startswith("[microsoft] blockOrgs: is missing or empty, so every action stays Audit.")


def test_without_a_key_of_misp_every_action_stays_audit_and_that_is_told(tmp_path: Path) -> None:
    """Only an event that was read again may block."""
    for misp in ("", section("misp", {"url": "https://misp.example.org"})):
        (warning,) = read(tmp_path, misp, section("microsoft", DEFENDER, blockTags="b", blockOrgs=ORG)).warnings
        assert warning.startswith("[microsoft] action: never goes beyond Audit: no section of a MISP has a key")


def test_keys_that_protect_from_nothing_are_told(tmp_path: Path) -> None:
    """And destinations that only alert have equal rules, so that they share their plans."""
    settings = read(tmp_path, section("microsoft", DEFENDER, auditTags="a", blockOrgs=ORG, neverBlock="example.org"))
    assert [warning.split(" has")[0] for warning in settings.warnings] == [
        "[microsoft] blockOrgs:",
        "[microsoft] neverBlock:",
    ]
    assert settings.destinations[0].actions == ActionRules()


def test_a_destination_that_blocks_is_closed_to_export(tmp_path: Path) -> None:
    """MISP runs an export on a plain GET, for any reader; who wants it says so."""
    keys = {"blockTags": "b", "blockOrgs": ORG}
    assert "export" not in destination(tmp_path, MISP, section("microsoft", DEFENDER, **keys)).doors
    keys["doors"] = "\n  export\n  cli"
    assert destination(tmp_path, MISP, section("microsoft", DEFENDER, **keys)).doors == {"export", "cli"}
    assert "export" in destination(tmp_path, MISP, section("microsoft", DEFENDER, allowTags="b", blockOrgs=ORG)).doors
    assert "export" in destination(tmp_path, section("microsoft", DEFENDER)).doors


def test_a_block_may_go_without_an_alert(tmp_path: Path) -> None:
    """What is Audit all the same alerts; the payload sees to that."""
    keys = {"blockTags": "b", "blockOrgs": ORG, "generateAlert": "no"}
    assert not destination(tmp_path, MISP, section("microsoft", DEFENDER, **keys)).generate_alert


def test_graph_knows_fewer_actions(tmp_path: Path) -> None:
    """So its rules are others."""
    keys = {"blockTags": "b", "blockOrgs": ORG, "api": "graph"}
    only = destination(tmp_path, MISP, section("microsoft", DEFENDER, **keys))
    assert only.api is Api.GRAPH
    assert only.actions.graph


def test_sentinel_has_no_actions(tmp_path: Path) -> None:
    """The keys are warnings, and its rules are those of every destination that only alerts."""
    settings = read(tmp_path, section("microsoft", SENTINEL, blockTags="b", blockOrgs=ORG))
    assert len(settings.warnings) == 2
    assert settings.destinations[0].actions == ActionRules()
    assert "export" in settings.destinations[0].doors
