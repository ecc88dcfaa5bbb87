"""A lock that the kernel gives back when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from noria.errors import BackendError
from noria.ports.leases import Busy

HOLDER = re.compile(r"process (\d+)")  # as the one who holds a lease names itself


@dataclass(eq=False)
class LockFailed(BackendError):
    code: ClassVar[str] = "LOCK-FAILED"
    what: ClassVar[str] = "the lock {path} cannot be used: {reason}"
    next: ClassVar[str] = (
        "make .noria, and all in it, writable for this user; users who share a project need a group and umask 002"
    )
    path: str
    reason: str


class FolderLeases:
    """See `noria.ports.leases.Leases`: a file a name, locked by the kernel, among the processes of one machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def hold(self, name: str, holder: str) -> AbstractContextManager[None]:
        return exclusive(self._path(name), what_for=name, holder=holder)

    def holder(self, name: str) -> str | None:
        """By the process that last took it, and whether it lives: taking the lock to find out could turn away a run
        that starts at this moment."""
        try:
            said = self._path(name).read_text()
        except FileNotFoundError:
            return None
        process = HOLDER.search(said)
        return said if process and _lives(int(process[1])) else None

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.lock"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is there, and somebody else's
        return True
    return True


@contextmanager
def exclusive(path: Path, *, what_for: str, holder: str) -> Iterator[None]:
    """Hold `path` alone among all processes of this machine; raises `Busy` at once when somebody else does, and
    `LockFailed`.

    `holder` is what the others read. The file stays; its lock ends with this block or with this process.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(
            path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666
        )  # users who share it: see umask
    except OSError as error:
        raise LockFailed(path=str(path), reason=error.strerror or str(error)) from error
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
