"""The misp-modules service: which of our modules it lists, and of which version.

Asked as MISP asks it, `GET /modules` without any credential; the one file that opens a socket to it.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import orjson
import requests

from misp_modules_ext.cli.checking.groups import Way
from misp_modules_ext.cli.checking.ways import way

PATIENCE = 10.0
#: Bytes of the largest list that is read; that of all modules of misp-modules takes some 300 kB.
MOST = 16 * 1024 * 1024


class Service(NamedTuple):
    """Where MISP finds misp-modules.

    Attributes:
        address: `http://host:port`.
        families: those of MISP's families of modules that have this address.
    """

    address: str
    families: tuple[str, ...]

    @property
    def way(self) -> Way:
        """What a firewall between the two must let through."""
        found = way(self.address, "misp-modules", proxied=False)
        return found._replace(source="MISP's server")


class Listed(NamedTuple):
    """What a service lists.

    Attributes:
        versions: of each module by its name, `""` where it has none.
        problem: why there is no list, `""` for none.
    """

    versions: dict[str, str]
    problem: str = ""


def list_modules(service: Service) -> Listed:
    """Ask the service. It goes through no proxy and follows no redirect; what cannot be read is a problem in words."""
    try:
        with requests.Session() as session:
            # Neither a proxy nor a password of the environment's is meant for it.
            session.trust_env = False
            address = f"{service.address}/modules"
            with session.get(address, timeout=PATIENCE, stream=True, allow_redirects=False) as response:
                if response.status_code != 200:
                    return Listed({}, f"answered {response.status_code}")
                return _read(_body(response))
    except (requests.RequestException, TimeoutError, ValueError) as error:
        return Listed({}, f"gave no answer that can be used ({type(error).__name__})")


def _body(response: requests.Response) -> bytes:
    deadline = time.monotonic() + PATIENCE
    content = b""
    for chunk in response.iter_content(65536):
        content += chunk
        if len(content) > MOST or time.monotonic() > deadline:
            raise TimeoutError
    return content


def _read(content: bytes) -> Listed:
    rows = orjson.loads(content)
    if not isinstance(rows, list):
        return Listed({}, "answered with something else than a list of modules")
    found = {}
    for row in rows:
        if isinstance(row, dict) and isinstance(row.get("name"), str):
            meta = row.get("meta")
            version = meta.get("version") if isinstance(meta, dict) else None
            found[row["name"]] = version if isinstance(version, str) else ""
    return Listed(found)
