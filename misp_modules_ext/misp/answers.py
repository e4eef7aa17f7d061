"""Why MISP gave no usable answer, as an error whose sentence names the remedy. Pure: opens nothing."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import ReadTimeoutError

from misp_modules_ext.errors import TO_DO, EventNotFound, MispError, MispRefused
from misp_modules_ext.misp.coerce import text
from misp_modules_ext.misp.decode import decode
from misp_modules_ext.misp.shapes import mapping

#: So much of MISP's own words stands in a message.
MOST_WORDS = 160
#: Bytes of the largest answer that is read; a page of 2,000 ordinary attributes takes some 2 MB.
MAX_ANSWER = 256 * 1024 * 1024

_PROXY = (requests.exceptions.ProxyError,)
_TLS = (requests.exceptions.SSLError, ssl.SSLError)
_SLOW = (TimeoutError, requests.Timeout, ReadTimeoutError)
_WRONG = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, UnicodeError)
_WAY = "repeat later; if it stays, see whether MISP runs and whether a firewall or HTTPS_PROXY is in the way."


class TooLarge(Exception):
    """An answer of more than MAX_ANSWER bytes."""


def host_of(url: str) -> str:
    """Host and port only: an address may carry a password."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port is not None else ""
        return f"{parts.hostname}{port}" if parts.hostname else "MISP"
    except ValueError:
        return "MISP"


def unreachable(error: Exception, url: str, section: str, timeout: float) -> MispError:
    """What happened on the way.

    Args:
        error: what requests, urllib3 or the system raised; of its text only the words of TLS are told.
        url: the address of MISP.
        section: the section of the configuration that names it.
        timeout: seconds that were given.
    """
    host, correct = host_of(url), f"correct `url` of [{section}]"
    causes = list(_causes(error))
    known: tuple[tuple[tuple[type[BaseException], ...], str, str], ...] = (
        ((TooLarge,), f"{host} sent more than {MAX_ANSWER} bytes.", f"see whether `url` of [{section}] is MISP's."),
        (_PROXY, f"The proxy did not open the way to {host}.", "correct HTTPS_PROXY, or name this host in NO_PROXY."),
        (_TLS, f"The TLS certificate of {host} could not be verified{_tls_words(causes)}.", _own_authority(section)),
        (_SLOW, f"{host} did not answer within {timeout:g} seconds.", _WAY),
        ((socket.gaierror,), f"The name {host} could not be resolved.", f"{correct}, or this machine's name servers."),
        ((ConnectionRefusedError,), f"{host} refused the connection.", f"{correct}, or {_WAY}"),
        (_WRONG, f"{host} cannot be asked.", f"{correct}, which should be https://host, and HTTPS_PROXY."),
        ((BaseException,), f"{host} closed the connection before its answer was complete.", _WAY),
    )
    happened, remedy = next(
        (happened, remedy) for kinds, happened, remedy in known if any(isinstance(cause, kinds) for cause in causes)
    )
    return MispError(f"{happened}{TO_DO}{remedy}")


def refusal(status: int, content: bytes, location: str, url: str, section: str) -> MispError | None:
    """What an answer's status means; `None` for one that can be read.

    Args:
        status: of HTTP.
        content: the answer's body, from which the key has been taken out.
        location: where a redirect points, `""` for none.
        url: the address of MISP.
        section: the section of the configuration that names it.
    """
    host, answered = host_of(url), f"{status}{_words(content)}"
    if 200 <= status < 300:
        return None
    if status in {401, 403, 405}:
        return MispRefused(
            f"{host} refused the key of [{section}] ({answered}).{TO_DO}see in MISP that the key is right, not "
            "expired and not bound to another address, and that the role of its user may use the API (perm_auth)."
        )
    if status == 404:
        # In words of MISP's own it is about what was asked for; else a web server or proxy stands where MISP was to be.
        kind = EventNotFound if _is_misps(content) else MispError
        return kind(f"{host} knows no such address ({answered}).{TO_DO}correct `url` of [{section}].")
    if 300 <= status < 400:
        happened = f"{host} sends us on to {_place(location)}; the key is not sent anywhere but to `url`."
        remedy = f"if that is your MISP, put its address into `url` of [{section}]."
    elif status == 429:
        happened, remedy = f"{host} takes no more requests of this key for now ({answered}).", "repeat later."
    elif status >= 500:
        happened, remedy = f"{host} could not answer ({answered}).", "repeat later; if it stays, see MISP's logs."
    else:
        happened, remedy = f"{host} did not understand us ({answered}).", f"see whether `url` of [{section}] is MISP's."
    return MispError(f"{happened}{TO_DO}{remedy}")


def no_misp(url: str, section: str) -> MispError:
    """Something answered, but not as MISP does."""
    return MispError(
        f"{host_of(url)} does not answer as MISP does.{TO_DO}see whether `url` of [{section}] is the address of MISP "
        "itself and no log-in page or proxy answers in its place; repeat later if it was just being restarted."
    )


def not_found(uuid: str, url: str) -> EventNotFound:
    """MISP shows no such event."""
    return EventNotFound(
        f"{host_of(url)} shows no event {uuid} to this key: it was deleted, or it is not shared with the key's user."
        f"{TO_DO}look for it in MISP; if it is there, share it with the organisation of the key's user."
    )


def _tls_words(causes: list[BaseException]) -> str:
    told = [str(c) for c in causes if isinstance(c, ssl.SSLError) and not isinstance(c, requests.RequestException)]
    return f" ({clean(told[-1])})" if told else ""


def _own_authority(section: str) -> str:
    return (
        f"if it is of your own authority, name its PEM file with `ca` in [{section}]; verification cannot be "
        "switched off."
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it wraps in any of the ways that requests and urllib3 have."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop(0)
        if not isinstance(cause, BaseException) or cause in seen:
            continue
        seen.append(cause)
        waiting += [*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__]
    return iter(seen)


def _is_misps(content: bytes) -> bool:
    """Whether an error is in MISP's form, `{"name", "message", "url"}`: gateways have a `message` as well."""
    answer = _error(content)
    return all(text(answer.get(name)) for name in ("name", "message", "url"))


def _words(content: bytes) -> str:
    """The reason in the words of whoever answered."""
    answer = _error(content)
    said = clean(text(answer.get("message")) or text(answer.get("name")))
    return f": {said}" if said else ""


def _error(content: bytes) -> Mapping[str, object]:
    try:
        return mapping(decode(content))
    except ValueError:
        return {}


def _place(location: str) -> str:
    host = host_of(location)
    return "another page" if host == "MISP" else clean(host)


def clean(said: str) -> str:
    """One line without control characters, cut."""
    line = " ".join("".join(c if c.isprintable() else " " for c in said).split())
    return line if len(line) <= MOST_WORDS else line[: MOST_WORDS - 1] + "…"
