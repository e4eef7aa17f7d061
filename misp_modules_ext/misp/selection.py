"""The gates of `[selection]`: whether an attribute may go, and if not, why (DESIGN.md 4, rules 5 and 9).

Each gate looks at the strictest view of attribute, object and event; their order is that in which reasons are given. A
gate whose fact is missing is closed. The gates that depend on the value itself (its type, special ranges) are the
translation's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from operator import attrgetter
from typing import NamedTuple

from misp_modules_ext.config.settings import Selection
from misp_modules_ext.model.misp import INHERIT, SHARING_GROUP, UNSAID, Attribute, Event, Pap, Sharing, Tag, Tlp
from misp_modules_ext.model.outcome import Reason

_SCALE = {0: "your organisation only", 1: "this community only", 2: "connected communities", 3: "all communities"}

_TAGS_OF = attrgetter("tags")


class Closed(NamedTuple):
    """A gate that did not open."""

    reason: Reason
    message: str = ""


def carries(tags: Iterable[Tag], pick_tag: str) -> bool:
    """Whether one of the tags is the pick tag, alone or with a value (`microsoft:push="sentinel"`)."""
    wanted = pick_tag.lower()
    return any(t.name.lower() == wanted or t.name.lower().startswith(wanted + "=") for t in tags)


def picks(event: Event, pick_tag: str) -> bool:
    """Whether any attribute itself carries the pick tag: then those without it stay behind."""
    if not pick_tag:
        return False
    # Each set of tags once: attributes are many, and their tags much the same.
    all_ = (*event.attributes, *event.kept_out)
    picking = {tags for tags in set(map(_TAGS_OF, all_)) if carries(tags, pick_tag)}
    return bool(picking) and any(a.tags in picking and not a.deleted for a in all_)


def exists(event: Event, attribute: Attribute) -> Closed | None:
    """The attribute can be read and is not deleted: what has to hold before its value is looked at."""
    if attribute.problem:
        return Closed(Reason.MALFORMED, attribute.problem)
    if event.problem:
        return Closed(Reason.MALFORMED, f"The event cannot be judged. {event.problem}")
    if attribute.deleted:
        return Closed(Reason.DELETED)
    if attribute.object is not None and attribute.object.deleted:
        return Closed(Reason.DELETED, "The object it belongs to is deleted.")
    return None


class Gates:
    """The gates of one `[selection]` for the attributes of one event.

    What depends on the event alone is asked once, what depends on tags or sharing once for each set of them.
    """

    def __init__(self, event: Event, rule: Selection, some_picked: bool) -> None:
        """Ask the gates of the event.

        Args:
            event: its attributes are not looked at.
            rule: the section.
            some_picked: whether any of its attributes carries the pick tag.
        """
        self._event = event
        self._rule = rule
        self._some_picked = some_picked
        self._published = _published(event, rule)
        self._organisation = _organisation(event, rule)
        self._sync_tags = dict(rule.sync_tags).get(event.misp, frozenset()) if event.misp else frozenset()
        self._goes_by_sharing = bool(rule.min_distribution or rule.sharing_groups)
        self._by_sharing: dict[tuple[Sharing, Sharing], Closed | None] = {}

    def of_tags(self, tags: tuple[Tag, ...], tlp: Tlp, pap: Pap | None) -> Closed | None:
        """The first closed one of the gates that go by tags, for an attribute with these tags of its own.

        Args:
            tags: the attribute's.
            tlp: strictest of attribute and event, or the configured default.
            pap: strictest of attribute and event, `None` when neither is marked.
        """
        rule = self._rule
        asked = rule.tags or rule.exclude_tags or self._sync_tags
        names = {tag.name.lower() for tag in (*tags, *self._event.tags)} if asked else set()
        return (
            self._synced(names)
            or _tags(names, rule)
            or _exclude_tags(names, rule)
            or self._picked(tags)
            or _tlp(tlp, rule)
            or _pap(pap, rule)
        )

    def first_closed(self, attribute: Attribute, of_tags: Closed | None) -> Closed | None:
        """The first gate that is closed for an attribute, or `None`.

        Args:
            attribute: one of the event's.
            of_tags: what `of_tags` says of its tags.
        """
        rule = self._rule
        return (
            (_to_ids(attribute) if rule.to_ids else None)
            or self._published
            or (_types(attribute, rule) if rule.types else None)
            or of_tags
            or (self._sharing(attribute) if self._goes_by_sharing else None)
            or self._organisation
            or (_warninglists(attribute.warninglists, rule) if attribute.warninglists else None)
        )

    def _sharing(self, attribute: Attribute) -> Closed | None:
        inner = (attribute.sharing, UNSAID if attribute.object is None else attribute.object.sharing)
        if inner not in self._by_sharing:
            levels = _levels(self._event.sharing, inner)
            self._by_sharing[inner] = _distribution(levels, self._rule) or _sharing_groups(levels, self._rule)
        return self._by_sharing[inner]

    def _synced(self, names: Collection[str]) -> Closed | None:
        if not self._sync_tags or any(tag.lower() in names for tag in self._sync_tags):
            return None
        wanted = ", ".join(sorted(self._sync_tags))
        return Closed(Reason.TAG_MISSING, f"syncTags of this MISP names: {wanted}.")

    def _picked(self, tags: tuple[Tag, ...]) -> Closed | None:
        if not self._some_picked or carries(tags, self._rule.pick_tag):
            return None
        return Closed(Reason.NOT_PICKED, f"The pick tag is {self._rule.pick_tag}.")


def _to_ids(attribute: Attribute) -> Closed | None:
    if attribute.to_ids:
        return None
    return Closed(Reason.TO_IDS_OFF, "" if attribute.to_ids is False else "The source does not say to_ids.")


def _published(event: Event, rule: Selection) -> Closed | None:
    if not rule.published or event.counts_as_published:
        return None
    return Closed(
        Reason.UNPUBLISHED, "" if event.published is False else "The source does not say that it is published."
    )


def _types(attribute: Attribute, rule: Selection) -> Closed | None:
    return None if attribute.type in rule.types else Closed(Reason.TYPE_NOT_SELECTED)


def _tags(names: Collection[str], rule: Selection) -> Closed | None:
    if not rule.tags or any(tag.lower() in names for tag in rule.tags):
        return None
    return Closed(Reason.TAG_MISSING)


def _exclude_tags(names: Collection[str], rule: Selection) -> Closed | None:
    found = sorted(tag for tag in rule.exclude_tags if tag.lower() in names)
    return Closed(Reason.TAG_EXCLUDED, f"The tag is {found[0]}.") if found else None


def _tlp(tlp: Tlp, rule: Selection) -> Closed | None:
    if tlp <= rule.max_tlp:
        return None
    return Closed(Reason.TLP, f"It is {tlp.tag}, and at most {rule.max_tlp.tag} may go.")


def _pap(pap: Pap | None, rule: Selection) -> Closed | None:
    if pap is None or pap <= rule.max_pap:
        return None
    return Closed(Reason.PAP, f"It is {pap.tag}, and at most {rule.max_pap.tag} may go.")


def _levels(event: Sharing, inner: Iterable[Sharing]) -> list[Sharing]:
    """The sharing of an event, and of an attribute and its object without those that inherit from the level above."""
    # An attribute or object that does not say inherits: MISP's default. An event that does not say says nothing.
    return [event, *(level for level in inner if level.distribution not in (None, INHERIT))]


def _distribution(levels: Iterable[Sharing], rule: Selection) -> Closed | None:
    if rule.min_distribution == 0:
        return None
    for level in levels:
        if level.distribution == SHARING_GROUP and level.group in rule.sharing_groups:
            continue
        if level.distribution in _SCALE and level.distribution >= rule.min_distribution:
            continue
        return Closed(Reason.DISTRIBUTION, _distribution_message(level, rule))
    return None


def _distribution_message(level: Sharing, rule: Selection) -> str:
    needed = f"at least {_SCALE[rule.min_distribution]} is needed"
    if level.distribution == SHARING_GROUP:
        return f"It is shared with a sharing group that `sharingGroups` does not name, and {needed}."
    if level.distribution in _SCALE:
        return f"It is for {_SCALE[level.distribution]}, and {needed}."
    return f"Its distribution is not said, and {needed}."


def _sharing_groups(levels: Iterable[Sharing], rule: Selection) -> Closed | None:
    if not rule.sharing_groups:
        return None
    for level in levels:
        if level.distribution is None:
            return Closed(Reason.SHARING_GROUP, "The source does not say the distribution.")
        if level.distribution == SHARING_GROUP and level.group not in rule.sharing_groups:
            named = f"The sharing group is {level.group}." if level.group else "The source does not name the group."
            return Closed(Reason.SHARING_GROUP, named)
    return None


def _organisation(event: Event, rule: Selection) -> Closed | None:
    creator = event.creator_uuid
    if creator is None:
        asked = rule.orgs or rule.exclude_orgs
        return Closed(Reason.ORGANISATION, "The source does not say who created the event.") if asked else None
    if creator in rule.exclude_orgs or (rule.orgs and creator not in rule.orgs):
        return Closed(Reason.ORGANISATION, f"The creator organisation is {creator}.")
    return None


def _warninglists(hits: Iterable[str], rule: Selection) -> Closed | None:
    found = sorted(rule.warninglists.intersection(hits))
    return Closed(Reason.WARNINGLIST, f"The list is: {found[0]}.") if found else None
