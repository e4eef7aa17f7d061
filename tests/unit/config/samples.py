"""Configuration files to read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from misp_modules_ext.config import DestinationSettings, Settings, load
from misp_modules_ext.errors import ConfigurationError

TENANT = "11111111-1111-4111-8111-111111111111"
APPLICATION = "22222222-2222-4222-8222-222222222222"
WORKSPACE = "33333333-3333-4333-8333-333333333333"
#: As awkward as an INI value can be; no message may show it.
SECRET = "not;a#real%(secret)s=value~"

SENTINEL: Mapping[str, str] = {
    "product": "Azure Sentinel",
    "tenantId": TENANT,
    "appId": APPLICATION,
    "appSecret": SECRET,
    "workspaceId": WORKSPACE,
}
DEFENDER: Mapping[str, str] = {
    "product": "Microsoft Defender",
    "tenantId": TENANT,
    "appId": APPLICATION,
    "appSecret": SECRET,
}


def section(name: str, base: Mapping[str, str] = {}, /, **keys: str) -> str:
    """A section with the keys of `base` and these; `__` in a name stands for a dot, an empty text drops the key."""
    merged = dict(base) | {key.replace("__", "."): value for key, value in keys.items()}
    return "\n".join([f"[{name}]", *(f"{key} = {value}" for key, value in merged.items() if value), ""])


def write(folder: Path, *parts: str, mode: int = 0o600) -> Path:
    """A configuration file."""
    path = folder / "rh-isac.conf"
    path.write_text("\n".join(parts), encoding="utf-8")
    path.chmod(mode)
    return path


def read(folder: Path, *parts: str, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of a file with these parts."""
    return load(write(folder, *parts), environ or {})


def problems(folder: Path, *parts: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with a file of these parts, as `[section] key: message remedy`."""
    with pytest.raises(ConfigurationError) as caught:
        read(folder, *parts, environ=environ)
    return [str(problem) for problem in caught.value.problems]


def only_problem(folder: Path, *parts: str, environ: Mapping[str, str] | None = None) -> str:
    """The one thing that is wrong with a file of these parts."""
    found = problems(folder, *parts, environ=environ)
    assert len(found) == 1, found
    return found[0]


def destination(folder: Path, *parts: str, environ: Mapping[str, str] | None = None) -> DestinationSettings:
    """The one destination of a file of these parts."""
    (only,) = read(folder, *parts, environ=environ).destinations
    return only
