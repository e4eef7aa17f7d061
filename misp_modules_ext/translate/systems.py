r"""What sensors see on a machine, and names of networks: mutexes, processes, registry keys, autonomous systems.

A registry key has its hive in full, as STIX 2.1 section 6.17 asks (`HKEY_LOCAL_MACHINE`, not `HKLM`), from whichever
spelling: abbreviated, of PowerShell (`HKLM:\`), of the kernel (`\REGISTRY\MACHINE\`), of the registry editor
(`Computer\HKEY_…`). Case is kept. A key without a hive is refused: which key is meant would be a guess.

An autonomous system is its number (RFC 6793), also where it was written as `AS64496` or `1.10` (RFC 5396).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate.text import Notes, NotValid, shown

_HIVES: Mapping[str, str] = {
    "hklm": "HKEY_LOCAL_MACHINE",
    "hkcu": "HKEY_CURRENT_USER",
    "hkcr": "HKEY_CLASSES_ROOT",
    "hku": "HKEY_USERS",
    "hkcc": "HKEY_CURRENT_CONFIG",
    "hkpd": "HKEY_PERFORMANCE_DATA",
}
_FULL_HIVES: Mapping[str, str] = {hive.lower(): hive for hive in _HIVES.values()}
_KERNEL: Mapping[str, str] = {"machine": "HKEY_LOCAL_MACHINE", "user": "HKEY_USERS"}
_KERNEL_PATH = re.compile(r"\\registry\\(machine|user)(?=\\|\Z)", re.IGNORECASE)
_FILE_PATH = re.compile(r"%[^%]+%|[A-Za-z]:\\")
_EDITOR = re.compile(r"computer\\(?=hk)", re.IGNORECASE)
_BACKSLASHES = re.compile(r"\\{2,}")
_AS_NUMBER = re.compile(r"(?:ASN?)?[ :]?([0-9]{1,10})", re.IGNORECASE)
_AS_DOTTED = re.compile(r"(?:ASN?)?[ :]?([0-9]{1,5})\.([0-9]{1,5})", re.IGNORECASE)
_MOST_AS = (1 << 32) - 1
_MOST_HALF = (1 << 16) - 1


def mutex(text: str) -> tuple[Observable, Notes]:
    """Read the name of a mutex; it is kept byte for byte, with its namespace (`Global` or `Local`)."""
    return Observable(Kind.MUTEX, text), ()


def process_name(text: str) -> tuple[Observable, Notes]:
    """Read the name of a process; it is kept byte for byte."""
    return Observable(Kind.PROCESS_NAME, text), ()


def user_agent(text: str) -> tuple[Observable, Notes]:
    """Read the user agent of an HTTP request; it is kept byte for byte."""
    return Observable(Kind.USER_AGENT, text), ()


def registry_key(text: str) -> tuple[Observable, Notes]:
    """Read a key of the Windows registry.

    Raises:
        NotValid: it names no hive, or nothing but a hive.
    """
    plain, notes = _one_backslash(text)
    plain, more = _with_full_hive(plain)
    hive, _, rest = plain.partition("\\")
    if hive not in _FULL_HIVES.values():
        if _FILE_PATH.match(text):
            raise NotValid(f"{shown(text)} is the path of a file, not a key: give the attribute the type `filename`.")
        raise NotValid(
            f"{shown(text)} does not begin with a hive such as `HKLM`, so which key is meant would be a guess: "
            "write the whole key in MISP."
        )
    if not rest:
        raise NotValid(f"{shown(text)} is a hive and not a key: every Windows has it.")
    return Observable(Kind.WINDOWS_REGISTRY_KEY, plain), notes + more


def _one_backslash(text: str) -> tuple[str, Notes]:
    """No key holds an empty name: doubled backslashes come from where they had to be escaped."""
    start = 1 if text.startswith("\\") else 0
    single = text[:start] + _BACKSLASHES.sub(r"\\", text[start:]).lstrip("\\")
    notes: Notes = () if single == text else ("doubled backslashes written once",)
    if single.endswith("\\") and len(single) > 1:
        return single.rstrip("\\"), (*notes, "backslash at the end removed")
    return single, notes


def _with_full_hive(text: str) -> tuple[str, Notes]:
    kernel = _KERNEL_PATH.match(text)
    if kernel:
        return _KERNEL[kernel.group(1).lower()] + text[kernel.end() :], ("kernel's path written as the hive",)
    plain = _EDITOR.sub("", text, count=1) if _EDITOR.match(text) else text
    hive, bar, rest = plain.partition("\\")
    name = hive.rstrip(":").lower()
    full = _HIVES.get(name) or _FULL_HIVES.get(name, hive)
    written = f"{full}{bar}{rest}"
    return written, () if written == text else ("hive written in full",)


def autonomous_system(text: str) -> tuple[Observable, Notes]:
    """Read the number of an autonomous system.

    Raises:
        NotValid: it is not a number from 0 to 4294967295, or two of 16 bits with a dot between them.
    """
    number = _as_number(text)
    if number is None or number > _MOST_AS:
        raise NotValid(f"{shown(text)} is not the number of an autonomous system, for example `AS64496`.")
    written = str(number)
    return Observable(Kind.AUTONOMOUS_SYSTEM, written), () if written == text else ("written as a number",)


def _as_number(text: str) -> int | None:
    if found := _AS_NUMBER.fullmatch(text):
        return int(found.group(1))
    if found := _AS_DOTTED.fullmatch(text):
        high, low = int(found.group(1)), int(found.group(2))
        return high << 16 | low if max(high, low) <= _MOST_HALF else None
    return None
