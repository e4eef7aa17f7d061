"""What stands behind our name as the source of a sighting, where that is wanted. Pure."""

from __future__ import annotations

from collections.abc import Mapping

#: Characters, so that it fits behind our name into what MISP keeps of a source.
LONGEST = 200


def detail(times: Mapping[str, int]) -> str:
    """Where and how often, for example `microsoft soc-emea, 3 hits; microsoft, 1 hit`.

    Args:
        times: by the name of the destination; 0 where it is not known.

    Returns:
        At most `LONGEST` characters: what is too much is counted.
    """
    parts = [f"{name}, {count} hit{'' if count == 1 else 's'}" if count else name for name, count in times.items()]
    for shown in range(len(parts), 0, -1):
        text = "; ".join([*parts[:shown], *([f"{len(parts) - shown} more"] if shown < len(parts) else [])])
        if len(text) <= LONGEST:
            return text
    return ""
