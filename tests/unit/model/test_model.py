"""Identity, content and outcomes."""

from __future__ import annotations

import re
import subprocess
import sys
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.model.account import worst
from misp_modules_ext.model.indicator import NAMESPACE, Context, Kind, Observable, Reference
from misp_modules_ext.model.misp import Pap, Tlp
from misp_modules_ext.model.outcome import Outcome, Reason
from tests.support.build import indicator


def test_the_id_of_a_value_never_changes() -> None:
    """Stored at Microsoft for years: this literal must not be edited."""
    assert (
        Observable(Kind.DOMAIN_NAME, "c2.evil.example").stix_id() == "indicator--4a45ccb4-efa7-55dd-bb1f-a780913ffb2e"
    )


@given(st.sampled_from(Kind), st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 3))
def test_ids_are_uuid5_of_kind_and_value(kind: Kind, value: str, generation: int) -> None:
    """The same as Python's own UUIDv5."""
    name = f"{kind.value}:{value}" + (f"#{generation}" if generation else "")
    assert Observable(kind, value).stix_id(generation) == f"indicator--{uuid.uuid5(NAMESPACE, name)}"


def test_a_generation_is_another_indicator() -> None:
    """After a revocation the value needs a new id, since STIX makes a revocation permanent."""
    observable = Observable(Kind.DOMAIN_NAME, "c2.evil.example")
    ids = {observable.stix_id(generation) for generation in range(3)}
    assert len(ids) == 3
    assert all(re.fullmatch(r"indicator--[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", i) for i in ids)


def test_peers_16_ids_and_hashes_are_the_same_in_every_process() -> None:
    """PEERS 16: another process with another hash seed computes the same id and content hash."""
    code = (
        "from tests.support.build import indicator; i = indicator(); "
        "print(i.observable.stix_id(), i.content_hash().hex())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
        ).stdout
        for seed in ("0", "1", "4711")
    }
    assert outputs == {f"{indicator().observable.stix_id()} {indicator().content_hash().hex()}\n"}


@pytest.mark.parametrize(
    "change",
    [
        {"title": "x"},
        {"confidence": 51},
        {"tlp": Tlp.RED},
        {"labels": ()},
        {"facts": ("x",)},
        {"references": ()},
        {"valid_from": 1},
        {"valid_until": 1},
        {"threat_type": "C2"},
        {"context": Context(phases=(("mitre-attack", "execution"),))},
        {"context": Context(actors=("Someone",))},
        {"context": Context(malware=("Someone",))},
    ],
)
def test_any_change_of_content_changes_the_hash(change: dict[str, object]) -> None:
    """What is unchanged is not sent, so nothing that matters may be left out of the hash."""
    assert indicator()._replace(**change).content_hash() != indicator().content_hash()  # type: ignore[arg-type]


CONTENT = st.fixed_dictionaries(
    {
        "title": st.text(st.characters(), max_size=3),
        "confidence": st.integers(0, 2) | st.just(2**70),
        "labels": st.lists(st.text(st.sampled_from(',"[]\\é\ud83d\ude00😀'), max_size=2), max_size=2).map(tuple),
        "facts": st.lists(st.text(st.sampled_from(',"[]\\'), max_size=2), max_size=2).map(tuple),
        "references": st.lists(st.just(Reference("a", "b", "c")), max_size=2).map(tuple),
    }
)


@given(CONTENT, CONTENT)
def test_equal_hashes_are_equal_content(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Also with text that no encoding holds, and with what looks like the writing itself."""
    first, second = indicator(**one), indicator(**other)
    assert (first.content_hash() == second.content_hash()) is (first == second)


def test_text_that_no_encoding_holds_has_hashes_of_its_own() -> None:
    """Two halves of a surrogate pair are not the character."""
    titles = ["\ud83d\ude00", "😀", "\ud83d", "\\ud83d", "?"]
    assert len({indicator(title=title).content_hash() for title in titles}) == len(titles)


def test_the_worst_outcome_counts() -> None:
    """Rejected, pending, skipped, withdrawn, accepted, merged, unchanged."""
    assert worst([Outcome.ACCEPTED, Outcome.PENDING, Outcome.MERGED]) is Outcome.PENDING
    assert worst([Outcome.UNCHANGED]) is Outcome.UNCHANGED
    with pytest.raises(ValueError, match="outcome of its own"):
        worst([])


def test_reasons_have_a_code_a_meaning_and_a_remedy() -> None:
    """Codes are unique words; sentences end."""
    assert len({r.code for r in Reason}) == len(Reason)
    for reason in Reason:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", reason.code)
        assert reason.meaning.endswith(".")
        assert reason.remedy
        assert reason.outcome in (Outcome.SKIPPED, Outcome.PENDING, Outcome.REJECTED)


def test_markings_know_their_tags() -> None:
    """As MISP's taxonomies write them."""
    assert [t.tag for t in Tlp] == ["tlp:clear", "tlp:green", "tlp:amber", "tlp:amber+strict", "tlp:red"]
    assert [p.tag for p in Pap] == ["PAP:CLEAR", "PAP:GREEN", "PAP:AMBER", "PAP:RED"]
