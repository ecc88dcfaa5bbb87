"""Objects in a folder: a laptop's store, and what lies under everybody's mapped tables.

    objects/ab/cdef...   the bytes, read-only, named by their digest
    tmp/                 files being written, locked by their writer; a dead writer's are removed
    verified/HOST/ab     stamps of what this machine has verified
    corrupt/             objects that failed their verification, moved aside so that they can be made again

An object is written to `tmp`, flushed, linked under its name, and the folder is flushed: each step is a point at
which a crash leaves either nothing or the whole object.
"""

# A pathlib call costs as much as the system call that it makes, and these are a hot path:
# ruff: noqa: PTH102, PTH104, PTH105, PTH108, PTH110, PTH112, PTH116, PTH120, PTH123, PTH208

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import platform
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import blake3

from noria.adapters.stamps import Stamps
from noria.errors import BackendError, Corrupt, NotFound, UsageError
from noria.records.base import Digest

PARALLEL = 1 << 20  # bytes; below, handing the work to threads costs more than hashing it (4 GB/s and core)
CHUNK = 1 << 26  # bytes a write call; Linux takes 2 GiB at most, and a smaller one can be interrupted
SETTLING = (
    60.0  # s in which another process may still be flushing what it has just linked, or locking what it made
)
FULL = {errno.ENOSPC, errno.EDQUOT}
NO_LINKS = {
    errno.EPERM,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.EMLINK,
}  # FAT, some network and desktop mounts

_DIGEST = re.compile(r"blake3:[0-9a-f]{64}")
_names = itertools.count()


@dataclass(eq=False)
class NotADigest(UsageError):
    """Something else was given where a digest is needed."""

    code = "NOT-A-DIGEST"
    what = "{given!r} is not a digest"
    next = "give `blake3:` and 64 hex digits"
    given: str


@dataclass(eq=False)
class ObjectMissing(NotFound):
    """Nothing is stored under this digest."""

    code = "OBJECT-MISSING"
    what = "there is no object {digest} in {folder}"
    next = "run the pipeline again: a step whose output is gone is executed anew"
    digest: str
    folder: str


@dataclass(eq=False)
class ObjectCorrupt(Corrupt):
    """The bytes on disk are not those that were stored."""

    code = "OBJECT-CORRUPT"
    what = "object {digest} is damaged: the bytes in {path} hash to {found}"
    next = "{kept}; run the pipeline again: the step that made it is executed anew. If it happens again, test the disk"
    digest: str
    path: str
    found: str
    kept: str


@dataclass(eq=False)
class NoSpace(BackendError):
    """The disk or the quota is full; nothing was stored and no file was left."""

    code = "NO-SPACE"
    what = "{why} at {path}: {needed:,} bytes are needed, {free:,} are free"
    next = "free some space there, or move the store to a larger disk; then run the same command again"
    path: str
    needed: int
    free: int
    why: str


@dataclass(eq=False)
class CannotWrite(BackendError):
    """The store refuses to be written, for another reason than space."""

    code = "STORE-NOT-WRITABLE"
    what = "cannot write to {path}: {why}"
    next = "make the folder writable for this user, or name another store"
    path: str
    why: str


@dataclass(eq=False)
class CannotRead(BackendError):
    """An object is there and the system does not give its bytes."""

    code = "STORE-NOT-READABLE"
    what = "cannot read {path}: {why}"
    next = "make the store readable for this user; if it is an input/output error, test the disk"
    path: str
    why: str


