"""Which hosts have to be reached, through which proxy, and whether they answer."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies, select_proxy

from misp_modules_ext.cli.checking.groups import Way
from misp_modules_ext.config.settings import Api, Auth, DestinationSettings, MispSettings, Settings
from misp_modules_ext.destinations.answers import Answer
from misp_modules_ext.destinations.transport import Transport
from misp_modules_ext.errors import TO_DO, Unavailable
from misp_modules_ext.model.finding import Code, Finding
from misp_modules_ext.model.outcome import State

#: Seconds for each host.
PATIENCE = 10.0
#: Seconds that this machine's clock may differ without a word.
SKEW = 60
_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mariadb": 3306, "mysql": 3306, "redis": 6379, "rediss": 6379}
_APIS = {
    Api.SENTINEL: "uploads to Microsoft Sentinel",
    Api.DEFENDER: "Microsoft Defender's indicators",
    Api.GRAPH: "Microsoft Graph tiIndicators",
}
#: Where a managed identity signs in unless the environment says otherwise.
_IDENTITY = ("IDENTITY_ENDPOINT", "MSI_ENDPOINT", "AZURE_POD_IDENTITY_AUTHORITY_HOST")
_LINK_LOCAL = "http://169.254.169.254"


class Host(NamedTuple):
    """A host of Microsoft's that is tried."""

    code: Code
    origin: str
    purpose: str


def hosts_of(settings: DestinationSettings, *, reads_back: bool) -> list[Host]:
    """The hosts of a destination; a managed identity signs in at its own machine, which is not tried."""
    found = [Host(Code.API_HOST, settings.endpoint_api, _APIS[settings.api])]
    if settings.auth is not Auth.MANAGED_IDENTITY:
        found.insert(0, Host(Code.LOGIN_HOST, settings.endpoint_login, "signing in at Microsoft Entra"))
    if reads_back and settings.api is Api.SENTINEL:
        management = settings.endpoint_management or settings.endpoint_api
        found.append(Host(Code.MANAGEMENT_HOST, management, "reading back through Azure's resource manager"))
    return found


def ways_of(settings: DestinationSettings, *, reads_back: bool) -> list[Way]:
    """What a destination needs a firewall to let through."""
    found = [way(host.origin, host.purpose) for host in hosts_of(settings, reads_back=reads_back)]
    if settings.auth is Auth.MANAGED_IDENTITY:
        named = next((os.environ[name] for name in _IDENTITY if os.environ.get(name)), _LINK_LOCAL)
        found.insert(0, way(named, "the managed identity, on this machine's own link", proxied=False))
    return [*found, *_to_look_up(settings)]


def _to_look_up(settings: DestinationSettings) -> list[Way]:
    """What only looking values up needs; it is not tried."""
    found = []
    if settings.api is Api.SENTINEL and settings.endpoint_logs:
        found.append(way(settings.endpoint_logs, "looking values up in Log Analytics, only if you do"))
    if settings.api is Api.DEFENDER and settings.endpoint_hunting:
        found.append(way(settings.endpoint_hunting, "advanced hunting and alerts, only with [lookup] estate"))
    return found


def way_to_misp(misp: MispSettings) -> Way:
    """Where events are read."""
    return way(misp.url, f"reading events from the MISP of [{misp.name}]")


def ways_of_servers(settings: Settings) -> list[Way]:
    """Database and Redis, where they are on a server."""
    urls = [(settings.ledger.url.get_secret_value(), "the ledger's database")]
    if settings.queue_url is not None:
        urls.append((settings.queue_url.get_secret_value(), "wake-ups for workers (Redis)"))
    found = [way(url, purpose, proxied=False) for url, purpose in urls]
    return [one for one in found if one.host]


def way(url: str, purpose: str, *, proxied: bool = True) -> Way:
    """The host of an address; nothing else of it is kept, since it may carry a password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return Way("", 0, purpose)
    usual = _PORTS.get(parts.scheme.partition("+")[0], 0)
    return Way(parts.hostname or "", port or usual, purpose, proxy_of(url) if proxied else "")


def proxy_of(url: str) -> str:
    """`host:port` of the proxy that the environment names for an address, without its password; `""` for none."""
    proxy = select_proxy(url, get_environ_proxies(url))
    if not proxy:
        return ""
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        return f"{parts.hostname or '?'}:{parts.port or _PORTS.get(parts.scheme, 80)}"
    except ValueError:
        return "an address that cannot be read"


class Tried(NamedTuple):
    """What came of asking a host; `skew` is how many seconds our clock is ahead of its, `None` if it does not say."""

    finding: Finding
    skew: float | None


def try_host(host: Host, transport: Transport) -> Tried:
    """Ask for `/` without any credential: whatever is answered, the host is reached, and TLS holds."""
    origin = _origin(host.origin)
    what = f"{origin}, for {host.purpose}"
    proxy = proxy_of(origin)
    through = f" through the proxy {proxy}" if proxy else ""
    began = time.time()
    try:
        answer = transport.request("GET", f"{origin}/", timeout=PATIENCE)
    except Unavailable as error:
        happened, _, remedy = str(error).partition(TO_DO)
        named = f" The proxy is {proxy}." if proxy else ""
        return Tried(Finding(host.code, what, f"{happened}{named}", remedy, State.UNREACHABLE), None)
    ended = time.time()
    took = f"answers within {max(ended - began, 0.001):.3f} seconds{through}, TLS verified."
    return Tried(Finding(host.code, what, took), _skew(answer, (began + ended) / 2))


def clock(skews: Iterable[float | None]) -> Finding | None:
    """This machine's clock against those that were asked; `None` when none told the time."""
    known = [skew for skew in skews if skew is not None]
    if not known:
        return None
    worst = max(known, key=abs)
    # `Date` has whole seconds.
    if abs(worst) < SKEW:
        return Finding(Code.CLOCK, "this machine's clock", f"differs from the servers' by less than {SKEW} seconds.")
    side = "ahead of" if worst > 0 else "behind"
    return Finding(
        Code.CLOCK,
        "this machine's clock",
        f"is {abs(worst):.0f} seconds {side} the servers'.",
        "set it by a time server: Entra refuses what a certificate signs at a wrong time, and indicators would begin "
        "and end at one.",
    )


def _skew(answer: Answer, ours: float) -> float | None:
    try:
        return ours - parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def _origin(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
