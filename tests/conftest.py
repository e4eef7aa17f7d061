"""What holds for every test: a clean environment, a fixed seed, and one place that knows whether this is CI."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from misp_modules_ext.logs.lines import ROOT, JsonLine, TextLine
from tests.support.secrecy import Secrecy

#: Variables that would change what our program does.
_FOREIGN = (
    "RH_ISAC_CONF",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
)

# Its assertions stand outside test files, and should say as much when they fail.
pytest.register_assert_rewrite("tests.machine.machine")

#: What our program keeps for its user goes into a folder of this run; services that tests start inherit it.
_STATE = tempfile.mkdtemp(prefix="misp-modules-ext-")
os.environ["XDG_STATE_HOME"] = _STATE
atexit.register(shutil.rmtree, _STATE, ignore_errors=True)

settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("long", deadline=None, max_examples=5000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_configure(config: pytest.Config) -> None:
    """No secret of any test turns up where it has no business."""
    watching = Secrecy(config)
    watching.watch()
    config.pluginmanager.register(watching, "secrecy")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of Hypothesis's is a property test, which `make test-long` runs for longer."""
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.property)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine reaches a test."""
    for name in _FOREIGN:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(autouse=True)
def _clean_log() -> Iterator[None]:
    """The log that a command sets up in this process ends with its test: the standard error that it had is closed."""
    root, ours = logging.getLogger(), logging.getLogger(ROOT)
    handlers, propagate, level, root_level = ours.handlers[:], ours.propagate, ours.level, root.level
    yield
    ours.handlers, ours.propagate = handlers, propagate
    ours.setLevel(level)
    root.setLevel(root_level)
    for handler in root.handlers[:]:
        if isinstance(handler.formatter, JsonLine | TextLine):
            root.removeHandler(handler)
