"""The lists of PyMISPWarningLists themselves, all of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from misp_modules_ext.warninglists import package
from misp_modules_ext.warninglists.asking import ask, opened
from misp_modules_ext.warninglists.index import Question, host_of
from tests.bench.event import parsed
from tests.support.build import attribute, event

#: Building reads one list at a time; the longest has a million entries.
MOST_MEMORY_KB = 300_000
#: Lists that a plain look through all entries can be asked for.
SMALL = 50_000


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index that the command has built in a process of its own."""
    folder = tmp_path_factory.mktemp("lists")
    config = folder / "rh-isac.conf"
    config.write_text(
        "[microsoft]\nproduct = Microsoft Defender\ntenantId = 11111111-1111-4111-8111-111111111111\n"
        "appId = 22222222-2222-4222-8222-222222222222\nappSecret = not-a-secret\n"
    )
    config.chmod(0o600)
    code = (
        "import sys\nfrom pathlib import Path\nfrom misp_modules_ext.cli import main\n"
        "sys.argv[1:] = ['warninglists', '--json']\nmain_error = None\n"
        "try:\n    main()\nexcept SystemExit as error:\n    main_error = error.code\n"
        # Not getrusage: it counts the memory of whoever started the process, too.
        "lines = Path('/proc/self/status').read_text().splitlines()\n"
        "print(next(line for line in lines if line.startswith('VmHWM:')).split()[1], main_error or 0)\n"
    )
    state = {"XDG_STATE_HOME": str(folder / "state"), "RH_ISAC_CONF": str(config)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | state, capture_output=True, text=True, check=True, timeout=300
    )
    *document, measured = done.stdout.splitlines()
    memory, exit_code = map(int, measured.split())
    told = json.loads("\n".join(document))
    assert (exit_code, told["built"]) == (0, True)
    assert told["entries"] > 2_000_000
    assert memory < MOST_MEMORY_KB
    return Path(told["index"])


class _Plain:
    """A list asked entry by entry."""

    def __init__(self, read: package.Warninglist) -> None:
        self.read = read
        self._networks = [ip_network(entry) for entry in read.entries] if read.match == package.CIDR else []
        self._hosts = [entry.strip(".").lower() for entry in read.entries] if read.match == package.HOSTNAME else []

    def has(self, value: str) -> bool:
        match = self.read.match
        if match == package.CIDR:
            try:
                address = ip_address(value)
            except ValueError:
                return False
            return any(address in network for network in self._networks)
        if match == package.HOSTNAME:
            host = host_of(value)
            return any(host == entry or host.endswith("." + entry) for entry in self._hosts)
        if match == package.SUBSTRING:
            return any(entry in value for entry in self.read.entries)
        return value in self.read.entries


def test_the_index_answers_as_each_list_would(built: Path) -> None:
    """For values of every list and values beside them, against every list that is not very long."""
    found = package.installed()
    assert found is not None
    every = [read for read in map(package.read, found.files) if len(read.entries) < SMALL]
    plain = [_Plain(read) for read in every if read.match != package.REGEX]
    values = ["evil.example", "203.0.113.77", "2001:db8::77", "d41d8cd98f00b204e9800998ecf8427f", "www.bit.ly"]
    for read in every:
        some = read.entries[:: max(1, len(read.entries) // 2)][:2]
        values += [entry.split("/")[0] if read.match == package.CIDR else entry.lstrip(".") for entry in some]
    asked = [(type_, value) for value in values for type_ in ("ip-dst", "domain", "md5", "email-src")]
    answers = opened(built).hits([Question(type_, (value,)) for type_, value in asked])
    names = {one.read.name for one in plain}
    for (type_, value), hits in zip(asked, answers, strict=True):
        expected = {one.read.name for one in plain if type_ in one.read.types and one.has(value)}
        assert set(hits) & names == expected, (type_, value)


@pytest.mark.parametrize(
    ("type_", "value", "name"),
    [
        ("ip-dst", "8.8.8.8", "List of known IPv4 public DNS resolvers"),
        ("ip-dst|port", "8.8.8.8|53", "List of known IPv4 public DNS resolvers"),
        ("hostname", "outlook.office365.com", "List of known Office 365 URLs"),
        ("filename|md5", "empty|d41d8cd98f00b204e9800998ecf8427e", "List of known hashes for empty files"),
        ("url", "https://bit.ly/abc", "List of known URL Shorteners domains"),
        ("email-src", "abuse@provider.example", "Common contact e-mail addresses"),
        ("email-src", "someone@0815.ru", "List of disposable email domains"),
        ("ip-dst", "2606:4700::1111", "List of known Cloudflare IP ranges"),
    ],
)
def test_values_that_every_analyst_knows(built: Path, type_: str, value: str, name: str) -> None:
    """One of each way of comparing."""
    (found,) = ask([event(attribute(type_, value))], built).events
    assert name in (found.attributes[0].warninglists or ())


def test_a_large_event_is_looked_up_in_few_queries(built: Path) -> None:
    """Hundreds of values in each; how long that takes, `make bench` says."""
    large = parsed(50_000)
    queries = 0

    def count(_: str) -> None:
        nonlocal queries
        queries += 1

    connection = opened(built)._connection
    connection.set_trace_callback(count)
    try:
        asked = ask([large], built)
    finally:
        connection.set_trace_callback(None)
    assert 0 < queries < 500
    assert asked.problem == ""
    assert 0 < sum(bool(a.warninglists) for a in asked.events[0].attributes) < 10_000
