"""The documents against the program: commands, options, links, settings, numbers."""

from __future__ import annotations

import json
import re
import subprocess
import time
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import SecretStr

from misp_modules_ext.cli import __doc__ as cli_doc
from misp_modules_ext.cli.app import app
from misp_modules_ext.cli.modules import root
from misp_modules_ext.config import certificates
from misp_modules_ext.delivery.submit import Order, submit
from misp_modules_ext.demo.run import request
from misp_modules_ext.destinations import defender_payload, graph_payload, queries, sentinel_payload
from misp_modules_ext.destinations.askable import ASKABLE
from misp_modules_ext.destinations.catalogue import kinds_markdown
from misp_modules_ext.destinations.kinds import ACCOUNTS, COINS, RARE_HASHES, TLS_FINGERPRINTS
from misp_modules_ext.logs.documents import fields_markdown, what_markdown
from misp_modules_ext.misp.requests import read_export
from misp_modules_ext.model.finding import Code, codes_markdown
from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.translate import templates_markdown, types_markdown
from tests.pictures.png import is_drawn_from
from tests.support.build import destination

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])
#: The rows of the README's table of kinds.
README_KINDS = {
    "addresses": {Kind.IPV4_ADDR, Kind.IPV6_ADDR},
    "ranges (CIDR)": {Kind.IPV4_CIDR, Kind.IPV6_CIDR},
    "domain names, URLs": {Kind.DOMAIN_NAME, Kind.URL},
    "MD5, SHA-1, SHA-256": {Kind.FILE_MD5, Kind.FILE_SHA1, Kind.FILE_SHA256},
    "e-mail addresses, file names": {Kind.EMAIL_ADDR, Kind.FILE_NAME},
    "fingerprints of certificates": {Kind.X509_MD5, Kind.X509_SHA1, Kind.X509_SHA256},
    "user agents": {Kind.USER_AGENT},
    "registry keys": {Kind.WINDOWS_REGISTRY_KEY},
    "mutexes, AS numbers, subjects, senders' names, mailers, file paths": {
        Kind.MUTEX,
        Kind.AUTONOMOUS_SYSTEM,
        Kind.EMAIL_SUBJECT,
        Kind.EMAIL_SENDER_NAME,
        Kind.EMAIL_X_MAILER,
        Kind.FILE_PATH,
    },
    "authentihash, ssdeep, TLSH": {Kind.FILE_AUTHENTIHASH, Kind.FILE_SSDEEP, Kind.FILE_TLSH},
    "other hashes, JA3, JA3S, URIs without a scheme, message ids, processes, accounts, coins, telephone numbers": {
        *RARE_HASHES,
        *TLS_FINGERPRINTS,
        Kind.URI,
        Kind.EMAIL_MESSAGE_ID,
        Kind.PROCESS_NAME,
        *ACCOUNTS,
        *COINS,
        Kind.PHONE_NUMBER,
    },
}
COMMAND = typer.main.get_command(app)


def _commands() -> dict[str, Any]:
    # Newer releases of typer bring a click of their own, so its classes have no name that always holds.
    return dict(vars(COMMAND)["commands"])


def _options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_and_options_exist(document: Path) -> None:
    """Every `misp-microsoft COMMAND --option` that a document names is there."""
    text = document.read_text("utf-8")
    for name, rest in re.findall(r"misp-microsoft ([a-z][a-z-]*)([^`\n|]*)", text):
        assert name in _commands(), f"{document.name} names misp-microsoft {name}"
        for option in re.findall(r"(?<!\S)--[a-z-]+", rest):
            assert option in _options(_commands()[name]), f"{document.name}: misp-microsoft {name} {option}"


def test_the_readme_names_every_command() -> None:
    """And nothing is left unmentioned."""
    readme = (ROOT / "README.md").read_text("utf-8")
    for name in _commands():
        assert re.search(rf"`(misp-microsoft )?{name}[ `]", readme), name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Files and headings that a document links to are there."""
    for target in re.findall(r"\]\(([^)]+)\)", document.read_text("utf-8")):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        linked = (document.parent / path) if path else document
        assert linked.exists(), target
        headings = re.findall(r"^#+ (.+)$", linked.read_text("utf-8"), re.MULTILINE) if anchor else []
        assert not anchor or anchor in {re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in headings}, (
            target
        )


def test_pictures_are_small_and_drawn_from_the_texts_beside_them() -> None:
    """Each that a document shows is there, each that is there is shown, and none is of another text."""
    shown = {
        (document.parent / target).resolve()
        for document in DOCUMENTS
        for target in re.findall(r"!\[[^\]]+\]\(([^)#]+)\)", document.read_text("utf-8"))
        if not target.startswith("http")
    }
    folder = ROOT / "docs" / "pictures"
    assert {path for path in shown if path.parent == folder} == set(folder.glob("*.png"))
    assert {path.stem for path in folder.glob("*.txt")} == {path.stem for path in folder.glob("*.png")}
    for path in folder.glob("*.png"):
        picture = path.read_bytes()
        assert len(picture) <= 60_000, path.name
        assert is_drawn_from(picture, path.with_suffix(".txt").read_text("utf-8")), f"{path.name}: make pictures"


def test_the_readme_names_every_module_in_misps_settings() -> None:
    """The stems of our files are the names that MISP's settings carry."""
    readme = (ROOT / "README.md").read_text("utf-8")
    for path in root().glob("*_mod/*.py"):
        assert path.stem in readme


def test_exit_codes_are_told_alike() -> None:
    """In the README and in the program."""
    readme = " ".join((ROOT / "README.md").read_text("utf-8").split())
    assert cli_doc is not None
    told = re.search(r"Exit codes: (0 all settled.*?)\.", " ".join(cli_doc.split()))
    assert told
    assert told.group(1) in readme


