"""`misp_event_filters`: conditions of MISP's search of events, as rules of `[selection]` or options of `sync`.

A condition that keeps something from leaving and cannot be translated is never left out in silence: it is left in the
new file as a placeholder, which nothing can be sent with until a person has decided.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from misp_modules_ext.config import describe, values
from misp_modules_ext.config.findings import Invalid
from misp_modules_ext.importing.carry import Old, doubt, show_name
from misp_modules_ext.importing.draft import Draft, How, Row, unfit_entry
from misp_modules_ext.importing.old_values import Env, Unknown, Value, table, texts

NAME = "misp_event_filters"
_SECTION = "selection"
_TIME = re.compile(r"(\d{1,5})\s*([mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

_ALWAYS = "What this adds to MISP's answer is always read."
_NO_EFFECT = {
    "includeEventTags": _ALWAYS,
    "include_event_tags": _ALWAYS,
    "includeContext": _ALWAYS,
    "include_context": _ALWAYS,
    "includeSightings": _ALWAYS,
    "include_sightings": _ALWAYS,
    "includeDecayScore": _ALWAYS,
    "includeWarninglistHits": _ALWAYS,
    "includeGalaxy": _ALWAYS,
    "metadata": "Events are always read whole.",
    "withAttachments": "Attachments never go.",
    "with_attachments": "Attachments never go.",
    "sgReferenceOnly": "Sharing groups are always read.",
    "sg_reference_only": "Sharing groups are always read.",
    "pythonify": "It says nothing about what is found.",
    "return_format": "It says nothing about what is found.",
    "controller": "It says nothing about what is found.",
    "limit": "`sync` takes all that was published since the last run; maxPerEvent and maxPerDay are the brakes.",
    "page": "MISP is read in pages by itself.",
    "deleted": "What MISP marks as deleted is withdrawn.",
    "order": "It says nothing about what is found.",
}


def read(old: Old) -> None:
    """Translate the filters of a file."""
    draft = old.draft
    name, value = old.take(NAME)
    if value is None:
        draft.tell(Row(name, 0, "", How.DIFFERS, "The file has no filters. Published events with to_ids go here."))
        return
    if not isinstance(value.data, dict):
        what = value.data.what if isinstance(value.data, Unknown) else "is no table that could be read"
        if isinstance(value.data, Env):
            what = f"is the value of the environment variable {show_name(value.data.name)}, which is not read"
        _decide(draft, name, value, "tags", f"It {what}. Say here which tags an event must carry, or remove the line.")
        return
    if value.condition:
        told = f"{doubt(value)} Others may have been in force. If these are right, remove the placeholder."
        _decide(draft, name, value, "tags", told)
    for key, condition in table(value).items():
        _condition(draft, key, condition)


def _condition(draft: Draft, key: str, value: Value) -> None:
    label = f'{NAME}["{show_name(key)}"]'
    if key in _NO_EFFECT:
        draft.tell(Row(label, value.line, "", How.BUILT_IN, _NO_EFFECT[key]))
    elif value.data is None:
        draft.tell(Row(label, value.line, "", How.BUILT_IN, "It asks for nothing."))
    elif key in _READERS:
        _READERS[key](draft, label, value)
    else:
        told = (
            "No rule here has the same meaning. `sync --event-filter KEY=VALUE` may ask MISP for it; what may leave by "
            "any other door is said by [selection]. Decide, and remove the placeholder."
        )
        _decide(draft, label, value, "tags", told)


def _decide(draft: Draft, old: str, value: Value, key: str, told: str) -> None:
    placeholder = f"DECIDE: {old} OF THE OLD FILE"
    draft.fill_in(_SECTION, key, placeholder, Row(old, value.line, f"[{_SECTION}] {key}", How.FILL_IN, told))


def _narrow(draft: Draft, key: str, entries: Sequence[str], origin: Row, value: Value) -> None:
    """Write a list of which one entry is enough, unless another condition has said one.

    Of two conditions MISP asked for both. As one list they would let go what meets either.
    """
    if draft.has(_SECTION, key):
        told = (
            f"Another condition stands in {key} already. Both had to be met; of one list any entry is enough. Decide "
            "what may leave, and remove the placeholder."
        )
        _decide(draft, origin.old, value, key, told)
    else:
        draft.put(_SECTION, key, entries, origin)


def _is(value: Value, *words: object) -> bool:
    return any(value.data == word and type(value.data) is type(word) for word in words)


def _published(draft: Draft, old: str, value: Value) -> None:
    if _is(value, 1, True, "1"):
        row = Row(old, value.line, f"[{_SECTION}] published", How.KEPT, doubt(value))
        draft.put(_SECTION, "published", ("yes",), row)
        return
    told = (
        "Only published events go, unless [selection] published = no lets those that are not go as well. Decide, and "
        "remove the placeholder."
    )
    _decide(draft, old, value, "published", told)


def _warninglists(draft: Draft, old: str, value: Value) -> None:
    told = (
        "Values of the lists named in [selection] warninglists do not go, from whatever door; the old tool left it to "
        "the lists that are on in MISP. See the default in docs/configuration.md."
    )
    if not _is(value, True, 1, "1"):
        told += " It was off there: warninglists = none would have it so here."
    draft.tell(Row(old, value.line, f"[{_SECTION}] warninglists", How.DIFFERS, told))


def _to_ids(draft: Draft, old: str, value: Value) -> None:
    # Whatever the filter said, the old tools took attributes with to_ids only.
    draft.put(_SECTION, "toIds", ("yes",), Row(old, value.line, f"[{_SECTION}] toIds", How.KEPT, doubt(value)))


def _since(draft: Draft, old: str, value: Value) -> None:
    match = _TIME.fullmatch(value.data.strip()) if isinstance(value.data, str) else None
    if match is None:
        told = "Say how far back the first run shall read: sync --last '14 days', or --since with a date."
        draft.tell(Row(old, value.line, "", How.NOTHING, told))
        return
    told = "For the first run. Each later one reads what was published since the last, of any length."
    new = f"sync --last '{match[1]} {_UNITS[match[2]]}'"
    draft.tell(Row(old, value.line, new, How.TRANSLATED, told))


def _tags(draft: Draft, old: str, value: Value) -> None:
    if isinstance(value.data, dict):
        for word, part in value.data.items():
            listed = texts(part) or ()
            if word.upper() in ("OR", "AND", "NOT") and listed:
                _tag_list(draft, f"{old}[{word.upper()}]", part, word.upper(), listed)
            elif texts(part) != ():
                _decide(draft, old, value, "tags", "It holds more than tags under OR, AND and NOT. Decide.")
        return
    entries = texts(value)
    if entries is None:
        _decide(draft, old, value, "tags", "It is no list of texts. Write the tags.")
    elif not entries or entries == ("",):
        draft.tell(Row(old, value.line, "", How.BUILT_IN, "It asks for nothing."))
    else:
        refused = tuple(tag for tag in entries if tag.startswith("!"))
        asked = tuple(tag for tag in entries if not tag.startswith("!"))
        if asked:
            _tag_list(draft, old, value, "OR", asked)
        if refused:
            _tag_list(draft, old, value, "NOT", tuple(tag[1:] for tag in refused))


def _tag_list(draft: Draft, old: str, value: Value, word: str, tags: tuple[str, ...]) -> None:
    key = "excludeTags" if word == "NOT" else "tags"
    if word == "AND" and len(tags) > 1:
        _decide(draft, old, value, key, "All of several tags cannot be asked for here, only any of them. Decide.")
        return
    if any("%" in tag for tag in tags):
        _decide(draft, old, value, key, "Tags with % stand for several; write each of them whole.")
        return
    if any(unfit_entry(tag.strip()) for tag in tags):
        _decide(draft, old, value, key, "A tag among them cannot be written here. Decide.")
        return
    told = (
        "Counts for every door, the button and workflows too."
        if word == "NOT"
        else "Counts for every door, the button and workflows too, and a tag of an attribute lets that attribute go. "
        "To ask it of `sync` alone, move it to syncTags of the MISP."
    )
    row = Row(old, value.line, f"[{_SECTION}] {key}", How.TRANSLATED, " ".join(filter(None, (told, doubt(value)))))
    listed = tuple(tag.strip() for tag in tags)
    if word == "NOT":
        draft.put(_SECTION, key, listed, row)
    else:
        _narrow(draft, key, listed, row, value)


def _organisations(draft: Draft, old: str, value: Value) -> None:
    found = texts(value)
    if isinstance(value.data, int):
        found = (str(value.data),)
    for sign, key in ((False, "orgs"), (True, "excludeOrgs")):
        names = [name for name in found or () if name.startswith("!") is sign]
        if names and all(values.is_guid(name.lstrip("!")) for name in names):
            row = Row(old, value.line, f"[{_SECTION}] {key}", How.KEPT, "The organisations that created the event.")
            listed = tuple(name.lstrip("!").lower() for name in names)
            if sign:
                draft.put(_SECTION, key, listed, row)
            else:
                _narrow(draft, key, listed, row, value)
        elif names:
            _decide(draft, old, value, key, "Organisations are named by their UUID here: see their page in MISP.")
    if not found:
        _decide(draft, old, value, "orgs", "It is no organisation that could be read. Write its UUID.")


def _groups(draft: Draft, old: str, value: Value) -> None:
    told = "Sharing groups are named by their UUID here: see their page in MISP."
    _decide(draft, old, value, "sharingGroups", told)


def _types(draft: Draft, old: str, value: Value) -> None:
    found = texts(value)
    try:
        good = found and not any("%" in type_ or type_.startswith("!") for type_ in found)
        listed = [describe.attribute_type(type_) for type_ in found or ()]
    except Invalid:
        good, listed = False, []
    if good and listed:
        row = Row(old, value.line, f"[{_SECTION}] types", How.KEPT, "Of each event only attributes of these types.")
        _narrow(draft, "types", listed, row, value)
    else:
        _decide(draft, old, value, "types", "It is no plain list of attribute types. Write those that shall go.")


def _category(draft: Draft, old: str, value: Value) -> None:
    _decide(draft, old, value, "types", "Categories do not count here: say which types shall go.")


def _distribution(draft: Draft, old: str, value: Value) -> None:
    parts = value.data if isinstance(value.data, tuple) else (value,)
    numbers = {str(part.data) for part in parts}
    for least in range(4):
        if numbers == {str(n) for n in range(least, 4)}:
            row = Row(old, value.line, f"[{_SECTION}] minDistribution", How.TRANSLATED, "Of attributes, too.")
            draft.put(_SECTION, "minDistribution", (str(least),), row)
            return
    told = "Only “this and all wider ones” can be said here, and sharing groups by their UUID. Decide."
    _decide(draft, old, value, "minDistribution", told)


_READERS: dict[str, Callable[[Draft, str, Value], None]] = {
    "published": _published,
    "enforceWarninglist": _warninglists,
    "enforce_warninglist": _warninglists,
    "to_ids": _to_ids,
    "publish_timestamp": _since,
    "timestamp": _since,
    "event_timestamp": _since,
    "last": _since,
    "tags": _tags,
    "tag": _tags,
    "org": _organisations,
    "orgc": _organisations,
    "type_attribute": _types,
    "type": _types,
    "category": _category,
    "distribution": _distribution,
    "sharinggroup": _groups,
}
