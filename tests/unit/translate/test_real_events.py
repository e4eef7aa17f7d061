"""Events from the wild: each attribute gets an answer, and what is refused is what an analyst would refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.translate import observe, special
from tests.support.build import attribute
from tests.support.shared import event_files, shared

#: An address of Bitcoin Cash as one of Bitcoin, and an IBAN that somebody made up.
WRONG_CHECKSUMS = {
    ("btc", "qph3s8p27pfg2lxgpzqmdel25tsmlryatyhxwzx3x5"),
    ("iban", "LU1234567890ABCDEF1234567890"),
}


def _values(node: Any) -> Iterator[tuple[str, str]]:
    """Every `(type, value)` of every attribute, wherever it stands in a file."""
    if isinstance(node, list):
        for part in node:
            yield from _values(part)
    elif isinstance(node, dict):
        found = node.get("Attribute") or []
        for part in found if isinstance(found, list) else [found]:
            yield str(part.get("type") or ""), str(part.get("value"))
        for key, part in node.items():
            if key not in ("Attribute", "RelatedEvent"):
                yield from _values(part)


def _all() -> list[tuple[str, str]]:
    shared("events")
    files: list[Path] = event_files()
    return [pair for path in files for pair in _values(json.loads(path.read_text("utf-8")))]


def test_every_attribute_gets_an_answer() -> None:
    """Nothing raises; observables or a reason, never both, never neither."""
    values = _all()
    assert len(values) > 6000
    for type_, value in values:
        observation = observe(attribute(type_, value))
        assert bool(observation.observables) is (observation.reason is None)


def test_what_is_refused_is_really_wrong() -> None:
    """URLs without scheme or with white space, a hash of another kind, keys without a hive, wrong check digits."""
    refused = [
        (type_, value) for type_, value in _all() if observe(attribute(type_, value)).reason is Reason.INVALID_VALUE
    ]
    assert 0 < len(refused) < 60
    for type_, value in refused:
        assert (
            type_ == "filename|sha256"
            or (type_ == "url" and ("://" not in value or " " in value))
            or (type_.startswith("regkey") and not value.lower().startswith("hk"))
            or (type_, value) in WRONG_CHECKSUMS
        )


def test_hardly_anything_real_is_special() -> None:
    """Only documentation and test names, URLs that were cut after one letter, a reserved AS, and a key of all."""
    for type_, value in _all():
        for observable in observe(attribute(type_, value)).observables:
            if special(observable, False):
                cut = observable.kind is Kind.URL and "." not in value
                everywhere = value in ("AS66642", r"HKCU\Software\Microsoft\Windows\CurrentVersion\Run")
                assert cut or everywhere or ".test" in value or "example" in value
