"""Looking up events before anything judges them."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.config.settings import ActionRules
from misp_modules_ext.model.indicator import Action
from misp_modules_ext.model.misp import Attribute, Event
from misp_modules_ext.translate import PARSERS, observe
from misp_modules_ext.warninglists.asking import STRICTLY, ask, opened, parts
from misp_modules_ext.warninglists.index import ANY, Index, Question
from tests.support import lists
from tests.support.build import attribute, event


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of five lists."""
    folder = tmp_path_factory.mktemp("asking")
    return lists.index(folder / "warninglists.db", lists.RESOLVERS, lists.OFFICE, lists.TOP, lists.EMPTY, lists.CLOUD)


def _lists(path: Path, *attributes: Attribute) -> list[tuple[str, ...] | None]:
    asked = ask([event(*attributes)], path)
    assert asked.problem == ""
    (found,) = asked.events
    assert [replace(a, warninglists=None) for a in found.attributes] == [
        replace(a, warninglists=None) for a in attributes
    ]
    return [a.warninglists for a in found.attributes]


def test_every_attribute_has_a_verdict_afterwards(path: Path) -> None:
    """Also one of a type that no list names, and one that cannot be read."""
    unreadable = attribute("", "x", problem="The attribute has no type.")
    found = _lists(path, attribute("ip-dst", "8.8.8.8"), attribute(), attribute("comment", "8.8.8.8"), unreadable)
    assert found == [(lists.RESOLVERS[0],), (), (), ()]


@pytest.mark.parametrize(
    ("type_", "value", "hit"),
    [
        ("domain", "outlook[.]office365[.]com", lists.OFFICE),
        ("domain", " Outlook.Office365.com. ", lists.OFFICE),
        ("ip-dst", "8[.]8.8[.]8", lists.RESOLVERS),
        ("ip-dst|port", "8.8.8.8|53", lists.RESOLVERS),
        ("ip-dst|port", "8.8.8.8:53", lists.RESOLVERS),
        ("domain|ip", "evil.example|8.8.8.8", lists.RESOLVERS),
        ("domain|ip", "outlook.office365.com|203.0.113.9", lists.OFFICE),
        ("md5", "D41D8CD98F00B204E9800998ECF8427E", lists.EMPTY),
        ("filename|md5", "a|b.exe|d41d8cd98f00b204e9800998ecf8427e", lists.EMPTY),
        ("malware-sample", "a.exe|d41d8cd98f00b204e9800998ecf8427e", lists.EMPTY),
        ("hostname|port", "www.example.org|443", lists.TOP),
        ("url", "hxxps://www[.]example[.]org/a", lists.TOP),
        ("url", "https://Example.ORG:8443/a", lists.TOP),
    ],
)
def test_a_list_is_not_avoided_by_another_spelling(path: Path, type_: str, value: str, hit: lists.One) -> None:
    """Values are asked for as they are and as they would reach Microsoft, composites by their parts."""
    assert _lists(path, attribute(type_, value)) == [(hit[0],)]


BLOCKING = ActionRules(block_tags=frozenset({"block"}))


@pytest.mark.parametrize(
    ("type_", "value", "hit"),
    [
        ("uri", "https://example.org/a", lists.TOP),
        ("url", "https://8.8.8.8/a", lists.RESOLVERS),
        ("url", "http://[2600:1f00::1]:80/a", lists.CLOUD),
        ("url", "https://outlook.office365.com/a", lists.OFFICE),
        ("email-src", "someone@example.org", lists.TOP),
        ("ip-dst", "3.0.0.0/14", lists.CLOUD),
        ("ip-dst", "8.8.8.0/24", lists.RESOLVERS),
    ],
)
def test_what_may_be_blocked_is_asked_for_whatever_its_type(path: Path, type_: str, value: str, hit: lists.One) -> None:
    """The same address is the same danger under another type; for all else lists are asked as in MISP."""
    tagged, plain = attribute(type_, value, tags=("Block",)), attribute(type_, value)
    for shown, found in ((event(tagged), True), (event(plain, tags=("block",)), True), (event(plain), False)):
        (told,) = ask([shown], path, [ActionRules(), BLOCKING]).events
        assert told.attributes[0].warninglists == ((hit[0] + STRICTLY,) if found else ())
    (told,) = ask([event(plain)], path, [ActionRules(action=Action.BLOCK)]).events
    assert told.attributes[0].warninglists == (hit[0] + STRICTLY,)


@pytest.mark.parametrize(("type_", "value"), [("md5", "11" * 16), ("sha256", "09" * 32), ("ip-dst", "3.11.9.10")])
def test_a_list_for_telephone_numbers_keeps_nothing_from_being_blocked(tmp_path: Path, type_: str, value: str) -> None:
    """Its patterns fit most hashes; who asks for a telephone number, or in which lists a text is, is told of it."""
    path = lists.index(tmp_path / "warninglists.db", lists.PHONES, lists.TOP)
    (told,) = ask([event(attribute(type_, value, tags=("block",)))], path, [BLOCKING]).events
    assert told.attributes[0].warninglists == ()
    assert _lists(path, attribute("phone-number", value)) == [(lists.PHONES[0],)]
    assert Index(path).hits([Question(ANY, (value,))]) == [(lists.PHONES[0],)]