def test_the_readmes_account_is_the_demonstrations() -> None:
    """The numbers of the first screen are those that `make demo` prints."""
    from misp_modules_ext.config.settings import Api, Selection, Settings

    selection = Selection(allow_documentation_ranges=True, warninglists=frozenset({"List of known Office 365 URLs"}))
    chosen = tuple(
        destination(name=name, api=api, product=product, selection=selection)
        for name, api, product in (
            ("microsoft", Api.SENTINEL, "Microsoft Sentinel"),
            ("microsoft defender", Api.DEFENDER, "Microsoft Defender"),
            ("microsoft graph", Api.GRAPH, "Azure Sentinel"),
        )
    )
    events = read_export(json.dumps(request(int(time.time())))).events
    account = submit(events, Settings(path=ROOT, destinations=chosen), Order("export", preview=True))
    readme = (ROOT / "README.md").read_text("utf-8")
    for counted in account.destinations:
        counts = counted.counts
        numbers = " +".join(str(counts[name]) for name in ("accepted", "merged", "skipped", "read"))
        assert re.search(rf"^{counted.name} +ok +{numbers}$", readme, re.MULTILINE), (counted.name, counts)
        assert counts["read"] == counts["accepted"] + counts["merged"] + counts["skipped"]


def test_the_commands_for_a_certificate_make_one(tmp_path: Path) -> None:
    """Those of the installing page, run as they stand: what they make can be read, and shows the same thumbprint."""
    page = (ROOT / "docs/install.md").read_text("utf-8")
    (block,) = re.findall(r"```\n(openssl req .*?)```", page, re.DOTALL)
    (export,) = re.findall(r"`(openssl pkcs12 -export [^`]*)`", page)
    script = f"set -eu\n{block}\n{export} -passout pass:passphrase\n"
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    found = certificates.read(tmp_path / "application.pem")
    assert not found.world_readable
    shown = re.search(r"ingerprint=(\S+)", done.stdout)
    assert shown
    assert shown[1].replace(":", "") == found.certificate.thumbprint
    assert f"{found.certificate.not_after:%Y} GMT" in done.stdout
    pfx = certificates.read(tmp_path / "application.pfx", SecretStr("passphrase"))
    assert pfx.certificate.thumbprint == found.certificate.thumbprint


def test_the_page_of_types_is_the_programs_tables() -> None:
    """Types, objects, and how each destination holds each kind: what an administrator reads is what the code does."""
    page = (ROOT / "docs" / "types.md").read_text("utf-8")
    for table in (types_markdown(), templates_markdown(), kinds_markdown()):
        assert table in page


def test_the_page_of_logs_is_the_programs_tables() -> None:
    """Fields and what a line may be about, on which programs rely."""
    page = (ROOT / "docs" / "logs.md").read_text("utf-8")
    for table in (fields_markdown(), what_markdown()):
        assert table in page


def test_the_readmes_table_of_kinds_is_the_destinations() -> None:
    """Each row's kinds go where it says, and no kind is left out."""
    readme = (ROOT / "README.md").read_text("utf-8")
    left = set(Kind)
    for names, kinds in README_KINDS.items():
        left -= kinds
        cells = re.search(rf"^\| {re.escape(names)} \| (.+) \| (.+) \| (.+) \|$", readme, re.MULTILINE)
        assert cells, names
        held = (sentinel_payload.PATHS, defender_payload.TYPES, {*graph_payload.FIELDS, *graph_payload.HASHES})
        for cell, there in zip(cells.groups(), held, strict=True):
            going = {kind for kind in kinds if kind in there}
            assert (cell == "no") is not bool(going), (names, cell)
            assert cell != "yes" or going == kinds, (names, cell)
    assert not left


def test_the_page_of_check_has_the_programs_codes() -> None:
    """All of them in the table, and in the example no other."""
    page = (ROOT / "docs" / "check.md").read_text("utf-8")
    assert codes_markdown() in page
    (example,) = re.findall(r"^```\n(Configuration: .*?)^```", page, re.DOTALL | re.MULTILINE)
    numbered = re.findall(r"^  (\d+)\. (\w+) (ok|note|FAILED) ", example, re.MULTILINE)
    assert [int(number) for number, _, _ in numbered] == list(range(1, len(numbered) + 1))
    assert len(numbered) > 20
    assert {code for _, code, _ in numbered} <= {code.value for code in Code}
    named = set(re.findall(r"`([INTSDGPM]\d\d)`", page))
    assert named <= {code.value for code in Code}


def test_the_tables_that_are_asked_are_those_of_the_queries() -> None:
    """`docs/enrichment.md` names for each kind the tables of its query files, and no others."""
    text = (ROOT / "docs/enrichment.md").read_text("utf-8").split("| kind | tables of advanced hunting |")[1]
    rows = [line.split("|")[1:4] for line in text.split("\n\n")[0].splitlines()[2:]]
    told = {kind: cells for kinds, *cells in rows for kind in re.findall(r"`([^`]+)`", kinds)}
    assert set(told) == {kind.value for kind, one in ASKABLE.items() if one.hunting or one.logs}
    before: set[str] = set()
    for kind, one in ASKABLE.items():
        for file, cell in zip((one.hunting, one.logs), told.get(kind.value, ()), strict=False):
            asked = set(re.findall(r"^\((\w+)$", _query_file(file), re.MULTILINE)) if file else set()
            named = set(re.findall(r"`(\w+)`", cell)) | (before if "the same" in cell else set())
            before = asked if file == one.hunting else before
            assert named == asked, kind


def _query_file(name: str) -> str:
    return resources.files(queries).joinpath(f"{name}.kql").read_text("utf-8")
