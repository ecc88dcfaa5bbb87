"""The files of this machine that a name stands for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from noria.errors import BackendError
from noria.records.patterns import EVERYTHING, Pattern, matcher


@dataclass(eq=False)
class FolderUnreadable(BackendError):
    """Files in there may or may not fit: to leave them out would be another data set."""

    code: ClassVar[str] = "FILES-FOLDER"
    what: ClassVar[str] = "{path} cannot be looked into: {why}"
    next: ClassVar[str] = "let the user that runs noria read it, or name a pattern that leaves it out"
    path: str
    why: str


def found(pattern: Pattern) -> tuple[Path, list[str]]:
    """The folder, and the sorted names beneath it: the file that is named, all files of the folder that is named, or
    what fits a pattern. Hidden ones are left out unless they are named; links to files are followed."""
    root = Path(pattern.root)
    if pattern.wild:
        return root, _matching(root, pattern.below)
    whole = Path(pattern.whole)
    if whole.is_dir():
        return whole, _matching(whole, EVERYTHING)
    return root, [pattern.below] if os.path.lexists(whole) else []


def _matching(root: Path, below: str) -> list[str]:
    fits = matcher(below).fullmatch
    deep = None if "**" in below.split("/") else below.count("/")
    return sorted(name for name in _below(root, deep) if fits(name))


def _below(root: Path, deep: int | None) -> Iterator[str]:
    """Names of all files beneath, so many folders deep."""
    for folder, folders, names in os.walk(root, onerror=_refuse):
        inside = os.path.relpath(folder, root)
        before = "" if inside == "." else f"{inside}/"
        if deep is not None and before.count("/") == deep:
            folders.clear()
        yield from (before + name for name in names)


def _refuse(error: OSError) -> None:
    """A folder that is not there holds nothing."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise FolderUnreadable(path=str(error.filename), why=error.strerror or str(error)) from error