def test_a_list_that_is_asked_anyway_is_named_as_it_is(path: Path) -> None:
    """So that `warninglists` in the configuration knows it; and where nothing may block, nothing more is asked."""
    shown = event(
        attribute("ip-dst", "8.8.8.8", tags=("block",)), attribute("url", "https://8.8.8.8/", tags=("block",))
    )
    (told,) = ask([shown], path, [BLOCKING]).events
    assert told.attributes[0].warninglists == (lists.RESOLVERS[0],)
    assert ask([shown], path, [ActionRules()]) == ask([shown], path)


def test_hits_of_misps_own_stay(path: Path) -> None:
    """A list of that organisation's is in no package. Sorted, so that the order of doors makes no other document."""
    told = attribute("ip-dst", "8.8.8.8", warninglists=("Our own servers", "AAA"))
    assert _lists(path, told, attribute(warninglists=())) == [("AAA", lists.RESOLVERS[0], "Our own servers"), ()]


def test_without_an_index_there_is_no_verdict_but_misps_hits(tmp_path: Path) -> None:
    """That none of the lists enabled in MISP holds a value says nothing of the others."""
    told = ("Our own servers",)
    given_ = event(attribute("ip-dst", "8.8.8.8", warninglists=told), attribute(warninglists=()), attribute("md5", "x"))
    asked = ask([given_, event()], tmp_path / "warninglists.db")
    assert [a.warninglists for a in asked.events[0].attributes] == [told, None, None]
    assert asked.events[1] == event()
    assert asked.problem == (
        f"The index of warninglists {tmp_path / 'warninglists.db'} is not there. "
        "Build it with `misp-microsoft warninglists`."
    )


def test_a_damaged_index_costs_the_verdict_and_nothing_else(tmp_path: Path) -> None:
    """The push goes on."""
    path = lists.index(tmp_path / "warninglists.db", lists.RESOLVERS)
    path.write_bytes(path.read_bytes()[:4096])
    asked = ask([event(attribute("ip-dst", "8.8.8.8"))], path)
    assert [a.warninglists for a in asked.events[0].attributes] == [None]
    assert "cannot be read" in asked.problem


def test_a_new_index_is_used_at_once(tmp_path: Path) -> None:
    """A service lives for months; whoever holds the old one still gets answers."""
    path = lists.index(tmp_path / "warninglists.db", lists.RESOLVERS)
    old = opened(path)
    assert opened(path) is old
    lists.index(path, lists.OFFICE)
    assert _lists(path, attribute("ip-dst", "8.8.8.8")) == [()]
    assert old.hits([Question("ip-dst", ("8.8.8.8",))]) == [(lists.RESOLVERS[0],)]
    path.unlink()
    assert ask([event()], path).problem


def test_threads_share_it(path: Path) -> None:
    """misp-modules answers requests in threads."""
    asked = [attribute("ip-dst", "8.8.8.8"), *(attribute("domain", f"n{n}.example.org") for n in range(2000))]
    found: list[list[tuple[str, ...] | None]] = []
    threads = [threading.Thread(target=lambda: found.append(_lists(path, *asked))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[(lists.RESOLVERS[0],), *[(lists.TOP[0],)] * 2000]] * 4


TYPES = st.sampled_from(["", "comment", "malware-sample", *PARSERS])
EVENTS: st.SearchStrategy[Event] = st.lists(
    st.builds(attribute, TYPES, st.text(max_size=40), uuid=st.uuids().map(str), problem=st.sampled_from(["", "odd"])),
    max_size=5,
).map(lambda attributes: event(*attributes))


@given(EVENTS)
def test_any_value_can_be_asked_for(path: Path, given_event: Event) -> None:
    """Lone surrogates, zero bytes, line breaks: nothing raises, and every attribute has a verdict."""
    asked = ask([given_event], path)
    assert asked.problem == ""
    assert all(a.warninglists is not None for a in asked.events[0].attributes)


@given(st.sampled_from(sorted(PARSERS)), st.from_regex(r"(https?://)?[0-9a-z_.:/-]{0,30}", fullmatch=True))
def test_the_short_way_asks_for_what_the_long_one_would(type_: str, value: str) -> None:
    """A value that is asked for as it is reaches Microsoft as it is, or not at all."""
    asked = attribute(type_, value)
    assert {o.value for o in observe(asked).observables} <= set(parts(asked)) | {""}


def test_an_index_that_nobody_holds_any_more_lets_go_of_its_file(tmp_path: Path) -> None:
    """A service sees many of them."""
    path = lists.index(tmp_path / "warninglists.db", lists.RESOLVERS)

    def held() -> int:
        names = [str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
        return sum(name.startswith(str(path)) for name in names)

    index = Index(path)
    assert held() == 1
    del index
    assert held() == 0
