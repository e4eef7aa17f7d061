"""What Defender is to do on a match: nothing blocks that need not (DESIGN.md 4, rule 10). Pure.

An action other than Audit takes all of: the destination's configuration, our own reading of the event, and its creator
among `blockOrgs`. One that blocks or warns also takes a value that is on no warninglist at all, not wide, not covered
by `neverBlock`, and a marking below `PAP:AMBER`, which forbids acting on what one knows (MISP taxonomy PAP). What is
refused is Audit: it still goes.

Decisions:

- Of several tags the mildest action counts. Tags that allow and tags that block contradict each other: Audit.
- Only what our own reading saw of an event of `blockOrgs` has a say. Other evidence for the same value neither blocks
  nor ends a block.
- What a marking, a warninglist or a tag says against it at one attribute that has a say counts for all that hold the
  value.
- Where a kind does not have the action, the next milder one of those that block is taken, never a stronger one.
- Wide are ranges wider than what networks announce to each other (IPv4 /24, IPv6 /48), URLs without a path and domains
  under which everyone can have a name (the latter are refused everywhere), and what is no exact value: names of files,
  and all kinds that are not listed here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from enum import Enum
from functools import cache, lru_cache
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from misp_modules_ext.config.settings import ActionRules
from misp_modules_ext.model.indicator import BLOCKING, Action, Kind, Observable
from misp_modules_ext.model.misp import Attribute, Event, Pap, Tag
from misp_modules_ext.translate import Marks, carried_ipv4, is_normal_name, is_public_suffix, place, plain

#: The narrowest prefixes that networks announce to each other on the internet.
WIDEST_IPV4 = 24
WIDEST_IPV6 = 48
_MOST_NAMED = 3

_AUDIT = Action.AUDIT


class Decision(NamedTuple):
    """What is to be done on a match.

    Attributes:
        action: `None` when this attribute has no say in it.
        wished: what the configuration asks for.
        why: why it is not that, `""` when it is.
        vetoes: actions that the value must not get, whichever other attribute asks for them.
    """

    action: Action | None
    wished: Action = _AUDIT
    why: str = ""
    vetoes: tuple[Action, ...] = ()


_NO_SAY = Decision(None)
#: All but Audit.
_ACTIONS = (Action.ALLOWED, *BLOCKING)


class _Wish(NamedTuple):
    """What tags ask for; `why` when that is in doubt, `objects` when they ask to do no more than alert."""

    action: Action
    why: str = ""
    objects: bool = False


class Acting:
    """The actions of one event's attributes; what follows from the event and from tags is worked out once."""

    def __init__(self, event: Event, rules: ActionRules) -> None:
        """Read the event's header.

        Args:
            event: its attributes are not looked at.
            rules: of a destination where more than an alert is possible.
        """
        self._rules = rules
        self._names = _names(event.tags)
        self._may = event.creator_uuid in rules.block_orgs
        self._stranger = "" if self._may else _stranger(event, rules)
        self._wishes: dict[tuple[Tag, ...], _Wish] = {}

    def decide(self, observable: Observable, attribute: Attribute, marks: Marks, *, reread: bool) -> Decision:
        """What is to be done on a match.

        The reasons in the order that tells an analyst most: what can never be comes before what is not yet.

        Args:
            observable: one of the attribute's, as `translate.observe` makes it.
            attribute: one of the event's.
            marks: of its tags together with the event's.
            reread: it stands exactly as our own reading of the event saw it.
        """
        has_say = reread and self._may
        wish = self._wishes.get(attribute.tags) or self._wish(attribute.tags)
        wished = wish.action
        vetoes = _vetoes(wish, attribute, marks) if has_say else ()
        if wished is _AUDIT:
            return Decision(_AUDIT, vetoes=vetoes) if has_say else _NO_SAY
        possible, unfit = _fitting(observable.kind, wished, self._rules.graph)
        why = wish.why or (unfit if possible is _AUDIT else "")
        if not why and possible in BLOCKING:
            why = _wide(observable) or _covered(observable, self._rules.never_block) or _marked(marks)
        why = why or self._stranger or ("" if reread else _NOT_READ)
        if not why and possible in BLOCKING:
            why = _listed(attribute.warninglists)
        if why:
            return Decision(_AUDIT if has_say else None, wished, why, vetoes)
        return Decision(possible, wished, unfit, vetoes)

    def _wish(self, tags: tuple[Tag, ...]) -> _Wish:
        found = self._wishes[tags] = _wish(self._names | _names(tags), self._rules)
        return found


