"""The keeper's own folder, for sockets and counts: it goes with the keeper, if only when the next service starts.

The folder's lock is the kernel's, and tells that its owner lives. A folder bears its mark from when it is locked, so that one that
was just made, or is of a Noria that locked none, is nobody's to take away.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "noria-serving-"
MARK = "locked"


@contextmanager
def own_folder() -> Iterator[Path]:
    """One that is this process's alone. Those of keepers that were killed are removed."""
    _remove_left()
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        folder, lock = Path(name), _opened(Path(name))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another service that starts may look at it, for a moment
            (folder / MARK).touch()
            yield folder
        finally:
            (folder / MARK).unlink(missing_ok=True)  # from here on it is nobody else's to remove
            os.close(lock)


def _remove_left() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # of another user, or gone already
            _remove_if_left(folder)


def _remove_if_left(folder: Path) -> None:
    """Raises OSError where it is not to be opened, and BlockingIOError where its owner lives."""
    lock = _opened(folder)
    try:
        if os.fstat(lock).st_uid == os.geteuid():
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if (folder / MARK).exists():
                shutil.rmtree(folder, ignore_errors=True)
                with suppress(
                    FileNotFoundError
                ):  # else a worker that was still starting has put files there: next time
                    (folder / MARK).touch()
    finally:
        os.close(lock)


def _opened(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
