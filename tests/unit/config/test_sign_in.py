"""Which kind of sign-in a section means, and what each needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from misp_modules_ext.config import cached
from misp_modules_ext.config.settings import Auth
from tests.support.certificates import PASSPHRASE, Made
from tests.unit.config.samples import (
    APPLICATION,
    DEFENDER,
    SECRET,
    TENANT,
    destination,
    only_problem,
    problems,
    read,
    section,
    write,
)

BARE = {"product": "Microsoft Defender"}
NAMED = BARE | {"tenantId": TENANT, "appId": APPLICATION}
IDENTITY = "44444444-4444-4444-8444-444444444444"


@pytest.fixture(scope="module")
def made() -> Made:
    """A certificate."""
    return Made()


@pytest.fixture
def certificate(made: Made, tmp_path: Path) -> Path:
    """Its file."""
    return made.write(tmp_path / "application.pem")


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """A file with a federated token."""
    path = tmp_path / "token"
    path.write_text("a.b.c\n")
    return path


def test_the_kind_follows_from_the_keys(tmp_path: Path, certificate: Path, token: Path) -> None:
    """`auth` may be left out, as in every older file."""
    assert destination(tmp_path, section("microsoft", DEFENDER)).auth is Auth.SECRET
    by_certificate = destination(tmp_path, section("microsoft", NAMED, certificate=str(certificate)))
    assert (by_certificate.auth, by_certificate.certificate) == (Auth.CERTIFICATE, certificate)
    assert by_certificate.app_secret.get_secret_value() == ""
    by_identity = destination(tmp_path, section("microsoft", BARE, tenantId=TENANT, identityClientId=IDENTITY))
    assert (by_identity.auth, by_identity.app_id) == (Auth.MANAGED_IDENTITY, IDENTITY)
    by_token = destination(tmp_path, section("microsoft", NAMED, federatedTokenFile=str(token)))
    assert (by_token.auth, by_token.federated_token_file) == (Auth.WORKLOAD_IDENTITY, token)


def test_a_system_assigned_identity_needs_its_name_only(tmp_path: Path) -> None:
    """No application is registered for it."""
    only = destination(tmp_path, section("microsoft", BARE, tenantId=TENANT, auth="Managed-Identity"))
    assert (only.auth, only.app_id, only.identity_client_id) == (Auth.MANAGED_IDENTITY, "", "")


def test_keys_of_two_kinds_need_a_word(tmp_path: Path, certificate: Path) -> None:
    """Nothing is guessed; with `auth` the others do nothing, and that is said."""
    found = only_problem(tmp_path, section("microsoft", DEFENDER, certificate=str(certificate)))
    assert found.startswith(
        "[microsoft] auth: is missing: the section holds keys of several kinds of sign-in (appSecret"
    )
    assert "auth = secret or certificate" in found
    settings = read(tmp_path, section("microsoft", DEFENDER, certificate=str(certificate), auth="certificate"))
    assert settings.warnings == ("[microsoft] appSecret: has no effect with auth = certificate; it is ignored.",)
    assert settings.destinations[0].app_secret.get_secret_value() == ""
    settings = read(tmp_path, section("microsoft", DEFENDER, auth="managed-identity"))
    assert [warning.split(":")[0] for warning in settings.warnings] == ["[microsoft] appSecret", "[microsoft] appId"]


@pytest.mark.parametrize(
    ("auth", "missing"),
    [
        ("secret", ["tenantId", "appId", "appSecret"]),
        ("certificate", ["tenantId", "appId", "certificate"]),
        ("managed-identity", ["tenantId"]),
        ("workload-identity", ["tenantId", "appId", "federatedTokenFile"]),
    ],
)
def test_what_each_kind_needs(tmp_path: Path, auth: str, missing: list[str]) -> None:
    """All of it is told at once, with where to find it; for a workload also which variable is not set."""
    found = problems(tmp_path, section("microsoft", BARE, auth=auth))
    assert [text.split(":")[0] for text in found] == [f"[microsoft] {key}" for key in missing]
    assert all(("AZURE_" in text) is (auth == "workload-identity") for text in found)


def test_an_unknown_kind(tmp_path: Path) -> None:
    """One problem, not also what another kind would need."""
    found = only_problem(tmp_path, section("microsoft", BARE, auth="certificat"))
    assert found == "[microsoft] auth: “certificat” is not a sign-in. Did you mean certificate?"


def _environment(token: Path, **changes: str) -> dict[str, str]:
    return {
        "AZURE_TENANT_ID": TENANT.upper(),
        "AZURE_CLIENT_ID": APPLICATION,
        "AZURE_FEDERATED_TOKEN_FILE": str(token),
    } | changes


def test_a_workloads_values_come_from_its_pod(tmp_path: Path, token: Path) -> None:
    """What Azure's webhook sets is enough; what the section says goes before it."""
    section_of = section("microsoft", BARE, auth="workload-identity")
    only = destination(tmp_path, section_of, environ=_environment(token))
    assert (only.tenant_id, only.app_id, only.federated_token_file) == (TENANT, APPLICATION, token)
    other = section("microsoft", BARE, auth="workload-identity", appId=IDENTITY)
    assert destination(tmp_path, other, environ=_environment(token)).app_id == IDENTITY


