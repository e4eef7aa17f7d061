"""Tags of galaxies and kill chains: actors, malware, techniques with their tactics, phases."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from misp_modules_ext.model.indicator import NO_CONTEXT, Context
from misp_modules_ext.translate.attack import ics_technique, phases_of
from misp_modules_ext.translate.galaxies import context_of, technique_ids
from misp_modules_ext.translate.machine_tags import MachineTag, machine_tag


def _context(name: str) -> Context:
    return context_of(machine_tag(name))


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ('misp-galaxy:threat-actor="Sofacy"', MachineTag("misp-galaxy", "threat-actor", "Sofacy")),
        ('MISP-Galaxy: Threat-Actor = "Sofacy" ', MachineTag("misp-galaxy", "threat-actor", "Sofacy")),
        ("kill-chain:Command and Control", MachineTag("kill-chain", "command and control", "")),
        ('misp-galaxy:tool="a \\"b\\" = c:d"', MachineTag("misp-galaxy", "tool", 'a \\"b\\" = c:d')),
        ("osint:certainty=93", MachineTag("osint", "certainty", "93")),
        ("phishing", MachineTag("", "", "phishing")),
        ("\u200btlp\u200b:red", MachineTag("tlp", "red", "")),
        (":", MachineTag("", "", ":")),
        ("", MachineTag("", "", "")),
    ],
)
def test_machine_tags_are_read_as_people_write_them(name: str, read: MachineTag) -> None:
    """Case, spaces and quotes do not make another tag; what is none is its own value."""
    assert machine_tag(name) == read


@pytest.mark.parametrize(
    ("name", "actor"),
    [
        ('misp-galaxy:threat-actor="Sofacy"', "Sofacy"),
        ('misp-galaxy:mitre-intrusion-set="APT16 - G0023"', "APT16"),
        ('misp-galaxy:microsoft-activity-group="STRONTIUM"', "STRONTIUM"),
        ('misp-galaxy:360net-threat-actor="海莲花 - APT-C-00"', "海莲花 - APT-C-00"),
    ],
)
def test_actors(name: str, actor: str) -> None:
    """By their name, without ATT&CK's number."""
    assert _context(name) == Context(actors=(actor,))


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ('misp-galaxy:mitre-malware="CHOPSTICK - S0023"', "CHOPSTICK"),
        ('misp-galaxy:mitre-mobile-attack-malware="DualToy - MOB-S0023"', "DualToy"),
        ('misp-galaxy:malpedia="SamSam"', "SamSam"),
        ('misp-galaxy:ransomware="Samas-Samsam"', "Samas-Samsam"),
        ('misp-galaxy:tool="X-Agent"', "X-Agent"),
        ('misp-galaxy:botnet="Asprox"', "Asprox"),
        ('misp-galaxy:rat="NanoCore"', "NanoCore"),
        ('misp-galaxy:banker="Gozi"', "Gozi"),
        ('misp-galaxy:stealer="AZORult"', "AZORult"),
        ('misp-galaxy:exploit-kit="Sednit EK"', "Sednit EK"),
        ('misp-galaxy:mitre-tool="cmd - S0106"', "cmd"),
    ],
)
def test_malware_and_tools(name: str, family: str) -> None:
    """By their name, without ATT&CK's number."""
    assert _context(name) == Context(malware=(family,))


def test_a_technique_has_the_tactics_of_att_ck() -> None:
    """A sub-technique those of its technique; the tag does not say them."""
    access = (("mitre-attack", "initial-access"),)
    assert _context('misp-galaxy:mitre-attack-pattern="Spearphishing Attachment - T1566.001"') == Context(
        phases=access, techniques=(("T1566.001", "Spearphishing Attachment"),)
    )
    assert _context("t1566.001") == Context(phases=access, techniques=(("T1566.001", ""),))
    assert _context("mitre-attack:T1566") == Context(phases=access, techniques=(("T1566", ""),))


def test_an_unknown_technique_has_no_tactics() -> None:
    """It is newer than the table, and still a technique."""
    assert _context('misp-galaxy:mitre-attack-pattern="Something New - T9999.001"') == Context(
        techniques=(("T9999.001", "Something New"),)
    )


