"""Files that a person asked for by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from noria.errors import UsageError


@dataclass(eq=False)
class OutputRefused(UsageError):
    code: ClassVar[str] = "OUTPUT-REFUSED"
    what: ClassVar[str] = "cannot write {path}: {why}"
    next: ClassVar[str] = "name a file in a folder that is there and that you may write to"
    path: str
    why: str


@dataclass(eq=False)
class UnknownForm(UsageError):
    code: ClassVar[str] = "OUTPUT-FORM"
    what: ClassVar[str] = "{path} has an ending that says nothing: known are {known}"
    next: ClassVar[str] = "end the name with one of them"
    path: str
    known: list[str]


def write_output(path: Path, content: str | bytes) -> None:
    """Write a file anew. Raises `OutputRefused`."""
    try:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise OutputRefused(path=str(path), why=error.strerror or str(error)) from error
