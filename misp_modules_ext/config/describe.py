"""The attribute types that MISP knows, as PyMISP ships them."""

from __future__ import annotations

import importlib.util
import json
from functools import lru_cache
from pathlib import Path

from misp_modules_ext.config import values
from misp_modules_ext.config.findings import Invalid


@lru_cache(maxsize=1)
def attribute_types() -> frozenset[str]:
    """All attribute types of PyMISP's `describeTypes.json`; empty when PyMISP is not installed whole."""
    # The package itself is not imported: that takes half a second, and only its data is wanted.
    package = importlib.util.find_spec("pymisp")
    for folder in (package and package.submodule_search_locations) or ():
        file = Path(folder) / "data" / "describeTypes.json"
        if file.is_file():
            return frozenset(json.loads(file.read_text(encoding="utf-8"))["result"]["types"])
    return frozenset()


def attribute_type(text: str) -> str:
    """A MISP attribute type as MISP writes it."""
    known = attribute_types()
    if not known:
        raise Invalid("cannot be checked: PyMISP's list of attribute types is missing.", "Install pymisp again.")
    return values.one_of(values.words(sorted(known)), "a MISP attribute type")(text)
