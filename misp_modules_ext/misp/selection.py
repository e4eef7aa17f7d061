"""The gates of `[selection]`: whether an attribute may go, and if not, why (DESIGN.md 4, rules 5 and 9).

Each gate looks at the strictest view of attribute, object and event. A gate whose fact is missing is closed. The gates
that depend on the value itself (its type, special ranges, expiry) are the translation's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from misp_modules_ext.config.settings import Selection
from misp_modules_ext.model.misp import INHERIT, SHARING_GROUP, Attribute, Event, Pap, Sharing, Tag, Tlp
from misp_modules_ext.model.outcome import Reason

_SCALE = {0: "your organisation only", 1: "this community only", 2: "connected communities", 3: "all communities"}


class Closed(NamedTuple):
    """A gate that did not open."""

    reason: Reason
    message: str = ""


class View(NamedTuple):
    """An attribute within its event, with the markings that translation has read from the tags.

    Attributes:
        tlp: strictest of attribute and event, or the configured default.
        pap: strictest of attribute and event, `None` when neither is marked.
        picked: whether the event has picked attributes, and this is one: `None` when nothing is picked.
    """

    event: Event
    attribute: Attribute
    tlp: Tlp
    pap: Pap | None
    picked: bool | None = None


Gate = Callable[[View, Selection], Closed | None]


def carries(tags: Iterable[Tag], pick_tag: str) -> bool:
    """Whether one of the tags is the pick tag, alone or with a value (`microsoft:push="sentinel"`)."""
    wanted = pick_tag.lower()
    return any(t.name.lower() == wanted or t.name.lower().startswith(wanted + "=") for t in tags)


def picks(event: Event, pick_tag: str) -> bool:
    """Whether any attribute itself carries the pick tag: then those without it stay behind."""
    return bool(pick_tag) and any(
        carries(a.tags, pick_tag) for a in (*event.attributes, *event.kept_out) if not a.deleted
    )


def exists(view: View) -> Closed | None:
    """The attribute can be read and is not deleted: what has to hold before its value is looked at."""
    if view.attribute.problem:
        return Closed(Reason.MALFORMED, view.attribute.problem)
    if view.event.problem:
        return Closed(Reason.MALFORMED, f"The event cannot be judged. {view.event.problem}")
    if view.attribute.deleted:
        return Closed(Reason.DELETED)
    if view.attribute.object is not None and view.attribute.object.deleted:
        return Closed(Reason.DELETED, "The object it belongs to is deleted.")
    return None


def may_go(view: View, rule: Selection) -> Closed | None:
    """The first gate of `[selection]` that is closed, or `None`."""
    for gate in _GATES:
        closed = gate(view, rule)
        if closed is not None:
            return closed
    return None


def _to_ids(view: View, rule: Selection) -> Closed | None:
    if not rule.to_ids or view.attribute.to_ids:
        return None
    return Closed(Reason.TO_IDS_OFF, "" if view.attribute.to_ids is False else "The source does not say to_ids.")


def _published(view: View, rule: Selection) -> Closed | None:
    if not rule.published or view.event.counts_as_published:
        return None
    return Closed(
        Reason.UNPUBLISHED, "" if view.event.published is False else "The source does not say that it is published."
    )


def _types(view: View, rule: Selection) -> Closed | None:
    return Closed(Reason.TYPE_NOT_SELECTED) if rule.types and view.attribute.type not in rule.types else None


def _names(view: View) -> set[str]:
    return {tag.name.lower() for tag in (*view.attribute.tags, *view.event.tags)}


def _tags(view: View, rule: Selection) -> Closed | None:
    if not rule.tags or any(tag.lower() in _names(view) for tag in rule.tags):
        return None
    return Closed(Reason.TAG_MISSING)


def _exclude_tags(view: View, rule: Selection) -> Closed | None:
    if not rule.exclude_tags:
        return None
    names = _names(view)
    found = sorted(tag for tag in rule.exclude_tags if tag.lower() in names)
    return Closed(Reason.TAG_EXCLUDED, f"The tag is {found[0]}.") if found else None


def _picked(view: View, rule: Selection) -> Closed | None:
    return Closed(Reason.NOT_PICKED, f"The pick tag is {rule.pick_tag}.") if view.picked is False else None


def _tlp(view: View, rule: Selection) -> Closed | None:
    if view.tlp <= rule.max_tlp:
        return None
    return Closed(Reason.TLP, f"It is {view.tlp.tag}, and at most {rule.max_tlp.tag} may go.")


def _pap(view: View, rule: Selection) -> Closed | None:
    if view.pap is None or view.pap <= rule.max_pap:
        return None
    return Closed(Reason.PAP, f"It is {view.pap.tag}, and at most {rule.max_pap.tag} may go.")


def _levels(view: View) -> list[Sharing]:
    """The sharing of event, object and attribute, without those that inherit from the level above."""
    inner = [view.attribute.sharing]
    if view.attribute.object is not None:
        inner.append(view.attribute.object.sharing)
    # An attribute or object that does not say inherits: MISP's default. An event that does not say says nothing.
    return [view.event.sharing, *(level for level in inner if level.distribution not in (None, INHERIT))]


def _distribution(view: View, rule: Selection) -> Closed | None:
    if rule.min_distribution == 0:
        return None
    for level in _levels(view):
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


def _sharing_groups(view: View, rule: Selection) -> Closed | None:
    if not rule.sharing_groups:
        return None
    for level in _levels(view):
        if level.distribution is None:
            return Closed(Reason.SHARING_GROUP, "The source does not say the distribution.")
        if level.distribution == SHARING_GROUP and level.group not in rule.sharing_groups:
            named = f"The sharing group is {level.group}." if level.group else "The source does not name the group."
            return Closed(Reason.SHARING_GROUP, named)
    return None


def _organisations(view: View, rule: Selection) -> Closed | None:
    creator = view.event.creator_uuid
    if creator is None:
        asked = rule.orgs or rule.exclude_orgs
        return Closed(Reason.ORGANISATION, "The source does not say who created the event.") if asked else None
    if creator in rule.exclude_orgs or (rule.orgs and creator not in rule.orgs):
        return Closed(Reason.ORGANISATION, f"The creator organisation is {creator}.")
    return None


def _warninglists(view: View, rule: Selection) -> Closed | None:
    found = sorted(set(view.attribute.warninglists or ()) & rule.warninglists)
    return Closed(Reason.WARNINGLIST, f"The list is: {found[0]}.") if found else None


_GATES: tuple[Gate, ...] = (
    _to_ids,
    _published,
    _types,
    _tags,
    _exclude_tags,
    _picked,
    _tlp,
    _pap,
    _distribution,
    _sharing_groups,
    _organisations,
    _warninglists,
)
