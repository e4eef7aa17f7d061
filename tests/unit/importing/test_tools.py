"""What becomes of the keys of misp2sentinel, misp2defender and RH-ISAC's script."""

from __future__ import annotations

from pathlib import Path

import pytest

from misp_modules_ext.config.settings import DAY, Api
from misp_modules_ext.errors import UsageError
from misp_modules_ext.importing import Kind
from misp_modules_ext.importing.draft import How
from misp_modules_ext.model.indicator import Action, Severity
from misp_modules_ext.model.indicator import Kind as Observed
from misp_modules_ext.model.misp import Tlp
from tests.unit.importing.samples import (
    APPLICATION,
    DEFENDER,
    SECRET,
    SENTINEL,
    TENANT,
    WORKSPACE,
    entries,
    row,
    settings,
    take,
)


def test_misp2sentinel(tmp_path: Path) -> None:
    """A whole file, as our own configuration reads what became of it."""
    more = (
        "ms_target_product = 'Azure Sentinel'\nms_api_version = '2024-02-01-preview'\ndefault_confidence = 80\n"
        "days_to_expire = 30\ndays_to_expire_mapping = {'ipv4-addr': 180, 'file': 7, 'odd-kind': 3}\n"
    )
    found = settings(tmp_path, SENTINEL + more)
    (store,) = found.destinations
    assert (store.api, store.tenant_id, store.app_id, store.workspace_id) == (
        Api.SENTINEL,
        TENANT,
        APPLICATION,
        WORKSPACE,
    )
    assert store.app_secret is not None
    assert store.app_secret.get_secret_value() == SECRET
    assert store.source_system == "MISP-modules-ext"
    assert store.indicator.confidence == 80
    assert store.indicator.window == 30 * DAY
    windows = dict(store.indicator.window_by_kind)
    assert windows[Observed.IPV4_ADDR] == windows[Observed.IPV4_CIDR] == 180 * DAY
    assert windows[Observed.FILE_SHA256] == windows[Observed.FILE_NAME] == 7 * DAY
    assert Observed.URL not in windows
    assert found.misp is not None
    assert (found.misp.url, found.misp.has_key) == ("https://misp.example.org", True)
    told = take(tmp_path, SENTINEL + more)
    assert row(told, 'days_to_expire_mapping["odd-kind"]').how is How.NOT_UNDERSTOOD
    assert row(told, "sourcesystem").how is How.DIFFERS


def test_a_name_that_goes_nowhere_is_told(tmp_path: Path) -> None:
    """Also one that such files usually put into a table: beside the table it would be lost without a word."""
    told = take(tmp_path, SENTINEL + f"workspace_id = '{WORKSPACE}'\nunused = 1\n")
    for name in ("workspace_id", "unused"):
        assert row(told, name).how is How.NOT_UNDERSTOOD
    used = SENTINEL.replace(f"'{WORKSPACE}'", "workspace_id")
    assert not [
        r for r in take(tmp_path, f"workspace_id = '{WORKSPACE}'\n{used}").draft.rows if r.old == "workspace_id"
    ]


def test_several_workspaces(tmp_path: Path) -> None:
    """A list of applications becomes as many destinations."""
    other = "44444444-4444-4444-8444-444444444444"
    first = f"{{'tenant': '{TENANT}', 'client_id': '{APPLICATION}', 'client_secret': 'a', 'workspace_id': "
    text = f"ms_auth = [{first}'{WORKSPACE}'}}, {first}'{other}'}}]\nmisp_key = 'k'\nmisp_domain = 'https://m.example'"
    found = settings(tmp_path, text)
    assert [(d.name, d.workspace_id) for d in found.destinations] == [
        ("microsoft", WORKSPACE),
        ("microsoft 2", other),
    ]


def test_a_list_without_applications_is_told(tmp_path: Path) -> None:
    """Every key of the old file is accounted for, and what the new one needs is left to be filled in."""
    told = take(tmp_path, "ms_auth = []\nms_target_product = 'Azure Sentinel'\nms_api_version = '2024-02-01-preview'")
    assert row(told, "ms_auth").how is How.NOT_UNDERSTOOD
    assert row(told, "ms_target_product").how is How.KEPT
    assert row(told, "ms_api_version").how is How.KEPT
    assert entries(told, "microsoft", "tenantId") == ("<MICROSOFT AZURE TENANT ID HERE>",)


