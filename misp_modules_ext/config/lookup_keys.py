"""The keys of looking back: what Microsoft is asked about values."""

from __future__ import annotations

from misp_modules_ext.config import values
from misp_modules_ext.config.key import LIST, Key
from misp_modules_ext.config.settings import SOURCES

LOOKUP = (
    Key(
        "estate",
        "estate",
        values.boolean,
        "yes or no",
        "Whether an enrichment (never a hover) and `misp-microsoft lookup` also ask whether values were seen in your "
        "estate. On a MISP that others use, too, it tells them of your incidents.",
        default="no",
    ),
    Key(
        "window",
        "window",
        values.duration,
        "length of time",
        "How far back the estate is asked. Advanced hunting and the statistics hold 30 days.",
        default="30 days",
    ),
    Key(
        "sources",
        "sources",
        values.each(values.one_of(values.words(SOURCES), "a source")),
        LIST,
        "Who is asked about the estate: `statistics` (of Defender, the cheapest), `hunting` (advanced hunting over "
        "devices, mail and alerts), `logs` (the tables of Sentinel's workspace).",
        default="statistics",
    ),
    Key(
        "cache",
        "cache",
        values.duration,
        "length of time",
        "How long an answer of Microsoft's is used again, so that pointing at a value twice asks once.",
        default="5 minutes",
    ),
)