def test_the_environment_alone_chooses_nothing(tmp_path: Path, token: Path) -> None:
    """A pod may carry these variables for another program."""
    found = problems(tmp_path, section("microsoft", BARE), environ=_environment(token))
    assert [text.split(":")[0] for text in found] == [
        f"[microsoft] {key}" for key in ("tenantId", "appId", "appSecret")
    ]
    assert destination(tmp_path, section("microsoft", DEFENDER), environ=_environment(token)).auth is Auth.SECRET


def test_a_wrong_variable_is_named(tmp_path: Path, token: Path) -> None:
    """With what is wrong about its value, which is not shown."""
    environ = _environment(token, AZURE_CLIENT_ID="not-a-guid")
    found = only_problem(tmp_path, section("microsoft", BARE, auth="workload-identity"), environ=environ)
    assert found.startswith(
        "[microsoft] appId: comes from the environment variable AZURE_CLIENT_ID, whose value is not"
    )
    assert "not-a-guid" not in found


@pytest.mark.parametrize("key", ["certificate", "federatedTokenFile"])
def test_a_file_that_is_not_there(tmp_path: Path, key: str) -> None:
    """Told when the configuration is read."""
    found = only_problem(tmp_path, section("microsoft", NAMED, **{key: str(tmp_path / "absent")}))
    assert found.startswith(f"[microsoft] {key}: does not exist")


def test_the_passphrase_is_tried(tmp_path: Path, made: Made) -> None:
    """A wrong one is told when the configuration is read, and it may stand elsewhere."""
    path = made.write(tmp_path / "application.pfx", made.pfx(PASSPHRASE))
    good = section("microsoft", NAMED, certificate=str(path), certificatePassword=PASSPHRASE)
    assert destination(tmp_path, good).certificate == path
    found = only_problem(tmp_path, section("microsoft", NAMED, certificate=str(path), certificatePassword="wrong-one"))
    assert found.startswith("[microsoft] certificate: cannot be opened: certificatePassword is wrong")
    assert "wrong-one" not in found
    elsewhere = section("microsoft", NAMED, certificate=str(path), certificatePassword="env:PHRASE")
    only = destination(tmp_path, elsewhere, environ={"PHRASE": PASSPHRASE})
    assert only.references == (("certificate_password", "env:PHRASE"),)
    for shown in (repr(only), str(only), only.model_dump_json()):
        assert PASSPHRASE not in shown


def test_an_expired_certificate_stops_no_other_destination(tmp_path: Path) -> None:
    """It is the sign-in that refuses it; the configuration can be used."""
    old = Made("old", begins=-20, ends=-10).write(tmp_path / "old.pem")
    assert destination(tmp_path, section("microsoft", NAMED, certificate=str(old))).certificate == old


def test_a_key_for_all_to_read_is_a_warning(tmp_path: Path, certificate: Path) -> None:
    """With the command that closes it."""
    certificate.chmod(0o644)
    (warning,) = read(tmp_path, section("microsoft", NAMED, certificate=str(certificate))).warnings
    assert f"chmod o-r {certificate}" in warning


def test_where_a_secret_stands_is_kept(tmp_path: Path) -> None:
    """So that a rotated one is found without reading the configuration again; a plain one has no such place."""
    stored = tmp_path / "secret"
    stored.write_text(SECRET)
    stored.chmod(0o600)
    only = destination(tmp_path, section("microsoft", NAMED, appSecret=f"file:{stored}"))
    assert only.references == (("app_secret", f"file:{stored}"),)
    assert destination(tmp_path, section("microsoft", DEFENDER)).references == ()


def test_a_running_service_sees_what_changes(
    tmp_path: Path, certificate: Path, token: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new certificate and a new variable make a new configuration; a new federated token does not."""
    for name, value in _environment(token).items():
        monkeypatch.setenv(name, value)
    path = write(
        tmp_path,
        section("microsoft", NAMED, certificate=str(certificate)),
        section("microsoft pod", BARE, auth="workload-identity", sourceSystem="Other"),
    )
    first = cached(path)
    token.write_text("d.e.f")
    assert cached(path) is first
    Made("new").write(certificate)
    second = cached(path)
    assert second is not first
    monkeypatch.setenv("AZURE_CLIENT_ID", IDENTITY)
    assert cached(path).destinations[1].app_id == IDENTITY