class FolderStore:
    """A `ports.objects.ObjectStore` in a folder. Touches the disk only when it is used; reads need no right to write.

    `durable=False` leaves out the flushes: objects then survive a killed process but not a power loss.
    """

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self.root = Path(root).absolute()
        self._root = str(self.root)
        self._durable = durable
        self._stamps = Stamps(f"{self._root}/verified/{platform.node() or 'localhost'}")
        self._swept = False

    def put(self, data: bytes | memoryview) -> Digest:
        """Store some bytes; cheap when they are there already."""
        view = memoryview(data).cast("B")
        digest = _digest(_hasher(len(view)).update(view))
        with _explained(self._root, len(view)):
            stored = self._has_whole(digest, len(view))
        if not stored:
            with self._sink(digest, len(view)) as sink:
                sink.write(view)
        return digest

    @contextlib.contextmanager
    def writer(self) -> Iterator[Sink]:
        """Store a stream: its block's end makes it visible; an exception inside leaves nothing."""
        with self._sink(None, 0) as sink:
            yield sink

    def get(self, digest: Digest) -> bytes:
        """The bytes, hashed on every read."""
        path = self._where(digest)
        with self._readable(digest, path), open(path, "rb") as file:
            data, inode = file.read(), os.fstat(file.fileno()).st_ino
        found = _digest(_hasher(len(data)).update(data))
        if found != digest:
            raise self._corrupt(digest, path, found, inode)
        return data

    def path(self, digest: Digest) -> Path:
        """The file, verified unless this machine has verified just this inode, time and size before."""
        path = self._where(digest)
        with self._readable(digest, path):
            stat = os.stat(path)
        if not self._stamps.knows(digest, stat):
            self.verify(digest)
        return Path(path)

    def has(self, digest: Digest) -> bool:
        """Whether the object is there, unread."""
        return os.path.exists(self._where(digest))

    def verify(self, digest: Digest) -> None:
        """Read the object's file in full, whatever was verified before. Raises NotFound or Corrupt."""
        path = self._where(digest)
        with self._readable(digest, path):
            stat = os.stat(path)
            hasher = _hasher(stat.st_size)
            found = _digest(hasher.update_mmap(path))
        if found != digest:
            raise self._corrupt(digest, path, found, stat.st_ino)
        self._stamps.add(digest, stat)

    def digests(self) -> Iterator[Digest]:
        """Every object's digest, for audits and collection; what is put meanwhile may be left out."""
        for shard in sorted(self.root.glob("objects/[0-9a-f][0-9a-f]")):
            for name in sorted(os.listdir(shard)):
                yield Digest(f"blake3:{shard.name}{name}")

    @contextlib.contextmanager
    def _sink(self, digest: Digest | None, expected: int) -> Iterator[Sink]:
        with _explained(self._root, expected):
            self._sweep_once()
            sink = Sink(self._root, digest)
        try:
            yield sink
            with _explained(self._root, sink.size):
                sink.seal(durable=self._durable)
                self._publish(sink)
        finally:
            sink.discard()

    def _publish(self, sink: Sink) -> None:
        final = self._where(sink.digest)
        folder = os.path.dirname(final)
        if not self._link(sink.path, final):
            if self._has_whole(sink.digest, sink.size):
                return
            self._link(sink.path, final)
        if self._durable:
            _flush(folder)
        self._stamps.add(sink.digest, os.stat(final))

    def _link(self, source: str, final: str) -> bool:
        """Give the file its name, in a folder that is made for it; False when the name is taken."""
        try:
            os.link(source, final)
        except FileExistsError:
            return False
        except FileNotFoundError:
            _make(os.path.dirname(final), durable=self._durable)
            return self._link(source, final)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            os.replace(source, final)  # the same bytes, should another process have been faster
        return True

    def _has_whole(self, digest: Digest, size: int) -> bool:
        """Whether the object is stored; one of another size is moved aside, one just linked is waited for."""
        path = self._where(digest)
        try:
            stat = os.stat(path)
        except OSError:  # mostly that it is not there; anything else is met again, and told, on writing
            return False
        if stat.st_size != size:
            self._move_aside(digest, path, stat.st_ino)
            return False
        if self._durable and time.time() - stat.st_ctime < SETTLING:
            _flush(os.path.dirname(path))
        return True

    @contextlib.contextmanager
    def _readable(self, digest: Digest, path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise ObjectMissing(digest=digest, folder=self._root) from None
        except OSError as error:
            raise CannotRead(path=path, why=error.strerror or str(error)) from error

    def _where(self, digest: Digest) -> str:
        if not _DIGEST.fullmatch(digest):
            raise NotADigest(given=digest)
        return f"{self._root}/objects/{digest[7:9]}/{digest[9:]}"

    def _corrupt(self, digest: Digest, path: str, found: str, inode: int) -> ObjectCorrupt:
        kept = self._move_aside(digest, path, inode)
        return ObjectCorrupt(digest=digest, path=path, found=found, kept=kept)

    def _move_aside(self, digest: Digest, path: str, inode: int) -> str:
        """Take a damaged file out of the way, unless somebody has just made the object again."""
        aside = f"{self._root}/corrupt/{digest[7:]}-{inode}"
        try:
            if os.stat(path).st_ino != inode:
                return "it was replaced meanwhile"
            _make(os.path.dirname(aside), durable=False)
            os.rename(path, aside)
        except OSError as error:
            return f"it could not be moved aside ({error.strerror}): remove it"
        return f"it was moved to {aside}"

    def _sweep_once(self) -> None:
        """Remove what dead writers left, once for each store object: a live writer holds a lock on its file."""
        if self._swept:
            return
        _make(f"{self._root}/tmp", durable=False)
        self._swept = True  # only now: another thread may go on as soon as it says so
        with contextlib.suppress(PermissionError), os.scandir(f"{self._root}/tmp") as entries:
            for entry in entries:
                _remove_if_dead(entry)


class Sink:
    """A temporary file that hashes as it is written; `digest` is known beforehand or when it is sealed."""

    def __init__(self, root: str, digest: Digest | None) -> None:
        self.path = f"{root}/tmp/{platform.node()}-{os.getpid()}-{next(_names)}-{time.time_ns():x}"
        self._root = root
        self.digest = digest or Digest("")
        self.size = 0
        self._hasher = None if digest else blake3.blake3(max_threads=blake3.blake3.AUTO)
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with contextlib.suppress(OSError):  # no locks on this file system: then nobody sweeps here either
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        view = memoryview(data).cast("B")
        if self._hasher is not None:
            self._hasher.update(view)
        done = 0
        with _explained(self._root, self.size + len(view)):
            while done < len(view):
                done += os.write(self._file, view[done : done + CHUNK])
        self.size += done
        return done

    def seal(self, *, durable: bool) -> None:
        """Everything is written: make it read-only, and hand it to the disk."""
        if self._hasher is not None:
            self.digest = _digest(self._hasher)
        os.fchmod(self._file, 0o444)
        if durable:
            os.fdatasync(self._file)

    def discard(self) -> None:
        """Drop the temporary name and the lock; the object's own name stays, where it was given."""
        os.close(self._file)
        with contextlib.suppress(FileNotFoundError):  # renamed, where links are not to be had
            os.unlink(self.path)


@contextlib.contextmanager
def _explained(root: str, needed: int) -> Iterator[None]:
    """Translate what the file system refuses."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise CannotWrite(path=root, why=error.strerror or str(error)) from error
        why = "the quota is used up" if error.errno == errno.EDQUOT else "the disk is full"
        raise NoSpace(path=root, needed=needed, free=_free(root), why=why) from error


def _hasher(size: int) -> blake3.blake3:
    return blake3.blake3(max_threads=blake3.blake3.AUTO if size >= PARALLEL else 1)


def _digest(hasher: blake3.blake3) -> Digest:
    return Digest("blake3:" + hasher.hexdigest())


def _make(folder: str, *, durable: bool) -> None:
    """Create a folder and what is missing above it, so that it survives what its first entry survives."""
    if os.path.isdir(folder):
        return
    parent = os.path.dirname(folder)
    _make(parent, durable=durable)
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder)
    if durable:
        _flush(parent)


def _flush(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_if_dead(entry: os.DirEntry[str]) -> None:
    """Unlink a file that nobody locks and that is old enough for its maker to have locked it."""
    with contextlib.suppress(OSError):  # gone meanwhile, locked, or another user's: not ours to remove
        if time.time() - entry.stat().st_mtime < SETTLING:
            return
        descriptor = os.open(entry.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(entry.path)
        finally:
            os.close(descriptor)


def _free(path: str) -> int:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return shutil.disk_usage(path).free
