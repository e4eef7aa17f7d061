"""Local tags of ours on events in MISP: through PyMISP and `misp.adapter`, which alone knows the key.

What MISP does (a file of 2026 and 2.5.1 read in source; nothing of it seen on a live MISP; **unverified**):

* `tags/attachTagToObject` with `local` changes neither the event's timestamp nor whether it is published, and says
  nothing new when the tag is there already. It takes perm_tagger and a user of the organisation that MISP's setting
  `MISP.host_org_id` names; a tag that does not exist is made when the role has perm_tag_editor.
* `tags/removeTagFromObject` asks for no `local`: of a tag that is there globally it would unpublish the event. So it is
  looked up first, and one that a person has put there globally stays.
"""

from __future__ import annotations

from misp_modules_ext.errors import EventNotFound, MispRefused
from misp_modules_ext.misp.client import MispClient
from misp_modules_ext.misp.coerce import flag, text
from misp_modules_ext.misp.shapes import listed, mapping

_NEEDS = (
    " To put local tags on events its role needs perm_tagger, its user must belong to the organisation that runs the "
    "MISP (MISP.host_org_id), and a tag that MISP does not have yet takes perm_tag_editor, or somebody who creates it. "
    "Else set `tags` of [write-back] to no."
)


class TaggingClient(MispClient):
    """Puts local tags on events and takes them away; arguments as `MispClient`."""

    def put(self, event: str, tag: str) -> None:
        """Put a local tag on an event; one that is there already stays as it is.

        Args:
            event: UUID.
            tag: its name.

        Raises:
            EventNotFound: MISP shows this key no such event.
            MispRefused: MISP does not let this key do it.
            MispError: MISP cannot be asked; the tag may be there.
        """
        try:
            answer = self._ask(lambda misp: misp.tag(event, tag, local=True), may_be_missing=True)
        except EventNotFound:
            raise
        except MispRefused as error:
            raise MispRefused(f"{error}{_NEEDS}") from None
        self._must_be_saved(answer)

    def take_away(self, event: str, tag: str) -> None:
        """Take a local tag off an event; one that is not there, or not local, is left.

        Args:
            event: UUID.
            tag: its name.

        Raises:
            EventNotFound: MISP shows this key no such event.
            MispRefused: MISP does not let this key do it.
            MispError: MISP cannot be asked; the tag may be gone.
        """
        shown = map(mapping, listed(self._header(event).get("Tag")))
        there = [one for one in shown if text(one.get("name")).lower() == tag.lower()]
        if not any(flag(one.get("local")) is True for one in there):
            return
        try:
            answer = self._ask(lambda misp: misp.untag(event, tag), may_be_missing=True)
        except EventNotFound:
            # Gone in the meantime.
            return
        except MispRefused as error:
            raise MispRefused(f"{error}{_NEEDS}") from None
        self._must_be_saved(answer)

    def _must_be_saved(self, answer: object) -> None:
        if flag(mapping(answer).get("saved")) is not True:
            raise self._no_misp()
