"""Client assertions are verified, not looked at: signature, thumbprint, certificate, time, claims."""

from __future__ import annotations

from typing import Any

import pytest

from misp_modules_ext.emulator import Federation, read_credential
from tests.support.certificates import Made, claims, federated, header_of, jwt, public_pem, rsa_key

from .world import START, World

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TOKEN_ENDPOINT = "https://127.0.0.1/tenant-1/oauth2/v2.0/token"
ISSUER = rsa_key("issuer")


@pytest.fixture(scope="module")
def made() -> Made:
    """The application's certificate, good at the emulator's time, too."""
    return Made(begins=-20_000, ends=20_000)


def _code(world: World, assertion: str, **form: str) -> int:
    """Ask with an assertion: 200, or the AADSTS number."""
    answer = world.login(client_secret="", client_assertion=assertion, **{"client_assertion_type": TYPE} | form)
    return 200 if answer.status == 200 else int(answer.json()["error_codes"][0])


def _signed(made: Made, header: dict[str, Any] | None = None, **changes: Any) -> str:
    said = claims("app-1", TOKEN_ENDPOINT, START) | changes
    return jwt(made.key, {k: v for k, v in said.items() if v is not None}, header or header_of(made.certificate))


@pytest.mark.parametrize("alg", ["RS256", "PS256"])
@pytest.mark.parametrize("sha1", [True, False])
def test_a_registered_certificate_signs_in(made: Made, alg: str, sha1: bool) -> None:
    """With either thumbprint and signature, with and without the certificate itself."""
    world = World(apps=[("tenant-1", "app-1", made.certificate)])
    for chain in (True, False):
        header = {"alg": alg, **header_of(made.certificate, chain=chain, sha1=sha1)}
        assert _code(world, _signed(made, header)) == 200


def test_without_applications_the_certificate_must_come_along(made: Made) -> None:
    """What cannot be verified is refused."""
    world = World()
    assert _code(world, _signed(made)) == 200
    assert _code(world, _signed(made, header_of(made.certificate, chain=False))) == 700027
    assert _code(world, _signed(made, {"x5c": header_of(made.certificate)["x5c"]})) == 700027


@pytest.mark.parametrize("registered", [True, False])
def test_another_key_is_refused(made: Made, registered: bool) -> None:
    """The certificate's name on a signature of somebody else."""
    world = World(apps=[("tenant-1", "app-1", made.certificate)] if registered else ())
    forged = jwt(rsa_key("other"), claims("app-1", TOKEN_ENDPOINT, START), header_of(made.certificate))
    assert _code(world, forged) == 700027


def test_another_certificate_is_refused(made: Made) -> None:
    """Well signed, but not registered; nor does its thumbprint beside the registered one help."""
    world = World(apps=[("tenant-1", "app-1", made.certificate), ("tenant-1", "app-1", "a-secret")])
    other = Made("other", -20_000, 20_000)
    assert _code(world, _signed(other)) == 700027
    mixed = header_of(made.certificate) | {"x5c": header_of(other.certificate)["x5c"]}
    assert _code(world, _signed(made, mixed)) == 700027
    assert _code(world, _signed(made, header_of(made.certificate) | header_of(other.certificate, sha1=True))) == 700027


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exp": START}, 700024),
        ({"exp": None}, 700024),
        ({"exp": "soon"}, 700024),
        ({"nbf": START + 3600}, 700024),
        ({"nbf": START - 10}, 200),
        ({"sub": "app-2"}, 50027),
        ({"jti": None}, 50027),
        ({"aud": "https://127.0.0.1/tenant-2/oauth2/v2.0/token"}, 50027),
        ({"aud": "https://127.0.0.1/tenant-1/v2.0"}, 200),
        ({"iss": "app-2"}, 700211),
    ],
)
def test_claims(made: Made, changes: dict[str, Any], code: int) -> None:
    """Each is looked at, after the signature."""
    assert _code(World(), _signed(made, **changes)) == code


@pytest.mark.parametrize(("begins", "ends"), [(-20_000, -10_000), (10_000, 20_000)])
def test_a_certificate_out_of_its_time(begins: float, ends: float) -> None:
    """Expired, or not yet good."""
    made = Made("application", begins, ends)
    for world in (World(), World(apps=[("tenant-1", "app-1", made.certificate)])):
        assert _code(world, _signed(made)) == 1000502


@pytest.mark.parametrize("text", ["one-part", "a.b", "a.b.c", "e30.e30.", "bnVsbA.e30.e30", "e30.e30.e30.e30", "é.é.é"])
def test_what_is_no_jwt(text: str) -> None:
    """Refused, and no failure of the emulator's."""
    assert _code(World(), text) in {700027, 700211}


def test_the_signature_is_of_a_known_kind(made: Made) -> None:
    """`none` and HMAC with the public key are the classic forgeries."""
    for alg in ("none", "HS256", "RS512", 5):
        header = {**header_of(made.certificate), "alg": alg}
        assert _code(World(), _signed(made, header)) == 700027
    assert _code(World(), _signed(made), client_assertion_type="urn:other") == 700027


def _workload(**changes: Any) -> World:
    key = ISSUER.public_key()
    return World(apps=[("tenant-1", "app-1", Federation(key, **changes))])


def test_a_federated_token_signs_in() -> None:
    """Signed by the issuer that the application trusts; the audience may be a list or a text."""
    good = federated(iat=START, exp=START + 3600)
    assert _code(_workload(), jwt(ISSUER, good)) == 200
    assert _code(_workload(), jwt(ISSUER, good | {"aud": "api://AzureADTokenExchange"})) == 200
    exact = _workload(issuer="https://issuer.example", subject="system:serviceaccount:misp:misp-modules")
    assert _code(exact, jwt(ISSUER, good)) == 200


@pytest.mark.parametrize(
    ("trust", "changes", "code"),
    [
        ({}, {"exp": START - 1}, 700024),
        ({}, {"aud": ["api://other"]}, 700212),
        ({"issuer": "https://other.example"}, {}, 700211),
        ({"subject": "system:serviceaccount:misp:Misp-Modules"}, {}, 700213),
    ],
)
def test_a_federated_token_that_does_not_fit(trust: dict[str, str], changes: dict[str, Any], code: int) -> None:
    """Issuer, subject and audience must be equal, in upper and lower case, too."""
    said = federated(iat=START, exp=START + 3600) | changes
    assert _code(_workload(**trust), jwt(ISSUER, said)) == code


def test_a_federated_token_of_somebody_else() -> None:
    """The right claims under another signature; and without applications nobody is trusted."""
    said = federated(iat=START, exp=START + 3600)
    assert _code(_workload(), jwt(rsa_key("other"), said)) == 50013
    assert _code(World(), jwt(ISSUER, said)) == 700211


def test_credentials_are_read_from_files(made: Made) -> None:
    """A certificate, or an issuer's public key; nothing else."""
    assert read_credential(made.certificate_pem) == made.certificate
    found = read_credential(public_pem(ISSUER))
    assert isinstance(found, Federation)
    assert found.key == ISSUER.public_key()
    for wrong in (b"", b"a secret", made.key_pem()):
        with pytest.raises(ValueError, match=r".+"):
            read_credential(wrong)
