"""Every kind of sign-in through unmodified MSAL, against the emulator, which verifies what it is shown."""

from __future__ import annotations

import json
import logging
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from misp_modules import http_debug
from pydantic import SecretStr
from requests.adapters import HTTPAdapter

from misp_modules_ext.config.settings import Api, Auth, DestinationSettings
from misp_modules_ext.destinations import create, tokens
from misp_modules_ext.destinations.aadsts import HINTS
from misp_modules_ext.destinations.credentials import SOON, outlook
from misp_modules_ext.destinations.interface import Destination
from misp_modules_ext.emulator import App, Emulator, Federation, ManagedIdentity
from misp_modules_ext.emulator.identity import HEADER
from misp_modules_ext.errors import CredentialsRefused, DestinationError, Throttled, Unavailable
from misp_modules_ext.model.outcome import Outcome
from tests.support.build import due
from tests.support.certificates import PASSPHRASE, Made, federated, jwt, rsa_key
from tests.support.shared import shared

from .conftest import SECRET, TENANT, settings_for

APP = "55555555-5555-4555-8555-555555555555"
IDENTITY = "66666666-6666-4666-8666-666666666666"
SYSTEM = "77777777-7777-4777-8777-777777777777"
ISSUER = "https://issuer.example"
KINDS = list(Auth)

#: `sign_in(Auth.CERTIFICATE)` gives a destination whose application signs in so.
SignIn = Callable[..., Destination]


@pytest.fixture(scope="module")
def made() -> Made:
    """The application's certificate."""
    return Made("the application", ends=SOON - 10)


def _apps(made: Made) -> list[App]:
    return [
        (TENANT, APP, SECRET),
        (TENANT, APP, made.certificate),
        (TENANT, APP, Federation(rsa_key("issuer").public_key(), ISSUER, "system:serviceaccount:misp:misp-modules")),
        (TENANT, IDENTITY, ManagedIdentity()),
        (TENANT, SYSTEM, ManagedIdentity(system=True)),
    ]


@pytest.fixture(scope="module")
def _running(made: Made) -> Iterator[Emulator]:
    with Emulator(rates=False, apps=_apps(made), identity_port=0) as emulator:
        yield emulator


