"""Names of Azure's resources. Like identifiers they are not shown: people swap them with the secret beside them.

Source: Azure, "Naming rules and restrictions for Azure resources" (Microsoft.Resources resourcegroups,
Microsoft.OperationalInsights workspaces).
"""

from __future__ import annotations

import re

from misp_modules_ext.config import values
from misp_modules_ext.config.findings import Invalid

_RESOURCE_GROUP = re.compile(r"[\w().-]{0,89}[\w()-]")
_WORKSPACE = re.compile(r"[a-z0-9][a-z0-9-]{2,61}[a-z0-9]", re.IGNORECASE | re.ASCII)


def resource_group(text: str) -> str:
    """A resource group: at most 90 letters, digits, `_`, `-`, `.`, `(` and `)`, with no dot at the end."""
    name = values.line(text)
    if not _RESOURCE_GROUP.fullmatch(name):
        raise Invalid("is no name of a resource group.", f"Copy it from {WHERE_RESOURCE_GROUP}.")
    return name


def workspace(text: str) -> str:
    """A Log Analytics workspace by name: 4 to 63 letters, digits and dashes, with no dash at either end."""
    name = values.line(text)
    if not _WORKSPACE.fullmatch(name):
        raise Invalid("is no name of a workspace.", f"Copy it from {WHERE_WORKSPACE_NAME}.")
    return name


_WORKSPACE_PAGE = "Azure portal > Log Analytics workspaces > the workspace > Overview"
#: Where a person finds each.
WHERE_SUBSCRIPTION = f"{_WORKSPACE_PAGE} > Subscription ID"
WHERE_RESOURCE_GROUP = f"{_WORKSPACE_PAGE} > Resource group"
WHERE_WORKSPACE_NAME = f"{_WORKSPACE_PAGE} > Workspace Name"
