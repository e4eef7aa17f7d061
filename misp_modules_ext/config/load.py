"""From a file to `Settings`: all problems are found before anything is raised."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import SecretStr, ValidationError

from misp_modules_ext.config import destinations, files, ini, places
from misp_modules_ext.config.findings import Findings, Invalid
from misp_modules_ext.config.keys import Reader, fields
from misp_modules_ext.config.schema import LEDGER, LOOKUP, MISP, QUEUE, WRITE_BACK, Part
from misp_modules_ext.config.search import Found, distrust, find
from misp_modules_ext.config.sections import RH_ISAC, SERVED, OurSection, meant, recognise
from misp_modules_ext.config.settings import (
    DestinationSettings,
    LedgerSettings,
    LookupSettings,
    MispSettings,
    Settings,
    WriteBackSettings,
)
from misp_modules_ext.config.values import shown
from misp_modules_ext.errors import ConfigurationError, Problem

RH_ISAC_URL = "https://misp.rhisac.org"
#: What RH-ISAC's analysts put on what they have looked at.
RH_ISAC_TAGS = ("rhisac: vetted",)
#: Characters in a section's label; it stands in every report.
LONGEST_NAME = 100


class Reading(NamedTuple):
    """Settings and all that they were read from.

    Attributes:
        signature: of the configuration file.
        references: the variables and further files that values came from.
    """

    settings: Settings
    signature: files.Signature
    references: ini.References


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the configuration.

    Args:
        path: the file; searched when it is `None` (see `search.find`).
        environ: the variables of the process, for `$RH_ISAC_CONF`, `$HOME` and values like `env:NAME`.

    Raises:
        ConfigurationError: there is none, or it cannot be used; holds every problem found.
    """
    return read(find(path, environ), environ).settings


def read(found: Found, environ: Mapping[str, str]) -> Reading:
    """Read a file that was found.

    Raises:
        ConfigurationError: it cannot be used; holds every problem found.
    """
    findings = Findings()
    reader = Reader(findings, ini.References(environ))
    content, sections = _open(found, findings)
    settings = _settings(found.path, sections, reader, environ) if sections or not findings.problems else None
    if findings.problems or settings is None:
        raise ConfigurationError(findings.problems, str(found.path))
    _note_mode(found.path, content, reader)
    settings = settings.model_copy(update={"warnings": tuple(findings.warnings)})
    return Reading(settings, content.signature, reader.references)


def _open(found: Found, findings: Findings) -> tuple[files.Content, list[ini.RawSection]]:
    try:
        content = files.read(found.path)
        untrusted = distrust(found.path, content.status, os.geteuid()) if found.searched else []
        if not untrusted:
            return content, ini.parse(files.text(content.data), findings)
    except Invalid as error:
        untrusted = [Problem("", "", error.message, error.remedy)]
    raise ConfigurationError(untrusted, str(found.path))


def _note_mode(path: Path, content: files.Content, reader: Reader) -> None:
    if content.world_readable and reader.plain_secrets:
        secrets = ", ".join(reader.plain_secrets)
        remedy = f"Run: chmod o-r {shlex.quote(str(path))}"
        reader.findings.warning("", "", f"{path} holds secrets ({secrets}) and every user here can read it. {remedy}")


def _settings(
    path: Path, raw_sections: list[ini.RawSection], reader: Reader, environ: Mapping[str, str]
) -> Settings | None:
    findings = reader.findings
    ours = _ours(raw_sections, findings)
    rules: dict[str, object] = {}
    for section in _of(ours, Part.SELECTION) + _of(ours, Part.INDICATOR):
        rules |= reader.read(section)
    for section in ours:
        if not isinstance(section.part, Part):
            reader.read(section)
    misps = [misp for section in _of(ours, Part.MISP) if (misp := _misp(section, reader))]
    stores = [d for section in _of(ours, Part.DESTINATION) if (d := destinations.read(section, rules, reader))]
    whole = _ledger(path, ours, reader, environ) | _queue(ours, reader) | _lookup(ours, reader)
    whole |= _write_back(ours, reader)
    destinations.check_stores(stores, findings)
    if not _of(ours, Part.DESTINATION):
        _note_no_destination(raw_sections, findings)
    _note_unread(misps, stores, findings)
    return None if findings.problems else _assemble(path, misps, stores, whole, findings)


def _note_unread(misps: list[MispSettings], stores: list[DestinationSettings], findings: Findings) -> None:
    """A destination that may block, while nobody reads the events from MISP."""
    if any(misp.has_key for misp in misps):
        return
    for store in stores:
        if store.actions.acts:
            findings.warning(
                store.name,
                "action",
                "never goes beyond Audit: no section of a MISP has a key, and only an event that was read with one may "
                "block.",
            )


def _of(ours: list[OurSection], part: Part) -> list[OurSection]:
    return [section for section in ours if section.part is part]


