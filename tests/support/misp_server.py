"""A `World` over HTTP, for unmodified PyMISP: MISP's addresses, keys, pages and errors, and faults at the network."""

from __future__ import annotations

import contextlib
import gzip
import json
import ssl
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from types import TracebackType
from typing import Any

from tests.support import misp_search as search
from tests.support import misp_settings as settings
from tests.support import misp_views as views
from tests.support.misp_world import Attribute, User, World

_WRONG_KEY = (
    "Authentication failed. Please make sure you pass the API key of an API enabled user along in the Authorization "
    "header."
)


@dataclass
class Fault:
    """Something that goes wrong with a request.

    Attributes:
        path: part of the path of the requests it is for.
        asking: they ask for this.
        event: they are about this event.
        after: so many of them pass first.
        status: answer that, in MISP's shape.
        echo: what MISP says with `status`.
        headers: sent with `status`.
        body: answer 200 with this.
        truncate: announce the whole answer and send half of it.
        drop: close the connection without an answer.
        drip: send one byte after another, so many seconds apart.
        delay: answer only after so many seconds.
        before: called first, for example to change the world between two pages.
    """

    path: str = ""
    asking: str | None = None
    event: str | None = None
    after: int = 0
    status: int | None = None
    echo: str = "Something is wrong"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    truncate: bool = False
    drop: bool = False
    drip: float = 0
    delay: float = 0
    before: Callable[[], None] | None = None


class MispServer:
    """Serves a world at a loopback port while it is entered. Each fault happens once.

    Args:
        world: may be changed at any time from the test's thread.
        tls: for https.
    """

    def __init__(self, world: World, tls: ssl.SSLContext | None = None) -> None:
        self.world = world
        self.faults: list[Fault] = []
        #: Method, path and body of all requests, oldest first.
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        self._http = _Http(("127.0.0.1", 0), type("_Bound", (_Handler,), {"misp": self}))
        self._http.daemon_threads = True
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> MispServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def fault_for(self, path: str, body: dict[str, Any]) -> Fault:
        """The fault that is due for this request, which is then gone."""
        for fault in self.faults:
            about = fault.event is None or body.get("eventid") == fault.event
            if fault.path in path and about and (fault.asking is None or body.get(fault.asking)):
                if fault.after == 0:
                    self.faults.remove(fault)
                    return fault
                fault.after -= 1
        return Fault()

    def answer(self, path: str, body: dict[str, Any], key: str) -> tuple[int, Any]:
        """Status and JSON of a request's answer."""
        user = next((u for u in self.world.users if u.key == key and u.perm_auth), None)
        if user is None:
            return 403, error(_WRONG_KEY, path)
        name = path.removeprefix("/").removesuffix(".json")
        if name in _ANSWERS:
            return 200, _ANSWERS[name](self.world, user, body)
        for start, answer in _BY_NAME.items():
            if name.startswith(start):
                return answer(self.world, user, body, path)
        group = next((g for g in self.world.groups if name == f"sharing_groups/view/{g.id}"), None)
        if group is not None and user.sees_groups and user.org in group.orgs:
            return 200, {"SharingGroup": views.group_json(group)}
        return 404, error("Not Found", path)


def error(message: str, path: str) -> dict[str, str]:
    """How MISP words an error."""
    return {"name": message, "message": message, "url": path}


def _version(world: World, user: User, body: dict[str, Any]) -> Any:
    return {"version": world.version, "pymisp_recommended_version": version("pymisp"), "perm_sync": False}


def _last(path: str) -> str:
    """What an address names at its end."""
    return path.removesuffix(".json").rpartition("/")[2]


def _setting(world: World, user: User, body: dict[str, Any], path: str) -> tuple[int, Any]:
    """For site admins only; without the service, MISP knows no module's setting."""
    if "perm_site_admin" not in user.rights:
        return 403, error("You do not have permission to use this functionality.", path)
    name = _last(path)
    found = settings.setting(name, world.settings, world.modules)
    return (404, error(f"Setting {name} is invalid.", path)) if found is None else (200, found)


def _add_sighting(world: World, user: User, body: dict[str, Any], path: str) -> tuple[int, Any]:
    """To one attribute, which must be there and shown to the user: else a sentence, with status 200."""
    if "perm_sighting" not in user.rights:
        return 403, error("You do not have permission to use this functionality.", path)
    shown = [a for e in world.events.values() if views.sees(e, user) for a in views.attributes(e, user)]
    uuid = _last(path)
    found = next((a for a in shown if a.uuid == uuid and not a.deleted), None)
    if found is None:
        why = "No valid attributes found that match the criteria."
        return 200, {"message": f"Could not add the Sighting. Reason: {why}"}
    world.sight(uuid, int(body.get("type", 0)), date=int(body.get("timestamp", world.clock())), source=body["source"])
    return 200, {"Sighting": views.sighting_json(found, found.sightings[-1])}


