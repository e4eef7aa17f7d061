"""What a MISP says of itself and of our key, through unmodified PyMISP."""

from __future__ import annotations

import pytest

from misp_modules_ext.errors import MispError, MispRefused
from misp_modules_ext.misp.examine import Examiner, is_on
from tests.support.misp_server import Fault, MispServer
from tests.support.misp_world import Org, User, World

from .conftest import KEY, settings

_NO_VERSION = b'{"pymisp_recommended_version": "2.5.34"}'


@pytest.fixture
def examiner(server: MispServer) -> Examiner:
    """With the key of `me`."""
    return Examiner(settings(server.url), timeout=5)


def test_version_user_and_rights(examiner: Examiner, world: World, me: User) -> None:
    """As MISP gives them; the key, which an old MISP sends along, is not kept."""
    world.version, me.rights = "2.5.1", frozenset({"perm_sync"})
    assert examiner.version() == "2.5.1"
    user = examiner.user()
    assert (user.number, user.role, user.org) == ("1", "User", "Ours")
    assert user.rights == {"perm_auth", "perm_sync"}
    assert KEY not in repr(user)


def test_settings_are_for_site_admins(examiner: Examiner, world: World, me: User) -> None:
    """Others are refused; a setting that is not set has its default, an unknown one is none."""
    with pytest.raises(MispRefused):
        examiner.setting("MISP.background_jobs")
    me.rights = frozenset({"perm_site_admin"})
    world.settings["MISP.background_jobs"] = True
    world.modules.add("Export_export_to_microsoft")
    names = ("MISP.background_jobs", "Plugin.Export_timeout", "Plugin.Export_export_to_microsoft_enabled")
    assert [examiner.setting(name) for name in names] == [True, 10, ""]
    assert examiner.setting("Plugin.Action_push_to_microsoft_enabled") is None


@pytest.mark.parametrize("how", ["shown", "asked", "hidden"])
def test_whether_deleted_attributes_are_shown(examiner: Examiner, world: World, me: User, ours: Org, how: str) -> None:
    """In either way that MISP's versions have; and not when nothing was deleted."""
    me.deleted_rows = how  # type: ignore[assignment]
    event = world.add_event(ours)
    world.add_attribute(event, "domain", "there.example")
    gone = world.add_attribute(event, "domain", "gone.example")
    assert not examiner.shows_deleted()
    world.delete_attribute(gone)
    assert examiner.shows_deleted() is (how != "hidden")


def test_a_version_that_does_not_know_the_question(examiner: Examiner, server: MispServer) -> None:
    """A query that fails has shown nothing; a key that is refused is told."""
    server.faults += [Fault("attributes/restSearch", status=500), Fault("attributes/restSearch", status=500)]
    assert not examiner.shows_deleted()
    server.faults.append(Fault("attributes/restSearch", status=403))
    with pytest.raises(MispRefused):
        examiner.shows_deleted()


@pytest.mark.parametrize(
    ("path", "body"),
    [("users/view/me", b'{"User": {}}'), ("servers/getSetting", b'{"x": 1}'), ("servers/getVersion", _NO_VERSION)],
)
def test_answers_of_something_else(examiner: Examiner, server: MispServer, me: User, path: str, body: bytes) -> None:
    """A sentence, whatever it is."""
    me.rights = frozenset({"perm_site_admin"})
    server.faults += [Fault(path, body=body) for _ in range(3)]
    ask = {
        "users": examiner.user,
        "servers/getS": lambda: examiner.setting("MISP.background_jobs"),
        "servers/getV": examiner.version,
    }
    with pytest.raises(MispError, match="does not answer as MISP does"):
        next(call for name, call in ask.items() if path.startswith(name))()


@pytest.mark.parametrize(
    ("value", "on"), [(True, True), (1, True), ("1", True), (False, False), ("", False), (0, False)]
)
def test_how_php_writes_yes(value: object, on: bool) -> None:
    """Booleans, numbers, texts; null is no."""
    assert is_on(value) is on
    assert not is_on(None)
