"""What the plan names and this version does not do, as data. A feature that arrives removes its rows and adds keys."""

from __future__ import annotations

from typing import NamedTuple

from misp_modules_ext.config.schema import Part


class NotYet(NamedTuple):
    """Keys of a section that wait for a feature.

    Attributes:
        section: a part that has keys already, or the name of a section that has none yet.
        keys: their names.
        feature: completes “this version has no …”.
    """

    section: Part | str
    keys: tuple[str, ...]
    feature: str


NOT_YET = (
    NotYet("destinations", ("directory",), "folder of destinations"),
    NotYet("console", ("url", "listen", "token"), "console"),
)


#: Sections that have no key yet.
SECTIONS = tuple(dict.fromkeys(row.section for row in NOT_YET if not isinstance(row.section, Part)))


def waiting(section: Part | str) -> dict[str, str]:
    """What each waiting key of a section waits for, by the key's documented name."""
    sections = {section, Part.SELECTION, Part.INDICATOR} if section is Part.DESTINATION else {section}
    return {key: row.feature for row in NOT_YET if row.section in sections for key in row.keys}


def sentence(feature: str) -> str:
    """That a feature is still to come."""
    return f"not yet: this version has no {feature}."