@pytest.fixture
def emulator(_running: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Entra and an Azure machine, without faults; this process has no tokens yet."""
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "MSI_SECRET", "IMDS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", _running.identity_url)
    tokens._applications.clear()
    _running.reset()
    yield _running
    _running.clear_faults()


@pytest.fixture
def sign_in(emulator: Emulator, made: Made, tmp_path: Path) -> SignIn:
    """`sign_in(Auth.SECRET)`; further arguments as in `settings_for`."""
    certificate = made.write(tmp_path / "application.pfx", made.pfx(PASSPHRASE))
    token = _write_token(tmp_path / "token")
    own: dict[Auth, dict[str, Any]] = {
        Auth.SECRET: {"app_secret": SecretStr(SECRET)},
        Auth.CERTIFICATE: {"certificate": certificate, "certificate_password": SecretStr(PASSPHRASE)},
        Auth.MANAGED_IDENTITY: {"app_id": IDENTITY, "identity_client_id": IDENTITY},
        Auth.WORKLOAD_IDENTITY: {"federated_token_file": token},
    }

    def _sign_in(auth: Auth, api: Api = Api.SENTINEL, **fields: Any) -> Destination:
        given = {"auth": auth, "app_id": APP, "app_secret": SecretStr("")} | own[auth] | fields
        return create(settings_for(emulator, api, **given))

    return _sign_in


def _write_token(path: Path, key: str = "issuer", **changes: Any) -> Path:
    path.write_text(jwt(rsa_key(key), federated(ISSUER, **changes)) + "\n")
    return path


def _sends(destination: Destination) -> bool:
    return destination.send([due()], 5.0)[0].outcome is Outcome.ACCEPTED


def _asked(emulator: Emulator) -> int:
    """The tokens that were asked for, given or not."""
    return sum(r["api"] == "identity" or r["path"].endswith("/token") for r in emulator.requests())


def _refusal(destination: Destination) -> str:
    with pytest.raises(CredentialsRefused) as caught:
        destination.send([due()], 5.0)
    return str(caught.value)


@pytest.mark.parametrize("api", list(Api))
@pytest.mark.parametrize("auth", KINDS)
def test_each_kind_gets_a_token_for_each_api(sign_in: SignIn, auth: Auth, api: Api) -> None:
    """The emulator checks the credential when it gives the token, and the token's audience when it is used."""
    assert _sends(sign_in(auth, api))


@pytest.mark.parametrize("auth", KINDS)
def test_a_token_is_asked_once_and_renewed_at_401(sign_in: SignIn, emulator: Emulator, auth: Auth) -> None:
    """Several requests need one token; when the API does not take it any more, one further is asked."""
    destination = sign_in(auth)
    assert all(_sends(destination) for _ in range(3))
    assert _asked(emulator) == 1
    emulator.fault(api="sentinel", status=401, times=1)
    assert _sends(destination)
    assert _asked(emulator) == 2


@pytest.mark.parametrize("locked", [True, False])
@pytest.mark.parametrize("form", ["pem", "pfx"])
def test_forms_of_a_certificate(sign_in: SignIn, made: Made, tmp_path: Path, form: str, locked: bool) -> None:
    """PEM and PFX, with a passphrase and without."""
    phrase = PASSPHRASE if locked else ""
    path = made.write(tmp_path / "other.pem", made.pem(phrase) if form == "pem" else made.pfx(phrase))
    password = SecretStr(phrase) if locked else None
    assert _sends(sign_in(Auth.CERTIFICATE, certificate=path, certificate_password=password))


def test_where_no_application_is_named_the_certificate_vouches_for_itself(made: Made, tmp_path: Path) -> None:
    """MSAL sends the certificate along (x5c), as SNI wants it: the emulator verifies by that alone."""
    path = made.write(tmp_path / "application.pem")
    with Emulator(rates=False) as anyone:
        assert _sends(create(settings_for(anyone, Api.DEFENDER, auth=Auth.CERTIFICATE, certificate=path, app_id=APP)))


def test_a_certificate_that_is_not_the_applications(sign_in: SignIn, tmp_path: Path) -> None:
    """Of another key, or with the same name only."""
    for number, name in enumerate(("somebody else", "the application")):
        path = Made(name + " " * number).write(tmp_path / "other.pem")
        said = _refusal(sign_in(Auth.CERTIFICATE, certificate=path, certificate_password=None))
        assert "AADSTS700027" in said
        assert "upload it to the application's registration" in said


@pytest.mark.parametrize(("begins", "ends", "words"), [(-20, -10, "expired on"), (2, 20, "is good from")])
def test_a_certificate_out_of_its_time_is_not_even_shown(
    sign_in: SignIn, emulator: Emulator, tmp_path: Path, begins: float, ends: float, words: str
) -> None:
    """It is seen here, so nobody is asked; and the remedy says what to make."""
    path = Made("the application", begins, ends).write(tmp_path / "other.pem")
    said = _refusal(sign_in(Auth.CERTIFICATE, certificate=path, certificate_password=None))
    assert words in said
    assert "What to do: " in said
    assert emulator.requests() == []


def test_a_certificate_that_ends_by_entras_clock(made: Made, tmp_path: Path) -> None:
    """Which is the one that counts."""
    path = made.write(tmp_path / "application.pem")
    with Emulator(rates=False, apps=_apps(made)) as later:
        later.advance(SOON * 86_400)
        destination = create(settings_for(later, Api.SENTINEL, auth=Auth.CERTIFICATE, certificate=path, app_id=APP))
        said = _refusal(destination)
    assert "AADSTS1000502" in said
    assert "make a new certificate" in said


@pytest.mark.parametrize("data", [b"", b"nothing of the kind"])
def test_a_certificate_that_is_broken_since_the_configuration_was_read(
    sign_in: SignIn, tmp_path: Path, data: bytes
) -> None:
    """A refusal with the file's fault, also for a passphrase that does not fit any more."""
    path = tmp_path / "other.pem"
    path.write_bytes(data)
    assert "neither PEM nor PFX" in _refusal(sign_in(Auth.CERTIFICATE, certificate=path))
    wrong = sign_in(Auth.CERTIFICATE, certificate_password=SecretStr("wrong-passphrase"))
    said = _refusal(wrong)
    assert "certificatePassword is wrong" in said
    assert "wrong-passphrase" not in said


# -- rotation -----------------------------------------------------------------------------------------------------


def test_a_certificate_is_read_again_when_it_was_replaced(sign_in: SignIn, made: Made, tmp_path: Path) -> None:
    """The same destination, without a new configuration; while the new file cannot be read, the old one goes on."""
    path = Made("old").write(tmp_path / "application.pem")
    destination = sign_in(Auth.CERTIFICATE, certificate=path, certificate_password=None)
    assert "AADSTS700027" in _refusal(destination)
    made.write(path)
    assert _sends(destination)
    made.write(path, b"half a fi")
    assert _sends(destination)


def test_a_secret_is_read_again_from_its_file(sign_in: SignIn, tmp_path: Path) -> None:
    """The refused one is not tried for ever, although the configuration in use still holds it."""
    path = tmp_path / "secret"
    path.write_text("the-old-secret\n")
    destination = sign_in(
        Auth.SECRET, app_secret=SecretStr("the-old-secret"), references=(("app_secret", f"file:{path}"),)
    )
    assert "AADSTS7000215" in _refusal(destination)
    path.write_text(SECRET + "\n")
    assert _sends(destination)


def test_a_secret_is_read_again_from_its_variable(sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that disappears leaves the known one in force."""
    destination = sign_in(
        Auth.SECRET, app_secret=SecretStr("the-old-secret"), references=(("app_secret", "env:SIGN_IN_SECRET"),)
    )
    monkeypatch.setenv("SIGN_IN_SECRET", "the-old-secret")
    assert "AADSTS7000215" in _refusal(destination)
    monkeypatch.setenv("SIGN_IN_SECRET", SECRET)
    assert _sends(destination)
    monkeypatch.delenv("SIGN_IN_SECRET")
    assert "AADSTS7000215" in _refusal(destination)


def test_a_refusal_with_400_is_asked_again_with_the_same_secret(sign_in: SignIn, emulator: Emulator) -> None:
    """MSAL would replay it for a minute from the application object's memory."""
    for auth in (Auth.SECRET, Auth.CERTIFICATE, Auth.WORKLOAD_IDENTITY):
        destination = sign_in(auth)
        emulator.fault(api="login", code="AADSTS700016", status=400, times=1)
        assert "AADSTS700016" in _refusal(destination)
        assert _sends(destination)


def test_a_federated_token_is_read_for_each_sign_in(sign_in: SignIn, emulator: Emulator, tmp_path: Path) -> None:
    """It lives for an hour, and whoever writes it does not tell us."""
    path = _write_token(tmp_path / "other.token", exp=time.time() - 10)
    destination = sign_in(Auth.WORKLOAD_IDENTITY, federated_token_file=path)
    said = _refusal(destination)
    assert "AADSTS700024" in said
    assert "renew the token file" in said
    _write_token(path)
    assert _sends(destination)
    # The token of the application is still good; for the next one the file counts.
    path.write_text("")
    assert _sends(destination)
    emulator.fault(api="sentinel", status=401, times=1)
    assert "is empty" in _refusal(destination)
    path.unlink()
    assert "does not exist" in _refusal(destination)
    _write_token(path)
    assert _sends(destination)


@pytest.mark.parametrize(
    ("key", "changes", "code"),
    [
        ("somebody else", {}, "50013"),
        ("issuer", {"iss": "https://other.example"}, "700211"),
        ("issuer", {"sub": "system:serviceaccount:other:misp-modules"}, "700213"),
        ("issuer", {"aud": ["api://other"]}, "700212"),
    ],
)
def test_a_federated_token_that_does_not_fit(
    sign_in: SignIn, tmp_path: Path, key: str, changes: dict[str, Any], code: str
) -> None:
    """Signature, issuer, subject, audience: each has its code and remedy."""
    path = _write_token(tmp_path / "other.token", key, **changes)
    said = _refusal(sign_in(Auth.WORKLOAD_IDENTITY, federated_token_file=path))
    assert f"AADSTS{code}" in said
    assert HINTS[code].remedy in said


# -- managed identity ---------------------------------------------------------------------------------------------


def test_system_and_user_assigned_identities(sign_in: SignIn, emulator: Emulator) -> None:
    """Each is asked for in its own way; an identity that the machine lacks is a refusal with its remedy."""
    assert _sends(sign_in(Auth.MANAGED_IDENTITY, app_id="", identity_client_id=""))
    assert _sends(sign_in(Auth.MANAGED_IDENTITY))
    assert {r["api"] for r in emulator.requests()} == {"identity", "sentinel"}
    said = _refusal(sign_in(Auth.MANAGED_IDENTITY, app_id=APP, identity_client_id=APP))
    assert "this machine has no such identity" in said
    assert "`identityClientId`" in said


def test_app_service(sign_in: SignIn, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The endpoint of the environment, with its header; its words are understood too."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{emulator.identity_url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", HEADER)
    assert _sends(sign_in(Auth.MANAGED_IDENTITY))
    assert emulator.requests()[0]["path"] == "/msi/token"
    assert "no such identity" in _refusal(sign_in(Auth.MANAGED_IDENTITY, app_id=APP, identity_client_id=APP))
    monkeypatch.setenv("IDENTITY_HEADER", "another-header")
    tokens._applications.clear()
    said = _refusal(sign_in(Auth.MANAGED_IDENTITY))
    assert "identity" in said
    assert "another-header" not in said


def test_a_machine_that_is_not_on_azure(sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens: it is told at once, as something that may pass, with where an identity is to be had."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", f"http://127.0.0.1:{port}")
    with pytest.raises(Unavailable, match=r"identity endpoint of Azure gave no answer.*refused.*Azure portal"):
        sign_in(Auth.MANAGED_IDENTITY).send([due()], 5.0)


def test_an_identity_endpoint_that_says_nothing(sign_in: SignIn, emulator: Emulator) -> None:
    """The deadline holds."""
    emulator.fault(api="identity", delay=3, times=1)
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"did not answer within 0\.3 seconds"):
        sign_in(Auth.MANAGED_IDENTITY).send([due()], 0.3)
    assert time.monotonic() - began < 1.5
    assert _sends(sign_in(Auth.MANAGED_IDENTITY))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"status": 429, "retryAfter": 6}, Throttled),
        ({"status": 404}, Unavailable),
        ({"status": 410}, Unavailable),
        ({"status": 500}, Unavailable),
        ({"drop": True}, Unavailable),
    ],
)
def test_troubles_of_the_endpoint_pass(
    sign_in: SignIn, emulator: Emulator, fault: dict[str, Any], kind: type[DestinationError]
) -> None:
    """None of them is a refusal, and none is replayed from MSAL's memory."""
    emulator.fault(api="identity", times=1, **fault)
    destination = sign_in(Auth.MANAGED_IDENTITY)
    with pytest.raises(kind) as caught:
        destination.send([due()], 5.0)
    assert type(caught.value) is kind
    assert getattr(caught.value, "retry_after", None) == fault.get("retryAfter")
    assert _sends(destination)


