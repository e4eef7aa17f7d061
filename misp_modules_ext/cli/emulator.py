"""`misp-microsoft emulator`: the local Microsoft, for trying and for tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from misp_modules_ext.cli.common import console
from misp_modules_ext.errors import UsageError

if TYPE_CHECKING:
    from misp_modules_ext.emulator import App, Credential, Emulator


def emulator(
    port: Annotated[int, typer.Option("--port", help="Port on loopback; 0 takes a free one.")] = 8443,
    state: Annotated[
        Path | None, typer.Option("--state", metavar="DIR", help="Keep certificates and what arrives in this folder.")
    ] = None,
    rates: Annotated[
        bool, typer.Option("--rates/--no-rates", help="Keep Microsoft's documented request rates.")
    ] = True,
    app: Annotated[
        list[str] | None,
        typer.Option(
            "--app",
            metavar="TENANT:APP:SECRET",
            help="Accept only these applications; may be repeated. In place of the secret, @FILE is a PEM file with "
            "the application's certificate, or with the public key of an issuer of federated tokens.",
        ),
    ] = None,
    identity_port: Annotated[
        int | None,
        typer.Option(
            "--identity-port", help="Also be the identity endpoint of an Azure machine, at this port over plain HTTP."
        ),
    ] = None,
) -> None:
    """Run the local emulator of Microsoft's endpoints until interrupted."""
    from misp_modules_ext.emulator import StateError, serve  # noqa: PLC0415 - a web server, which no other command needs

    try:
        serve(port, state, rates, [_application(entry) for entry in app or ()], _announce, identity_port)
    except StateError as error:
        raise UsageError(f"The emulator cannot start: {error}.") from error
    except OSError as error:
        raise UsageError(
            f"The emulator cannot start: {error.strerror or error}. Try --port 0 or another --state."
        ) from error


def _application(entry: str) -> App:
    parts = entry.split(":", 2)
    if len(parts) != 3 or not all(parts):
        raise UsageError("--app takes TENANT:APP:SECRET or TENANT:APP:@FILE.")
    tenant, app, credential = parts
    return tenant, app, _credential(credential[1:]) if credential.startswith("@") else credential


def _credential(name: str) -> Credential:
    from misp_modules_ext.emulator import read_credential  # noqa: PLC0415 - as above

    try:
        return read_credential(Path(name).read_bytes())
    except OSError as error:
        raise UsageError(f"--app: {name} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UsageError(
            f"--app: {name} is no PEM file with a certificate or with a public key (RSA). Name such a file after the @."
        ) from error


def _announce(running: Emulator) -> None:
    out = console()
    out.print(f"Emulator: {running.url} (open it in a browser to see what arrives)", soft_wrap=True)
    out.print("In rh-isac.conf:", soft_wrap=True)
    for line in (f"endpoint.login = {running.url}", f"endpoint.api = {running.url}", f"ca = {running.ca.resolve()}"):
        out.print("  " + line, soft_wrap=True)
    if running.identity_url:
        out.print("In the environment, for auth = managed-identity:", soft_wrap=True)
        out.print(f"  AZURE_POD_IDENTITY_AUTHORITY_HOST={running.identity_url}", soft_wrap=True)
