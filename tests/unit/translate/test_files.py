"""File hashes and file names."""

from __future__ import annotations

import pytest

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate.composites import Reader
from misp_modules_ext.translate.files import file_name, md5, sha1, sha256
from misp_modules_ext.translate.text import NotValid

READERS = [(md5, Kind.FILE_MD5, 32), (sha1, Kind.FILE_SHA1, 40), (sha256, Kind.FILE_SHA256, 64)]


@pytest.mark.parametrize(("read", "kind", "length"), READERS)
def test_a_hash_is_kept_or_written_in_lower_case(read: Reader, kind: Kind, length: int) -> None:
    """Case means nothing in a hash, so there is one spelling."""
    assert read("0a" * (length // 2)) == (Observable(kind, "0a" * (length // 2)), ())
    assert read("0A" * (length // 2)) == (Observable(kind, "0a" * (length // 2)), ("written in lower case",))


@pytest.mark.parametrize(("read", "kind", "length"), READERS)
@pytest.mark.parametrize("change", [-1, 1, -2])
def test_a_hash_of_the_wrong_length_is_refused(read: Reader, kind: Kind, length: int, change: int) -> None:
    """Microsoft would take a cut hash and never match it."""
    with pytest.raises(NotValid, match=f"has {length + change} hexadecimal digits and should have {length}"):
        read("a" * (length + change))


@pytest.mark.parametrize(("read", "kind", "length"), READERS)
@pytest.mark.parametrize("char", ["g", " ", "\u212a", "\uff10", "-"])
def test_a_hash_with_other_characters_is_refused(read: Reader, kind: Kind, length: int, char: str) -> None:
    """Digits of other scripts and letters that lower-case to ASCII are no hexadecimal digits."""
    with pytest.raises(NotValid, match="other characters"):
        read("a" * (length - 1) + char)


def test_a_hash_in_the_wrong_type_names_the_right_one() -> None:
    """The length tells which hash it is."""
    with pytest.raises(NotValid, match="looks like the type `sha256`"):
        md5("a" * 64)


@pytest.mark.parametrize(
    "name", ["a.exe", "C:\\Users\\x\\a.dll", "%TEMP%\\a|b.exe", "/etc/a b", "المرسوم.doc", "a.EXE"]
)
def test_a_file_name_is_kept_byte_for_byte(name: str) -> None:
    """Paths, variables, case and scripts are part of what was seen."""
    assert file_name(name) == (Observable(Kind.FILE_NAME, name), ())
