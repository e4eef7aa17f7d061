"""Tags in all the places where MISP writes them; one that cannot be read is a problem, since it might close a gate.

Core format: `Tag: [{"name", "exportable", "local"}]`. Internal format: `EventTag` and `AttributeTag`, where the link
says whether the tag is local: `[{"local", "Tag": {"name"}}]`. Workflows: `_allTags`, which also holds the event's tags,
marked as inherited.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from misp_modules_ext.misp.coerce import flag, text
from misp_modules_ext.misp.shapes import Raw, mapping, shape
from misp_modules_ext.model.misp import Tag

EVENT_TAGS = ("Tag", "EventTag")
ATTRIBUTE_TAGS = ("Tag", "AttributeTag", "_allTags")


def read_tags(*sources: tuple[Raw, Iterable[str]]) -> tuple[tuple[Tag, ...], str]:
    """All tags of an element, each once.

    Args:
        sources: pairs of a JSON object and the keys under which it may hold tags.

    Returns:
        The tags, and why some of them cannot be read (`""` when all can).
    """
    found: dict[str, Tag] = {}
    for source, keys in sources:
        for key in keys:
            value = source.get(key)
            if value is None:
                continue
            if not isinstance(value, (list, dict)):
                return tuple(found.values()), f"Its tags ({key}) are no list but {shape(value)}."
            for entry in value.values() if isinstance(value, dict) else value:
                if flag(mapping(entry).get("inherited")) is True:
                    continue
                tag = _tag(entry)
                if tag is None:
                    return tuple(found.values()), f"One of its tags ({key}) has no name."
                found.setdefault(tag.name, tag)
    return tuple(found.values()), ""


def _tag(entry: object) -> Tag | None:
    if isinstance(entry, str):
        return Tag(entry.strip()) if entry.strip() else None
    link = mapping(entry)
    inner = mapping(link.get("Tag")) or link
    name = text(inner.get("name")).strip()
    if not name:
        return None
    local = _says_local(inner) or (inner is not link and _says_local(link))
    return _shared(name, flag(inner.get("exportable")) is not False, local)


def _says_local(source: Raw) -> bool:
    return flag(source.get("local")) is True or flag(source.get("local_only")) is True


@lru_cache(maxsize=4096)
def _shared(name: str, exportable: bool, local: bool) -> Tag:
    """One record for equal tags: thousands of attributes carry the same ones."""
    return Tag(name, exportable, local)
