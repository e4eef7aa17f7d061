"""The account as one HTML file that needs nothing else and runs nothing (DESIGN.md 7)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from misp_modules_ext import __version__
from misp_modules_ext.model.account import REPORT_ORDER, SCHEMA, Account
from misp_modules_ext.report import html_rows, view
from misp_modules_ext.report.reasons import MEANINGS, count_reasons
from misp_modules_ext.report.text import iso, moment, number, one_line, plural, shorten
from misp_modules_ext.report.verdict import verdict

#: With more destinations than this there is no filter by destination: it would be longer than what it filters.
FILTERED_DESTINATIONS = 40
#: Characters of one piece: few enough to be small beside the page, and so many that pieces are few.
PIECE = 65_536
_DOORS = {
    "export": "Download as…",
    "action": "workflow",
    "expansion": "enrichment",
    "cli": "command line",
    "sync": "sync",
}


def to_html(account: Account) -> str:
    """The whole report; `html_pieces` gives the same without holding all of it at once."""
    return "".join(html_pieces(account))


def html_pieces(account: Account) -> Iterator[str]:
    """The report piece by piece, for writing to a file: 50,000 attributes are tens of megabytes."""
    style = _style(account)
    filtered = 2 <= len(account.destinations) <= FILTERED_DESTINATIONS
    content = _template().generate(
        account=account,
        verdict=verdict(account),
        groups=view.groups(account),
        reasons=count_reasons(account),
        style=Markup(style),  # noqa: S704 - our own style sheet and rules made of numbers, no value is in it
        policy=content_policy(style),
        many=len(account.destinations) > 6,
        filtered=filtered,
        write_rows=html_rows.RowWriter(account, filtered=filtered),
        version=__version__,
        schema=SCHEMA,
    )
    return view.batched(content, PIECE)


def content_policy(style: str) -> str:
    """A content security policy that allows this one style sheet and nothing else (CSP Level 3, hash sources)."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _style(account: Account) -> str:
    count = len(account.destinations)
    rules = [
        f"#at-{n}:checked~.groups .rows>tbody>tr:not(.d{n},.all){{display:none}}"
        for n in range(count if 2 <= count <= FILTERED_DESTINATIONS else 0)
    ]
    return "\n".join([_sheet(), *rules, ""])


@cache
def _sheet() -> str:
    return files(__package__).joinpath("report.css").read_text(encoding="utf-8")


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "hidden": lambda text: Markup(html_rows.hidden_marked(text)),  # noqa: S704 - escaped there
        "sentence": lambda text: Markup(html_rows.sentence(text)),  # noqa: S704 - escaped there
        "one_line": one_line,
        "shorten": shorten,
        "number": number,
        "plural": plural,
        "iso": iso,
        "day": lambda seconds: f"{moment(seconds):%Y-%m-%d}",
        "clock": lambda seconds: f"{moment(seconds):%Y-%m-%d %H:%M:%S} UTC",
        "web_link": view.web_link,
    }
    environment.globals |= {
        "order": REPORT_ORDER,
        "meanings": MEANINGS,
        "doors": _DOORS,
        "open_types": view.OPEN_TYPES,
        "open_rows": view.OPEN_ROWS,
        "fold_rows": view.FOLD_ROWS,
        "outcome_bar": view.outcome_bar,
        "type_bars": view.type_bars,
        "badge": lambda outcome: Markup(html_rows.badge(outcome)),  # noqa: S704 - escaped there
        "value": lambda text: Markup(html_rows.value(text)),  # noqa: S704 - escaped there
    }
    return environment.from_string(files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8"))