def _vetoes(wish: _Wish, attribute: Attribute, marks: Marks) -> tuple[Action, ...]:
    """What one attribute says against an action counts for the value: another one that holds it does not undo it.

    How wide a value is, and what `neverBlock` says of it, is the same for all of them.
    """
    if wish.objects:
        return _ACTIONS
    return BLOCKING if attribute.warninglists or _marked(marks) else ()


_NOT_READ = (
    "what a request or a file says never decides it; our own reading of the event does, with the key of `[misp]`, in "
    "the background."
)


def _names(tags: Iterable[Tag]) -> frozenset[str]:
    return frozenset(tag.name.lower() for tag in tags)


def _wish(names: frozenset[str], rules: ActionRules) -> _Wish:
    """What tags ask for, by their names and by what these look like: where the two differ, nobody can say."""
    wish, looks = _asked(names, rules), _asked(frozenset(map(plain, names)), rules)
    if wish == looks:
        return wish
    wished = looks.action if wish.action is _AUDIT else wish.action
    objects = looks.objects or wish.objects or wish.action is not _AUDIT
    return _Wish(wished, "one of its tags looks like one of the configuration, and is another.", objects)


def _asked(names: frozenset[str], rules: ActionRules) -> _Wish:
    if not names.isdisjoint(rules.audit_tags):
        return _Wish(_AUDIT, objects=True)
    by_tags = (rules.warn_tags, rules.block_tags, rules.block_and_remediate_tags)
    asked = next((action for action, tags in zip(BLOCKING, by_tags, strict=True) if not names.isdisjoint(tags)), None)
    if names.isdisjoint(rules.allow_tags):
        return _Wish(asked or rules.action)
    return (
        _Wish(Action.ALLOWED)
        if asked is None
        else _Wish(asked, "one of its tags asks to allow the value.", objects=True)
    )


def _stranger(event: Event, rules: ActionRules) -> str:
    if not rules.block_orgs:
        return "`blockOrgs` names no organisation."
    if event.creator_uuid is None:
        return "the source does not say who created the event."
    return f"the creator of the event, organisation {event.creator_uuid}, is not among `blockOrgs`."


class _Family(Enum):
    """Kinds that have the same actions."""

    NETWORK = "addresses, domains and URLs"
    FILE = "hashes of files"
    CERTIFICATE = "certificates"
    OTHER = "other values"


_NETWORK = frozenset(
    {
        Kind.IPV4_ADDR,
        Kind.IPV6_ADDR,
        Kind.IPV4_CIDR,
        Kind.IPV6_CIDR,
        Kind.DOMAIN_NAME,
        Kind.URL,
        Kind.EMAIL_ADDR,
    }
)
#: Those that name one file exactly: not imphash, ssdeep and TLSH, which files have in common.
_FILE = frozenset(
    {
        Kind.FILE_MD5,
        Kind.FILE_SHA1,
        Kind.FILE_SHA224,
        Kind.FILE_SHA256,
        Kind.FILE_SHA384,
        Kind.FILE_SHA512,
        Kind.FILE_SHA512_224,
        Kind.FILE_SHA512_256,
        Kind.FILE_SHA3_224,
        Kind.FILE_SHA3_256,
        Kind.FILE_SHA3_384,
        Kind.FILE_SHA3_512,
        Kind.FILE_AUTHENTIHASH,
    }
)
_CERTIFICATE = frozenset({Kind.X509_MD5, Kind.X509_SHA1, Kind.X509_SHA256})
#: Defender for Endpoint: "Create indicators for IPs and URLs/domains", "… for files", "… for certificates".
_DEFENDER = {
    _Family.NETWORK: frozenset(Action) - {Action.BLOCK_AND_REMEDIATE},
    _Family.FILE: frozenset(Action),
    _Family.CERTIFICATE: frozenset({Action.ALLOWED, Action.BLOCK_AND_REMEDIATE}),
    _Family.OTHER: frozenset({_AUDIT}),
}
#: Microsoft Graph beta, "tiIndicator resource type": unknown, allow, block, alert.
_GRAPH = frozenset({_AUDIT, Action.ALLOWED, Action.BLOCK})


