"""A scene as a page: laid out as MISP shows such an answer, with colours and lines of our own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from tests.pictures.scenes import COLUMNS, VALUE, Scene, cells

#: CSS pixels.
WIDTH = 940
CAPTION = (
    "Drawn by misp-modules-ext from a real answer of its module, laid out as MISP lays it out; not a screenshot of "
    "MISP. The emulator stands for Microsoft."
)
TYPED = "Drawn by misp-modules-ext from a real answer of its command. The emulator stands for Microsoft."
_CSS = """
* { box-sizing: border-box; }
body { margin: 0; padding: 14px 18px; background: #fff; color: #222; font: 13px/1.45 "DejaVu Sans", Arial, sans-serif; }
h1 { font-size: 13px; font-weight: normal; color: #555; margin: 0 0 10px; }
footer { margin-top: 12px; color: #555; font-size: 11px; border-top: 1px solid #ccc; padding-top: 6px; }
p, pre, td.value { overflow-wrap: anywhere; }
td.value { min-width: 420px; }
span.value { border-bottom: 2px solid #06c; font-family: "DejaVu Sans Mono", monospace; }
.over { border: 1px solid #999; margin: 10px 0 0 24px; }
.over h2 { background: #ddeeff; font-size: 13px; margin: 0; padding: 5px 10px; border-bottom: 1px solid #999; }
.over h3 { font-size: 13px; color: #06c; margin: 0; padding: 6px 10px 0; }
.over p { margin: 0; padding: 4px 10px 8px; }
table { border-collapse: collapse; width: 100%; font-size: 12px; }
th { text-align: left; background: #ddeeff; }
td, th { border: 1px solid #bbb; padding: 4px 6px; vertical-align: top; }
.box { display: inline-block; width: 11px; height: 11px; border: 1px solid #555; }
pre { margin: 0; white-space: pre-wrap; font: 11px/1.5 "DejaVu Sans Mono", monospace; background: #eee; padding: 8px; }
"""


def page(scene: Scene) -> str:
    """A whole document, with nothing from outside."""
    body = _LOOKS[scene.look](scene)
    caption = TYPED if scene.look == "terminal" else CAPTION
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(scene.name)}</title>'
        f"<style>{_CSS}</style><body>{body}<footer>{escape(caption)}</footer></body></html>"
    )


def _hover(scene: Scene) -> str:
    said = "".join(f"<p><b>{escape(row['type'])}:</b> {escape(row['value'])}</p>" for row in scene.rows)
    return (
        f'<h1>{escape(scene.heading)}</h1><span class="value">{escape(VALUE)}</span>'
        f'<div class="over"><h2>Lookup results</h2><h3>lookup_in_microsoft</h3>{said}</div>'
    )


def _table(scene: Scene) -> str:
    head = "".join(f"<th>{name}</th>" for name in ("Import", *COLUMNS))
    rows = "".join(f'<tr><td><span class="box"></span></td>{_cells(row)}</tr>' for row in scene.rows)
    return f"<h1>{escape(scene.heading)}</h1><table><tr>{head}</tr>{rows}</table>"


def _cells(row: Mapping[str, Any]) -> str:
    shown = zip(COLUMNS, cells(row), strict=True)
    return "".join(f'<td class="{name.lower()}">{escape(cell)}</td>' for name, cell in shown)


def _terminal(scene: Scene) -> str:
    return f"<pre>{escape(chr(10).join([scene.heading, *scene.rows]))}</pre>"


_LOOKS: Mapping[str, Callable[[Scene], str]] = {"hover": _hover, "table": _table, "terminal": _terminal}
