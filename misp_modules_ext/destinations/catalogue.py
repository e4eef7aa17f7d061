"""Which destination holds which kind, and how, in Markdown: a part of `docs/types.md`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from misp_modules_ext.destinations import defender_payload, graph_payload, sentinel_payload
from misp_modules_ext.model.indicator import Kind

_NONE = "-"
#: What limits a kind that Defender holds.
_ONLY: Mapping[Kind, str] = {
    Kind.URL: "http and https only",
    Kind.X509_SHA1: f"with {' or '.join(sorted(defender_payload.CERTIFICATE_ACTIONS))} only, so not by default",
}


def kinds_markdown() -> str:
    """Three tables: how each destination holds a kind, what is not verified, why a kind is not held."""
    lines = ["| kind | Sentinel | Defender | Graph tiIndicators for Sentinel |", "|---|---|---|---|"]
    lines += [f"| `{kind}` | {_sentinel(kind)} | {_defender(kind)} | {_graph(kind)} |" for kind in Kind]
    lines += ["", "| kind, with (*) above | what is not verified at Sentinel |", "|---|---|"]
    lines += [f"| `{kind}` | {why} |" for kind, why in sentinel_payload.NOT_VERIFIED.items()]
    lines += ["", "| not held by | kinds | why |", "|---|---|---|"]
    for name, refusals in _REFUSALS:
        lines += [f"| {name} | {kinds} | {reason} |" for reason, kinds in _by_reason(refusals)]
    return "\n".join(lines)


def _sentinel(kind: Kind) -> str:
    path = sentinel_payload.PATHS.get(kind)
    if path is None:
        return _NONE
    return f"`{path}` (*)" if kind in sentinel_payload.NOT_VERIFIED else f"`{path}`"


def _defender(kind: Kind) -> str:
    type_ = defender_payload.TYPES.get(kind)
    if type_ is None:
        return _NONE
    return f"`{type_}`, {_ONLY[kind]}" if kind in _ONLY else f"`{type_}`"


def _graph(kind: Kind) -> str:
    if kind in graph_payload.HASHES:
        return f"`fileHashValue` with `{graph_payload.HASHES[kind]}`"
    return f"`{graph_payload.FIELDS[kind]}`" if kind in graph_payload.FIELDS else _NONE


_REFUSALS: tuple[tuple[str, Mapping[Kind, str]], ...] = (
    ("Sentinel", sentinel_payload.REFUSALS),
    ("Defender", defender_payload.REFUSALS),
    ("Graph", graph_payload.REFUSALS),
)


def _by_reason(refusals: Mapping[Kind, str]) -> Iterator[tuple[str, str]]:
    for reason in dict.fromkeys(refusals.values()):
        yield reason, ", ".join(f"`{kind}`" for kind, why in refusals.items() if why == reason)