@cache
def _family(kind: Kind) -> _Family:
    if kind in _NETWORK:
        return _Family.NETWORK
    if kind in _FILE:
        return _Family.FILE
    return _Family.CERTIFICATE if kind in _CERTIFICATE else _Family.OTHER


@cache
def _fitting(kind: Kind, wished: Action, graph: bool) -> tuple[Action, str]:
    """The action that a kind can have, and why it is not the one that is wished."""
    family = _family(kind)
    possible = _DEFENDER[family]
    if graph and family is not _Family.OTHER:
        possible = _GRAPH
    if wished in possible:
        return wished, ""
    if family is _Family.OTHER:
        return _AUDIT, f"a {kind} is no exact value: others may have it, too."
    where, what = ("Graph", "this action") if graph else ("Defender", f"{wished} for {family.value}")
    milder = BLOCKING[: BLOCKING.index(wished)] if wished in BLOCKING else ()
    return next((a for a in reversed(milder) if a in possible), _AUDIT), f"{where} does not know {what}."


def _marked(marks: Marks) -> str:
    if marks.pap is not None and marks.pap >= Pap.AMBER:
        return f"it is marked {marks.pap.tag}, which forbids blocking."
    unknown = next((name for name in marks.unknown if "pap" in plain(name)), None)
    return f"its marking {unknown} is not known, and may forbid blocking." if unknown else ""


def _listed(lists: tuple[str, ...] | None) -> str:
    if lists is None:
        return "nobody has looked for it in the warninglists."
    if not lists:
        return ""
    more = f" and {len(lists) - _MOST_NAMED} more" if len(lists) > _MOST_NAMED else ""
    return f"it is on a warninglist: {'; '.join(sorted(lists)[:_MOST_NAMED])}{more}."


def _wide(observable: Observable) -> str:
    kind, value = observable
    if kind in (Kind.IPV4_CIDR, Kind.IPV6_CIDR):
        widest = WIDEST_IPV4 if kind is Kind.IPV4_CIDR else WIDEST_IPV6
        return f"the range is wider than a /{widest}." if ip_network(value).prefixlen < widest else ""
    target = _target(observable) if kind in _NETWORK else _Target()
    if target is None:
        return _DOUBTFUL
    if kind is Kind.URL and target.whole and target.name and is_public_suffix(target.name):
        return f"under {target.name} everyone can have a name."
    return "under it everyone can have a name." if kind is Kind.DOMAIN_NAME and is_public_suffix(value) else ""


class _Span(NamedTuple):
    """A range of addresses as numbers, both ends included; `version` is 4 or 6."""

    version: int
    first: int
    last: int
    text: str = ""


class _Target(NamedTuple):
    """Whom a value hits.

    Attributes:
        name: host name, `""` when there is none.
        spans: addresses; an IPv6 one that carries an IPv4 one hits both.
        whole: the name with all its subdomains.
    """

    name: str = ""
    spans: tuple[_Span, ...] = ()
    whole: bool = False


_DOUBTFUL = "programs differ in what its host is, or cannot tell it."


