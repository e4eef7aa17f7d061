"""The account of a submission for people and programs: HTML, JSON, terminal, one line, exit code.

All renderings read the same record, `misp_modules_ext.model.account.Account`, and change nothing.
"""

from __future__ import annotations

from misp_modules_ext.report.as_html import html_pieces, to_html
from misp_modules_ext.report.as_json import json_pieces, to_dict, to_json
from misp_modules_ext.report.as_terminal import to_terminal
from misp_modules_ext.report.from_json import from_json
from misp_modules_ext.report.identity import check_identity
from misp_modules_ext.report.log_line import log_account
from misp_modules_ext.report.reasons import reasons_markdown
from misp_modules_ext.report.summary import exit_code, first_code, outcome_code, state_code, summary
from misp_modules_ext.report.verdict import Level, Verdict, verdict

__all__ = [
    "Level",
    "Verdict",
    "check_identity",
    "exit_code",
    "first_code",
    "from_json",
    "html_pieces",
    "json_pieces",
    "log_account",
    "outcome_code",
    "reasons_markdown",
    "state_code",
    "summary",
    "to_dict",
    "to_html",
    "to_json",
    "to_terminal",
    "verdict",
]