def test_the_first_versions_of_misp2sentinel(tmp_path: Path) -> None:
    """They sent to Graph and knew no workspace: it is left to be filled in, with the place to find it."""
    old = (
        f"graph_auth = {{'tenant': '{TENANT}', 'client_id': '{APPLICATION}', 'client_secret': 's'}}\n"
        "targetProduct = 'Azure Sentinel'\naction = 'alert'\npassiveOnly = False\ndefaultConfidenceLevel = 60\n"
    )
    told = take(tmp_path, old)
    assert told.kind is Kind.MISP2SENTINEL
    assert entries(told, "microsoft", "workspaceId") == ("<LOG ANALYTICS WORKSPACE ID HERE>",)
    assert "Log Analytics workspaces" in row(told, 'graph_auth["workspace_id"]').message
    assert entries(told, "indicator", "confidence") == ("60",)


def test_a_key_vault_is_left_to_a_person(tmp_path: Path) -> None:
    """Its name is told; a vault is not asked."""
    vault = "retrieved = client.get_secret('ClientSecret')\n"
    text = vault + SENTINEL.replace(f"'{SECRET}'", "retrieved.value")
    told = take(tmp_path, text)
    assert told.draft.has("microsoft", "appSecret")
    assert entries(told, "microsoft", "appSecret") == ("<MICROSOFT APPLICATION SECRET VALUE HERE>",)
    assert "ClientSecret" in row(told, 'ms_auth["client_secret"]').message


def test_a_filter_that_a_variable_may_replace_is_decided_by_a_person(tmp_path: Path) -> None:
    """As in the Azure function: what was in force there is not known here."""
    filters = (
        "if os.getenv('misp_event_filters'):\n    misp_event_filters = json.loads(os.getenv('misp_event_filters'))\n"
        "else:\n    misp_event_filters = {'published': 1}\n"
    )
    told = take(tmp_path, SENTINEL + filters)
    assert row(told, "misp_event_filters").how is How.FILL_IN
    assert entries(told, "selection", "published") == ("yes",)
    assert entries(told, "selection", "tags")[0].startswith("<DECIDE")


@pytest.mark.parametrize(
    ("scope", "section_key", "value"),
    [
        ("https://management.azure.com/.default", "cloud", ()),
        ("https://management.usgovcloudapi.net/.default", "cloud", ("gcc-high",)),
        ("https://gateway.example/.default", "endpoint.scope", ("https://gateway.example/.default",)),
        ("no scope", "endpoint.scope", ()),
    ],
)
def test_scopes(tmp_path: Path, scope: str, section_key: str, value: tuple[str, ...]) -> None:
    """The usual one says nothing, one of a government names the cloud, another one is kept."""
    told = take(tmp_path, SENTINEL.replace("'new_upload_api'", f"'scope': '{scope}', 'new_upload_api'"))
    assert entries(told, "microsoft", section_key) == value


def test_reading_back_takes_three_keys(tmp_path: Path) -> None:
    """When one of them is there the others are asked for."""
    told = take(tmp_path, SENTINEL.replace("'new_upload_api'", "'workspaceName': 'soc-workspace', 'new_upload_api'"))
    assert entries(told, "microsoft", "workspaceName") == ("soc-workspace",)
    assert entries(told, "microsoft", "subscriptionId") == ("<subscriptionId HERE>",)


def test_misp2defender(tmp_path: Path) -> None:
    """A whole file; the name of the application stays, so that its entries can be taken over."""
    more = (
        "defender_severity = 'High'\ndefender_action = 'AlertAndBlock'\ndefender_generate_alert = True\n"
        "days_to_expire = 50\ndays_to_expire_mapping = {'IpAddress': 90, 'FileMd5': 99999}\n"
        "days_to_expire_tlpclear = 7\n"
        "limit_vetted_attributes_from_specific_events = ['curation:x']\nvetted_attribute_classifier = ['vetted']\n"
        "otx_alienvault_api = 'an-otx-key'\ntargetScope = 'https://api.securitycenter.windows.com/.default'\n"
    )
    found = settings(tmp_path, DEFENDER + more)
    (store,) = found.destinations
    assert (store.api, store.source_system, store.severity) == (Api.DEFENDER, "MISP", Severity.HIGH)
    assert store.actions.action is Action.BLOCK
    assert not store.actions.block_orgs
    assert any("blockOrgs" in warning for warning in found.warnings)
    assert dict(store.indicator.window_by_kind)[Observed.FILE_MD5] == 3650 * DAY
    assert dict(store.indicator.window_by_tlp)[Tlp.CLEAR] == 7 * DAY
    assert store.selection.exclude_tags == {"curation:x"}
    told = take(tmp_path, DEFENDER + more)
    assert "an-otx-key" not in told.draft.text([])
    assert row(told, "defender_action").how is How.TRANSLATED