def test_the_endpoint_is_asked_past_any_proxy(sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is on this machine's own link, and a proxy would get the token."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert _sends(sign_in(Auth.MANAGED_IDENTITY))


def test_no_token_travels_unprotected_from_afar(sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain HTTP is for addresses of the machine's own network."""
    for address in ("http://203.0.114.5", "http://identity.example"):
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", address)
        with pytest.raises(Unavailable, match="no address of this machine's network"):
            sign_in(Auth.MANAGED_IDENTITY).send([due()], 5.0)


# -- refusals -----------------------------------------------------------------------------------------------------


def _facts() -> list[tuple[str, str, int]]:
    """Code, error and status of each refusal that Microsoft documents."""
    facts = json.loads(shared("microsoft", "aadsts.json").read_text("utf-8"))["codes"]
    return [
        (code, fact.get("error", "invalid_request"), int(fact.get("http", 400)))
        for fact in facts
        for code in re.findall(r"\d{4,8}", fact["code"])
    ]


@pytest.mark.parametrize("auth", [Auth.SECRET, Auth.CERTIFICATE, Auth.WORKLOAD_IDENTITY])
def test_every_refusal_produces_its_hint(sign_in: SignIn, emulator: Emulator, auth: Auth) -> None:
    """Each code of the shared facts, for each kind: with its meaning and remedy, and as what passes or does not."""
    destination = sign_in(auth)
    passing = {"90055", "90033", "90006", "90012", "90024"}
    for code, _, status in _facts():
        emulator.fault(api="login", code=f"AADSTS{code}", status=status, times=1)
        with pytest.raises((CredentialsRefused, Unavailable)) as caught:
            destination.send([due()], 5.0)
        said = str(caught.value)
        assert type(caught.value) is (Unavailable if code in passing else CredentialsRefused), code
        assert f"AADSTS{code}" in said
        remedy = said.partition("What to do: ")[2]
        assert remedy
        if code != "7000218":
            assert HINTS[code].meaning in said
            assert HINTS[code].remedy == remedy
        elif auth is not Auth.SECRET:
            assert "appSecret" not in said
        emulator.clear_faults()
    assert _sends(destination)


# -- check --------------------------------------------------------------------------------------------------------


class _Checked(NamedTuple):
    answer: str
    remedy: str


def _token_of(destination: Destination) -> _Checked:
    assert destination.check()[0].ok
    found = outlook(destination.settings)
    return _Checked(found.answer, found.remedy)


def test_check_says_what_is_about_to_expire(sign_in: SignIn, tmp_path: Path) -> None:
    """A certificate's end can be seen, a secret's cannot, and the others are renewed by themselves."""
    soon = _token_of(sign_in(Auth.CERTIFICATE))
    assert re.search(r"The certificate [0-9A-F]{40} is good until \d{4}-\d\d-\d\d \(\d+ days\)", soon.answer)
    assert "make a new certificate" in soon.remedy
    secret = _token_of(sign_in(Auth.SECRET))
    assert "cannot see when its secret expires" in secret.answer
    assert secret.remedy == ""
    assert "Azure renews" in _token_of(sign_in(Auth.MANAGED_IDENTITY)).answer
    workload = sign_in(Auth.WORKLOAD_IDENTITY)
    assert re.search(r"is good until \d{4}-\d\d-\d\d \d\d:\d\d UTC", _token_of(workload).answer)
    _write_token(tmp_path / "token", exp=time.time() - 60)
    assert "has expired" in _token_of(workload).answer
    assert "not renewed" in _token_of(workload).remedy
    (tmp_path / "token").write_text("no JWT")
    assert "cannot be seen" in _token_of(workload).answer


def test_check_asks_nothing_of_a_certificate_with_time(made: Made, tmp_path: Path) -> None:
    """Only from some weeks before its end."""
    path = Made("long", ends=SOON + 10).write(tmp_path / "application.pem")
    with Emulator(rates=False) as anyone:
        found = _token_of(create(settings_for(anyone, Api.DEFENDER, auth=Auth.CERTIFICATE, certificate=path)))
    assert found.remedy == ""


def test_a_managed_identity_needs_no_login_host(sign_in: SignIn, emulator: Emulator) -> None:
    """The list for the firewall holds what is asked."""
    elsewhere = "https://login.example"
    assert elsewhere + ":443" not in sign_in(Auth.MANAGED_IDENTITY, endpoint_login=elsewhere).hosts()
    assert elsewhere + ":443" in sign_in(Auth.CERTIFICATE, endpoint_login=elsewhere).hosts()
    assert sign_in(Auth.MANAGED_IDENTITY).hosts() == [emulator.url]


# -- secrets ------------------------------------------------------------------------------------------------------


@pytest.fixture
def _debug_extended() -> Iterator[None]:
    before = HTTPAdapter.send
    http_debug.configure_http_debug(True)
    assert HTTPAdapter.send is not before, "misp-modules patches another place now: look where"
    yield
    HTTPAdapter.send = before  # type: ignore[method-assign]


@pytest.mark.usefixtures("_debug_extended")
@pytest.mark.parametrize("auth", KINDS)
def test_peers_25_no_kind_of_sign_in_shows_what_it_shows(
    sign_in: SignIn,
    emulator: Emulator,
    made: Made,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    auth: Auth,
) -> None:
    """PEERS 25: keys, passphrases, assertions, identity headers and tokens are in no log, error or representation.

    Neither with misp-modules' `--debug-extended` nor when Entra refuses.
    """
    caplog.set_level(logging.DEBUG)
    if auth is Auth.MANAGED_IDENTITY:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{emulator.identity_url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", HEADER)
    destination = sign_in(auth)
    api = "identity" if auth is Auth.MANAGED_IDENTITY else "login"
    # A gateway that repeats what it was sent.
    emulator.fault(api=api, status=400, times=1, message=f"Wrong: {_sent(auth, tmp_path)}")
    said = _refusal(destination)
    assert ("Wrong: (secret)" in said) is (auth is not Auth.CERTIFICATE)
    assert _sends(destination)
    destination.check()
    shown = "\n".join([caplog.text, said, repr(destination), repr(vars(destination)), _settings_text(destination)])
    shown += repr(tokens._applications) + "".join(repr(vars(a)) for a in tokens._applications.values())
    assert not any(secret in shown for secret in [SECRET, PASSPHRASE, HEADER, *made.secrets()])
    # Every assertion and every token is a JWT.
    assert "eyJ" not in shown
    assert tokens._applications


def _token_in(folder: Path) -> str:
    return (folder / "token").read_text().strip()


def _sent(auth: Auth, folder: Path) -> str:
    """What a kind shows, as far as it is known beforehand."""
    known = {
        Auth.SECRET: SECRET,
        Auth.MANAGED_IDENTITY: HEADER,
        Auth.WORKLOAD_IDENTITY: _token_in(folder),
    }
    return known.get(auth, "")


def _settings_text(destination: Destination) -> str:
    settings: DestinationSettings = destination.settings
    return repr(settings) + settings.model_dump_json()


def test_the_federated_token_is_not_in_the_settings(sign_in: SignIn, tmp_path: Path) -> None:
    """They name the file."""
    text = _token_in(tmp_path)
    destination = sign_in(Auth.WORKLOAD_IDENTITY)
    assert text.startswith("eyJ")
    assert text not in _settings_text(destination)
