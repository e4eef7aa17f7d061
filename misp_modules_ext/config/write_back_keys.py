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
        'With `tags`: also `misp-microsoft:sent="NAME"` for each destination. With `sightings`: the source of a '
        "sighting also names the destinations and the number of hits.",
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
    Key(
        "falsePositives",
        "false_positives",
        values.boolean,
        "yes or no",
        "With `sightings`: whether it also asks which alerts somebody has classified as false positives, of each "
        "tenant with a destination of Defender, and adds sightings of type 1.",
        default="no",
    ),
)
