"""Each form of value: what is read, and what is refused with which remedy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from misp_modules_ext.config import values
from misp_modules_ext.config.findings import Invalid
from misp_modules_ext.model.misp import Pap, Tlp
from tests.unit.config.samples import TENANT

GUID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120 days", 120 * 86_400),
        ("1 day", 86_400),
        ("12 hours", 43_200),
        ("30 minutes", 1_800),
        ("2 Weeks", 1_209_600),
        ("90", 90 * 86_400),
        ("3650 days", 3650 * 86_400),
    ],
)
def test_lengths_of_time(text: str, seconds: int) -> None:
    """Number and unit, or a plain number of days."""
    assert values.duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "-1 days", "0", "1.5 days", "3 months", "10 s", "3651 days", "٣ days", "days"]
)
def test_lengths_of_time_that_are_none(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(Invalid):
        values.duration(text)


@pytest.mark.parametrize("text", ["yes", "TRUE", "on", "1"])
def test_yes(text: str) -> None:
    """Every word for yes that configparser knows."""
    assert values.boolean(text) is True


@pytest.mark.parametrize("text", ["no", "False", "off", "0"])
def test_no(text: str) -> None:
    """Every word for no that configparser knows."""
    assert values.boolean(text) is False


def test_neither_yes_nor_no() -> None:
    """A word for neither is not a no."""
    with pytest.raises(Invalid, match="neither yes nor no"):
        values.boolean("maybe")


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("amber", Tlp.AMBER),
        ("TLP:AMBER+STRICT", Tlp.AMBER_STRICT),
        ("tlp:white", Tlp.CLEAR),
        ("clear", Tlp.CLEAR),
        ("tlp: red", Tlp.RED),
    ],
)
def test_tlp(text: str, level: Tlp) -> None:
    """With or without the prefix, and TLP 1.0's white."""
    assert values.tlp(text) is level


@pytest.mark.parametrize(("text", "level"), [("PAP:AMBER", Pap.AMBER), ("white", Pap.CLEAR), ("red", Pap.RED)])
def test_pap(text: str, level: Pap) -> None:
    """With or without the prefix."""
    assert values.pap(text) is level


def test_a_level_that_is_none_gets_a_suggestion() -> None:
    """The nearest level is named."""
    with pytest.raises(Invalid) as caught:
        values.tlp("tlp:ambre")
    assert caught.value.remedy == "Did you mean amber?"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("one", ("one",)),
        ("\none, still one\n  two\n\none, still one", ("one, still one", "two")),
        ("none", ()),
        ("none\nother", ("none", "other")),
    ],
)
def test_lists(text: str, found: tuple[str, ...]) -> None:
    """One entry a line, never split at commas, each once; none alone is the empty list."""
    assert values.entries(text) == found


@pytest.mark.parametrize("text", ["", "\n", " \n "])
def test_an_empty_list_is_not_guessed_at(text: str) -> None:
    """It may be an entry that began with # and was taken for a comment: the gate would be gone without a word."""
    with pytest.raises(Invalid, match="empty"):
        values.entries(text)


@pytest.mark.parametrize("text", [GUID.upper(), "{" + GUID + "}"])
def test_guids(text: str) -> None:
    """In lower case and without braces."""
    assert values.guid(text) == GUID
    assert values.tenant(text) == GUID


@pytest.mark.parametrize("text", [GUID[:-1], GUID.replace("-", ""), "{" + GUID, "soc-workspace"])
def test_what_is_no_guid(text: str) -> None:
    """The value is not shown: it may be the secret that belongs one line further down."""
    with pytest.raises(Invalid) as caught:
        values.guid(text)
    assert text not in caught.value.message + caught.value.remedy


def test_a_tenant_may_be_a_domain() -> None:
    """One of the tenant's verified domain names."""
    assert values.tenant("Contoso.example") == "contoso.example"


