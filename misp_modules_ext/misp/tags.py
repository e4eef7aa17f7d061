"""Tags in all the places where MISP writes them; one that cannot be read is a problem, since it might close a gate.

Core format: `Tag: [{"name", "exportable", "local"}]`. Internal format: `EventTag` and `AttributeTag`, where the link
says whether the tag is local: `[{"local", "Tag": {"name"}}]`. Workflows: `_allTags`, which also holds the event's tags,
marked as inherited.

MISP attaches a cluster of a galaxy as a tag. Some views show the cluster, `Galaxy: [{"type", "GalaxyCluster":
[{"tag_name", "value", "local"}]}]`, and leave the tag out: then it is read from there. One that cannot be read closes
no gate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from misp_modules_ext.misp.coerce import flag, text
from misp_modules_ext.misp.shapes import Raw, listed, mapping, shape
from misp_modules_ext.model.misp import Tag

EVENT_TAGS = ("Tag", "EventTag")
ATTRIBUTE_TAGS = ("Tag", "AttributeTag", "_allTags")
#: What we write back to MISP, alone or with `="NAME"`: never read, so that it counts nowhere, local or not.
SENT = "misp-microsoft:sent"


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
            entries = source.get(key)
            if entries is not None and (problem := _take(entries, key, found)):
                return tuple(found.values()), problem
    for source, _ in sources:
        if source.get("Galaxy"):
            for tag in _clusters(source["Galaxy"]):
                found.setdefault(tag.name, tag)
    return tuple(found.values()), ""


def _take(entries: object, key: str, found: dict[str, Tag]) -> str:
    """Add the tags under one key, and say why they cannot be read (`""` when they can)."""
    if not isinstance(entries, (list, dict)):
        return f"Its tags ({key}) are no list but {shape(entries)}."
    for entry in entries.values() if isinstance(entries, dict) else entries:
        if flag(mapping(entry).get("inherited")) is True:
            continue
        tag = _tag(entry)
        if tag is None:
            return f"One of its tags ({key}) has no name."
        if not is_written_back(tag.name):
            found.setdefault(tag.name, tag)
    return ""


def is_written_back(name: str) -> bool:
    """Whether a tag is one that we write back to MISP."""
    plain = name.strip().lower()
    return plain == SENT or plain.startswith(SENT + "=")


def sent_to(destination: str) -> str:
    """The tag that says of an event that something of it is at a destination, 255 characters at most as in MISP."""
    return f'{SENT}="{destination.replace(chr(34), "")[:230]}"'


def _clusters(galaxies: object) -> Iterator[Tag]:
    """The tags of clusters, as MISP would write them; what cannot be read is left out."""
    for galaxy in map(mapping, listed(galaxies)):
        for cluster in map(mapping, listed(galaxy.get("GalaxyCluster"))):
            name = text(cluster.get("tag_name")).strip() or _tag_name(galaxy, cluster)
            if name:
                yield _shared(name, flag(cluster.get("exportable")) is not False, _says_local(cluster))


def _tag_name(galaxy: Raw, cluster: Raw) -> str:
    """How MISP names the tag of a cluster that everyone has; not one of somebody's own, which may be for few."""
    kind = text(cluster.get("type")).strip() or text(galaxy.get("type")).strip()
    value = text(cluster.get("value")).strip()
    own = flag(cluster.get("default")) is False
    return f'misp-galaxy:{kind}="{value}"' if kind and value and not own else ""


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
