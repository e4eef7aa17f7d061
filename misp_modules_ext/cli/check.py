"""`misp-microsoft check`: configuration, hosts, tokens and permissions, without changing a thing."""

from __future__ import annotations

import sys

import orjson
import typer

from misp_modules_ext.cli.common import ConfigOption, DestinationOption, JsonOption, console
from misp_modules_ext.cli.output import standard_output
from misp_modules_ext.config import Settings, load
from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.delivery.submit import choose
from misp_modules_ext.destinations import create
from misp_modules_ext.destinations.interface import Finding


def check(config: ConfigOption = None, destination: DestinationOption = None, as_json: JsonOption = False) -> None:
    """Try everything that a push needs and say what to do about each failure.

    Exit code 0: all is well; 2: the configuration is wrong; 4: credentials or permission refused; 3: not reachable.
    """
    settings = load(config)
    chosen = choose(settings, tuple(destination or ()))
    findings = {d.name: create(d).check() for d in chosen}
    hosts = sorted({host for d in chosen for host in create(d).hosts()})
    with standard_output():
        if as_json:
            _print_json(settings, chosen, findings, hosts)
        else:
            _print_list(settings, chosen, findings, hosts)
    raise typer.Exit(_exit_code([finding for group in findings.values() for finding in group]))


def _exit_code(findings: list[Finding]) -> int:
    if any(finding.misconfigured for finding in findings):
        return 2
    if any(finding.refused for finding in findings):
        return 4
    return 0 if all(finding.ok for finding in findings) else 3


def _print_json(
    settings: Settings, chosen: tuple[DestinationSettings, ...], findings: dict[str, list[Finding]], hosts: list[str]
) -> None:
    document = {
        "configuration": str(settings.path),
        "warnings": list(settings.warnings),
        "destinations": [
            {
                "name": d.name,
                "product": d.product,
                "api": d.api.value,
                "findings": [finding._asdict() for finding in findings[d.name]],
            }
            for d in chosen
        ],
        "hosts": hosts,
    }
    sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")


def _print_list(
    settings: Settings, chosen: tuple[DestinationSettings, ...], findings: dict[str, list[Finding]], hosts: list[str]
) -> None:
    out = console()
    out.print(f"Configuration: {settings.path}")
    for warning in settings.warnings:
        out.print(f"  note: {warning}")
    number = 0
    for d in chosen:
        out.print(f"[{d.name}] {d.product}, API {d.api}")
        for finding in findings[d.name]:
            number += 1
            out.print(f"  {number}. {'ok    ' if finding.ok else 'FAILED'} {finding.what}: {finding.answer}")
            if finding.remedy:
                out.print(f"     What to do: {finding.remedy}")
    out.print("Hosts to open in a firewall: " + ", ".join(hosts))
    out.print("MISP itself is not asked yet: these modules add and update only, and withdraw nothing.")