def _ours(raw_sections: list[ini.RawSection], findings: Findings) -> list[OurSection]:
    ours: list[OurSection] = []
    names: set[str] = set()
    for raw in raw_sections:
        section = recognise(raw)
        if section is None:
            if near := meant(raw.name):
                remedy = f"Did you mean [{near}]? If it belongs to another integration, give it a less similar name."
                findings.problem(
                    raw.name if raw.name.isprintable() else shown(raw.name),
                    "",
                    "is no section of ours, but looks like one.",
                    remedy,
                )
        elif not section.name.isprintable() or "," in section.name or len(section.name) > LONGEST_NAME:
            # Destinations are chosen by name, and several names are separated by commas.
            remedy = f"Use at most {LONGEST_NAME} printable characters, and no comma."
            findings.problem(shown(section.name), "", "is not a usable name.", remedy)
        elif section.name in names:
            findings.problem(raw.name, "", f"is a second section [{section.name}].", "Put the keys into one section.")
        else:
            names.add(section.name)
            ours.append(section)
    return ours


def _note_no_destination(raw_sections: list[ini.RawSection], findings: Findings) -> None:
    near = [raw.name for raw in raw_sections if meant(raw.name).startswith("microsoft")]
    hint = f" Did you mean it by [{near[0]}]?" if near else ""
    findings.problem(
        "",
        "",
        "there is no section [microsoft], so indicators would go nowhere.",
        f"Add one as in rh-isac.conf.example.{hint}",
    )


def _misp(section: OurSection, reader: Reader) -> MispSettings | None:
    findings = reader.findings
    if not section.raw.values:
        findings.problem(section.name, "", "has no keys.", "Add url and key, or remove the section.")
        return None
    before = len(findings.problems)
    found = reader.read(section)
    if section.name == RH_ISAC and "url" not in section.raw.values:
        found["url"] = RH_ISAC_URL
    if section.name == RH_ISAC and "synctags" not in section.raw.values:
        found["syncTags"] = RH_ISAC_TAGS
    if "url" not in found and "url" not in section.raw.values:
        findings.problem(section.name, "url", "is missing.", "Add for example: url = https://misp.example.org")
    if len(findings.problems) > before:
        return None
    misp = MispSettings.model_validate({"name": section.name, **fields(MISP, found)})
    if misp.url.startswith("http:"):
        findings.warning(section.name, "url", "is http: keys and events travel unprotected. Use https.")
    return misp


def _with_sync_tags(store: DestinationSettings, misps: list[MispSettings]) -> DestinationSettings:
    united: dict[str, frozenset[str]] = {}
    for misp in misps:
        if misp.sync_tags:
            united[misp.address] = united.get(misp.address, frozenset()).union(misp.sync_tags)
    tags = tuple(sorted(united.items()))
    return store.model_copy(update={"selection": store.selection.model_copy(update={"sync_tags": tags})})


def _ledger(path: Path, ours: list[OurSection], reader: Reader, environ: Mapping[str, str]) -> dict[str, object]:
    found: dict[str, object] = {"url": SecretStr(places.ledger(path, environ))}
    for section in _of(ours, Part.LEDGER):
        found |= fields(LEDGER, reader.read(section))
    return {"ledger": LedgerSettings.model_validate(found)}


def _queue(ours: list[OurSection], reader: Reader) -> dict[str, object]:
    found: dict[str, object] = {}
    for section in _of(ours, Part.QUEUE):
        found |= fields(QUEUE, reader.read(section))
    return found


def _lookup(ours: list[OurSection], reader: Reader) -> dict[str, object]:
    found: dict[str, object] = {}
    for section in _of(ours, Part.LOOKUP):
        found |= fields(LOOKUP, reader.read(section))
    return {"lookup": LookupSettings.model_validate(found), "looks_up": bool(_of(ours, Part.LOOKUP))}


def _write_back(ours: list[OurSection], reader: Reader) -> dict[str, object]:
    found: dict[str, object] = {}
    for section in _of(ours, Part.WRITE_BACK):
        found |= fields(WRITE_BACK, reader.read(section))
    settings = WriteBackSettings.model_validate(found)
    if settings.false_positives and not settings.sightings:
        reader.findings.warning("write-back", "falsePositives", "has no effect unless `sightings` is on, too.")
    return {"write_back": settings}


def _assemble(
    path: Path,
    misps: list[MispSettings],
    stores: list[DestinationSettings],
    whole: Mapping[str, object],
    findings: Findings,
) -> Settings | None:
    by_name = {misp.name: misp for misp in misps}
    try:
        return Settings.model_validate(
            {
                "path": path,
                "misp": by_name.pop(SERVED, None),
                "rh_isac": by_name.pop(RH_ISAC, None),
                "other_misps": tuple(by_name.values()),
                "destinations": tuple(_with_sync_tags(store, misps) for store in stores),
                **whole,
            }
        )
    except ValidationError as error:
        places = ", ".join(".".join(map(str, part["loc"])) for part in error.errors(include_input=False))
        findings.problem("", "", f"cannot be used: {places}.", "This is a mistake of the program; please report it.")
        return None
