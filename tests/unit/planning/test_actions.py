"""Nothing blocks that need not: each condition of DESIGN.md 4, rule 10, by itself."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from misp_modules_ext.config.settings import ActionRules, IndicatorRules, Selection
from misp_modules_ext.model.indicator import Action, Evidence, Kind, Observable
from misp_modules_ext.model.misp import Attribute, Tag
from misp_modules_ext.planning import Part, RuleSet, judge, make_plan
from misp_modules_ext.planning.actions import _covered, _wide
from misp_modules_ext.translate import carried_ipv4
from tests.support.build import NOW, attribute, event

OURS = "aaaaaaaa-0000-4000-8000-000000000001"
OTHERS = "aaaaaaaa-0000-4000-8000-000000000002"
EVERYTHING: dict[str, Any] = {
    "block_tags": frozenset({"block"}),
    "block_and_remediate_tags": frozenset({"remediate"}),
    "warn_tags": frozenset({"warn"}),
    "audit_tags": frozenset({"audit"}),
    "allow_tags": frozenset({"allow"}),
    "block_orgs": frozenset({OURS}),
}
MD5 = "0123456789abcdef0123456789abcdef"


def _part(
    item: Attribute,
    rules: dict[str, Any] | None = None,
    *,
    reread: bool = True,
    creator: str | None = OURS,
    event_tags: tuple[str, ...] = (),
) -> Part:
    whole = RuleSet(
        Selection(allow_documentation_ranges=True, to_ids=False),
        IndicatorRules(),
        ActionRules(**EVERYTHING | (rules or {})),
    )
    shown = event(creator_uuid=creator, tags=event_tags)
    planned = judge(shown, item, whole, "", NOW, False, reread=reread)
    assert len(planned.parts) == 1, planned
    return planned.parts[0]


def _given(type_: str = "domain", value: str = "c2.evil.example", /, *tags: str, **fields: Any) -> Attribute:
    return attribute(type_, value, **{"tags": tags or ("block",), "warninglists": ()} | fields)


def _evidence(part: Part) -> Evidence:
    assert part.evidence is not None
    return part.evidence


def _refused(part: Part) -> str:
    """Why; what is refused is Audit, and goes."""
    evidence = _evidence(part)
    assert evidence.action in (Action.AUDIT, None)
    assert part.wished in (Action.WARN, Action.BLOCK, Action.BLOCK_AND_REMEDIATE)
    assert part.why_not.endswith(".")
    return part.why_not


def test_all_conditions_together_block() -> None:
    """And there is nothing to explain."""
    part = _part(_given())
    assert _evidence(part).action is Action.BLOCK
    assert (part.wished, part.why_not) == (Action.BLOCK, "")


@pytest.mark.parametrize(
    ("tags", "action"),
    [
        (("other",), Action.AUDIT),
        (("BLOCK",), Action.BLOCK),
        (("warn",), Action.WARN),
        (("remediate",), Action.BLOCK_AND_REMEDIATE),
        (("allow",), Action.ALLOWED),
        (("block", "warn"), Action.WARN),
        (("remediate", "block"), Action.BLOCK),
        (("remediate", "audit"), Action.AUDIT),
        (("allow", "audit"), Action.AUDIT),
        (("allow", "block"), Action.AUDIT),
        (("allow", "warn"), Action.AUDIT),
    ],
)
@pytest.mark.parametrize("on_event", [False, True])
def test_of_several_tags_the_mildest_action_counts(tags: tuple[str, ...], action: Action, on_event: bool) -> None:
    """In any case of letters, whether the attribute carries them or the event; what contradicts itself only alerts."""
    item = _given("md5", MD5, *(() if on_event else tags))
    part = _part(_given("md5", MD5, "x") if on_event else item, event_tags=tags if on_event else ())
    assert _evidence(part).action is action


def test_contradicting_tags_are_told() -> None:
    """With both."""
    part = _part(_given("domain", "c2.evil.example", "allow", "block"))
    assert (part.wished, part.why_not) == (Action.BLOCK, "one of its tags asks to allow the value.")


def test_the_destinations_own_action_is_for_what_has_no_tag() -> None:
    """A tag is more exact."""
    rules = {"action": Action.BLOCK}
    assert _evidence(_part(_given("domain", "a.example", "x"), rules)).action is Action.BLOCK
    assert _evidence(_part(_given("domain", "a.example", "audit"), rules)).action is Action.AUDIT
    assert _evidence(_part(_given("domain", "a.example", "warn"), rules)).action is Action.WARN
    assert _evidence(_part(_given("domain", "a.example", "allow"), rules)).action is Action.ALLOWED


@pytest.mark.parametrize("tag", ["block", "warn", "remediate", "allow"])
def test_what_our_own_reading_has_not_seen_has_no_say(tag: str) -> None:
    """No body of a request blocks, allows, or ends a block."""
    part = _part(_given("md5", MD5, tag), reread=False)
    assert _evidence(part).action is None
    assert "our own reading" in part.why_not
    assert _evidence(_part(_given("md5", MD5, "audit"), reread=False)).action is None


@pytest.mark.parametrize(
    ("creator", "words"),
    [(OTHERS, f"organisation {OTHERS}, is not among `blockOrgs`"), (None, "does not say who created")],
)
@pytest.mark.parametrize("tag", ["block", "warn", "remediate", "allow"])
def test_only_creators_in_block_orgs_have_a_say(creator: str | None, words: str, tag: str) -> None:
    """Whatever tags are on their events: tags are set by whoever may tag."""
    part = _part(_given("md5", MD5, tag), creator=creator)
    assert _evidence(part).action is None
    assert words in part.why_not


def test_without_block_orgs_nobody_has() -> None:
    """The list is not a filter that is open when it is empty."""
    part = _part(_given(), {"block_orgs": frozenset()})
    assert _evidence(part).action is None
    assert part.why_not == "`blockOrgs` names no organisation."


@pytest.mark.parametrize("tag", ["block", "warn"])
def test_a_warninglisted_value_never_blocks(tag: str) -> None:
    """Whichever list it is: not only those that `warninglists` names."""
    part = _part(_given("domain", "c2.evil.example", tag, warninglists=("Top 1000 websites", "A", "B", "C")))
    assert _refused(part) == "it is on a warninglist: A; B; C and 1 more."


def test_a_value_that_nobody_looked_for_in_the_warninglists_never_blocks() -> None:
    """No verdict is not a good one."""
    assert "nobody has looked" in _refused(_part(_given(warninglists=None)))


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("PAP:AMBER", "marked PAP:AMBER"),
        ("pap:amber", "marked PAP:AMBER"),
        ("PAP:RED", "marked PAP:RED"),
        ("PAP:ORANGE", "marking PAP:ORANGE is not known"),
    ],
)
@pytest.mark.parametrize("on_event", [False, True])
def test_pap_amber_never_blocks(tag: str, words: str, on_event: bool) -> None:
    """The strictest of attribute and event; one that nobody knows may be as strict."""
    rules = RuleSet(
        Selection(allow_documentation_ranges=True, max_pap=3),  # type: ignore[arg-type] # a number is a level
        IndicatorRules(),
        ActionRules(**EVERYTHING),
    )
    item = _given("domain", "c2.evil.example", "block", *(() if on_event else (tag,)))
    shown = event(creator_uuid=OURS, tags=(tag, "PAP:CLEAR") if on_event else ("PAP:CLEAR",))
    (part,) = judge(shown, item, rules, "", NOW, False, reread=True).parts
    assert words in _refused(part)


@pytest.mark.parametrize(
    "name",
    [
        "\u200bPAP:AMBRE",
        "\ufeffpap:amber",
        "\uff30\uff21\uff30\uff1a\uff21\uff2d\uff22\uff25\uff32",
        "P\u034fAP:AMBER",
        "PAP\ufe0f:amber",
        " pap:x",
    ],
)
def test_a_marking_that_only_looks_like_one_forbids_too(name: str) -> None:
    """Characters that nobody sees, or that look like others, do not make it another marking."""
    assert "forbid" in _refused(_part(_given("domain", "c2.evil.example", "block", name)))


@pytest.mark.parametrize(
    "name", ["\u200baudit", "audit ", "\uff41\uff55\uff44\uff49\uff54", "au\u00addit", "aud\u3164it"]
)
def test_a_tag_that_only_looks_like_one_that_audits_ends_a_block(name: str) -> None:
    """Whoever set it meant something; and it forbids the block to other attributes, too."""
    evidence = _evidence(part := _part(_given("domain", "c2.evil.example", "block", name)))
    assert (evidence.action, part.wished) == (Action.AUDIT, Action.BLOCK)
    assert "looks like one of the configuration" in part.why_not
    assert Action.BLOCK in evidence.vetoes


@pytest.mark.parametrize("name", ["\u200bblock", "\uff42\uff4c\uff4f\uff43\uff4b", "remediate\u200b", "\u200ballow"])
def test_a_tag_that_only_looks_like_one_that_acts_raises_nothing(name: str) -> None:
    """It takes the very tag to act."""
    part = _part(_given("md5", MD5, name))
    assert _evidence(part).action is Action.AUDIT
    assert "looks like one of the configuration" in part.why_not


def test_pap_green_blocks() -> None:
    """It allows what is not noticed from outside, a block among it."""
    assert _evidence(_part(_given("domain", "c2.evil.example", "block", "PAP:GREEN"))).action is Action.BLOCK


@pytest.mark.parametrize(
    ("type_", "value", "entry"),
    [
        ("domain", "c2.evil.example", "c2.evil.example"),
        ("domain", "c2.evil.example", "evil.example"),
        ("domain", "C2.EVIL.example", "evil.example"),
        ("hostname", "a.b.evil.example", "evil.example"),
        ("url", "https://c2.evil.example/x", "evil.example"),
        ("url", "https://user@c2.evil.example:8443/x?y#z", "c2.evil.example"),
        ("url", "https://203.0.113.9/x", "203.0.113.0/24"),
        ("url", "https://[2001:db8::9]/x", "2001:db8::/32"),
        ("ip-dst", "203.0.113.9", "203.0.113.9/32"),
        ("ip-src", "203.0.113.9", "203.0.113.0/24"),
        ("ip-dst", "2001:db8::9", "2001:db8::/32"),
        ("email-src", "someone@mail.evil.example", "evil.example"),
        ("ip-dst", "203.0.113.128/25", "203.0.113.0/24"),
        ("ip-dst", "203.0.113.0/24", "203.0.113.7/32"),
        ("ip-dst", "203.0.113.9", "::ffff:203.0.113.0/120"),
        ("ip-dst", "64:ff9b::203.0.113.5", "203.0.113.0/24"),
        ("ip-dst", "2002:cb00:7105::1", "203.0.113.0/24"),
        ("ip-dst", "2001:0:4136:e378:8000:63bf:34ff:8ed2", "203.0.113.45/32"),
        ("ip-dst", "64:ff9b::203.0.113.5", "64:ff9b::/96"),
        ("url", "http://[::ffff:203.0.113.5]/x", "203.0.113.0/24"),
        ("url", "http://[2002:cb00:7105::1]/x", "203.0.113.0/24"),
        ("url", "http://a@evil.example@c2.evil.example:80/", "c2.evil.example"),
        ("md5", MD5.upper(), MD5),
        ("sha512", MD5 * 4, MD5 * 4),
    ],
)
def test_what_never_block_covers(type_: str, value: str, entry: str) -> None:
    """A domain with its subdomains, a range with its addresses, also as the host of a URL; hashes exactly."""
    part = _part(_given(type_, value), {"never_block": frozenset({entry, "unrelated.example"}), "graph": True})
    assert _refused(part) == f"`neverBlock` covers it with {entry}."


@pytest.mark.parametrize(
    "value", ["http://corp.example\\@evil.example/", "http://evil.example\\@corp.example/", "http://a.example\\x"]
)
@pytest.mark.parametrize("never", [frozenset({"corp.example"}), frozenset[str]()])
def test_a_url_whose_host_programs_read_differently_never_blocks(value: str, never: frozenset[str]) -> None:
    """Browsers end the host at a backslash, others do not: nobody can say whom it would hit."""
    assert "programs differ in what its host is" in _refused(_part(_given("url", value), {"never_block": never}))


@pytest.mark.parametrize(
    "observable",
    [
        Observable(Kind.URL, "http://[::1/x"),
        Observable(Kind.URL, "http://[fe80::1%25eth0]/"),
        Observable(Kind.URL, "http://exa mple/"),
        Observable(Kind.URL, "no url at all?"),
        Observable(Kind.EMAIL_ADDR, "a@[IPv6:2001:db8::1]"),
    ],
)
def test_what_cannot_be_read_counts_as_covered(observable: Observable) -> None:
    """Not as free: whatever wrote it into the ledger, nobody can say whom it would hit."""
    assert _covered(observable, frozenset({"corp.example"}))
    assert _wide(observable)


@pytest.mark.parametrize(
    ("type_", "value"), [("domain", "evil.example"), ("url", "https://evil.example"), ("url", "https://evil.example/")]
)
def test_a_domain_above_one_that_is_never_blocked(type_: str, value: str) -> None:
    """Defender blocks a domain with all its subdomains."""
    part = _part(_given(type_, value), {"never_block": frozenset({"www.evil.example"})})
    assert _refused(part) == "it would also block www.evil.example, which `neverBlock` names."


@pytest.mark.parametrize(
    ("type_", "value", "entry"),
    [
        ("domain", "notevil.example", "evil.example"),
        ("domain", "evil.example.net", "evil.example"),
        ("domain", "other.evil.example", "www.evil.example"),
        ("url", "https://evil.example/path", "www.evil.example"),
        ("url", "https://good.example.net/evil.example", "evil.example"),
        ("ip-dst", "203.0.114.9", "203.0.113.0/24"),
        ("ip-dst", "203.0.113.9", "2001:db8::/32"),
        ("md5", MD5, MD5[:-1] + "0"),
    ],
)
def test_what_never_block_does_not_cover(type_: str, value: str, entry: str) -> None:
    """Names end at dots, and families of addresses do not mix."""
    part = _part(_given(type_, value), {"never_block": frozenset({entry})})
    assert _evidence(part).action is Action.BLOCK


_V4 = st.tuples(st.integers(0, 2**32 - 1), st.integers(8, 32)).map(lambda t: IPv4Network(t, strict=False))
_V6 = st.tuples(st.integers(1 << 125, (1 << 126) - 1), st.integers(16, 128)).map(lambda t: IPv6Network(t, strict=False))


@given(st.lists(st.one_of(_V4, _V6), max_size=12), st.one_of(_V4, _V6))
def test_ranges_meet_as_ipaddress_says(
    entries: list[IPv4Network | IPv6Network], asked: IPv4Network | IPv6Network
) -> None:
    """Whatever lies in what: they are looked up in their order, not one by one."""
    # What carries IPv4 addresses meets theirs as well; that has its own cases.
    assume(asked.version == 4 or carried_ipv4(int(asked[0]), int(asked[-1])) is None)
    kind = Kind.IPV4_CIDR if asked.version == 4 else Kind.IPV6_CIDR
    said = _covered(Observable(kind, str(asked)), frozenset(map(str, entries)))
    meets = [entry for entry in entries if entry.version == asked.version and entry.overlaps(asked)]  # type: ignore[arg-type] # of one version
    assert bool(said) == bool(meets)
    assert not said or any(said.endswith(f" {entry}.") for entry in meets)


@pytest.mark.parametrize(
    ("value", "widest"), [("203.0.112.0/23", "/24"), ("203.0.113.0/24", ""), ("2001:db8::/47", "/48")]
)
def test_wide_ranges_never_block(value: str, widest: str) -> None:
    """Graph takes ranges; what networks announce to each other is the widest."""
    part = _part(_given("ip-dst", value), {"graph": True})
    if widest:
        assert _refused(part) == f"the range is wider than a {widest}."
    else:
        assert _evidence(part).action is Action.BLOCK


def test_a_name_under_which_everyone_can_have_one_is_refused_altogether() -> None:
    """Whatever the action; the private section of the list too."""
    for value in ("co.uk", "github.io", "duckdns.org"):
        part = _part(_given("domain", value))
        assert part.evidence is None
        assert part.reason is not None


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("filename", "svchost.exe"),
        ("imphash", MD5),
        ("mutex", "Global"),
        ("user-agent", "Mozilla/5.0"),
        ("AS", "3356"),
    ],
)
def test_what_others_may_have_too_never_blocks(type_: str, value: str) -> None:
    """Graph would block every file of that name."""
    assert "no exact value" in _refused(_part(_given(type_, value), {"graph": True}))


@pytest.mark.parametrize(
    ("type_", "value", "tag", "graph", "action", "told"),
    [
        ("domain", "c2.evil.example", "remediate", False, Action.BLOCK, "addresses, domains and URLs"),
        ("ip-dst", "203.0.113.9", "remediate", False, Action.BLOCK, "addresses, domains and URLs"),
        ("url", "https://c2.evil.example/", "remediate", False, Action.BLOCK, "addresses, domains and URLs"),
        ("md5", MD5, "remediate", False, Action.BLOCK_AND_REMEDIATE, ""),
        ("sha1", MD5 + "01234567", "warn", False, Action.WARN, ""),
        ("sha256", MD5 * 2, "remediate", False, Action.BLOCK_AND_REMEDIATE, ""),
        ("sha512", MD5 * 4, "remediate", False, Action.BLOCK_AND_REMEDIATE, ""),
        ("x509-fingerprint-sha1", MD5 + "01234567", "remediate", False, Action.BLOCK_AND_REMEDIATE, ""),
        ("x509-fingerprint-sha1", MD5 + "01234567", "allow", False, Action.ALLOWED, ""),
        ("x509-fingerprint-sha1", MD5 + "01234567", "block", False, Action.AUDIT, "Block for certificates"),
        ("x509-fingerprint-sha1", MD5 + "01234567", "warn", False, Action.AUDIT, "Warn for certificates"),
        ("md5", MD5, "remediate", True, Action.BLOCK, "Graph does not know this action."),
        ("md5", MD5, "warn", True, Action.AUDIT, "Graph does not know this action."),
        ("md5", MD5, "block", True, Action.BLOCK, ""),
        ("md5", MD5, "allow", True, Action.ALLOWED, ""),
    ],
)
def test_a_kind_without_the_action_gets_a_milder_one_and_it_is_told(
    type_: str, value: str, tag: str, graph: bool, action: Action, told: str
) -> None:
    """Defender would not import it; never a stronger one."""
    part = _part(_given(type_, value, tag), {"graph": graph})
    assert _evidence(part).action is action
    assert told in part.why_not
    assert bool(told) == bool(part.why_not)


def test_allowing_goes_by_reading_and_creator_only() -> None:
    """A value that is on a warninglist, marked, or never to be blocked may be let through."""
    item = _given("domain", "c2.evil.example", "allow", "PAP:AMBER", warninglists=("Top 1000",))
    part = _part(item, {"never_block": frozenset({"evil.example"})})
    assert _evidence(part).action is Action.ALLOWED
    assert _evidence(_part(item, reread=False)).action is None
    assert _evidence(_part(item, creator=OTHERS)).action is None


def test_without_rules_nothing_is_asked() -> None:
    """All destinations that only alert share their plans: the default has one action."""
    plain = RuleSet(Selection(allow_documentation_ranges=True), IndicatorRules())
    (planned,) = make_plan([event(_given(), creator_uuid=OURS)], plain, "", {}, NOW, reread=True).attributes
    (part,) = planned.parts
    assert (_evidence(part).action, part.wished, part.why_not) == (Action.AUDIT, None, "")


def test_a_local_tag_counts() -> None:
    """It is this MISP's own people who set it."""
    item = _given("domain", "c2.evil.example", tags=(Tag("block", exportable=False, local=True),))
    assert _evidence(_part(item)).action is Action.BLOCK


@pytest.mark.parametrize("strong", [True, False])
def test_the_first_that_has_a_say_decides(strong: bool) -> None:
    """Severest first; an event of another organisation, or one that was not read, takes nothing away."""
    rules = RuleSet(Selection(allow_documentation_ranges=True), IndicatorRules(), ActionRules(**EVERYTHING))
    block = event(_given(), uuid="e1", creator_uuid=OURS, threat_level=3)
    other = event(_given(uuid="a2", tags=()), uuid="e2", creator_uuid=OURS if strong else OTHERS, threat_level=1)
    (merged,) = make_plan([block, other], rules, "", {}, NOW, reread=True).merged
    assert merged.evidence[0].reference.event == "e2"
    assert merged.indicator.action is (Action.AUDIT if strong else Action.BLOCK)
