"""What a MISP says of itself, of our key's user and of its settings, for `misp-microsoft check`. Changes nothing.

How far it is known (2.5.1 read in source; nothing of it seen on a live MISP):

* `users/view/me`: the user with `Role` (a `perm_…` for each right) and `Organisation`.
* `servers/getSetting/NAME`: one setting with its `value`, the default where it is not set; site admins only. It answers
  404 for a module's setting when misp-modules, asked by MISP at that moment, does not list the module.
  `servers/serverSettings` gives all settings in one answer, and runs MISP's whole diagnostics for it: not used.
* `attributes/restSearch` with `deleted: [1]` finds deleted attributes in 2.5.1; roles without perm_sync of 2026 need
  `"only"` (MISP issue 10949). Only those changed lately are asked for, so that MISP need not go through all.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from misp_modules_ext.errors import EventNotFound, MispError, MispRefused
from misp_modules_ext.misp.client import MispClient
from misp_modules_ext.misp.coerce import text
from misp_modules_ext.misp.shapes import mapping

#: Deleted attributes are looked for among those changed in this time.
LATELY = "30d"


class User(NamedTuple):
    """The key's user. The address is not kept.

    Attributes:
        number: MISP's id of it.
        rights: those that its role has, for example `perm_auth`.
    """

    number: str
    role: str
    org: str
    rights: frozenset[str]


class Examiner(MispClient):
    """Asks a MISP about itself; arguments as `MispClient`."""

    def version(self) -> str:
        """MISP's version, for example `2.5.34`.

        Raises:
            MispError: it gives none.
        """
        found = text(mapping(self._ask(lambda misp: misp.misp_instance_version)).get("version"))
        if not found:
            raise self._no_misp()
        return found

    def user(self) -> User:
        """Whose key it is.

        Raises:
            MispError: MISP does not say.
        """
        answer = mapping(self._ask(lambda misp: misp.get_user("me")))
        role, user = mapping(answer.get("Role")), mapping(answer.get("User"))
        if not role:
            raise self._no_misp()
        rights = frozenset(name for name, value in role.items() if name.startswith("perm_") and is_on(value))
        org = text(mapping(answer.get("Organisation")).get("name")) or f"organisation {text(user.get('org_id'))}"
        return User(text(user.get("id")), text(role.get("name")), org, rights)

    def setting(self, name: str) -> Any:
        """The value of a setting; `None` when MISP knows no such setting.

        Raises:
            MispRefused: the key may not read settings.
            MispError: MISP cannot be read.
        """
        try:
            answer = mapping(self._ask(lambda misp: misp.get_server_setting(name), may_be_missing=True))
        except EventNotFound:
            return None
        if "value" not in answer:
            raise self._no_misp()
        return answer["value"]

    def shows_deleted(self) -> bool:
        """Whether a deleted attribute was shown; `False` also when none was deleted lately."""
        return any(self._finds(deleted) for deleted in ([1], "only"))

    def _finds(self, deleted: list[int] | str) -> bool:
        query = {"deleted": deleted, "timestamp": LATELY, "page": 1, "limit": 1}
        try:
            rows = self.rows("attributes", query) or []
        except MispRefused:
            raise
        except MispError:
            # A version that does not know the question has not shown any.
            return False
        return any(is_on(mapping(row).get("deleted")) for row in rows)


def is_on(value: object) -> bool:
    """Whether MISP means yes: PHP writes it as a boolean, a number or a text."""
    return value in (True, 1, "1", "true")
