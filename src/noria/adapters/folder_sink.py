"""A file on its way to be an object: written under a temporary name, hashed as it comes."""

# As in folder.py:
# ruff: noqa: PTH108, PTH110, PTH120

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import platform
import shutil
import threading
import time
from collections.abc import Callable, Iterator

import blake3

from noria.adapters.object_errors import CannotWrite, NoSpace
from noria.records.base import Digest

PARALLEL = 1 << 20  # bytes; below, handing the work to threads costs more than hashing it (4 GB/s and core)
BESIDE = (
    1 << 23
)  # bytes, some milliseconds' work; above, hashing beside the writing saves more than a thread costs
CHUNK = 1 << 26  # bytes a write call; Linux takes 2 GiB at most, and a smaller one can be interrupted
FULL = {errno.ENOSPC, errno.EDQUOT}

_names = itertools.count()


class Sink:
    """A temporary file that hashes as it is written; `digest` is known beforehand or when it is sealed."""

    def __init__(self, root: str, digest: Digest | None, make_room: Callable[[], bool]) -> None:
        self.path = f"{root}/tmp/{platform.node()}-{os.getpid()}-{next(_names)}-{time.time_ns():x}"
        self._root = root
        self.digest = digest or Digest("")
        self.size = 0
        self._make_room = make_room
        self._hasher = None if digest else blake3.blake3(max_threads=blake3.blake3.AUTO)
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with contextlib.suppress(OSError):  # no locks on this file system: then nobody sweeps here either
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        view = memoryview(data).cast("B")
        done = 0
        with explained(self._root, self.size + len(view)), self._hashing(view):
            while done < len(view):
                done += self._written(view[done : done + CHUNK])
        self.size += done
        return done

    @contextlib.contextmanager
    def _hashing(self, view: memoryview) -> Iterator[None]:
        """Hash a piece, a large one while it is written: neither holds the interpreter."""
        if self._hasher is None or len(view) < BESIDE:
            if self._hasher is not None:
                self._hasher.update(view)
            yield
            return
        thread = threading.Thread(target=self._hasher.update, args=(view,), name="noria-hash")
        thread.start()
        try:
            yield
        finally:
            thread.join()

    def so_far(self) -> Digest:
        """The digest of what was written until now, of a stream."""
        return self.digest if self._hasher is None else digest_so_far(self._hasher)

    def seal(self, *, durable: bool) -> None:
        """Everything is written: make it read-only, and hand it to the disk."""
        if self._hasher is not None:
            self.digest = digest_so_far(self._hasher)
        os.fchmod(self._file, 0o444)
        if durable:
            os.fdatasync(self._file)

    def _written(self, view: memoryview) -> int:
        while True:
            try:
                return os.write(self._file, view)
            except OSError as error:
                if error.errno not in FULL or not self._make_room():
                    raise

    def discard(self) -> None:
        """Drop the temporary name and the lock; the object's own name stays, where it was given."""
        os.close(self._file)
        with contextlib.suppress(FileNotFoundError):  # renamed, where links are not to be had
            os.unlink(self.path)


@contextlib.contextmanager
def explained(root: str, needed: int) -> Iterator[None]:
    """Translate what the file system refuses."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise CannotWrite(path=root, why=error.strerror or str(error)) from error
        why = "the quota is used up" if error.errno == errno.EDQUOT else "the disk is full"
        raise NoSpace(path=root, needed=needed, free=_free(root), why=why) from error


def hasher(size: int) -> blake3.blake3:
    return blake3.blake3(max_threads=blake3.blake3.AUTO if size >= PARALLEL else 1)


def digest_so_far(hasher: blake3.blake3) -> Digest:
    return Digest("blake3:" + hasher.hexdigest())


def _free(path: str) -> int:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return shutil.disk_usage(path).free
