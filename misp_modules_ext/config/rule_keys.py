"""The keys of the sections of rules; a destination may hold them too."""

from __future__ import annotations

from misp_modules_ext.config import describe, values
from misp_modules_ext.config.key import LIST, Key
from misp_modules_ext.config.warninglists import DEFAULT as WARNINGLISTS
from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.model.misp import Tlp

SELECTION = (
    Key(
        "toIds",
        "to_ids",
        values.boolean,
        "yes or no",
        "Only attributes with `to_ids`.",
        default="yes",
    ),
    Key(
        "published",
        "published",
        values.boolean,
        "yes or no",
        "Only published events.",
        default="yes",
    ),
    Key(
        "unpublishedGrace",
        "unpublished_grace",
        values.duration,
        "length of time",
        "How long an event may stay unpublished before its indicators are withdrawn. Until then they stay as they are: "
        "MISP takes the publication back at every edit.",
        default="14 days",
    ),
    Key(
        "missingGrace",
        "missing_grace",
        values.duration,
        "length of time",
        "How long an event may be missing in MISP, deleted or out of the key's sight, before its indicators are "
        "withdrawn.",
        default="14 days",
    ),
    Key(
        "types",
        "types",
        values.each(describe.attribute_type),
        f"{LIST} of MISP attribute types",
        "Only attributes of these types.",
        instead="all that can be translated",
    ),
    Key(
        "tags",
        "tags",
        values.entry_set,
        LIST,
        "Only attributes that carry one of these tags, themselves or through their event, in any case of letters.",
        instead="no tag is required",
    ),
    Key(
        "excludeTags",
        "exclude_tags",
        values.entry_set,
        LIST,
        "No attributes that carry one of these tags, themselves or through their event, in any case of letters.",
        instead="none",
    ),
    Key(
        "pickTag",
        "pick_tag",
        values.optional_word,
        "tag, or `none`",
        "When any attribute of an event carries this tag itself, only those that do are pushed.",
        default="microsoft:push",
    ),
    Key(
        "maxTlp",
        "max_tlp",
        values.tlp,
        "`clear`, `green`, `amber`, `amber+strict`, `red`",
        "The strictest Traffic Light Protocol level that may leave.",
        default="amber+strict",
    ),
    Key(
        "maxPap",
        "max_pap",
        values.pap,
        "`clear`, `green`, `amber`, `red`",
        "The strictest Permissible Actions Protocol level that may leave.",
        default="amber",
    ),
    Key(
        "minDistribution",
        "min_distribution",
        values.whole(0, 3),
        "0 to 3",
        "The narrowest distribution that may leave, in MISP's numbers: 0 own organisation, 1 this community, "
        "2 connected communities, 3 all. A sharing group is no step of this scale: above 0, only the groups of "
        "`sharingGroups` pass.",
        default="0",
    ),
    Key(
        "sharingGroups",
        "sharing_groups",
        values.each(values.uuid),
        f"{LIST} of UUIDs",
        "Of what is shared with a sharing group, only that of these groups.",
        instead="all",
    ),
    Key(
        "orgs",
        "orgs",
        values.each(values.uuid),
        f"{LIST} of UUIDs",
        "Only events that these organisations created.",
        instead="all",
    ),
    Key(
        "excludeOrgs",
        "exclude_orgs",
        values.each(values.uuid),
        f"{LIST} of UUIDs",
        "No events that these organisations created.",
        instead="none",
    ),
    Key(
        "warninglists",
        "warninglists",
        values.entry_set,
        f"{LIST} of names of MISP warninglists",
        "No values that one of these lists holds, as the index of `misp-microsoft warninglists` has it and as MISP "
        "reports. Hits of other lists are notes in the report. Your list replaces the default; `none` empties it.",
        default="\n".join(WARNINGLISTS),
    ),
    Key(
        "allowDocumentationRanges",
        "allow_documentation_ranges",
        values.boolean,
        "yes or no",
        "Let addresses and names that are reserved for documentation pass, for trials. Warninglists hold the addresses "
        "too: set `warninglists` as well when there is an index of them, or MISP reports hits.",
        default="no",
    ),
)

_WINDOWS_BY_KIND = tuple(
    Key(
        f"window.{kind.value}",
        "window_by_kind",
        values.duration,
        "length of time",
        f"In place of `window` for one kind: {', '.join(f'`{k.value}`' for k in Kind)}.",
        instead="`window`",
        member=kind,
        group="window.KIND",
    )
    for kind in Kind
)
_WINDOWS_BY_TLP = tuple(
    Key(
        f"window.{level.tag.replace(':', '-')}",
        "window_by_tlp",
        values.duration,
        "length of time",
        "In place of `window` for one TLP level; where its kind has one too, the shorter counts: "
        f"{', '.join(f'`{t.tag[4:]}`' for t in Tlp)}.",
        instead="`window`",
        member=level,
        group="window.tlp-LEVEL",
    )
    for level in Tlp
)

INDICATOR = (
    Key(
        "window",
        "window",
        values.duration,
        "length of time: `120 days`, `12 hours`, `30 minutes`, `2 weeks`, or a number of days",
        "How long an indicator is valid where neither an Expiration sighting nor a decay model of MISP says until "
        "when: counted from the latest of the attribute's last change, its `last_seen`, the event's publication, and "
        "the moment the ledger first took it.",
        default="120 days",
    ),
    *_WINDOWS_BY_KIND,
    *_WINDOWS_BY_TLP,
    Key(
        "confidence",
        "confidence",
        values.whole(0, 100),
        "0 to 100",
        "Confidence where no tag of attribute or event says any; see docs/context.md.",
        default="50",
    ),
    Key(
        "threatType",
        "threat_type",
        values.short,
        "text, at most 100 characters",
        "Threat type where no tag, galaxy or category says any, in Microsoft's words, for example `C2`, `Phishing`, "
        "`WatchList`; see docs/context.md.",
        default="WatchList",
    ),
    Key(
        "tlp",
        "tlp",
        values.tlp,
        "`clear`, `green`, `amber`, `amber+strict`, `red`",
        "What counts as the level of attributes without a TLP tag.",
        default="amber",
    ),
    Key(
        "labels",
        "labels",
        values.entries,
        LIST,
        "Labels that every indicator gets beside its MISP tags.",
        instead="none",
    ),
)