def test_industrial_control_systems_have_techniques_and_tactics() -> None:
    """Their galaxy names no numbers."""
    assert _context('misp-galaxy:mitre-ics-techniques="Alarm Suppression"') == Context(
        phases=(("mitre-ics-attack", "inhibit-response-function"),), techniques=(("T0878", "Alarm Suppression"),)
    )
    assert _context('misp-galaxy:mitre-ics-tactics="Impair Process Control"') == Context(
        phases=(("mitre-ics-attack", "impair-process-control"),)
    )
    assert ics_technique("nothing of that name") == ""


@pytest.mark.parametrize(
    ("name", "technique", "tactics"),
    [
        ("Default Credentials", "T0812", ["lateral-movement"]),
        ("Data from Information Repositories", "T0811", ["collection"]),
        ("Internet Accessible Device", "T0883", ["initial-access"]),
        ("Scripting", "T0853", ["execution"]),
        ("Serial Connection Enumeration", "T0854", ["discovery"]),
    ],
)
def test_no_technique_of_control_systems_has_anothers_id(name: str, technique: str, tactics: list[str]) -> None:
    """MISP's galaxy writes three of them with another's id; ATT&CK's own counts, with its tactics."""
    assert ics_technique(name) == technique
    assert [phase for _, phase in phases_of(technique)] == tactics


def test_no_two_techniques_of_control_systems_share_an_id() -> None:
    """Each name of the table is a technique of its own, and each has a tactic."""
    table = json.loads(files("misp_modules_ext.translate").joinpath("attack.json").read_text("utf-8"))["ics"]
    assert len(set(table.values())) == len(table)
    assert all(phases_of(technique) for technique in table.values())


@pytest.mark.parametrize(
    ("technique", "phase"),
    [
        ("T1071", ("mitre-attack", "command-and-control")),
        ("T1430", ("mitre-mobile-attack", "collection")),
        ("T1595", ("mitre-attack", "reconnaissance")),
        ("T0801", ("mitre-ics-attack", "collection")),
        ("T1397", ("mitre-pre-attack", "technical-information-gathering")),
    ],
)
def test_the_table_has_all_matrices(technique: str, phase: tuple[str, str]) -> None:
    """One technique of each."""
    assert phase in phases_of(technique)


@pytest.mark.parametrize(
    ("name", "phase"),
    [
        ("kill-chain:Delivery", ("lockheed-martin-cyber-kill-chain", "delivery")),
        ("KILL-CHAIN:command and control", ("lockheed-martin-cyber-kill-chain", "command-and-control")),
        ('kill-chain:phase="Actions on Objectives"', ("lockheed-martin-cyber-kill-chain", "actions-on-objectives")),
        ('unified-kill-chain:Network Propagation="pivoting"', ("unified-kill-chain", "pivoting")),
    ],
)
def test_phases_of_kill_chains(name: str, phase: tuple[str, str]) -> None:
    """As STIX writes them."""
    assert _context(name) == Context(phases=(phase,))


@pytest.mark.parametrize(
    "name",
    [
        'misp-galaxy:threat-actor="b2056ff0-00b9-482e-b11c-c771daa5f28a"',
        'misp-galaxy:threat-actor=""',
        "misp-galaxy:threat-actor",
        'misp-galaxy:sector="Finance"',
        'misp-galaxy:mitre-attack-pattern="No number"',
        'misp-galaxy:mitre-mobile-attack-attack-pattern="Malicious SMS Message - MOB-T1057"',
        "kill-chain:Lunch",
        "type:OSINT",
        "T15660",
        "",
    ],
)
def test_what_names_nothing_tells_nothing(name: str) -> None:
    """A cluster of one's own has a UUID there; a galaxy without a row is a label only."""
    assert _context(name) == NO_CONTEXT


def test_a_technique_with_two_names_is_one() -> None:
    """Versions of ATT&CK rename."""
    context = Context(techniques=(("T1566", "Phishing"), ("T1566", "Spearphishing"), ("T1598", "")))
    assert technique_ids(context) == ("T1566", "T1598")
