"""Whatever goes wrong is an error with a remedy, or an incomplete view; never a complete view that is wrong."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trustme

from misp_modules_ext.errors import MispError, MispRefused, UsageError
from misp_modules_ext.misp.client import MispClient
from tests.support.keys import misp_key
from tests.support.misp_server import Fault, MispServer
from tests.support.misp_world import Org, World

from .conftest import KEY, Connect, settings

ATTRIBUTES = "attributes/restSearch"


def _plain_error(client: MispClient, event: str) -> str:
    """The message of a failure that repeating may cure."""
    with pytest.raises(MispError) as caught:
        client.read_event(event)
    assert type(caught.value) is MispError
    assert " What to do: " in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("after", range(8))
def test_a_server_error_at_any_request(connect: Connect, server: MispServer, event: str, after: int) -> None:
    """From the first one on; the next reading succeeds with the same client."""
    client = connect(page=100)
    # PyMISP has its own types when MISP does not give them: only this one is not missed.
    expected = "" if after == 2 else "could not answer (500: Something is wrong)"
    server.faults.append(Fault(after=after, status=500))
    if expected:
        assert expected in _plain_error(client, event)
    assert client.read_event(event).complete
    assert not server.faults


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(truncate=True), "closed the connection before its answer was complete"),
        (Fault(drop=True), "closed the connection before its answer was complete"),
        (Fault(delay=1.5), "did not answer within 0.5 seconds"),
        (Fault(drip=0.2), "did not answer within 0.5 seconds"),
        (Fault(status=503), "could not answer (503"),
        (Fault(status=429), "takes no more requests of this key for now (429"),
        (Fault(status=400), "did not understand us (400"),
        (Fault(body=b"<html>Log in</html>"), "does not answer as MISP does"),
        (Fault(body=b""), "does not answer as MISP does"),
        (Fault(body=b'{"errors": ["no"]}'), "does not answer as MISP does"),
        (Fault(status=302, headers=(("Location", "https://elsewhere.example/login"),)), "on to elsewhere.example"),
        (Fault(status=301, headers=(("Location", "/users/login"),)), "on to another page"),
        # What a terminal would obey.
        (Fault(status=302, headers=(("Location", "https://\x1bc\x9bx.example/"),)), "on to c x.example;"),
    ],
    ids=lambda value: "" if isinstance(value, str) else repr(value)[:60],
)
@pytest.mark.parametrize("path", ["users/view/me", "events/restSearch", "objects/restSearch", ATTRIBUTES])
def test_no_usable_answer(
    connect: Connect, server: MispServer, event: str, fault: Fault, message: str, path: str
) -> None:
    """Time-outs, broken connections, other people's pages, redirects: a sentence each."""
    client = connect(timeout=0.5)
    server.faults.append(replace(fault, path=path))
    assert message in _plain_error(client, event)


def test_a_page_that_is_no_list(connect: Connect, server: MispServer, event: str) -> None:
    """What came before stays, and nothing is said of the rest."""
    nothing = json.dumps({"response": {"Attribute": None}}).encode()
    # The second request asks which of the first page's tags are exportable.
    server.faults.append(Fault(ATTRIBUTES, after=2, body=nothing))
    read = connect(page=5).read_event(event)
    assert (len(read.attributes), read.complete) == (5, False)


def test_a_page_that_is_no_list_where_nothing_is_missing(
    connect: Connect, server: MispServer, world: World, ours: Org
) -> None:
    """As many attributes as MISP counts, and still not to be trusted."""
    uuid = world.add_event(ours)
    for number in range(2):
        world.add_attribute(uuid, "domain", f"h{number}.example")
    server.faults.append(Fault(ATTRIBUTES, after=1, body=json.dumps({"response": {"Attribute": "?"}}).encode()))
    read = connect(page=2).read_event(uuid)
    assert (len(read.attributes), read.complete) == (2, False)


def test_short_pages_are_not_the_end(connect: Connect, world: World, ours: Org) -> None:
    """MISP's allowed list takes values out of a page that it has cut already."""
    uuid = world.add_event(ours)
    for number in range(5):
        world.add_attribute(uuid, "domain", f"h{number}.example")
    world.allowed_list = {"h0.example", "h3.example"}
    read = connect(page=2).read_event(uuid)
    assert [a.value for a in read.attributes] == ["h1.example", "h2.example", "h4.example"]
    assert not read.complete


def test_tags_that_are_not_explained(connect: Connect, server: MispServer, event: str) -> None:
    """Which tags are exportable is not guessed."""
    server.faults.append(Fault(ATTRIBUTES, after=1, body=json.dumps({"response": {"Attribute": None}}).encode()))
    assert "does not answer as MISP does" in _plain_error(connect(), event)


