"""Defender's list of indicators, read to its end or not at all.

Source: Defender for Endpoint API, "List indicators" (`$top` up to 10,000, `$skip`; no order is documented).
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations import defender_answers as answers
from misp_modules_ext.destinations.client import Client
from misp_modules_ext.destinations.defender_answers import EntryKey
from misp_modules_ext.destinations.interface import Limit
from misp_modules_ext.destinations.limits import limiter_for
from misp_modules_ext.destinations.listing import settled
from misp_modules_ext.errors import Throttled, Unavailable

#: Documented for lists.
RATE = Limit(100, 60.0)
#: The largest `$top` that is documented.
PAGE = 10_000
#: More pages than 15,000 entries fill even if the server prefers small ones: a list that goes on is no list.
MAX_PAGES = 200

_Name = tuple[str, EntryKey]


class List:
    """The list of one tenant.

    Args:
        settings: whose request rate counts.
        client: how it is reached.
        path: where it is.
        share: how much of the rate this reader may use, where others need the rest; by names of its own.
    """

    def __init__(
        self, settings: DestinationSettings, client: Client, path: str, share: Mapping[str, Limit] | None = None
    ) -> None:
        self._settings = settings
        self._client = client
        self._path = path
        self._limits = {**(share or {}), "defender list": RATE}

    def read(self, deadline: float) -> Iterator[dict[str, Any]]:
        """Each entry once, until a page is empty, whatever page size the server prefers.

        `$filter` would find only one spelling of a value, and people write hashes and hosts in any case.

        Raises:
            DestinationError: a page did not come, or one came again instead of the next: then the end is unknown.
        """
        for fresh in self._pages(deadline):
            yield from fresh.values()

    def whole(self, deadline: float) -> list[dict[str, Any]]:
        """All entries, proven to be all.

        Raises:
            DestinationError: as `read`, or the list does not come to rest.
        """
        return settled(lambda: self._reading(deadline), "Defender")

    def _reading(self, deadline: float) -> tuple[dict[Hashable, dict[str, Any]], bool]:
        pages = list(self._pages(deadline))
        entries: dict[Hashable, dict[str, Any]] = {name: entry for page in pages for name, entry in page.items()}
        # A full page may have had a second one, which a deletion emptied.
        return entries, len(pages) <= 1 and len(entries) < PAGE

    def _pages(self, deadline: float) -> Iterator[dict[_Name, dict[str, Any]]]:
        """What is new on each page."""
        seen: set[_Name] = set()
        skip = 0
        for _ in range(MAX_PAGES):
            page = self._page(f"?$top={PAGE}&$skip={skip}", deadline)
            if not page:
                return
            named = (((answers.identifier(entry), answers.key_in(entry)), entry) for entry in page)
            fresh = {name: entry for name, entry in named if name not in seen}
            if not fresh:
                raise Unavailable("Defender's list of indicators repeats a page instead of the next: repeat later.")
            yield fresh
            seen |= set(fresh)
            skip += len(page)
        raise Unavailable("Defender's list of indicators does not end: repeat later.")

    def _page(self, query: str, deadline: float) -> list[dict[str, Any]]:
        for name, limit in self._limits.items():
            if not limiter_for(self._settings, limit, name).acquire(deadline):
                raise Throttled(
                    f"Defender's list of indicators may be asked {limit.requests} times in {limit.seconds:g} seconds, "
                    "which are used up: repeat later."
                )
        answer = self._client.call("GET", self._path + query, timeout=deadline - time.monotonic())
        return answers.items(self._client.expect(answer, 200))
