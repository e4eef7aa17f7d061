"""Alerts that were false, as values in our spelling. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from misp_modules_ext.destinations.looking import FalseAlert
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate import place, read_as


def doubted(found: Iterable[FalseAlert]) -> Iterator[tuple[Observable, int | None]]:
    """The values that alerts are about, with the moment of the alert."""
    for one in found:
        for kind in one.kinds:
            # The host of a URL, as hits are counted; a bare name is its own host.
            inside = Kind.URL in one.kinds and kind is Kind.DOMAIN_NAME
            for value in read_as(kind, place(one.value).host if inside else one.value):
                yield value, one.moment