def test_a_page_of_something_else(connect: Connect, server: MispServer, event: str) -> None:
    """Rows that are no attributes, have no UUID or belong to another event are left out, and the view is doubtful."""
    rows = [1, None, {"type": "domain"}, {"uuid": event, "event_id": "77", "type": "domain", "value": "a.example"}]
    server.faults.append(Fault(ATTRIBUTES, after=2, body=json.dumps({"response": {"Attribute": rows}}).encode()))
    read = connect(page=5).read_event(event)
    assert (len(read.attributes), read.complete) == (5, False)


def test_a_server_that_ignores_paging(connect: Connect, server: MispServer, world: World, ours: Org) -> None:
    """The same page for ever ends the reading, and is not counted twice."""
    uuid = world.add_event(ours)
    first = [world.add_attribute(uuid, "domain", f"h{n}.example") for n in range(4)][:2]
    client = connect(page=2)
    assert client.read_event(uuid).complete
    again = json.dumps(
        {"response": {"Attribute": [{"uuid": u, "type": "domain", "value": "x.example"} for u in first]}}
    )
    server.faults.append(Fault(ATTRIBUTES, after=1, body=again.encode()))
    read = client.read_event(uuid)
    assert ([a.value for a in read.attributes], read.complete) == (["h0.example", "h1.example"], False)


def _edit(world: World, event: str) -> None:
    world.edit(world.events[event].attributes[5].uuid, comment="edited")


def _delete(world: World, event: str) -> None:
    world.delete_attribute(world.events[event].attributes[0].uuid, hard=True)


def _add(world: World, event: str) -> None:
    world.add_attribute(event, "domain", "new.example")


def _exchange(world: World, event: str) -> None:
    """The count stays the same."""
    _delete(world, event)
    _add(world, event)


@pytest.mark.parametrize("change", [_edit, _delete, _add, _exchange])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_an_event_that_changes_between_pages(
    connect: Connect, server: MispServer, world: World, event: str, change: Callable[[World, str], None], after: int
) -> None:
    """Even within the same second: edits clear `published`. It counts as published no more, and is not complete."""
    server.faults.append(Fault(ATTRIBUTES, after=after, before=lambda: change(world, event)))
    read = connect(page=3).read_event(event)
    assert (read.complete, read.counts_as_published) == (False, False)
    assert connect(page=3).read_event(event).complete


def test_an_edit_that_is_published_at_once(connect: Connect, server: MispServer, world: World, event: str) -> None:
    """Published before and after, yet not the same event."""

    def _quickly() -> None:
        clock = world.clock
        world.clock = lambda: clock() + 5
        _exchange(world, event)
        world.publish(event)

    server.faults.append(Fault(ATTRIBUTES, after=1, before=_quickly))
    read = connect(page=3).read_event(event)
    assert (read.complete, read.counts_as_published) == (False, True)


def test_an_object_that_appears_between_pages(connect: Connect, server: MispServer, world: World, event: str) -> None:
    """Its attributes cannot be placed: who may see them is not known, so they are left out."""

    def _object() -> None:
        holder = world.add_object(event, "file", distribution=0)
        world.add_attribute(event, "filename", "secret.dll", within=holder)

    server.faults.append(Fault(ATTRIBUTES, before=_object))
    read = connect().read_event(event)
    assert "secret.dll" not in {a.value for a in read.attributes}
    assert not read.complete


def test_another_event_than_asked_for(
    connect: Connect, server: MispServer, world: World, ours: Org, event: str
) -> None:
    """A filter that MISP did not understand finds everything; none of it is taken for the event."""
    other = world.add_event(ours, "Other")
    found = json.dumps({"response": [{"Event": {"uuid": other, "info": "Other"}}, 5]}).encode()
    server.faults.append(Fault("events/restSearch", body=found))
    assert "does not answer as MISP does" in _plain_error(connect(), event)


def test_an_event_deleted_while_it_is_read(connect: Connect, server: MispServer, world: World, event: str) -> None:
    """It is gone, and that is what is said."""
    server.faults.append(Fault(ATTRIBUTES, before=lambda: world.delete_event(event)))
    with pytest.raises(MispError, match="shows no event"):
        connect().read_event(event)


@pytest.mark.parametrize("rights", [{}, {"perm_auth": False}], ids=["wrong key", "no API rights"])
def test_a_key_that_is_not_taken(
    connect: Connect, world: World, ours: Org, event: str, rights: dict[str, bool]
) -> None:
    """MISP's own words, and what to look at."""
    if rights:
        world.add_user(misp_key("a-wrong-one"), ours, **rights)
    with pytest.raises(MispRefused, match=r"refused the key of \[misp\] \(403: Authentication failed.*perm_auth"):
        connect(misp_key("a-wrong-one")).read_event(event)


@pytest.mark.parametrize("status", [401, 403, 405])
def test_a_key_that_is_taken_back(connect: Connect, server: MispServer, event: str, status: int) -> None:
    """At any time, and in any of the ways that MISP's versions have."""
    server.faults.append(Fault(ATTRIBUTES, status=status))
    with pytest.raises(MispRefused, match=rf"\({status}: Something is wrong\)"):
        connect().read_event(event)


