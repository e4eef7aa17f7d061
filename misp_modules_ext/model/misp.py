"""MISP events and attributes, parsed once at the edge: no dictionary of MISP's travels further in."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple


class Tlp(IntEnum):
    """Traffic Light Protocol, mildest first (FIRST TLP 2.0; `tlp:white` of TLP 1.0 is CLEAR)."""

    CLEAR = 0
    GREEN = 1
    AMBER = 2
    AMBER_STRICT = 3
    RED = 4

    @property
    def tag(self) -> str:
        """The MISP tag, for example `tlp:amber+strict`."""
        return "tlp:" + self.name.lower().replace("_", "+")


class Pap(IntEnum):
    """Permissible Actions Protocol, mildest first (MISP taxonomy PAP)."""

    CLEAR = 0
    GREEN = 1
    AMBER = 2
    RED = 3

    @property
    def tag(self) -> str:
        """The MISP tag, for example `PAP:AMBER`."""
        return "PAP:" + self.name


class Tag(NamedTuple):
    """A MISP tag.

    Attributes:
        name: as written in MISP.
        exportable: may leave the MISP instance.
        local: known to this MISP only.
    """

    name: str
    exportable: bool = True
    local: bool = False


#: Distributions that are no steps of the scale 0 to 3.
SHARING_GROUP = 4
INHERIT = 5


class Sharing(NamedTuple):
    """Who may see an element.

    Attributes:
        distribution: MISP's number (0 own organisation, 1 community, 2 connected communities, 3 all, 4 sharing group,
            5 inherit from the parent), `None` when the source did not say. 4 and 5 are no steps of the scale.
        group: UUID of the sharing group, `None` when there is none or the source did not name it.
    """

    distribution: int | None = None
    group: str | None = None


#: The source says nothing about who may see it.
UNSAID = Sharing()

#: How the `source` of every sighting begins that this product itself reports to MISP: these never count.
OWN_SIGHTINGS = "misp-microsoft"


class Sightings(NamedTuple):
    """What an attribute's sightings say, our own left out.

    Attributes:
        seen: how many say that it was seen.
        false_positives: how many say that it was a false positive.
        expires: date of the latest Expiration sighting, seconds since 1970 UTC; `None` when there is none, or when
            somebody saw it after that date.
        last: when it was last seen, seconds since 1970 UTC, or `None`.
    """

    seen: int = 0
    false_positives: int = 0
    expires: int | None = None
    last: int | None = None


#: The source says that there are none.
NO_SIGHTINGS = Sightings()


class Decay(NamedTuple):
    """How long MISP's decay models let an attribute count (see `decays_from`).

    Attributes:
        lasts: seconds until its score is below the threshold of all its models; `None` when that never happens, or
            MISP has no model for it.
        model: the name of the model in which it counts longest.
    """

    lasts: int | None = None
    model: str = ""


#: The source says that no decay model ends it.
NO_DECAY = Decay()


def decays_from(timestamp: int, last_seen: int | None, sightings: Sightings | None) -> int:
    """From when MISP's decay models count (MISP 2.5.1, `DecayingModelBase::computeCurrentScore`).

    The last time it was seen, unless the attribute was changed after that: then its `last_seen`, else its timestamp.

    Returns:
        Seconds since 1970 UTC; 0 when no date is known.
    """
    last = None if sightings is None else sightings.last
    if last is not None and last >= timestamp:
        return last
    return timestamp if last_seen is None else last_seen


@dataclass(frozen=True, slots=True)
class ObjectContext:
    """The MISP object an attribute belongs to.

    Attributes:
        uuid: the object's UUID.
        name: template name, for example `file`.
        comment: the analyst's comment on the object.
        deleted: soft-deleted in MISP; its attributes count as deleted.
        sharing: the object's own distribution.
        siblings: `(object_relation, value)` of those of the object's attributes that carry no tag or distribution of
            their own: context that may go wherever a sibling may.
    """

    uuid: str
    name: str
    comment: str = ""
    deleted: bool = False
    sharing: Sharing = UNSAID
    siblings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Attribute:
    """A MISP attribute, of an event or of one of its objects.

    Attributes:
        uuid: lower case; derived from event, type and value when the source had none.
        type: MISP attribute type, for example `filename|sha256`; `""` when unreadable.
        value: as MISP holds it, untouched.
        to_ids: `None` when the source did not say.
        timestamp: last change, seconds since 1970 UTC; 0 when unknown.
        first_seen: seconds since 1970 UTC, or `None`.
        last_seen: seconds since 1970 UTC, or `None`.
        tags: the attribute's own tags, not the inherited ones.
        warninglists: names of the warninglists that hold the value, as MISP told and as the index has it; `()` when
            none does, `None` when nobody was asked: then there is no verdict, and nothing may block because of it.
        sightings: `None` when the source did not say.
        decay: `None` when MISP was not asked.
        problem: why this part cannot be read as an attribute; `""` for a good one.
        relation: what it is in its object (`object_relation`), for example `filename`; `""` outside of objects.
    """

    uuid: str
    type: str
    value: str
    category: str = ""
    comment: str = ""
    to_ids: bool | None = None
    deleted: bool = False
    timestamp: int = 0
    first_seen: int | None = None
    last_seen: int | None = None
    sharing: Sharing = UNSAID
    tags: tuple[Tag, ...] = ()
    warninglists: tuple[str, ...] | None = None
    sightings: Sightings | None = None
    decay: Decay | None = None
    object: ObjectContext | None = None
    problem: str = ""
    relation: str = ""

    @property
    def gone(self) -> bool:
        """Deleted, itself or with its object."""
        return self.deleted or (self.object is not None and self.object.deleted)


@dataclass(frozen=True, slots=True)
class Event:
    """A MISP event as one source showed it.

    Attributes:
        uuid: lower case; derived from the content when the source had none.
        misp: address of the MISP that `sync` read it from; `""` for what analysts and workflows of the MISP that these
            modules serve asked for. One event that comes in both ways, or from two MISPs, is two: each of them vouches
            for what it shows.
        info: the event's title.
        date: `YYYY-MM-DD`, `""` when unknown.
        published: the event's own flag, `None` when the source did not say. See `counts_as_published`.
        counts_as_published: what selection goes by (a whole event in a publish workflow counts although MISP sets the
            flag only afterwards).
        timestamp: last change, seconds since 1970 UTC.
        publish_timestamp: last publication, seconds since 1970 UTC; 0 when never or unknown.
        threat_level: 1 high, 2 medium, 3 low, 4 undefined; `None` when unknown.
        creator_uuid: UUID of the creator organisation (Orgc), `None` when unknown.
        creator_name: its name, `""` when unknown.
        attribute_count: MISP's global count of non-deleted attributes, `None` when unknown.
        complete: this view shows all attributes that MISP counts.
        attributes: those of objects included, in the order of the source; behind a workflow's filter only those that it
            let through.
        kept_out: behind a filter, all attributes; else empty. They are not sent, but one of them may be picked.
        problem: why nothing of this event may go (its tags or distribution cannot be read); `""` for a good one.
        notes: what was odd about the event as a whole, as sentences.
    """

    uuid: str
    misp: str = ""
    id: str = ""
    info: str = ""
    date: str = ""
    published: bool | None = None
    counts_as_published: bool = False
    timestamp: int = 0
    publish_timestamp: int = 0
    threat_level: int | None = None
    creator_uuid: str | None = None
    creator_name: str = ""
    sharing: Sharing = UNSAID
    tags: tuple[Tag, ...] = ()
    attribute_count: int | None = None
    complete: bool = False
    attributes: tuple[Attribute, ...] = field(default=(), repr=False)
    kept_out: tuple[Attribute, ...] = field(default=(), repr=False)
    problem: str = ""
    notes: tuple[str, ...] = ()
