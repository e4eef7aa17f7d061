"""A `config.py` read as data: assignments of literals, of earlier names, and of environment variables.

The file is parsed with `ast` and nothing in it is executed, so a file from anywhere may be read. What is more than
data, a call, a loop, a comprehension, is named with its line instead of its value. No message holds a value: it may be
a secret.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from misp_modules_ext.config import files
from misp_modules_ext.config.findings import Invalid
from misp_modules_ext.importing.old_values import IMPORTED, Data, Env, Module, Unknown, Value, Vault

#: A config.py is some kilobytes long; more than this is another file. Twice as much has room for a chain of dots
#: on which Python 3.10's own parser overflows the stack, which nothing can catch.
MOST_BYTES = 65_536
#: Deepest nesting of statements and of expressions that is followed.
DEEPEST = 50
#: Parts of one value, and characters of one text, names that stand for others counted in.
LARGEST, LONGEST = 10_000, 100_000
#: Numbers of an old configuration are days and counts.
_GREATEST = 10**15


def parse(data: bytes) -> Module:
    """Read a `config.py`.

    Raises:
        Invalid: it is no Python, too long, or no text.
    """
    if len(data) > MOST_BYTES:
        raise Invalid(f"is longer than {MOST_BYTES} bytes.", "Is it the right file?")
    source = files.text(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except SyntaxError as error:
        # Not the error's words: they quote the line.
        line = error.lineno or 0
        raise Invalid(
            f"is not written in Python 3 (line {line}).", "Is it the right file? Python 2 is not read: mend that line."
        ) from None
    except (RecursionError, MemoryError, ValueError):
        raise Invalid("is nested too deeply, or holds numbers too long, for a configuration.", _RIGHT) from None
    reader = _Reader()
    try:
        reader.block(tree.body, 0, 0)
    except RecursionError:
        raise Invalid("is nested too deeply for a configuration.", _RIGHT) from None
    return reader.module


_RIGHT = "Is it the right file?"


class _Reader:
    """Follows the statements of a module from top to bottom."""

    def __init__(self) -> None:
        self.module = Module()
        self._names = self.module.names
        #: How an expression with parts is read.
        self._readers: Mapping[type[ast.expr], Callable[[Any, int], Value]] = {
            ast.Name: self._name,
            ast.List: self._list,
            ast.Tuple: self._list,
            ast.Set: self._list,
            ast.Dict: self._table,
            ast.JoinedStr: self._joined,
            ast.BinOp: self._plus,
            ast.Subscript: self._entry,
            ast.Call: self._call,
        }

    def block(self, body: list[ast.stmt], condition: int, depth: int) -> None:
        """Follow statements.

        Args:
            body: the statements.
            condition: the line of what they depend on, 0 for none.
            depth: how deeply they are nested.
        """
        for statement in body:
            self._statement(statement, condition, depth)

    def _statement(self, node: ast.stmt, condition: int, depth: int) -> None:
        if isinstance(node, ast.Assign):
            value = self._value(node.value, condition)
            for target in node.targets:
                self._assign(target, value)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self._assign(node.target, self._value(node.value, condition))
        elif isinstance(node, ast.AugAssign):
            self._add(node, condition)
        elif isinstance(node, ast.Delete):
            for target in node.targets:
                self._assign(target, Value(node.lineno, Unknown("is deleted")))
        elif isinstance(node, ast.ImportFrom):
            self._import(node)
        elif isinstance(node, ast.Expr):
            self._expression(node)
        elif not isinstance(node, _SILENT):
            self._compound(node, condition, depth)

    def _add(self, node: ast.AugAssign, condition: int) -> None:
        """`name += value`."""
        before = self._names.get(node.target.id) if isinstance(node.target, ast.Name) else None
        found = _sum(node.op, before, self._value(node.value, condition), node.lineno)
        self._assign(node.target, replace(found, line=node.lineno, condition=condition))

    def _compound(self, node: ast.stmt, condition: int, depth: int) -> None:
        """A statement that holds others. Functions and classes are not entered: what they assign is their own."""
        kind = type(node).__name__
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self._assign(ast.Name(node.name, ast.Store(), lineno=node.lineno), Value(node.lineno, _NO_DATA))
            return
        bodies = [block for block in _blocks(node) if block]
        if not bodies or depth >= DEEPEST:
            self._note(node.lineno, f"a statement that is not followed ({kind})")
            for name in _stored(node):
                self._names[name] = Value(node.lineno, Unknown("is assigned where it cannot be followed"))
            return
        if not isinstance(node, ast.If | ast.Try | ast.With):
            self._note(node.lineno, f"a statement that is followed once only ({kind})")
        for body in bodies:
            self.block(body, condition or node.lineno, depth + 1)

    def _import(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                self._note(node.lineno, "an import of everything from another file, which is not read")
            elif node.module not in ("os", "json"):
                self._names[alias.asname or alias.name] = Value(node.lineno, IMPORTED)

    def _expression(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return  # A text that explains.
        call = node.value
        self._note(node.lineno, "a call that is not executed")
        changed = call.func.value if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) else None
        if isinstance(changed, ast.Name) and (before := self._names.get(changed.id)) is not None:
            # For example ms_auth.update(…): what was read may not be all.
            self._names[changed.id] = replace(before, condition=node.lineno)

    def _assign(self, target: ast.expr, value: Value) -> None:
        if isinstance(target, ast.Name):
            self._set(target.id, value)
        elif isinstance(target, ast.Subscript):
            self._set_entry(target, value)
        elif isinstance(target, ast.Tuple | ast.List):
            parts = value.data if isinstance(value.data, tuple) and len(value.data) == len(target.elts) else None
            for number, element in enumerate(target.elts):
                self._assign(element, parts[number] if parts else Value(value.line, _NO_DATA))
        elif isinstance(target, ast.Starred):
            self._assign(target.value, Value(value.line, _NO_DATA))

    def _set(self, name: str, value: Value) -> None:
        before = self._names.get(name)
        if value.condition and before is not None and not value.known:
            # One branch asks a vault, or says nothing, where another way names a value.
            value = replace(before, condition=value.condition) if before.known else value
        self._names[name] = value

    def _set_entry(self, target: ast.Subscript, value: Value) -> None:
        """`name["key"] = value`."""
        key = target.slice.value if isinstance(target.slice, ast.Constant) else None
        name = target.value.id if isinstance(target.value, ast.Name) else ""
        table = self._names.get(name)
        if table is None or not isinstance(table.data, dict) or not isinstance(key, str):
            self._note(value.line, "an assignment that is not followed")
            return
        before = table.data.get(key)
        if value.condition and before is not None and not value.known and before.known:
            value = replace(before, condition=value.condition)
        changed: dict[str, Value] = {**table.data, key: value}
        self._names[name] = _bounded(replace(table, data=changed, size=table.size + value.size))

    def _note(self, line: int, what: str) -> None:
        self.module.notes.append((line, what))

    def _value(self, node: ast.expr, condition: int) -> Value:
        return replace(self._read(node, 0), line=node.lineno, condition=condition)

    def _read(self, node: ast.expr, depth: int) -> Value:
        """The value of an expression."""
        if depth > DEEPEST:
            return Value(node.lineno, Unknown("is nested too deeply"))
        reader = self._readers.get(type(node))
        if reader is not None:
            return reader(node, depth)
        return Value(node.lineno, self._simple(node, depth))

    def _simple(self, node: ast.expr, depth: int) -> Data:
        """Of an expression with at most one part."""
        if isinstance(node, ast.Constant):
            return _constant(node.value)
        if isinstance(node, ast.UnaryOp):
            return _unary(node.op, self._read(node.operand, depth + 1).data)
        if isinstance(node, ast.Attribute):
            inner = self._read(node.value, depth + 1).data
            return inner if isinstance(inner, Vault) and node.attr == "value" else _NO_DATA
        return _NO_DATA

    def _plus(self, node: ast.BinOp, depth: int) -> Value:
        return _sum(node.op, self._read(node.left, depth + 1), self._read(node.right, depth + 1), node.lineno)

    def _name(self, node: ast.Name, _depth: int) -> Value:
        self.module.used.add(node.id)
        return self._names.get(node.id) or Value(node.lineno, Unknown("names something that the file does not say"))

    def _list(self, node: ast.List | ast.Tuple | ast.Set, depth: int) -> Value:
        parts = tuple(self._read(element, depth + 1) for element in node.elts)
        return _bounded(Value(node.lineno, parts, size=1 + sum(part.size for part in parts)))

    def _table(self, node: ast.Dict, depth: int) -> Value:
        found: dict[str, Value] = {}
        for key, element in zip(node.keys, node.values, strict=True):
            if not isinstance(key, ast.Constant) or not isinstance(key.value, str | int):
                return Value(node.lineno, Unknown("has keys that are no texts"))
            found[str(_constant(key.value))] = self._read(element, depth + 1)
        return _bounded(Value(node.lineno, found, size=1 + sum(part.size for part in found.values())))

    def _joined(self, node: ast.JoinedStr, depth: int) -> Value:
        parts = [self._piece(piece, depth) for piece in node.values]
        if len(parts) == 1:
            return parts[0]
        texts = [str(part.data) for part in parts if isinstance(part.data, str | int)]
        if len(texts) == len(parts):
            return _bounded(Value(node.lineno, "".join(texts)))
        return Value(node.lineno, next((p.data for p in parts if isinstance(p.data, Unknown)), _MIXED))

    def _piece(self, piece: ast.expr, depth: int) -> Value:
        """A part of an f-string; one that is formatted is no data."""
        if not isinstance(piece, ast.FormattedValue):
            return self._read(piece, depth + 1)
        if piece.format_spec is not None or piece.conversion != -1:
            return Value(piece.lineno, _NO_DATA)
        return self._read(piece.value, depth + 1)

    def _entry(self, node: ast.Subscript, depth: int) -> Value:
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if _dotted(node.value) in ("os.environ", "environ") and isinstance(key, str):
            return Value(node.lineno, Env(key))
        table = self._read(node.value, depth + 1).data
        found = table.get(key) if isinstance(table, dict) and isinstance(key, str) else None
        return found or Value(node.lineno, _NO_DATA)

    def _call(self, node: ast.Call, depth: int) -> Value:
        name = _dotted(node.func)
        first = node.args[0] if node.args else None
        told = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
        if told is not None and name in _GETENV:
            second = node.args[1] if len(node.args) > 1 else None
            has_default = second is not None and not (isinstance(second, ast.Constant) and not second.value)
            return Value(node.lineno, Env(told, has_default))
        if told is not None and isinstance(node.func, ast.Attribute) and node.func.attr == "get_secret":
            return Value(node.lineno, Vault(told))
        if name == "dict" and not node.args:
            keys: list[ast.expr | None] = [
                ast.Constant(word.arg, lineno=word.lineno) if word.arg else None for word in node.keywords
            ]
            return self._table(ast.Dict(keys, [word.value for word in node.keywords], lineno=node.lineno), depth)
        if name in ("int", "str", "float") and len(node.args) == 1 and first is not None and not node.keywords:
            inner = self._read(first, depth + 1)
            return inner if isinstance(inner.data, Env) else Value(node.lineno, _NO_DATA)
        return Value(node.lineno, _NO_DATA)


#: Statements that set nothing.
_SILENT = (ast.Pass, ast.Import, ast.AnnAssign)
_NO_DATA = Unknown("is no plain value, and the file is not executed")
_MIXED = Unknown("puts more around an environment variable than its value")
_GETENV = frozenset({"os.getenv", "getenv", "os.environ.get", "environ.get"})


def _constant(value: object) -> Data:
    if isinstance(value, str):
        return value if len(value) <= LONGEST else Unknown("is too long")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value if abs(value) < _GREATEST else Unknown("is too large a number")
    return _NO_DATA


def _unary(op: ast.unaryop, data: Data) -> Data:
    if isinstance(op, ast.Not) and isinstance(data, bool):
        return not data
    if isinstance(op, ast.USub) and isinstance(data, int | float) and not isinstance(data, bool):
        return -data
    return _NO_DATA


def _sum(op: ast.operator, left: Value | None, right: Value, line: int) -> Value:
    """What `+` makes of two texts or two lists."""
    if left is None or not isinstance(op, ast.Add):
        return Value(line, _NO_DATA)
    one, two = left.data, right.data
    if isinstance(one, str) and isinstance(two, str):
        return _bounded(Value(line, one + two))
    if isinstance(one, tuple) and isinstance(two, tuple):
        return _bounded(Value(line, one + two, size=left.size + right.size))
    return Value(line, _MIXED if isinstance(one, Env) or isinstance(two, Env) else _NO_DATA)


def _bounded(value: Value) -> Value:
    """A value, or that it is too large: names may stand for names that stand for names."""
    too_long = isinstance(value.data, str) and len(value.data) > LONGEST
    return Value(value.line, Unknown("is too large")) if too_long or value.size > LARGEST else value


def _dotted(node: ast.expr) -> str:
    """`a.b.c` of such an expression, `""` of any other."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _blocks(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        yield getattr(node, name, [])
    for handler in getattr(node, "handlers", []):
        yield handler.body


def _stored(node: ast.stmt) -> Iterator[str]:
    return (n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
