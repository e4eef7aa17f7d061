"""The command line, `misp-microsoft`: one module for each command, `app` puts them together.

Exit codes: 0 all settled, 1 some rejected, 2 usage or configuration, 3 something pending, 4 credentials or permission
refused, 5 MISP unreachable; if several hold, the first of 2, 4, 5, 3, 1.
"""

from __future__ import annotations

from misp_modules_ext.cli.app import main

__all__ = ["main"]
