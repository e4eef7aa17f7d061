"""JSON from outside: fast, and where that refuses, as lenient as what wrote it."""

from __future__ import annotations

import json
from typing import Any

import orjson


def decode(content: bytes | str) -> Any:
    """Decode JSON.

    Python and PHP write lone surrogates as escapes, which orjson refuses; one of them in a comment must not cost the
    whole document.

    Raises:
        ValueError: it is no JSON, or nested too deep to be an event.
    """
    body = content.removeprefix(b"\xef\xbb\xbf") if isinstance(content, bytes) else content
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as refused:
        if isinstance(body, bytes) and not _is_utf8(body):
            raise ValueError("it is no text in UTF-8; is it compressed, or in another encoding?") from None
        try:
            return json.loads(body)
        except RecursionError as error:
            raise ValueError("it is nested too deep") from error
        except ValueError:
            raise refused from None


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
