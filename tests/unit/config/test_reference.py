"""The reference page and the example file say what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import trustme

from misp_modules_ext.config import (
    ActionRules,
    DestinationSettings,
    IndicatorRules,
    LedgerSettings,
    LookupSettings,
    MispSettings,
    Selection,
    Settings,
    load,
    reference,
)
from misp_modules_ext.config.action_keys import ACTIONS
from misp_modules_ext.config.notyet import NOT_YET
from misp_modules_ext.config.schema import KEYS, Key, Part
from misp_modules_ext.config.settings import Auth, Frozen, WriteBackSettings
from misp_modules_ext.errors import ConfigurationError
from tests.support.certificates import Made
from tests.unit.config.samples import APPLICATION, SECRET, TENANT, WORKSPACE, write

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = (ROOT / "docs/configuration.md").read_text("utf-8")
EXAMPLE = (ROOT / "rh-isac.conf.example").read_text("utf-8")
CLASSES: dict[Part, type[Frozen]] = {
    Part.MISP: MispSettings,
    Part.DESTINATION: DestinationSettings,
    Part.SELECTION: Selection,
    Part.INDICATOR: IndicatorRules,
    Part.LEDGER: LedgerSettings,
    Part.LOOKUP: LookupSettings,
    Part.WRITE_BACK: WriteBackSettings,
}
ROWS = [(part, key) for part, keys in KEYS.items() for key in keys]


def _filled(text: str) -> str:
    """The example with values in place of its placeholders."""
    values = {"TENANT ID": TENANT, "APPLICATION ID": APPLICATION, "SECRET VALUE": SECRET, "WORKSPACE ID": WORKSPACE}
    for name, value in values.items():
        text = re.sub(rf"<[A-Z ]*{name} HERE>", value, text)
    return text.replace("<MISP API KEY HERE>", "0123456789")


def _uncommented(text: str) -> str:
    """The example with every key in force: prose has one space behind its `#`, entries of lists have four."""
    return re.sub(r"(?m)^#(?=\S|    \S)", "", text)


def test_the_document_holds_the_tables() -> None:
    """Printed from the same tables that the program reads by."""
    between = DOCUMENT.split(reference.START + "\n")[1].split(reference.END)[0]
    assert between == reference.markdown(), "print reference.markdown() between the markers of docs/configuration.md"


@pytest.mark.parametrize("key", [key for _, key in ROWS], ids=lambda key: key.name)
def test_every_key_is_in_the_tables(key: Key) -> None:
    """With its default, or what holds instead."""
    assert f"| `{key.group or key.name}` |" in reference.markdown()
    assert key.default or key.instead


@pytest.mark.parametrize("name", [name for row in NOT_YET for name in row.keys])
def test_every_key_that_waits_is_in_the_tables(name: str) -> None:
    """In the table of what is not there yet."""
    assert f"`{name}`" in reference.markdown().split("### Not yet")[1]


@pytest.mark.parametrize(
    ("part", "key"),
    [(p, k) for p, k in ROWS if k.default and k.field],
    ids=[k.name for _, k in ROWS if k.default and k.field],
)
def test_defaults_are_those_of_the_settings(part: Part, key: Key) -> None:
    """Read as if it stood in the file, the documented default is the field's default."""
    settings = ActionRules if key in ACTIONS else CLASSES[part]
    field = settings.model_fields[key.field]
    # The version of the API is filled in for Sentinel only.
    expected = "2024-02-01-preview" if key.field == "api_version" else field.get_default()
    assert key.parse(key.default) == expected


