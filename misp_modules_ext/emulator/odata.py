"""A small part of OData's `$filter`: comparisons of a property with a literal, joined by and, or, parentheses.

Source: OData 4.01, URL conventions, section 5.1.1 (operators, precedence, quotes doubled inside strings).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from .clock import parse_offset

Predicate = Callable[[dict[str, Any]], bool]

_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<paren>[()])|(?P<word>[^\s()']+))")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}
_DEEPEST = 50


class FilterError(ValueError):
    """A filter that cannot be read, or names a property that cannot be filtered by."""


class _Token(NamedTuple):
    kind: str
    text: str


def parse_filter(text: str, fields: Collection[str]) -> Predicate:
    """Turn a filter into a test for entities.

    Args:
        text: The value of `$filter`.
        fields: Names that may be filtered by, spelled exactly so.

    Raises:
        FilterError: The filter cannot be read.
    """
    parser = _Parser(_tokens(text), frozenset(fields))
    predicate = parser.disjunction(0)
    if parser.rest:
        raise FilterError(f"unexpected '{parser.rest[0].text}'")
    return predicate


def _tokens(text: str) -> list[_Token]:
    found, position, text = [], 0, text.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise FilterError(f"unterminated string at position {position}")
        found.append(_Token(match.lastgroup or "", match[match.lastgroup or 0]))
        position = match.end()
    return found


class _Parser:
    def __init__(self, tokens: list[_Token], fields: frozenset[str]) -> None:
        self.rest = tokens
        self._fields = fields

    def disjunction(self, depth: int) -> Predicate:
        parts = [self._conjunction(depth)]
        while self._takes("or"):
            parts.append(self._conjunction(depth))
        return parts[0] if len(parts) == 1 else lambda entity: any(part(entity) for part in parts)

    def _conjunction(self, depth: int) -> Predicate:
        parts = [self._factor(depth)]
        while self._takes("and"):
            parts.append(self._factor(depth))
        return parts[0] if len(parts) == 1 else lambda entity: all(part(entity) for part in parts)

    def _factor(self, depth: int) -> Predicate:
        if depth > _DEEPEST:
            raise FilterError("too many parentheses")
        if not self._takes("("):
            return self._comparison()
        inner = self.disjunction(depth + 1)
        if not self._takes(")"):
            raise FilterError("missing )")
        return inner

    def _comparison(self) -> Predicate:
        field, verb, literal = self._next("word"), self._next("word"), self._next("word", "text")
        if field.text not in self._fields:
            raise FilterError(f"'{field.text}' cannot be filtered by")
        if verb.text not in _COMPARE:
            raise FilterError(f"unknown operator '{verb.text}'")
        return _compare(field.text, _COMPARE[verb.text], _literal(literal))

    def _takes(self, text: str) -> bool:
        if self.rest and self.rest[0].kind != "text" and self.rest[0].text == text:
            self.rest.pop(0)
            return True
        return False

    def _next(self, *kinds: str) -> _Token:
        if not self.rest or self.rest[0].kind not in kinds:
            raise FilterError("expected <property> <operator> <value>")
        return self.rest.pop(0)


def _literal(token: _Token) -> Any:
    if token.kind == "text":
        return token.text[1:-1].replace("''", "'")
    if token.text in _WORDS:
        return _WORDS[token.text]
    if re.fullmatch(r"-?\d+", token.text):
        return int(token.text)
    moment = parse_offset(token.text)
    if moment is None:
        raise FilterError(f"'{token.text}' is not a value; strings stand in single quotes")
    return moment


def _compare(field: str, verb: Callable[[Any, Any], bool], literal: Any) -> Predicate:
    def holds(entity: dict[str, Any]) -> bool:
        value = entity.get(field)
        if isinstance(literal, float) and isinstance(value, str):
            value = parse_offset(value)
        if isinstance(value, list):
            return any(verb(item, literal) for item in value)
        try:
            return verb(value, literal)
        except TypeError:  # an ordering against null or another kind holds for nothing
            return False

    return holds
