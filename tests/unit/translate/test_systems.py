"""Names of mutexes and processes, registry keys, numbers of autonomous systems."""

from __future__ import annotations

import pytest

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate.composites import Found, Reader
from misp_modules_ext.translate.systems import autonomous_system, mutex, process_name, registry_key, user_agent
from misp_modules_ext.translate.text import NotValid
from misp_modules_ext.translate.types import PARSERS

FULL = r"HKEY_LOCAL_MACHINE\SOFTWARE\Evil"
IN_FULL = ("hive written in full",)


@pytest.mark.parametrize(
    ("read", "kind", "text"),
    [
        (mutex, Kind.MUTEX, r"Global\It's 'one' \ two"),
        (mutex, Kind.MUTEX, "{8F6F0AC4-B9A1-45FD-A8CF-72F04E6BDE8F}"),
        (process_name, Kind.PROCESS_NAME, "Evil.EXE"),
        (user_agent, Kind.USER_AGENT, "User-Agent: Mozilla/4.0 (compatible;  MSIE 6.0)"),
    ],
)
def test_what_something_calls_itself_is_kept_byte_for_byte(read: Reader, kind: Kind, text: str) -> None:
    """Odd spaces, doubled headers and quotes are how such a thing is told from others."""
    assert read(text) == (Observable(kind, text), ())


@pytest.mark.parametrize("type_", ["mutex", "user-agent", "regkey", "email-x-mailer", "email-subject"])
@pytest.mark.parametrize("char", ["\x00", "\n", "\x1b", "\ufeff", "\u200b"])
def test_control_characters_byte_order_marks_and_zero_widths_are_refused(type_: str, char: str) -> None:
    """Nobody sees them, so nobody meant them."""
    with pytest.raises(NotValid, match=r"holds U\+"):
        PARSERS[type_](f"HKLM\\a{char}b")


@pytest.mark.parametrize(
    ("text", "value", "notes"),
    [
        (FULL, FULL, ()),
        (r"HKLM\SOFTWARE\Evil", FULL, IN_FULL),
        (r"hklm\SOFTWARE\Evil", FULL, IN_FULL),
        (r"hkey_local_machine\SOFTWARE\Evil", FULL, IN_FULL),
        (r"HKLM:\SOFTWARE\Evil", FULL, IN_FULL),
        (r"Computer\HKEY_LOCAL_MACHINE\SOFTWARE\Evil", FULL, IN_FULL),
        (r"\REGISTRY\MACHINE\SOFTWARE\Evil", FULL, ("kernel's path written as the hive",)),
        (r"\Registry\User\S-1-5-21\x", r"HKEY_USERS\S-1-5-21\x", ("kernel's path written as the hive",)),
        (r"HKCU\Software\Evil", r"HKEY_CURRENT_USER\Software\Evil", IN_FULL),
        (r"HKCR\.evil", r"HKEY_CLASSES_ROOT\.evil", IN_FULL),
        (r"HKU\.DEFAULT\x", r"HKEY_USERS\.DEFAULT\x", IN_FULL),
        (r"HKCC\x", r"HKEY_CURRENT_CONFIG\x", IN_FULL),
        (FULL + "\\", FULL, ("backslash at the end removed",)),
        (r"HKEY_LOCAL_MACHINE\\SOFTWARE\\Evil", FULL, ("doubled backslashes written once",)),
        (r"HKLM\a/b 'c' [d]", r"HKEY_LOCAL_MACHINE\a/b 'c' [d]", IN_FULL),
    ],
)
def test_a_key_has_its_hive_in_full(text: str, value: str, notes: tuple[str, ...]) -> None:
    """As STIX 2.1 section 6.17 asks; case and all else is kept."""
    assert registry_key(text) == (Observable(Kind.WINDOWS_REGISTRY_KEY, value), notes)
    assert registry_key(value) == (Observable(Kind.WINDOWS_REGISTRY_KEY, value), ())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (r"Software\Microsoft\Evil", "does not begin with a hive"),
        (r"\Software\Evil", "does not begin with a hive"),
        ("HKLM", "is a hive and not a key"),
        ("HKLM\\", "is a hive and not a key"),
        (r"HKLMX\Software", "does not begin with a hive"),
        (r"%appdata%\a.lnk", "type `filename`"),
        (r"C:\Windows\a.exe", "type `filename`"),
        ("\\", "does not begin with a hive"),
        (r"Computer\Software\x", "does not begin with a hive"),
    ],
)
def test_a_key_without_a_hive_is_refused(text: str, sentence: str) -> None:
    """Which key is meant would be a guess, and a guess never matches."""
    with pytest.raises(NotValid, match=sentence):
        registry_key(text)


@pytest.mark.parametrize(
    ("value", "facts", "notes"),
    [
        (rf"{FULL}|C:\evil.exe", (r"registry value: C:\evil.exe",), ()),
        (f"{FULL}|a|b", ("registry value: a|b",), ()),
        (f"{FULL}|", (), ("there is no value beside the key",)),
        (FULL, (), ("there is no value beside the key",)),
        (f"{FULL}|a\u202eb\n", ("registry value: a<U+202E>b",), ()),
    ],
)
def test_the_value_of_a_key_is_a_fact(value: str, facts: tuple[str, ...], notes: tuple[str, ...]) -> None:
    """The first bar divides them; sensors match the key."""
    found = PARSERS["regkey|value"](value)
    assert found == Found((Observable(Kind.WINDOWS_REGISTRY_KEY, FULL),), facts, notes)


def test_a_value_does_not_go_without_its_key() -> None:
    """What is written into a key means nothing without it."""
    with pytest.raises(NotValid, match="hive"):
        PARSERS["regkey|value"](r"Software\Run|C:\evil.exe")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("64496", 64496),
        ("AS64496", 64496),
        ("as64496", 64496),
        ("ASN64496", 64496),
        ("AS 64496", 64496),
        ("AS064496", 64496),
        ("1.10", 65546),
        ("AS1.10", 65546),
        ("0", 0),
        ("4294967295", 4294967295),
        ("65535.65535", 4294967295),
    ],
)
def test_an_autonomous_system_is_its_number(text: str, number: int) -> None:
    """With and without the letters, and in the notation with a dot (RFC 5396)."""
    observable, notes = autonomous_system(text)
    assert observable == Observable(Kind.AUTONOMOUS_SYSTEM, str(number))
    assert bool(notes) is (text != str(number))


@pytest.mark.parametrize("text", ["4294967296", "AS", "ASX", "-1", "1.2.3", "65536.0", "1.65536", "64496 evil", "٦٤"])
def test_other_things_are_no_autonomous_systems(text: str) -> None:
    """Names, prefixes and numbers that no system can have."""
    with pytest.raises(NotValid, match="autonomous system"):
        autonomous_system(text)
