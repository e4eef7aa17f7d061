"""No secret stands in anything that a person or a log may see."""

from __future__ import annotations

import pickle
import traceback
from pathlib import Path

import pytest
from pydantic import ValidationError

from misp_modules_ext.config import DestinationSettings, load
from misp_modules_ext.errors import ConfigurationError
from tests.support.keys import misp_key
from tests.unit.config.samples import DEFENDER, SECRET, SENTINEL, read, section, write

#: A secret as Microsoft makes them, in shape only.
TOKEN = "Zx9Q~not.a.real.secret-but.of.its.length_0"
MISP_KEY = misp_key()

_IDENTIFIERS = f"product = Azure Sentinel\nappId = {TOKEN}\ntenantId = {TOKEN}\nworkspaceId = {TOKEN}\n"
_LATER = f"certificatePassword = {TOKEN}\n[console]\ntoken = {TOKEN}\n"
#: Files that are broken around a secret.
BROKEN = {
    "no equals sign": f"[microsoft]\nappSecret {TOKEN}\n",
    "secret as a key": f"[microsoft]\n{TOKEN} =\n",
    "key and secret before the equals sign": f"[microsoft]\nappSecret {TOKEN} = x\n",
    "broken over two lines": f"[microsoft]\nappSecret =\n{TOKEN} = \n",
    "indented second line": f"[microsoft]\nappSecret = {TOKEN}\n  {TOKEN}\n",
    "in the line of a GUID": f"[microsoft]\n{_IDENTIFIERS}",
    "repeated": f"[microsoft]\nappSecret = {TOKEN}\nappSecret = {TOKEN}\n",
    "before a section": f"appSecret = {TOKEN}\n",
    "as a reference": f"[microsoft]\nappSecret = env:{TOKEN}\n",
    "in an unknown key": f"[microsoft]\nappSecrets = {TOKEN}\n",
    "in a key that waits": f"[microsoft]\n{_LATER}",
    "in an address": f"[misp]\nurl = https://user:{TOKEN}@misp.example.org\nkey = {TOKEN}\n",
    "in the ledger's address": f"[ledger]\nurl = mysql://u:{TOKEN}@db.example\n",
    "in a ledger's address that is none": f"[ledger]\nurl = mysql://u:{TOKEN}@[db.example/x\n",
    "in the queue's address": f"[queue]\nurl = http://:{TOKEN}@queue.example\n",
    "beside other problems": f"[microsoft]\nproduct = x\nappSecret = {TOKEN}\ncloud = y\n[misp]\nkey = {TOKEN}\n",
    "MISP key as a key": f"[misp]\n{MISP_KEY}:\n",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=[name.replace(" ", "-") for name in BROKEN])
def test_no_problem_shows_a_secret(tmp_path: Path, text: str) -> None:
    """In str, repr, pickle, traceback and the chain of causes, whichever way the file is broken."""
    path = write(tmp_path, text)
    with pytest.raises(ConfigurationError) as caught:
        load(path, {})
    error = caught.value
    whole = traceback.TracebackException.from_exception(error, capture_locals=True)
    seen = [str(error), repr(error), repr(error.problems), "".join(traceback.format_exception(error))]
    ours = [str(f.locals) for f in whole.stack if f.locals and f.name in {"load", "read"}]
    for text_seen in (*seen, *ours):
        assert TOKEN not in text_seen
        assert MISP_KEY not in text_seen
    assert TOKEN.encode() not in pickle.dumps(error)
    assert error.__cause__ is None


def test_settings_show_no_secret(tmp_path: Path) -> None:
    """In str and repr, of the whole and of each part."""
    settings = read(
        tmp_path,
        section("microsoft", SENTINEL),
        section("misp", url="https://misp.example.org", key=MISP_KEY),
        section("RH-ISAC MISP", key=MISP_KEY),
        section("ledger", url=f"postgresql://misp:{TOKEN}@db.example/misp"),
        section("queue", url=f"rediss://:{TOKEN}@queue.example/0"),
    )
    (only,) = settings.destinations
    assert only.app_secret.get_secret_value() == SECRET
    for seen in (
        str(settings),
        repr(settings),
        str(only),
        repr(settings.misp),
        f"{settings.rh_isac}",
        settings.model_dump_json(),
    ):
        assert SECRET not in seen
        assert MISP_KEY not in seen
        assert TOKEN not in seen


def test_warnings_show_no_secret(tmp_path: Path) -> None:
    """Also of keys and sections that are odd."""
    settings = load(
        write(
            tmp_path,
            section("microsoft", DEFENDER, generateAlert="yes", workspaceId="33333333-3333-4333-8333-333333333333"),
            section("misp", url="http://misp.example.org", key=MISP_KEY),
            mode=0o644,
        ),
        {},
    )
    assert len(settings.warnings) == 3
    for warning in settings.warnings:
        assert not any(secret in warning for secret in (SECRET, MISP_KEY, TOKEN))


def test_pydantics_own_errors_show_no_input() -> None:
    """Whoever builds settings by hand gets an error without the values."""
    with pytest.raises(ValidationError) as caught:
        DestinationSettings.model_validate({"name": "microsoft", "app_secret": ["x", TOKEN]})
    assert TOKEN not in str(caught.value)
