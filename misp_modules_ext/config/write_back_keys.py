"""The keys of what goes back to MISP."""

from __future__ import annotations

from misp_modules_ext.config import values
from misp_modules_ext.config.key import Key

WRITE_BACK = (
    Key(
        "tags",
        "tags",
        values.boolean,
        "yes or no",
        "Whether an event of which something is at Microsoft gets the local tag `misp-microsoft:sent` in MISP.",
        default="no",
    ),
    Key(
        "detail",
        "detail",
        values.boolean,
        "yes or no",
        'With `tags`: also `misp-microsoft:sent="NAME"` for each destination.',
        default="no",
    ),
    Key(
        "sightings",
        "sightings",
        values.boolean,
        "yes or no",
        "Whether `misp-microsoft sightings` adds what Microsoft has seen to MISP. Whoever may see an attribute may "
        "then see that you have seen it, as far as MISP's settings of sightings let them.",
        default="no",
    ),
)
