"""`make demo`: the first command of the README."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"


def test_make_demo(tmp_path: Path) -> None:
    """From the checkout, with the environment that runs this test: the README's numbers, a report, nothing running."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    report = tmp_path / "report.html"
    done = subprocess.run(
        ["make", "demo", f"VENV={sys.prefix}", f"ARGS=--report {report}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "COLUMNS": "160", "TMPDIR": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("export_to_microsoft", "push_to_microsoft_or_stop", "microsoft defender", "microsoft graph"):
        assert words in done.stdout
    told = re.findall(r"^(microsoft.*?) +ok +(\d+) +(\d+) +(\d+) +(\d+)$", README.read_text("utf-8"), re.MULTILINE)
    assert len(told) == 3
    for name, accepted, merged, skipped, read in told:
        counts = f"read {read} = accepted {accepted}, merged {merged}, skipped {skipped}"
        assert re.search(rf"^{name} \([^)]*\): {counts}$", done.stdout, re.MULTILINE), done.stdout
    assert "   Unchanged: 28 in microsoft, 23 in microsoft defender, 29 in microsoft graph." in done.stdout
    page = report.read_text(encoding="utf-8")
    assert "Credential phishing against retail staff" in page
    assert not _left_running(tmp_path)


def _left_running(folder: Path) -> list[str]:
    """Processes of a demonstration whose files are there; another one may run beside the tests."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if f"{folder}/misp-microsoft-demo-" in line]