def test_an_address_that_is_not_misp(connect: Connect, server: MispServer, event: str) -> None:
    """A 404 before anything was read is about the address, not about the event."""
    server.faults.append(Fault("servers/getVersion", status=404))
    assert "correct `url` of [misp]" in _plain_error(connect(), event)
    server.faults.append(Fault("objects/restSearch", status=404))
    assert "knows no such address" in _plain_error(connect(), event)


@pytest.mark.parametrize("path", ["events/restSearch", "sharing_groups/view"])
@pytest.mark.parametrize("body", [b"<html>Not Found</html>", b"", b"[]", b'{"message": "no Route matched"}'])
def test_a_404_that_is_not_misps_is_about_nothing(
    connect: Connect, server: MispServer, event: str, path: str, body: bytes
) -> None:
    """A web server that has lost MISP for a moment: the event is not missing, and no sharing group is unnamed."""
    client = connect()
    good = client.read_event(event)
    assert any(asked.lstrip("/").startswith(path) for _, asked, _ in server.requests)
    server.faults.append(Fault(path, status=404, body=body))
    assert "knows no such address" in _plain_error(client, event)
    assert client.read_event(event) == good


@pytest.mark.parametrize("path", ["/misp", "/misp/"])
def test_misp_below_a_path(server: MispServer, event: str, path: str) -> None:
    """With or without a slash at its end, the path stays."""
    with pytest.raises(MispError):
        MispClient(settings(server.url + path)).read_event(event)
    assert server.requests[-1][1] == "/misp/servers/getVersion"


def test_no_key_and_no_uuid(server: MispServer, connect: Connect) -> None:
    """Nothing is asked: an empty filter would find every event of the instance."""
    for missing in (None, "", " "):
        with pytest.raises(UsageError, match=r"\[misp\] has no key"):
            MispClient(settings(server.url, missing))
    with pytest.raises(UsageError, match="'all' is no UUID"):
        connect().read_event("all")
    assert server.requests == []


def test_nobody_there(event: str) -> None:
    """Refused connections and names that do not exist."""
    assert "refused the connection" in _plain_error(MispClient(settings("http://127.0.0.1:1")), event)
    assert "could not be resolved" in _plain_error(MispClient(settings("http://misp.invalid")), event)
    assert "cannot be asked" in _plain_error(MispClient(settings("http://a..b")), event)


@pytest.fixture
def authority() -> trustme.CA:
    """Whose certificates no system knows."""
    return trustme.CA()


def test_tls_is_verified(world: World, event: str, authority: trustme.CA, tmp_path: Path) -> None:
    """With `ca` it is read; without, with another one, or with a file that is not there, it is not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    ca, other = tmp_path / "ca.pem", tmp_path / "other.pem"
    authority.cert_pem.write_to_path(str(ca))
    trustme.CA().cert_pem.write_to_path(str(other))
    with MispServer(world, context) as secure:
        assert MispClient(settings(secure.url, ca=ca)).read_event(event).complete
        for wrong in (None, other):
            message = _plain_error(MispClient(settings(secure.url, ca=wrong)), event)
            assert "could not be verified" in message
            assert "`ca` in [misp]" in message
        missing = MispClient(settings(secure.url, ca=tmp_path / "none.pem"))
        assert "none.pem is not there" in _plain_error(missing, event)


def test_the_environment_cannot_weaken_tls(
    world: World, event: str, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests lets REQUESTS_CA_BUNDLE beat its own settings; here it does nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ca))
    with MispServer(world, context) as secure:
        assert "could not be verified" in _plain_error(MispClient(settings(secure.url)), event)


class _Thief(BaseHTTPRequestHandler):
    """Writes down what it is sent."""

    stolen: list[str]

    def do_GET(self) -> None:
        self.stolen.append(str(self.headers))
        self.send_error(404)

    do_POST = do_GET  # noqa: N815 - the base class looks for this name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def test_a_redirect_gets_no_request(connect: Connect, server: MispServer, event: str) -> None:
    """Neither the key nor a question goes to the host that a redirect names."""
    stolen: list[str] = []
    other = HTTPServer(("127.0.0.1", 0), type("_Bound", (_Thief,), {"stolen": stolen}))
    thread = threading.Thread(target=other.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    place = f"http://127.0.0.1:{other.server_port}/events/restSearch"
    for status in (301, 302, 307, 308):
        server.faults.append(Fault("restSearch", status=status, headers=(("Location", place),)))
        assert f"sends us on to 127.0.0.1:{other.server_port}" in _plain_error(connect(), event)
    time.sleep(0.05)
    other.shutdown()
    other.server_close()
    thread.join()
    assert stolen == []


def test_a_netrc_of_the_machine_does_not_replace_the_key(
    connect: Connect, event: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests would send its password instead."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert connect(KEY).read_event(event).complete
