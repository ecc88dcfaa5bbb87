"""A lock that the kernel gives back when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from noria.errors import Conflict


@dataclass(eq=False)
class Busy(Conflict):
    code: ClassVar[str] = "RUN-BUSY"
    what: ClassVar[str] = "{what_for} is being worked on by {holder}"
    next: ClassVar[str] = (
        "wait for it to end, or stop it and run again: nothing of its finished steps is lost"
    )
    what_for: str
    holder: str


@contextmanager
def exclusive(path: Path, *, what_for: str, holder: str) -> Iterator[None]:
    """Hold `path` alone among all processes of this machine; raises `Busy` at once when somebody else does.

    `holder` is what the others read. The file stays; its lock ends with this block or with this process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            other = os.pread(descriptor, 200, 0).decode(errors="replace") or "another process"
            raise Busy(what_for=what_for, holder=other) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)
        yield
    finally:
        os.close(descriptor)
