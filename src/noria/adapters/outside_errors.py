"""What may be wrong with files outside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from noria.errors import BackendError, Conflict, NotFound


@dataclass(eq=False)
class FileChanged(Conflict):
    """Nobody could say which bytes the step has read."""

    code: ClassVar[str] = "FILES-CHANGED"
    what: ClassVar[str] = "{path} changed while it was read"
    next: ClassVar[str] = (
        "run again when what writes it has finished; a writer that renames a finished file into its place never "
        "disturbs a reader"
    )
    path: str


@dataclass(eq=False)
class FileGone(NotFound):
    code: ClassVar[str] = "FILES-GONE"
    what: ClassVar[str] = "{path} was deleted before it could be read"
    next: ClassVar[str] = "restore it, or run again without it: what deletes files while a run reads them?"
    path: str


@dataclass(eq=False)
class FileUnreadable(BackendError):
    code: ClassVar[str] = "FILES-UNREADABLE"
    what: ClassVar[str] = "{path} cannot be read: {why}"
    next: ClassVar[str] = "let the user that runs noria read it"
    path: str
    why: str


@contextmanager
def told(path: str) -> Iterator[None]:
    """What the file system says, as errors that name the file."""
    try:
        yield
    except FileNotFoundError:
        raise FileGone(path=path) from None
    except OSError as error:
        raise FileUnreadable(path=path, why=error.strerror or str(error)) from error
