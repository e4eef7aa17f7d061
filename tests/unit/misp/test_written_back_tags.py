"""The tags that we write back to MISP: what they are called, and that they are not read."""

from __future__ import annotations

import pytest

from misp_modules_ext.misp.tags import EVENT_TAGS, SENT, is_written_back, read_tags, sent_to

OURS = (SENT, "MISP-Microsoft:Sent", f'{SENT}="microsoft"')


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("name", OURS)
def test_they_are_not_read(name: str, local: bool) -> None:
    """Local or not, in both of MISP's formats; what stands beside them is."""
    core = {"Tag": [{"name": name, "local": local}, {"name": "tlp:green"}]}
    internal = {"EventTag": [{"local": local, "Tag": {"name": name}}, {"Tag": {"name": "tlp:green"}}]}
    for source in (core, internal):
        tags, problem = read_tags((source, EVENT_TAGS))
        assert ([tag.name for tag in tags], problem) == (["tlp:green"], "")


@pytest.mark.parametrize("name", ["misp-microsoft:sentinel", "misp-microsoft:pick", "sent", "tlp:red"])
def test_others_are(name: str) -> None:
    """Also those that people may have made for gates of theirs."""
    assert not is_written_back(name)


@pytest.mark.parametrize("destination", ["microsoft", 'microsoft "soc"', "x" * 300])
def test_the_tag_of_a_destination_is_one_of_ours(destination: str) -> None:
    """No longer than MISP and the ledger keep, with one pair of quotation marks."""
    name = sent_to(destination)
    assert is_written_back(name)
    assert len(name) <= 255
    assert name.count('"') == 2
