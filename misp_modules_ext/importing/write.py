"""Writing the new file: for its owner alone, never over another one unasked, and loaded to see that it holds."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from misp_modules_ext.config import load
from misp_modules_ext.errors import ConfigurationError, Problem, UsageError
from misp_modules_ext.importing.draft import Draft
from misp_modules_ext.importing.read import Import


class Secrets(str, Enum):
    """Where the secrets of the old file go."""

    KEEP = "keep"
    ENV = "env"
    FILES = "files"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Loaded:
    """What our configuration says of a file.

    Attributes:
        problems: what a person has to mend before it can be used.
        warnings: what is odd, as sentences.
    """

    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """A new file.

    Attributes:
        path: `None` for standard output.
        text: its content, secrets included.
        secrets: files that hold secrets.
    """

    path: Path | None
    text: str = field(repr=False)
    loaded: Loaded
    secrets: tuple[Path, ...] = ()


def judge(path: Path, environ: Mapping[str, str]) -> Loaded:
    """Load a file as any command would."""
    try:
        return Loaded(warnings=load(path, environ).warnings)
    except ConfigurationError as error:
        return Loaded(error.problems)


def to_text(imported: Import, secrets: Secrets, environ: Mapping[str, str]) -> Written:
    """The new file for standard output.

    Raises:
        UsageError: secrets shall go to files, and there is no place for them; or no place to try the file.
    """
    if secrets is Secrets.FILES:
        raise UsageError("--secrets files needs a place for them: name one with --output FILE.")
    _move(imported.draft, secrets, None)
    text = imported.draft.text(_head(imported))
    try:
        with tempfile.TemporaryDirectory() as folder:
            trial = Path(folder) / "rh-isac.conf"
            _create(trial, text)
            return Written(None, text, judge(trial, environ))
    except OSError as error:
        raise UsageError(f"No temporary file can be written to try the new one: {error.strerror}.") from error


def to_file(imported: Import, target: Path, secrets: Secrets, environ: Mapping[str, str], *, force: bool) -> Written:
    """Write the new file, readable by its owner alone.

    Args:
        imported: the old configuration.
        target: the new one.
        secrets: where secrets go: `FILES` are beside it, in a folder of its name with `.secrets`.
        environ: the variables of the process.
        force: put it in the place of a file that is there.

    Raises:
        UsageError: there is a file of that name, or it cannot be written; nothing is left behind.
    """
    target = target.absolute()
    folder = target.with_name(f"{target.name}.secrets")
    try:
        if target.exists() and target.samefile(imported.path):
            raise UsageError(f"{target} is the old configuration itself: name another file with --output.")
        _may_stand(target, force=force)
        kept = _move(imported.draft, secrets, folder)
        text = imported.draft.text(_head(imported))
        for path, _ in kept:
            _may_stand(path, force=force)
        if kept:
            _make_folder(folder)
        # The configuration comes last: what it names is there before it.
        _put([*kept, (target, text)], force=force)
    except (OSError, UsageError) as error:
        with suppress(OSError):
            folder.rmdir()
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{target} cannot be written: {error.strerror}. Name another file with --output.") from error
    return Written(target, text, judge(target, environ), tuple(path for path, _ in kept))


def _there(path: Path) -> UsageError:
    return UsageError(f"{path} is there already. Name another file with --output, or add --force to replace it.")


def _may_stand(path: Path, *, force: bool) -> None:
    if os.path.lexists(path) and not force:
        raise _there(path)
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise UsageError(f"{path} is no regular file, and is not replaced. Name another one with --output.")


def _make_folder(folder: Path) -> None:
    """Make the folder of the secrets, or take the one that is there if nobody else can change what is in it.

    Raises:
        UsageError: somebody else can: what is read from there later need not be what was written.
    """
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        return
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise UsageError(
            f"The secrets cannot be written: {folder} is there, and is no folder that only you can change. Remove it, "
            "or name another file with --output."
        )


def _put(files: Sequence[tuple[Path, str]], *, force: bool) -> None:
    """Write all files or none.

    With `force` all are written under other names before the first is replaced: a full disk must not leave the
    configuration that is there without its secrets.
    """
    made: list[Path] = []
    fresh: list[tuple[Path, Path]] = []
    try:
        for path, text in files:
            name = path.with_name(f".{path.name}.{os.getpid()}.new") if force else path
            try:
                _create(name, text)
            except FileExistsError:
                if force:
                    raise
                raise _there(path) from None
            made.append(name)
            fresh.append((name, path))
        for name, path in fresh if force else ():
            was_there = path.exists()
            name.replace(path)
            made.remove(name)
            if not was_there:
                made.append(path)
    except (OSError, UsageError):
        for path in made:
            path.unlink(missing_ok=True)
        raise


def _create(path: Path, text: str) -> None:
    """A new file with mode 0600; it is whole or not there.

    Raises:
        FileExistsError: somebody was faster.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _head(imported: Import) -> list[str]:
    return [
        f"Made by misp-microsoft import-config from {imported.path} of {imported.whose}.",
        "Above each key stands where it came from. All keys: docs/configuration.md. Next steps: docs/migrate.md.",
    ]


def _move(draft: Draft, secrets: Secrets, folder: Path | None) -> list[tuple[Path, str]]:
    """Put references in the place of secrets; the files to write."""
    files: list[tuple[Path, str]] = []
    if secrets is Secrets.KEEP:
        return files
    taken: set[str] = set()
    for section, line in list(draft.secrets()):
        name = re.sub(r"[^A-Za-z0-9]+", "-", f"{section}-{line.key}")
        if secrets is Secrets.FILES and folder is not None:
            path = folder / _free(name, "-", taken)
            files.append((path, f"{line.entries[0]}\n"))
            reference = f"file:{path}"
        else:
            variable = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).replace("-", "_").upper()
            variable = _free(variable, "_", taken)
            reference = f"env:{variable}"
            draft.steps.insert(0, f"Set the environment variable {variable} to the value of: {line.comment}")
        lines = draft.sections[section]
        lines[lines.index(line)] = replace(line, entries=(reference,))
    return files


def _free(name: str, joint: str, taken: set[str]) -> str:
    """The name, numbered when another secret has it: sections may differ by signs that no name can hold."""
    free, number = name, 1
    # Some file systems take no notice of case.
    while free.lower() in taken:
        number += 1
        free = f"{name}{joint}{number}"
    taken.add(free.lower())
    return free