def test_every_field_has_its_key() -> None:
    """Nothing in the settings stays out of the file's reach but what follows from the rest or waits."""
    # The scope of Graph is documented for every cloud.
    derived = {"name", "references", "selection", "indicator", "actions", "hunting_scope"}
    for part, settings in CLASSES.items():
        # A selection knows the tags of each MISP from that MISP's section.
        known = derived | {"sync_tags"} if part is Part.SELECTION else derived
        own = {key.field for key in KEYS[part] if key.field and key not in ACTIONS}
        assert own == set(settings.model_fields) - known
    assert {key.field for key in ACTIONS} == set(ActionRules.model_fields) - {"graph"}
    assert {key.field for key in KEYS[Part.QUEUE]} <= set(Settings.model_fields)


def test_the_example_wants_five_values_and_no_more(tmp_path: Path) -> None:
    """As it is, the placeholders of the four-key style are its only problems."""
    with pytest.raises(ConfigurationError) as caught:
        load(write(tmp_path, EXAMPLE), {})
    assert [problem.key for problem in caught.value.problems] == ["tenantId", "appId", "appSecret", "workspaceId"]
    assert all("placeholder" in problem.message for problem in caught.value.problems)


def test_the_example_works_once_it_is_filled(tmp_path: Path) -> None:
    """With defaults for all the rest, and without a warning."""
    settings = load(write(tmp_path, _filled(EXAMPLE)), {})
    assert settings.warnings == ()
    (only,) = settings.destinations
    assert only.selection == Selection()
    assert only.indicator == IndicatorRules()
    assert only.actions == ActionRules()


def test_the_example_works_with_every_key_in_force(tmp_path: Path) -> None:
    """No commented line is misspelt, misplaced or without effect; the defaults in it change nothing."""
    ca, token = tmp_path / "ca.pem", tmp_path / "token"
    ca.write_bytes(trustme.CA().cert_pem.bytes())
    token.write_text("a.b.c")
    certificate = Made().write(tmp_path / "application.pfx", Made().pfx("passphrase"))
    text = _uncommented(_filled(EXAMPLE)).replace("/etc/misp-modules-ext/private-ca.pem", str(ca))
    text = text.replace("/etc/misp-modules-ext/application.pem", str(certificate))
    text = text.replace("/var/run/secrets/azure/tokens/azure-identity-token", str(token))
    settings = load(write(tmp_path, text), {"CERTIFICATE_PASSWORD": "passphrase"})
    assert settings.warnings == ()
    sentinel, defender, *others = settings.destinations
    assert [other.auth for other in others] == [Auth.CERTIFICATE, Auth.MANAGED_IDENTITY, Auth.WORKLOAD_IDENTITY]
    assert sentinel.max_per_event == DestinationSettings.model_fields["max_per_event"].default
    assert sentinel.doors == DestinationSettings.model_fields["doors"].default
    assert sentinel.selection.warninglists == Selection().warninglists
    assert sentinel.indicator.window == IndicatorRules().window
    assert defender.selection.max_tlp < sentinel.selection.max_tlp
    assert settings.misp is not None
    assert settings.rh_isac is not None
    assert sentinel.workspace_name
    assert sentinel.hard_delete is DestinationSettings.model_fields["hard_delete"].default
    assert settings.queue_url is not None
    assert defender.actions.block_tags == {"microsoft:block"}
    assert "export" not in defender.doors


@pytest.mark.parametrize("key", [key for _, key in ROWS], ids=lambda key: key.name)
def test_every_key_is_in_the_example(key: Key) -> None:
    """Also those of groups, with the default where it can be written."""
    found = re.findall(rf"(?m)^#?{re.escape(key.name)} =(.*(?:\n#    .*)*)", EXAMPLE)
    assert found
    written = [[line.removeprefix("#").strip() for line in text.split("\n") if line.strip("# ")] for text in found]
    assert not key.default or key.default.split("\n") in written


def test_the_documents_sections_read_as_they_stand(tmp_path: Path) -> None:
    """The first block of the page, filled, is a whole configuration."""
    block = re.findall(r"```ini\n(.*?)```", DOCUMENT, re.DOTALL)[0]
    assert load(write(tmp_path, _filled(block)), {}).destinations
