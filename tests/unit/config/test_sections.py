"""Our sections, and what was probably meant to be one."""

from __future__ import annotations

from pathlib import Path

import pytest

from misp_modules_ext.config.sections import meant
from misp_modules_ext.errors import ConfigurationError
from tests.unit.config.samples import DEFENDER, SENTINEL, only_problem, read, section

#: What RH-ISAC's scripts and other programs keep in the file.
FOREIGN = (
    "splunk",
    "splunk-es",
    "crowdstrike",
    "sentinel_one",
    "sentinelone",
    "palo-alto",
    "carbon black",
    "DEFAULT",
    "proxy",
)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("microsfot", "microsoft"),
        ("Mircosoft soc", "microsoft soc"),
        ("microsoft: soc", "microsoft soc"),
        ("misp-two", "misp two"),
        ("selections", "selection"),
        ("indicators", "indicator"),
        ("leger", "ledger"),
        ("queues", "queue"),
        ("rhisac misp", "RH-ISAC MISP"),
        ("writeback", "write-back"),
    ],
)
def test_misspelt_sections(name: str, ours: str) -> None:
    """The nearest section of ours."""
    assert meant(name) == ours


@pytest.mark.parametrize("name", FOREIGN)
def test_sections_of_others(name: str) -> None:
    """They are ignored in silence."""
    assert meant(name) == ""


def test_a_misspelt_section_is_a_problem(tmp_path: Path) -> None:
    """Left out in silence, its gates would be open; other integrations' names are no near misses."""
    told = only_problem(tmp_path, section("microsoft", SENTINEL), section("selections", maxTlp="green"))
    assert "[selections]" in told
    assert "Did you mean [selection]?" in told


def test_others_are_ignored_whatever_they_hold(tmp_path: Path) -> None:
    """Also keys that ours would not know, and none at all."""
    settings = read(
        tmp_path, section("microsoft", SENTINEL), *(section(name, product="<X>") for name in FOREIGN), "[x]"
    )
    assert settings.warnings == ()


def test_names_of_sections_are_read_regardless_of_case_and_spaces(tmp_path: Path) -> None:
    """The label is what a report shows and what people choose by."""
    settings = read(
        tmp_path,
        section(" Microsoft   SOC EMEA ", SENTINEL),
        section("rh-isac misp", key="abc"),
        section("MISP", url="https://misp.example.org"),
        section("Misp lab", url="https://lab.example.org"),
    )
    assert [d.name for d in settings.destinations] == ["microsoft SOC EMEA"]
    assert settings.misp is not None
    assert settings.misp.name == "misp"
    assert settings.rh_isac is not None
    assert settings.rh_isac.name == "RH-ISAC MISP"
    assert [m.name for m in settings.other_misps] == ["misp lab"]


def test_one_section_written_in_two_ways(tmp_path: Path) -> None:
    """The parser sees two sections, people one."""
    found = only_problem(tmp_path, section("microsoft", SENTINEL), section("Microsoft", DEFENDER))
    assert found == "[Microsoft]: is a second section [microsoft]. Put the keys into one section."


def test_labels_that_differ_by_case_only(tmp_path: Path) -> None:
    """People choose destinations by name."""
    found = only_problem(tmp_path, section("microsoft soc", SENTINEL), section("microsoft SOC", DEFENDER))
    assert "by case only" in found


@pytest.mark.parametrize("label", ["a, b", "a\x1bb", "x" * 100])
def test_labels_that_cannot_be_used(tmp_path: Path, label: str) -> None:
    """Destinations are chosen in lists separated by commas, and shown in terminals."""
    found = only_problem(tmp_path, section("microsoft", SENTINEL), section(f"microsoft {label}", DEFENDER))
    assert "is not a usable name" in found
    assert found.isprintable()


def test_no_destination_at_all(tmp_path: Path) -> None:
    """A misspelt one is named."""
    assert "no section [microsoft]" in only_problem(tmp_path, section("misp", url="https://misp.example.org"))
    with pytest.raises(ConfigurationError, match=r"microsfot"):
        read(tmp_path, section("microsfot", SENTINEL))


@pytest.mark.parametrize("name", ["microsoft", "misp", "RH-ISAC MISP"])
def test_a_section_without_keys(tmp_path: Path, name: str) -> None:
    """One problem, not one for each missing key."""
    parts = [f"[{name}]", section("microsoft other", SENTINEL)]
    assert only_problem(tmp_path, *parts).startswith(f"[{name}]: has no keys.")


def test_rules_may_be_empty(tmp_path: Path) -> None:
    """All keys commented out is all defaults."""
    settings = read(tmp_path, section("microsoft", SENTINEL), "[selection]\n#toIds = yes\n[indicator]\n")
    assert settings.warnings == ()


def test_false_positives_without_sightings_are_a_warning(tmp_path: Path) -> None:
    """A key that does nothing is said; with the other one it is none."""
    told = "[write-back] falsePositives: has no effect unless `sightings` is on, too."
    for sightings, warnings in (("no", [told]), ("yes", [])):
        keys = {"falsePositives": "yes", "sightings": sightings}
        found = read(tmp_path, section("microsoft", SENTINEL), section("write-back", keys))
        assert [warning for warning in found.warnings if "write-back" in warning] == warnings