def test_defenders_alert_cannot_be_off_with_audit(tmp_path: Path) -> None:
    """Microsoft requires it: refused, and the file can be used."""
    text = DEFENDER + "defender_action = 'Audit'\ndefender_generate_alert = False\n"
    assert settings(tmp_path, text).destinations[0].generate_alert
    assert row(take(tmp_path, text), "defender_generate_alert").how is How.REFUSED


@pytest.mark.parametrize("verify", ["False", "None", "0", "os.getenv('VERIFY')"])
def test_certificates_are_verified(tmp_path: Path, verify: str) -> None:
    """Whatever the old file says: a private authority is a file to name."""
    told = take(tmp_path, f"{SENTINEL}\nmisp_verifycert = {verify}")
    assert row(told, "misp_verifycert").how is How.REFUSED
    assert "[misp] ca" in row(told, "misp_verifycert").message
    assert entries(take(tmp_path, f"{SENTINEL}\nmisp_verifycert = '/etc/ca.pem'"), "misp", "ca") == ("/etc/ca.pem",)


def test_rh_isacs_misp_has_its_own_section(tmp_path: Path) -> None:
    """`sync` reads it without being told."""
    found = settings(tmp_path, SENTINEL.replace("https://misp.example.org", "https://misp.rhisac.org"))
    assert found.rh_isac is not None
    assert found.misp is None


@pytest.mark.parametrize(
    "secret",
    ["two\\nlines", "env:HOME", "file:/etc/passwd", " space", "space ", "a\\x00b".replace("\\x00", "\\x01"), "\\ud800"],
)
def test_what_would_be_read_otherwise_is_not_written(tmp_path: Path, secret: str) -> None:
    """A line break would begin another key, `env:` name a variable: a person has to write it."""
    told = take(tmp_path, SENTINEL.replace(SECRET, secret))
    assert entries(told, "microsoft", "appSecret") == ("<MICROSOFT APPLICATION SECRET VALUE HERE>",)
    assert row(told, 'ms_auth["client_secret"]').how is How.FILL_IN
    assert "passwd" not in told.draft.text([])


def test_an_old_file_cannot_write_keys_of_its_own(tmp_path: Path) -> None:
    """Names and values end up as values and comments of one line."""
    text = (
        SENTINEL.replace("'new_upload_api'", "'x\\n[microsoft evil]\\nproduct': 1, 'new_upload_api'")
        + "misp_event_filters = {'y\\n[misp evil]\\nurl = z': 1, 'tags': ['a\\n[misp evil]']}\n"
    )
    written = take(tmp_path, text).draft.text(["one\n[misp evil]"])
    assert [line for line in written.split("\n") if line.startswith("[")] == ["[misp]", "[microsoft]", "[selection]"]
    assert "evil" not in [line for line in written.split("\n") if not line.startswith("#")]


def test_rh_isacs_script(tmp_path: Path) -> None:
    """What it says counts, what lacks is told, and what others keep there is left to them."""
    text = (
        "[RH-ISAC MISP]\nKey = k\n[microsoft]\nproduct = Azure Sentinel\ntenantId = t\nappId = a\nappSecret = s\n"
        "odd = 1\n[crowdstrike]\nfalcon_client_secret = theirs\n"
    )
    told = take(tmp_path, text)
    assert told.kind is Kind.RH_ISAC
    assert told.whose == "RH-ISAC's script"
    assert row(told, "[RH-ISAC MISP] Key").new == "[RH-ISAC MISP] key"
    assert row(told, "[microsoft] odd").how is How.NOT_UNDERSTOOD
    assert row(told, "[crowdstrike]").how is How.NOTHING
    assert entries(told, "microsoft", "workspaceId")
    written = told.draft.text([])
    assert "theirs" not in written
    assert "#labels = RH-ISAC_Vetted" in written
    defender = take(tmp_path, text.replace("Azure Sentinel", "Microsoft Defender ATP"))
    assert not entries(defender, "microsoft", "workspaceId")


@pytest.mark.parametrize("text", ["", "x = 1", "# nothing", "x = f()", "import os"])
def test_none_of_these(tmp_path: Path, text: str) -> None:
    """It is said, with the option that would say which."""
    with pytest.raises(UsageError, match="--from"):
        take(tmp_path, text)


def test_whose_file_it_is_may_be_said(tmp_path: Path) -> None:
    """A file with nothing but its secrets in it."""
    text = "misp_key = 'a-key'"
    with pytest.raises(UsageError):
        take(tmp_path, text)
    assert take(tmp_path, text, Kind.MISP2DEFENDER).draft.has("misp", "key")
