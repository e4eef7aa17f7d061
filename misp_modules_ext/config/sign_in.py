"""How a destination signs in: which kind, what it needs, and what comes from the environment."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from pydantic import SecretStr

from misp_modules_ext.config import files, ini, values
from misp_modules_ext.config.findings import Findings, Invalid
from misp_modules_ext.config.keys import Reader
from misp_modules_ext.config.sections import OurSection
from misp_modules_ext.config.settings import Auth

#: The keys that only one kind of sign-in has; they tell the kind when `auth` does not.
_OWN: Mapping[Auth, tuple[str, ...]] = {
    Auth.SECRET: ("appSecret",),
    Auth.CERTIFICATE: ("certificate", "certificatePassword"),
    Auth.MANAGED_IDENTITY: ("identityClientId",),
    Auth.WORKLOAD_IDENTITY: ("federatedTokenFile",),
}
#: What each kind cannot do without, beside `tenantId`.
_NEEDS: Mapping[Auth, tuple[str, ...]] = {
    Auth.SECRET: ("appId", "appSecret"),
    Auth.CERTIFICATE: ("appId", "certificate"),
    Auth.MANAGED_IDENTITY: (),
    Auth.WORKLOAD_IDENTITY: ("appId", "federatedTokenFile"),
}
#: What Azure's workload identity puts into the environment of a pod (azure-workload-identity, mutating webhook).
_ENVIRONMENT = {
    "tenantId": ("AZURE_TENANT_ID", values.tenant),
    "appId": ("AZURE_CLIENT_ID", values.guid),
    "federatedTokenFile": ("AZURE_FEDERATED_TOKEN_FILE", values.absolute_path),
}
_WHERE = {
    "tenantId": "Add it from Azure portal > Microsoft Entra ID > Overview > Tenant ID.",
    "appId": "Add it from Entra ID > App registrations > the application > Application (client) ID.",
    "appSecret": "Add the value of a client secret (App registrations > the application > Certificates & secrets), or "
    "another sign-in with auth.",
    "certificate": "Add the path of a file with the application's certificate and its private key.",
    "federatedTokenFile": "Add the path of the file that holds the token.",
}
#: Secrets that may come from elsewhere, with their fields: they are looked up again at each sign-in.
_SECRETS = {"appSecret": "app_secret", "certificatePassword": "certificate_password"}


def read(section: OurSection, found: Mapping[str, object], reader: Reader) -> dict[str, object]:
    """The values of a destination with all that its sign-in needs; what is missing or wrong is noted.

    Args:
        section: of part DESTINATION.
        found: its values by documented name.
        reader: for the file.

    Returns:
        `found` with `auth`, with what the environment adds, and without keys of other kinds of sign-in.
    """
    auth = _kind(section, found, reader.findings)
    if auth is None:
        return dict(found)
    kept = _without_others(section, found, auth, reader.findings) | {"auth": auth}
    if auth is Auth.WORKLOAD_IDENTITY:
        kept = _from_environment(section, reader) | kept
    _require(section, kept, auth, reader.findings)
    if auth is Auth.MANAGED_IDENTITY:
        kept["appId"] = kept.get("identityClientId", "")
    _look_into_files(section.name, kept, reader)
    return kept


def references(section: OurSection) -> tuple[tuple[str, str], ...]:
    """Which fields hold a secret from elsewhere, and from where: `("app_secret", "file:/run/secrets/x")`."""
    written = {field: section.raw.values.get(key.lower()) for key, field in _SECRETS.items()}
    return tuple((field, raw.text) for field, raw in written.items() if raw and ini.is_reference(raw.text))


def _kind(section: OurSection, found: Mapping[str, object], findings: Findings) -> Auth | None:
    """The kind of sign-in, `None` when the section does not say it rightly."""
    if "auth" in section.raw.values:
        return cast("Auth | None", found.get("auth"))
    told = {kind: [key for key in keys if key.lower() in section.raw.values] for kind, keys in _OWN.items()}
    kinds = [kind for kind, keys in told.items() if keys]
    if len(kinds) > 1:
        keys = ", ".join(key for kind in kinds for key in told[kind])
        findings.problem(
            section.name,
            "auth",
            f"is missing: the section holds keys of several kinds of sign-in ({keys}).",
            f"Write auth = {' or '.join(kind.value for kind in kinds)}, or remove the keys that are not meant.",
        )
        return None
    return kinds[0] if kinds else Auth.SECRET


def _without_others(
    section: OurSection, found: Mapping[str, object], auth: Auth, findings: Findings
) -> dict[str, object]:
    others = [key for kind, keys in _OWN.items() if kind is not auth for key in keys]
    if auth is Auth.MANAGED_IDENTITY:
        others.append("appId")
    for key in others:
        if key.lower() in section.raw.values:
            findings.warning(section.name, key, f"has no effect with auth = {auth}; it is ignored.")
    return {name: value for name, value in found.items() if name not in others}


def _from_environment(section: OurSection, reader: Reader) -> dict[str, object]:
    """What the section leaves to the variables of a workload identity."""
    added: dict[str, object] = {}
    for name, (variable, parse) in _ENVIRONMENT.items():
        text = reader.references.look(variable) if name.lower() not in section.raw.values else ""
        if not text:
            continue
        try:
            added[name] = parse(text)
        except Invalid as error:
            message = f"comes from the environment variable {variable}, whose value {error.message}"
            reader.findings.problem(section.name, name, message, f"Correct {variable}, or add {name}.")
            added[name] = None
    return added


def _require(section: OurSection, kept: Mapping[str, object], auth: Auth, findings: Findings) -> None:
    for name in ("tenantId", *_NEEDS[auth]):
        if name in kept or name.lower() in section.raw.values:
            continue
        variable = _ENVIRONMENT.get(name, ("",))[0] if auth is Auth.WORKLOAD_IDENTITY else ""
        unset = f", and the environment variable {variable} is not set" if variable else ""
        findings.problem(section.name, name, f"is missing{unset}.", _WHERE[name])


def _look_into_files(section: str, kept: Mapping[str, object], reader: Reader) -> None:
    certificate, token = kept.get("certificate"), kept.get("federatedTokenFile")
    if isinstance(certificate, Path):
        _check_certificate(section, certificate, cast("SecretStr | None", kept.get("certificatePassword")), reader)
    if isinstance(token, Path):
        try:
            files.read(token)
        except Invalid as error:
            reader.findings.invalid(section, "federatedTokenFile", error)


def _check_certificate(section: str, path: Path, password: SecretStr | None, reader: Reader) -> None:
    from misp_modules_ext.config import certificates  # noqa: PLC0415 - slow to import, and most have no certificate

    reader.references.watch(path)
    try:
        found = certificates.read(path, password)
    except Invalid as error:
        reader.findings.invalid(section, "certificate", error)
        return
    if found.world_readable:
        name = shlex.quote(str(path))
        message = f"is {path}, whose private key every user here can read. Run: chmod o-r {name}"
        reader.findings.warning(section, "certificate", message)
