"""Text of requests and answers without what is secret in it.

Three nets, each for what another lets through: fields whose names say so, in JSON and in forms; the very values that
the request was made with, however they are written; and whatever looks like a token.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import quote, quote_plus

MASK = "***"
#: Characters of a body that are shown.
LONGEST = 2_000
#: What is looked at of a body beyond that, so that no secret is cut before it is found: longer than any token.
_MARGIN = 64_000

_NAME = (
    r"[\w.-]*(?:secret|passw|passphrase|assertion|auth_?key|api_?key|credential|cookie)[\w.-]*"
    r"|(?:access|refresh|id|device|bearer|federated)_?token|token|sig|key|authorization"
)
#: In JSON, also when it is cut off; inside a string that is JSON itself, what follows in that string goes as well.
_IN_JSON = re.compile(rf'(\\*"(?:{_NAME})\\*"\s*:\s*\\*")((?:[^"\\]|\\.)*)', re.IGNORECASE | re.DOTALL)
_IN_FORM = re.compile(rf"((?:^|[?&\s])(?:{_NAME})=)([^&\s#]*)", re.IGNORECASE)
_TOKEN = re.compile(r"eyJ[\w-]{5,}(?:\.[\w-]*){1,4}|\b(?:Bearer|Basic)\s+[\w.~+/=-]+", re.IGNORECASE)
_USER = re.compile(r"(?<=://)[^/@\s]+@")
#: Headers whose values are shown; of all others only the names.
_PLAIN = frozenset(
    {"accept", "accept-encoding", "content-length", "content-type", "metadata", "retry-after", "user-agent"}
)
#: A shorter value would be found everywhere.
_SHORTEST = 4


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """A text without secrets.

    Args:
        text: an address, a body, or a part of one.
        secrets: values that must not be in it.
    """
    for secret in secrets:
        for written in _spellings(secret):
            text = text.replace(written, MASK)
    text = _USER.sub(f"{MASK}@", text)
    text = _IN_JSON.sub(rf"\1{MASK}", text)
    return _TOKEN.sub(MASK, _IN_FORM.sub(rf"\1{MASK}", text))


def body(content: bytes, secrets: Collection[str] = ()) -> str:
    """The beginning of a body without secrets, and how much more there is."""
    text = masked(content[: LONGEST + _MARGIN].decode("utf-8", "backslashreplace"), secrets)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(content):,} bytes)"


def headers(found: Mapping[str, str]) -> dict[str, str]:
    """Headers without secrets: values of the few that never hold one."""
    return {str(name): str(value) if name.lower() in _PLAIN else MASK for name, value in found.items()}


def _spellings(secret: str) -> set[str]:
    """How a value may be written in JSON, a form, an address or a page."""
    if len(secret) < _SHORTEST:
        return set()
    in_json = json.dumps(secret)[1:-1]
    found = {secret, in_json, in_json.replace("/", "\\/"), quote(secret, ""), quote_plus(secret), html.escape(secret)}
    return found | {json.dumps(secret, ensure_ascii=False)[1:-1]}