def _target(observable: Observable) -> _Target | None:
    """Whom a value hits; `None` when that cannot be told for certain."""
    kind, value = observable
    if kind is Kind.DOMAIN_NAME:
        return _Target(value, whole=True)
    if kind is Kind.URL:
        host, rest = place(value)
        # For RFC 3986 the host goes on behind a backslash, for browsers it does not.
        return None if rest.startswith("\\") else _host(host, whole=rest in ("", "/"))
    if kind is Kind.EMAIL_ADDR:
        return _host(value.rpartition("@")[2].lower(), whole=False)
    return _Target(spans=_spans(value)) if kind in _NETWORK else _Target()


def _host(host: str, *, whole: bool) -> _Target | None:
    name = host.removesuffix(".")
    if is_normal_name(name):
        return _Target(name, whole=whole)
    bare = host.removeprefix("[").removesuffix("]")
    try:
        # `ip_address` takes a zone (`%eth0`), which no address on the internet has.
        return None if "%" in bare else _Target(spans=_spans(str(ip_address(bare))))
    except ValueError:
        return None


def _spans(text: str) -> tuple[_Span, ...]:
    """The addresses of a range or an address, and the IPv4 addresses that they carry."""
    span = _span(text)
    carried = carried_ipv4(span.first, span.last) if span.version == 6 else None
    return (span,) if carried is None else (span, _Span(4, *carried))


def _span(text: str) -> _Span:
    """The addresses of an entry; IPv4 ones that are written as IPv6 ones are the same (RFC 4291 2.5.5.2)."""
    network = ip_network(text)
    first, last = int(network.network_address), int(network.broadcast_address)
    if network.version == 6 and first >> 32 == last >> 32 == 0xFFFF:
        return _Span(4, first & 0xFFFFFFFF, last & 0xFFFFFFFF, text)
    return _Span(network.version, first, last, text)


class _Never(NamedTuple):
    """`neverBlock`, ready to be asked.

    Attributes:
        names: host names and hashes.
        above: the domains above those names, with a name that is below each.
        spans: ranges by version, in their order and without those that lie in another: so no two of them meet.
        starts: their first addresses.
    """

    names: frozenset[str]
    above: dict[str, str]
    spans: dict[int, list[_Span]]
    starts: dict[int, list[int]]


@lru_cache(maxsize=64)
def _never(entries: frozenset[str]) -> _Never:
    names = frozenset(entry for entry in entries if "/" not in entry)
    above = {parent: name for name in sorted(names) for parent in _parents(name)}
    spans: dict[int, list[_Span]] = {4: [], 6: []}
    for span in sorted((_span(entry) for entry in entries if "/" in entry), key=lambda s: (s.first, -s.last)):
        others = spans[span.version]
        # Of two ranges that meet, one lies in the other.
        if not others or span.first > others[-1].last:
            others.append(span)
    starts = {version: [span.first for span in those] for version, those in spans.items()}
    return _Never(names, above, spans, starts)


def _parents(name: str) -> list[str]:
    labels = name.split(".")
    return [".".join(labels[start:]) for start in range(1, len(labels))]


def _covered(observable: Observable, entries: frozenset[str]) -> str:
    """Whether `neverBlock` covers a value, or something that the value would hit as well."""
    if not entries:
        return ""
    never = _never(entries)
    if observable.kind in _FILE or observable.kind in _CERTIFICATE:
        return _by(observable.value.lower()) if observable.value.lower() in never.names else ""
    target = _target(observable)
    if target is None:
        return _DOUBTFUL
    if target.spans:
        found = next(filter(None, (_met(span, never) for span in target.spans)), "")
        return _by(found) if found else ""
    over = next((name for name in (target.name, *_parents(target.name)) if name in never.names), "")
    if over:
        return _by(over)
    below = never.above.get(target.name) if target.whole else None
    return f"it would also block {below}, which `neverBlock` names." if below else ""


def _met(span: _Span, never: _Never) -> str:
    """The range that shares an address with this one, `""` for none."""
    place = bisect_right(never.starts[span.version], span.last)
    nearest = never.spans[span.version][place - 1] if place else None
    return nearest.text if nearest is not None and nearest.last >= span.first else ""


def _by(entry: str) -> str:
    return f"`neverBlock` covers it with {entry}."