def _tag(world: World, user: User, body: dict[str, Any], path: str) -> tuple[int, Any]:
    """As MISP's source has it: local tags are for users of the organisation that runs the MISP, here the first one."""
    if "perm_tagger" not in user.rights:
        return 403, error("You do not have permission to use this functionality.", path)
    event, name = world.events.get(body["uuid"]), body["tag"]
    shown = event is not None and views.sees(event, user)
    if "remove" in path:
        return _take_tag_away(world, body["uuid"], name, path) if shown else (404, error("Invalid Target.", path))
    assert body["local"], "a global tag would unpublish the event"
    if user.org is not world.orgs[0]:
        return _not_tagged("Local tags can only be added by users of the host organisation.", path)
    if not shown:
        return 404, error("Invalid Target.", path)
    if name not in world.tags and "perm_tag_editor" not in user.rights:
        return _not_tagged("Tag not found and insufficient privileges to create it.", path)
    if name not in world.row(body["uuid"]).tags:
        world.tag(body["uuid"], name, local=True)
    return 200, {"saved": True, "success": True, "name": "Local tag attached.", "message": "", "url": path}


def _take_tag_away(world: World, uuid: str, name: str, path: str) -> tuple[int, Any]:
    if name not in world.tags:
        return 405, error("Invalid Tag.", path)
    if name not in world.row(uuid).tags:
        return 404, error("Could not remove tag as it is not attached to the target Event", path)
    world.untag(uuid, name)
    return 200, {"saved": True, "success": True, "name": "Tag removed.", "message": "", "url": path}


def _not_tagged(why: str, path: str) -> tuple[int, Any]:
    """How MISP answers what it could not save."""
    words = f"Failed to attach 1 tags. Reasons: {json.dumps({'0': why})}"
    said = "Could not attachTagToObject Tags"
    return 403, {"saved": False, "name": said, "message": said, "url": path, "errors": words}


def _me(world: World, user: User, body: dict[str, Any]) -> Any:
    """As without advanced keys: MISP sends the key back."""
    told = {"id": "1", "org_id": str(user.org.id), "email": "user@misp.example", "authkey": user.key}
    role = settings.role({"perm_auth"} | user.rights, "User")
    org = {"id": str(user.org.id), "name": user.org.name, "uuid": user.org.uuid, "local": True}
    return {"User": told, "Role": role, "UserSetting": {}, "Organisation": org}


def _types(world: World, user: User, body: dict[str, Any]) -> Any:
    return {"result": {"sane_defaults": {}, "types": [], "categories": [], "category_type_mappings": {}}}


def _events(world: World, user: User, body: dict[str, Any]) -> Any:
    shown = [e for e in world.events.values() if views.sees(e, user) and search.finds_event(e, body)]
    found = sorted(shown, key=lambda e: e.id)
    every = bool(body.get("includeAllTags"))
    if body.get("limit") is not None:
        assert body.get("order") == "Event.id", "a database may order each page in its own way"
        found = _page(found, body)
    if body.get("metadata"):
        local = not body.get("excludeLocalTags", views.without_local_tags(user))
        return {"response": [{"Event": views.header(world, e, every, local=local)} for e in found]}
    deleted = user.deleted_rows == "shown" and "deleted" in body
    whole = [views.core_event(world, e.uuid, user, deleted=deleted, all_tags=every) for e in found]
    return {"response": [{"Event": event} for event in whole]}


def _index(world: World, user: User, body: dict[str, Any]) -> Any:
    """The list of events as `minimal` makes it: nothing but what is needed to find them."""
    assert body["minimal"]
    assert body["sort"] == "id"
    conditions = body.keys() - {"minimal", "sort", "direction", "limit", "page", "publish_timestamp"}
    assert conditions <= {"eventinfo"}, conditions
    since, words = int(body["publish_timestamp"]), body.get("eventinfo", "")
    shown = [e for e in world.events.values() if views.sees(e, user) and e.publish_timestamp >= since]
    rows = sorted((e for e in shown if words in e.info), key=lambda e: e.id)
    return [
        {
            "id": str(e.id),
            "timestamp": str(e.timestamp),
            "sighting_timestamp": "0",
            "published": e.published,
            "uuid": e.uuid,
            "orgc_uuid": e.orgc.uuid,
        }
        for e in _page(rows, body)
    ]


