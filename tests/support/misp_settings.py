"""What MISP says of itself to whoever may ask: rights of a role, and single settings.

Shapes from MISP's source (2.5.1: `UsersController::view`, `ServersController::getSetting`, `Server`, `Role`, `Module`);
none of it was seen on a live MISP. A setting is there with MISP's default until a test sets another value; that of a
module is there only when the service lists it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

#: MISP's defaults: level, test and type of each as `Server::serverSettings` has them.
_DEFAULTS: Mapping[str, Any] = {
    "MISP.background_jobs": "",
    "Plugin.Workflow_enable": False,
    **{f"Plugin.{family}_services_enable": False for family in ("Export", "Action", "Enrichment", "Import")},
    **{f"Plugin.{family}_services_url": "http://127.0.0.1" for family in ("Export", "Action", "Enrichment", "Import")},
    **{f"Plugin.{family}_services_port": "6666" for family in ("Export", "Action", "Enrichment", "Import")},
    **{f"Plugin.{family}_timeout": 10 for family in ("Export", "Action", "Enrichment", "Import")},
    "Plugin.Enrichment_hover_timeout": 5,
}
#: Rights of MISP's roles; the database has each as 0 or 1, which PHP gives as a boolean.
PERMISSIONS = (
    "perm_add",
    "perm_modify",
    "perm_modify_org",
    "perm_publish",
    "perm_delegate",
    "perm_sync",
    "perm_admin",
    "perm_audit",
    "perm_auth",
    "perm_site_admin",
    "perm_regexp_access",
    "perm_tagger",
    "perm_template",
    "perm_sharing_group",
    "perm_tag_editor",
    "perm_sighting",
    "perm_object_template",
    "perm_galaxy_editor",
    "perm_warninglist",
    "perm_view_feed_correlations",
    "perm_analyst_data",
)


def role(rights: Collection[str], name: str) -> dict[str, Any]:
    """A role as `users/view` shows it."""
    return {"id": "3", "name": name, "default_role": False, "permission": "3"} | {
        right: right in rights for right in PERMISSIONS
    }


def setting(name: str, values: Mapping[str, Any], modules: Collection[str]) -> dict[str, Any] | None:
    """One setting as `servers/getSetting` shows it; `None` when MISP knows none by that name.

    Args:
        name: of the setting.
        values: those that were set.
        modules: names of the modules that MISP sees, with their family: `Export_export_to_microsoft`.
    """
    module = name.startswith("Plugin.") and name.removeprefix("Plugin.").removesuffix("_enabled") in modules
    if name not in _DEFAULTS and not (module and name.endswith("_enabled")):
        return None
    default = _DEFAULTS.get(name, "")
    kind = "boolean" if isinstance(default, bool) or module or default == "" else "string"
    told = {"level": 1, "description": "…", "value": default, "test": "testBool", "type": kind, "name": name}
    return told | ({"value": values[name]} if name in values else {})
