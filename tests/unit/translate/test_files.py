"""File hashes and file names."""

from __future__ import annotations

import pytest

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.translate import observe
from misp_modules_ext.translate.composites import Reader
from misp_modules_ext.translate.files import (
    HASHES,
    digest,
    file_name_or_path,
    file_path,
    md5,
    sha1,
    sha256,
    ssdeep,
    tlsh,
)
from misp_modules_ext.translate.text import NotValid
from tests.support.build import attribute

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


@pytest.mark.parametrize("name", ["a.exe", "a|b c.exe", "المرسوم.doc", "a.EXE", "%TEMP%.exe"])
def test_a_file_name_is_kept_byte_for_byte(name: str) -> None:
    """Variables, case and scripts are part of what was seen."""
    assert file_name_or_path(name) == (Observable(Kind.FILE_NAME, name), ())


@pytest.mark.parametrize("name", ["C:\\Users\\x\\a.dll", "%TEMP%\\a|b.exe", "%TEMP%\\a.exe", "/etc/a b", "a/b"])
def test_a_name_with_folders_is_a_path(name: str) -> None:
    """No sensor compares a whole path with a name; it is kept byte for byte."""
    assert file_name_or_path(name) == (Observable(Kind.FILE_PATH, name), ())
    assert file_path(name) == (Observable(Kind.FILE_PATH, name), ())


@pytest.mark.parametrize("text", ["*.exe", "*", "a?.dll", "C:\\Users\\*\\a.exe", "/opt/.x?", "\\\\?\\C:\\a\\*.exe"])
def test_a_pattern_is_no_file(text: str) -> None:
    """It would be compared as it stands, and never match; or match everything."""
    for read in (file_name_or_path, file_path):
        with pytest.raises(NotValid, match="stands for many files"):
            read(text)
    assert observe(attribute("filename", text)).reason is Reason.INVALID_VALUE


@pytest.mark.parametrize("text", [".", ".."])
def test_a_folder_of_every_machine_is_no_file(text: str) -> None:
    """Each folder has them."""
    with pytest.raises(NotValid, match="a folder of every machine"):
        file_name_or_path(text)
    assert observe(attribute("filename", text)).reason is Reason.INVALID_VALUE


@pytest.mark.parametrize("text", ["\\\\?\\C:\\a\\b.exe", "\\\\.\\pipe\\x", "..\\a.exe"])
def test_windows_own_prefixes_make_no_pattern(text: str) -> None:
    """A verbatim path, a device, a name relative to a folder."""
    assert file_name_or_path(text) == (Observable(Kind.FILE_PATH, text), ())


@pytest.mark.parametrize("text", ["a", "svchost.exe", "...", ".bashrc", "a..b"])
def test_short_and_common_names_are_names(text: str) -> None:
    """Malware calls itself like what is there already: the analyst decides, with the IDS flag."""
    assert file_name_or_path(text) == (Observable(Kind.FILE_NAME, text), ())


def test_a_name_without_folders_is_a_name() -> None:
    """And no path."""
    assert file_name_or_path("a|b.EXE") == (Observable(Kind.FILE_NAME, "a|b.EXE"), ())
    with pytest.raises(NotValid, match="without its folder"):
        file_path("a.exe")


@pytest.mark.parametrize(
    ("type_", "length"),
    [
        ("md5", 32),
        ("sha1", 40),
        ("sha224", 56),
        ("sha256", 64),
        ("sha384", 96),
        ("sha512", 128),
        ("sha512/224", 56),
        ("sha512/256", 64),
        ("sha3-224", 56),
        ("sha3-256", 64),
        ("sha3-384", 96),
        ("sha3-512", 128),
        ("authentihash", 64),
        ("imphash", 32),
    ],
)
def test_each_hash_has_its_length(type_: str, length: int) -> None:
    """And is a kind of its own: two hashes of one length are not the same."""
    kind = HASHES[type_]
    assert digest(kind, "0A" * (length // 2)) == (Observable(kind, "0a" * (length // 2)), ("written in lower case",))
    for wrong in ("a" * (length - 1), "a" * (length + 1), "g" * length, ""):
        with pytest.raises(NotValid):
            digest(kind, wrong)
    assert len(set(HASHES.values())) == len(HASHES) == 14


@pytest.mark.parametrize("text", ["3:abc:def", "96:QRWkwo/B+:QRWktBe80", f"6144:{'a' * 64}:{'B' * 32}"])
def test_an_ssdeep_hash_is_kept(text: str) -> None:
    """Its case counts."""
    assert ssdeep(text) == (Observable(Kind.FILE_SSDEEP, text), ())


@pytest.mark.parametrize(
    "text",
    ["3::", "3:abc", "4:abc:def", "0:abc:def", "18:abc:def", '3:abc:def,"a.exe"', "x:abc:def", f"3:{'a' * 65}:b"],
)
def test_other_texts_are_no_ssdeep_hash(text: str) -> None:
    """Of an empty file, of a block size that there is not, with the file name behind it."""
    with pytest.raises(NotValid, match="not an ssdeep hash"):
        ssdeep(text)


def test_a_tlsh_hash_has_one_spelling() -> None:
    """As the library writes it since version 4; MISP writes small letters."""
    written = Observable(Kind.FILE_TLSH, "T1" + "AB" * 35)
    assert tlsh("T1" + "AB" * 35) == (written, ())
    for text in ("t1" + "ab" * 35, "ab" * 35, "AB" * 35):
        assert tlsh(text) == (written, ("written as TLSH 4 does",))
    for text in ("T1" + "AB" * 34, "T2" + "AB" * 35, "TNULL", "ab" * 36, "\u212a" * 70):
        with pytest.raises(NotValid, match="not a TLSH hash"):
            tlsh(text)
