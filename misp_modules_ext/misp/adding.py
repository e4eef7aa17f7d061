"""Adding sightings to MISP: through PyMISP and `misp.adapter`, which alone knows the key.

How far it is known (nothing of it seen on a live MISP; **unverified**): `sightings/add/UUID` takes `type`, `source` (of
which MISP keeps 255 characters) and the moment as `timestamp`; `date_sighting`, as MISP names it when it shows one, is
sent as well. It needs perm_sighting. It answers with the sighting, and where it adds none with status 200 all the same
and a sentence (2.5's SightingsController read in source).
`attributes/restSearch` with `includeSightings` shows those of the key's own organisation whatever Sightings_policy is.
Only these are ours: on a MISP that many share, others may run this program, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from misp_modules_ext.errors import TO_DO, EventNotFound, MispError, MispRefused
from misp_modules_ext.misp.answers import clean, host_of
from misp_modules_ext.misp.client import MispClient
from misp_modules_ext.misp.coerce import integer, seconds, text, uuid_or_none
from misp_modules_ext.misp.shapes import listed, mapping
from misp_modules_ext.model.misp import OWN_SIGHTINGS

_DAY = 86_400
#: How MISP's sentences begin, or go on.
_NOT_ADDED = "Could not add the Sighting"
_NO_ATTRIBUTE = "No valid attributes found"

#: Kind and day since 1970 UTC of each sighting of ours.
Ours = frozenset[tuple[int, int]]


class SightingsClient(MispClient):
    """Asks for sightings of ours and adds some; arguments as `MispClient`."""

    #: Of the key's user; `""` until MISP was asked.
    _org: str = ""

    def ours(self, attributes: Sequence[str]) -> Mapping[str, Ours]:
        """The sightings of ours that attributes have; an attribute that MISP does not show is left out.

        Args:
            attributes: UUIDs, no more than fit into one answer.

        Raises:
            MispRefused: MISP does not take the key.
            MispError: MISP cannot be read.
        """
        rows = self.rows(
            "attributes", {"uuid": list(attributes), "page": 1, "limit": len(attributes), "includeSightings": 1}
        )
        if rows is None:
            raise self._no_misp()
        org = self._own_org()
        found: dict[str, Ours] = {}
        for row in map(mapping, rows):
            uuid = uuid_or_none(row.get("uuid"))
            if uuid is None:
                raise self._no_misp()
            found[uuid] = frozenset(_ours(row.get("Sighting"), org))
        return found

    def _own_org(self) -> str:
        """MISP's number of the organisation that the key's user belongs to."""
        if not self._org:
            answer = mapping(self._ask(lambda misp: misp.get_user("me")))
            self._org = text(mapping(answer.get("User")).get("org_id"))
        if not self._org:
            raise self._no_misp()
        return self._org

    def add(self, attribute: str, kind: int, seen: int, detail: str = "") -> None:
        """Add a sighting to an attribute.

        Args:
            attribute: UUID.
            kind: 0 seen, 1 false positive.
            seen: seconds since 1970 UTC.
            detail: see `source`.

        Raises:
            EventNotFound: MISP knows no such attribute.
            MispRefused: MISP does not let this key add it.
            MispError: MISP cannot be asked; it may have added it.
        """
        told = {"type": str(kind), "source": source(detail), "timestamp": seen, "date_sighting": seen}
        try:
            answer = self._ask(lambda misp: misp.add_sighting(told, attribute), may_be_missing=True)
        except EventNotFound:
            raise
        except MispRefused as error:
            raise MispRefused(f"{error} To add sightings its role needs perm_sighting, too.") from None
        if "Sighting" not in mapping(answer):
            raise self._not_added(text(mapping(answer).get("message")), attribute)

    def _not_added(self, said: str, attribute: str) -> MispError:
        """Why MISP added nothing, by what it said."""
        host = host_of(self.settings.url)
        if _NO_ATTRIBUTE in said:
            return EventNotFound(f"{host} shows no attribute {attribute} to this key.")
        if _NOT_ADDED in said:
            return MispError(
                f"{host} added no sighting to attribute {attribute} ({clean(said)}).{TO_DO}see MISP's logs."
            )
        return self._no_misp()


def source(detail: str) -> str:
    """What stands as the source of a sighting of ours: our name, and more behind a colon where there is more to say.

    It begins with our name always: by that we know what is ours.
    """
    return f"{OWN_SIGHTINGS}: {detail}" if detail else OWN_SIGHTINGS


def _ours(given: object, org: str) -> set[tuple[int, int]]:
    found: set[tuple[int, int]] = set()
    for sighting in map(mapping, listed(given)):
        kind, date = integer(sighting.get("type")), seconds(sighting.get("date_sighting"))
        by_us = text(sighting.get("source")).strip().lower().startswith(OWN_SIGHTINGS)
        if by_us and text(sighting.get("org_id")) == org and kind is not None and date is not None:
            found.add((kind, date // _DAY))
    return found
