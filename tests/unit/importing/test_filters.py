"""`misp_event_filters`: nothing that kept something from leaving is left out in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from misp_modules_ext.config.load import read
from misp_modules_ext.config.search import Found
from misp_modules_ext.errors import ConfigurationError
from misp_modules_ext.importing import Import
from misp_modules_ext.importing.draft import How
from tests.unit.importing.samples import SENTINEL, entries, row, take

ORG = "55555555-5555-4555-8555-555555555555"
OTHER = "66666666-6666-4666-8666-666666666666"


def _filters(folder: Path, text: str) -> Import:
    return take(folder, f"{SENTINEL}misp_event_filters = {text}\n")


@pytest.mark.parametrize(
    ("filters", "key", "value"),
    [
        ("{'published': 1}", "published", ("yes",)),
        ("{'published': True}", "published", ("yes",)),
        ("{'to_ids': True}", "toIds", ("yes",)),
        ("{'tags': ['a', 'b']}", "tags", ("a", "b")),
        ("{'tags': 'a, b'}", "tags", ("a, b",)),
        ("{'tags': ['a', '!b']}", "tags", ("a",)),
        ("{'tags': ['a', '!b']}", "excludeTags", ("b",)),
        ("{'tags': {'OR': ['a', 'b'], 'NOT': ['c']}}", "tags", ("a", "b")),
        ("{'tags': {'OR': ['a', 'b'], 'NOT': ['c']}}", "excludeTags", ("c",)),
        ("{'tags': {'AND': ['a']}}", "tags", ("a",)),
        (f"{{'org': '{ORG}'}}", "orgs", (ORG,)),
        (f"{{'org': ['!{ORG}']}}", "excludeOrgs", (ORG,)),
        ("{'type_attribute': ['ip-dst', 'sha256']}", "types", ("ip-dst", "sha256")),
        ("{'distribution': [3]}", "minDistribution", ("3",)),
        ("{'distribution': ['1', '2', '3']}", "minDistribution", ("1",)),
    ],
)
def test_what_has_a_rule_of_ours(tmp_path: Path, filters: str, key: str, value: tuple[str, ...]) -> None:
    """The same meaning, for every door."""
    assert entries(_filters(tmp_path, filters), "selection", key) == value


@pytest.mark.parametrize(
    "filters",
    [
        "{'published': 0}",
        "{'published': 2}",
        "{'tags': {'AND': ['a', 'b']}}",
        "{'tags': ['tlp:%']}",
        "{'tags': ['#a']}",
        "{'tags': ['none']}",
        "{'tags': ['a', 5]}",
        "{'tags': f()}",
        "{'tags': {'XOR': ['a']}}",
        "{'org': 'CIRCL'}",
        "{'org': 7}",
        "{'org': f()}",
        "{'sharinggroup': [1]}",
        "{'category': 'Network activity'}",
        "{'type_attribute': 'ip-%'}",
        "{'type_attribute': ['!ip-dst']}",
        "{'distribution': [0, 3]}",
        "{'distribution': [4]}",
        "{'threat_level_id': 1}",
        "{'eventinfo': 'x'}",
        "{'never heard of': 'x'}",
        "f()",
        "os.getenv('FILTERS')",
        "['a']",
        "{'tags': ['a'], **more}",
    ],
)
def test_what_has_none_keeps_the_file_from_being_used(tmp_path: Path, filters: str) -> None:
    """A placeholder stands there until a person has decided."""
    imported = take(tmp_path, f"{SENTINEL}misp_event_filters = {filters}\n")
    assert any(found.how is How.FILL_IN for found in imported.draft.rows)
    path = tmp_path / "rh-isac.conf"
    path.write_text(imported.draft.text([]), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="placeholder"):
        read(Found(path, searched=False), {})


@pytest.mark.parametrize(
    ("filters", "key", "first"),
    [
        ("{'tags': {'AND': ['share:microsoft'], 'OR': ['tlp:green', 'tlp:amber']}}", "tags", "share:microsoft"),
        ("{'tags': {'OR': ['tlp:green'], 'AND': ['share:microsoft']}}", "tags", "tlp:green"),
        ("{'tags': {'OR': ['tlp:green'], 'or': ['share:microsoft']}}", "tags", "tlp:green"),
        ("{'tags': ['tlp:green'], 'tag': 'share:microsoft'}", "tags", "tlp:green"),
        ("{'type': 'ip-dst', 'type_attribute': ['ip-dst', 'url']}", "types", "ip-dst"),
        (f"{{'org': '{ORG}', 'orgc': '{OTHER}'}}", "orgs", ORG),
    ],
)
def test_two_conditions_do_not_become_one_that_is_wider(tmp_path: Path, filters: str, key: str, first: str) -> None:
    """Both had to be met: the second is left to a person, and nothing of it stands in the list."""
    imported = _filters(tmp_path, filters)
    before, placeholder = entries(imported, "selection", key)
    assert before == first
    assert placeholder.startswith("<DECIDE: misp_event_filters[")
    path = tmp_path / "rh-isac.conf"
    path.write_text(imported.draft.text([]), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="placeholder"):
        read(Found(path, searched=False), {})


@pytest.mark.parametrize(
    ("filters", "key", "value"),
    [
        ("{'tags': {'NOT': ['a']}, 'tag': '!b'}", "excludeTags", ("a", "b")),
        (f"{{'org': '!{ORG}', 'orgc': '!{OTHER}'}}", "excludeOrgs", (ORG, OTHER)),
    ],
)
def test_exclusions_add_up(tmp_path: Path, filters: str, key: str, value: tuple[str, ...]) -> None:
    """What either condition refuses does not go."""
    imported = _filters(tmp_path, filters)
    assert entries(imported, "selection", key) == value
    assert not [found for found in imported.draft.rows if found.how is How.FILL_IN]


@pytest.mark.parametrize(
    ("filters", "new"),
    [
        ("{'publish_timestamp': '14d'}", "sync --last '14 days'"),
        ("{'last': '12h'}", "sync --last '12 hours'"),
        ("{'timestamp': ['14d', '7d']}", ""),
        ("{'timestamp': 1700000000}", ""),
    ],
)
def test_how_far_back(tmp_path: Path, filters: str, new: str) -> None:
    """It is an option of the first run, which the steps name."""
    imported = take(tmp_path, f"{SENTINEL}misp_event_filters = {filters}\n")
    (found,) = [r for r in imported.draft.rows if r.old.startswith("misp_event_filters")]
    assert found.new == new
    assert any(new[5:] in step for step in imported.draft.steps)


def test_what_narrows_nothing_is_no_hindrance(tmp_path: Path) -> None:
    """Options of MISP's answer, and empty conditions."""
    text = "{'includeEventTags': True, 'limit': 5, 'tags': [], 'org': None, 'enforceWarninglist': False}"
    imported = take(tmp_path, f"{SENTINEL}misp_event_filters = {text}\n")
    assert not [found for found in imported.draft.rows if found.how is How.FILL_IN]
    assert "warninglists = none" in row(imported, 'misp_event_filters["enforceWarninglist"]').message
    assert row(take(tmp_path, SENTINEL), "misp_event_filters").how is How.DIFFERS


_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["OR", "AND", "NOT", "x"]), inner, max_size=2)
    ),
    max_leaves=5,
)
_KEYS = st.one_of(st.sampled_from(["tags", "org", "published", "type", "distribution", "last"]), st.text(max_size=8))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(_KEYS, _VALUES, max_size=4))
def test_any_filters(tmp_path: Path, filters: dict[str, object]) -> None:
    """The new file is one of ours: it loads, or says which placeholder is left; no section comes from a value."""
    imported = take(tmp_path, f"{SENTINEL}misp_event_filters = {filters!a}\n")
    text = imported.draft.text([])
    assert {line for line in text.split("\n") if line.startswith("[")} <= {"[misp]", "[microsoft]", "[selection]"}
    path = tmp_path / "rh-isac.conf"
    path.write_text(text, encoding="utf-8")
    try:
        read(Found(path, searched=False), {})
    except ConfigurationError as error:
        assert all("placeholder" in problem.message for problem in error.problems)  # noqa: PT017