@pytest.mark.parametrize(
    "text", ["common", "organizations", "contoso", "-a.example", "a..example", "https://a.example"]
)
def test_what_is_no_tenant(text: str) -> None:
    """An application signs in at its own tenant only."""
    with pytest.raises(Invalid, match="neither a GUID nor a domain"):
        values.tenant(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://MISP.example.org/", "https://misp.example.org"),
        ("http://192.0.2.1:8080/misp/", "http://192.0.2.1:8080/misp"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
    ],
)
def test_addresses(text: str, address: str) -> None:
    """Host, port and path; no slash at the end."""
    assert values.address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "misp.example.org",
        "ftp://misp.example.org",
        "https://",
        "https://[::1",
        "https://misp.example.org:port",
        "https://misp.example.org:0",
        "https://misp.example.org:99999",
        "https://user:pass@misp.example.org",
        "https://misp.example.org/?a=b",
        "https://misp.example.org/#a",
        "https://misp.example.org/a b",
        "https://misp.example.org\nhttps://other.example.org",
    ],
)
def test_what_is_no_address(text: str) -> None:
    """Anything else would fail later, in words about sockets."""
    with pytest.raises(Invalid):
        values.address(text)


def test_endpoints_are_https() -> None:
    """A token never goes over plain http, also not to loopback."""
    assert values.origin("https://localhost:8443/prefix/") == "https://localhost:8443/prefix"
    with pytest.raises(Invalid, match="not an https address"):
        values.origin("http://localhost:8443")


@pytest.mark.parametrize("text", ["Microsoft Sentinel", "azure sentinel", "SecurityGraph", "x" * 257])
def test_names_that_sentinel_refuses_as_a_source(text: str) -> None:
    """Microsoft keeps some names for itself, and 256 characters are the limit."""
    with pytest.raises(Invalid):
        values.source_system(text)


@pytest.mark.parametrize("text", ["-1", "101", "1e2", "5.0", "", "٣", "9" * 400])
def test_numbers_out_of_range(text: str) -> None:
    """Only whole numbers within the bounds."""
    with pytest.raises(Invalid):
        values.whole(0, 100)(text)


@pytest.mark.parametrize("parse", [values.line, values.entries])
def test_control_characters_are_refused(parse: Callable[[str], object]) -> None:
    """They would travel into headers, terminals and reports."""
    with pytest.raises(Invalid, match="control characters"):
        parse("a\x1b[31mb")


def test_several_lines_where_one_is_expected() -> None:
    """That is how an indented next key shows, so the remedy says so."""
    with pytest.raises(Invalid) as caught:
        values.line("Azure Sentinel\ntenantId = x")
    assert "indented" in caught.value.remedy
    assert "tenantId" not in caught.value.message


@pytest.mark.parametrize("text", [" padded", "padded ", "two\nlines", ""])
def test_secrets_are_one_line(text: str) -> None:
    """From a variable or a file a secret may come padded, which Microsoft answers with a riddle."""
    with pytest.raises(Invalid) as caught:
        values.secret(text)
    assert "padded" not in caught.value.message + caught.value.remedy


def test_words_are_matched_regardless_of_case_and_suggested() -> None:
    """A long list of known words is cut."""
    parse = values.one_of(values.words([f"word-{n}" for n in range(50)]), "a word")
    assert parse("WORD-7") == "word-7"
    with pytest.raises(Invalid) as caught:
        parse("entirely different")
    assert "word-11, …" in caught.value.remedy
    assert len(caught.value.remedy) < 250


def test_what_is_shown_is_short_and_printable() -> None:
    """A message is one line of text."""
    assert values.shown("a\n\x1b" + "b" * 100) == "“a??" + "b" * 57 + "…”"


@pytest.mark.parametrize("text", ["<MISP API KEY HERE>", "…", "...", "\n<one>\nother"])
def test_placeholders(text: str) -> None:
    """What example files have in place of values."""
    assert values.is_placeholder(text)
    assert not values.is_placeholder(TENANT)


@pytest.mark.parametrize("text", ["2024-02-01", "2024-02-01-preview"])
def test_api_versions(text: str) -> None:
    """As Microsoft dates its APIs."""
    assert values.api_version(text) == text


def test_paths_are_absolute() -> None:
    """A service's working directory is nobody's choice."""
    with pytest.raises(Invalid, match="absolute path"):
        values.absolute_path("ca.pem")
