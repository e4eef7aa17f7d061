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

# The other side chooses these texts and their length. So each pattern has only one place to begin at in a run of
# characters that it would go through, and the time that it takes grows as the text does, not as its square.
_SECRET = re.compile(
    r"secret|passw|passphrase|assertion|auth_?key|api_?key|credential|cookie"
    r"|\A(?:(?:access|refresh|id|device|bearer|federated)_?token|token|sig|key|authorization)\Z",
    re.IGNORECASE,
)
#: In JSON, also in a string that is JSON itself. What follows the name is only looked at: it may be a name, too.
_IN_JSON = re.compile(r'"(?P<name>[\w.-]+)(?=(?P<rest>\\*"\s*:\s*\\*"))')
#: Also when it is cut off; inside a string that is JSON itself, what follows in that string goes as well.
_JSON_VALUE = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_IN_FORM = re.compile(r"(?:\A|(?<=[?&\s]))(?P<name>[\w.-]+)(?P<rest>=)")
_FORM_VALUE = re.compile(r"[^&\s#]*")
_BEARER = re.compile(r"\b(?:Bearer|Basic)\s+[\w.~+/=-]+", re.IGNORECASE)
#: Whether there is a dot at all is asked once, at the beginning of the word.
_TOKEN = re.compile(r"(?<![\w-])(?=[\w-]+\.)([\w-]*?)eyJ[\w-]{5,}(?:\.[\w-]*){1,4}", re.IGNORECASE)
_USER = re.compile(r"(?<=://)[^/@\s]+@")
#: Headers whose values are shown; of all others only the names.
_PLAIN = frozenset(
    {"accept", "accept-encoding", "content-length", "content-type", "metadata", "retry-after", "user-agent"}
)
#: A shorter value would be found everywhere.
_SHORTEST = 4


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """A text without secrets, cut after 66,000 characters.

    Args:
        text: an address, a body, or a part of one.
        secrets: values that must not be in it.
    """
    text = text[: LONGEST + _MARGIN]
    for secret in secrets:
        for written in _spellings(secret):
            text = text.replace(written, MASK)
    return _without_what_looks_secret(text)


def body(content: bytes, secrets: Collection[str] = ()) -> str:
    """The beginning of a body without secrets, and how much more there is."""
    text = masked(content[: LONGEST + _MARGIN].decode("utf-8", "backslashreplace"), secrets)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(content):,} bytes)"


def headers(found: Mapping[str, str]) -> dict[str, str]:
    """Headers without secrets: values of the few that never hold one."""
    return {str(name): str(value) if name.lower() in _PLAIN else MASK for name, value in found.items()}


def _without_what_looks_secret(text: str) -> str:
    text = _USER.sub(f"{MASK}@", text)
    text = _hidden(text, _IN_JSON, _JSON_VALUE)
    text = _hidden(text, _IN_FORM, _FORM_VALUE)
    return _TOKEN.sub(rf"\1{MASK}", _BEARER.sub(MASK, text))


def _hidden(text: str, heads: re.Pattern[str], values: re.Pattern[str]) -> str:
    """A text without the values that follow secret names.

    Args:
        text: any.
        heads: finds a `name`, and the `rest` up to its value.
        values: matches a value, empty ones as well.
    """
    shown, end = [], 0
    for head in heads.finditer(text):
        # What stands in a value that goes anyway is no head.
        if head.start() < end or not _SECRET.search(head["name"]):
            continue
        begin = head.end("rest")
        value = values.match(text, begin)
        shown += [text[end:begin], MASK]
        end = value.end() if value else begin
    return "".join([*shown, text[end:]])


def _spellings(secret: str) -> set[str]:
    """How a value may be written in JSON, a form, an address or a page."""
    if len(secret) < _SHORTEST:
        return set()
    in_json = json.dumps(secret)[1:-1]
    found = {secret, in_json, in_json.replace("/", "\\/"), quote(secret, ""), quote_plus(secret), html.escape(secret)}
    return found | {json.dumps(secret, ensure_ascii=False)[1:-1]}