def _objects(world: World, user: User, body: dict[str, Any]) -> Any:
    assert body["metadata"]
    assert "deleted" not in body, "MISP's own query would fail"
    event = world.events.get(body["eventid"])
    rows = views.objects(event, user) if event and views.sees(event, user) else []
    return {"response": [{"Object": views.object_row(o)} for o in _page(rows, body)]}


def _attributes(world: World, user: User, body: dict[str, Any]) -> Any:
    body = search.absolute(body, world.clock())
    shown = [(e, search.attribute_finder(e, body)) for e in world.events.values() if views.sees(e, user)]
    found = (a for e, finds in shown for a in views.attributes(e, user) if finds(a) and _asked(a, user, body))
    rows = sorted(found, key=lambda a: a.id)
    if body.get("order") != "Attribute.id":
        # Unasked, a database may order each page in its own way.
        rows = sorted(rows, key=lambda a: a.uuid[body["page"] :])
    page = [a for a in _page(rows, body) if a.value not in world.allowed_list]
    return {"response": {"Attribute": [views.attribute_row(world, a, body) for a in page]}}


def _asked(attribute: Attribute, user: User, body: dict[str, Any]) -> bool:
    if body.get("deleted") == "only":
        return attribute.deleted and user.deleted_rows == "asked"
    wanted = body.get("deleted", [0])
    return attribute.deleted in wanted and (not attribute.deleted or user.deleted_rows == "shown")


def _page(rows: list[Any], body: dict[str, Any]) -> list[Any]:
    start = (body["page"] - 1) * body["limit"]
    return rows[start : start + body["limit"]]


_ANSWERS: dict[str, Callable[[World, User, dict[str, Any]], Any]] = {
    "servers/getVersion": _version,
    "users/view/me": _me,
    "attributes/describeTypes": _types,
    "events/restSearch": _events,
    "events/index": _index,
    "objects/restSearch": _objects,
    "attributes/restSearch": _attributes,
}


#: Calls whose address names what they are about, or that may fail.
_BY_NAME: dict[str, Callable[[World, User, dict[str, Any], str], tuple[int, Any]]] = {
    "servers/getSetting/": _setting,
    "sightings/add/": _add_sighting,
    "tags/attachTagToObject": _tag,
    "tags/removeTagFromObject": _tag,
}


class _Http(ThreadingHTTPServer):
    """Says nothing of clients that have gone, or were killed."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    misp: MispServer
    protocol_version = "HTTP/1.1"
    # Head and body in one packet: otherwise each answer waits for the client's acknowledgement.
    wbufsize = 1 << 16

    def do_GET(self) -> None:
        # A client that has given up is no error of ours.
        with contextlib.suppress(OSError):
            self._serve()

    do_POST = do_GET  # noqa: N815 - the base class looks for this name

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""

    def _serve(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body: dict[str, Any] = json.loads(sent) if sent else {}
        self.misp.requests.append((self.command, self.path, body))
        fault = self.misp.fault_for(self.path, body)
        if fault.before is not None:
            fault.before()
        time.sleep(fault.delay)
        status, answer = self.misp.answer(self.path, body, self.headers.get("Authorization", ""))
        if fault.status is not None:
            status, answer = fault.status, error(fault.echo, self.path)
        content = json.dumps(answer).encode() if fault.body is None else fault.body
        self.close_connection = fault.drop or fault.truncate
        if not fault.drop:
            self._send(status, content, fault)

    def _send(self, status: int, content: bytes, fault: Fault) -> None:
        # As a web server does with large answers: compressed, and in chunks.
        large = len(content) > 1000 and "gzip" in self.headers.get("Accept-Encoding", "")
        if large:
            packed = gzip.compress(content, 1)
            content = b"%x\r\n%b\r\n0\r\n\r\n" % (len(packed), packed)
        how = {"Content-Encoding": "gzip", "Transfer-Encoding": "chunked"}
        self.send_response(status)
        for header in [*(how if large else {"Content-Length": str(len(content))}).items(), *fault.headers]:
            self.send_header(*header)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        for part in [content[i : i + 1] for i in range(len(content))] if fault.drip else [content]:
            self.wfile.write(part[: len(part) // 2] if fault.truncate else part)
            self.wfile.flush()
            time.sleep(fault.drip)
