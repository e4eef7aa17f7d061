"""Old configurations to read."""

from __future__ import annotations

from pathlib import Path

from misp_modules_ext.config import Settings
from misp_modules_ext.config.load import read
from misp_modules_ext.config.search import Found
from misp_modules_ext.importing import Import, Kind, read_old
from misp_modules_ext.importing.draft import Row

TENANT = "11111111-1111-4111-8111-111111111111"
APPLICATION = "22222222-2222-4222-8222-222222222222"
WORKSPACE = "33333333-3333-4333-8333-333333333333"
SECRET = "not;a#real%(secret)s=value~"

SENTINEL = f"""
ms_auth = {{'tenant': '{TENANT}', 'client_id': '{APPLICATION}', 'client_secret': '{SECRET}',
           'new_upload_api': True, 'workspace_id': '{WORKSPACE}'}}
misp_key = 'a-key'
misp_domain = 'https://misp.example.org/'
"""
DEFENDER = f"""
graph_auth = {{'tenant': '{TENANT}', 'client_id': '{APPLICATION}', 'client_secret': '{SECRET}'}}
defender_application = 'MISP'
misp_key = 'a-key'
misp_domain = 'https://misp.example.org'
"""


def take(folder: Path, text: str, kind: Kind | None = None) -> Import:
    """What becomes of an old file."""
    path = folder / "old"
    path.write_text(text, encoding="utf-8")
    return read_old(path, kind)


def settings(folder: Path, text: str) -> Settings:
    """The settings of the new file."""
    path = folder / "rh-isac.conf"
    path.write_text(take(folder, text).draft.text([]), encoding="utf-8")
    path.chmod(0o600)
    return read(Found(path, searched=False), {}).settings


def row(imported: Import, old: str) -> Row:
    """The one row of an old key."""
    found = [row for row in imported.draft.rows if row.old == old]
    assert len(found) == 1, (old, imported.draft.rows)
    return found[0]


def entries(imported: Import, section: str, key: str) -> tuple[str, ...]:
    """What stands in the new file, nothing when it has no such line."""
    lines = imported.draft.sections.get(section, [])
    return next((line.entries for line in lines if line.key == key and not line.idle), ())
