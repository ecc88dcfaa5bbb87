"""Objects in a folder: a laptop's store, and what lies under everybody's mapped tables.

    objects/ab/cdef...   the bytes, read-only, named by their digest
    tmp/                 files being written, locked by their writer; a dead writer's are removed
    verified/HOST/ab     stamps of what this machine has verified
    corrupt/             objects that failed their verification, moved aside so that they can be made again
    sweep.lock           held by who removes objects, and asked for by who relies on an old one

An object's modification time says when it was last put or relied on (`ports.objects.Sweepable`).

An object is written to `tmp`, flushed, linked under its name, and the folder is flushed: each step is a point at
which a crash leaves either nothing or the whole object.
"""

# A pathlib call costs as much as the system call that it makes, and these are a hot path:
# ruff: noqa: PTH102, PTH104, PTH105, PTH108, PTH110, PTH112, PTH116, PTH120, PTH123

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import platform
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from noria.adapters.folder_sink import Sink, digest_so_far, explained, hasher
from noria.adapters.object_errors import (
    CannotRead,
    ObjectCorrupt,
    ObjectMissing,
    shard_of,
)
from noria.adapters.stamps import Stamps
from noria.ports.objects import KEPT, Stored
from noria.records.base import Digest

SETTLING = (
    60.0  # s in which another process may still be flushing what it has just linked, or locking what it made
)
BATCH = (
    200  # objects that are removed under one lock: some milliseconds, which who relies on an old one may wait
)
NO_LINKS = {
    errno.EPERM,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.EMLINK,
}  # FAT, some network and desktop mounts


class FolderStore:
    """A `ports.objects.ObjectStore` in a folder, and `Sweepable`. Touches the disk only when it is used; reads need no
    right to write.

    `durable=False` leaves out the flushes: objects then survive a killed process but not a power loss, and what was
    verified is verified again after the machine's next start. `make_room` is asked on a full disk; True: try again.
    """

    def __init__(
        self,
        root: Path,
        *,
        durable: bool = True,
        kept: float = KEPT,
        make_room: Callable[[], bool] = lambda: False,
    ) -> None:
        self.root = Path(root).absolute()
        self.kept = kept
        self._root = str(self.root)
        self._durable = durable
        self._make_room = make_room
        self._stamps = Stamps(f"{self._root}/verified/{_machine(durable)}")
        self._swept = False

    def put(self, data: bytes | memoryview) -> Digest:
        """Store some bytes; cheap when they are there already."""
        view = memoryview(data).cast("B")
        digest = digest_so_far(hasher(len(view)).update(view))
        with explained(self._root, len(view)):
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
        found = digest_so_far(hasher(len(data)).update(data))
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
        """Whether the object is there, unread; an old one is marked as used now."""
        path = self._where(digest)
        try:
            stat = os.stat(path)
        except OSError:  # as os.path.exists, whatever the reason
            return False
        return self._stays(digest, path, stat)

    def verify(self, digest: Digest) -> None:
        """Read the object's file in full, whatever was verified before. Raises NotFound or Corrupt."""
        path = self._where(digest)
        with self._readable(digest, path):
            stat = os.stat(path)
            found = digest_so_far(hasher(stat.st_size).update_mmap(path))
        if found != digest:
            raise self._corrupt(digest, path, found, stat.st_ino)
        self._stamps.add(digest, stat)

    def digests(self) -> Iterator[Digest]:
        """Every object's digest, in order; what is put meanwhile may be left out."""
        return (stored.digest for stored in self.stored())

    def stored(self) -> Iterator[Stored]:
        """Every object, in the order of the digests."""
        for shard in sorted(self.root.glob("objects/[0-9a-f][0-9a-f]")):
            yield from _stored_in(shard)

    def remove(self, digests: Collection[Digest], *, unused_since: float) -> Collection[Digest]:
        """Remove what was last used before then; each batch with nobody relying on old objects meanwhile."""
        removed: list[Digest] = []
        waiting = sorted(digests) if os.path.isdir(self._root) else []
        while waiting:
            batch, waiting = waiting[:BATCH], waiting[BATCH:]
            with explained(self._root, 0), self._sweeping(fcntl.LOCK_EX):
                removed += [digest for digest in batch if _removed(self._where(digest), unused_since)]
        return removed

    def tidy(self) -> None:
        """Remove what dead writers left."""
        self._swept = False
        with explained(self._root, 0):
            self._sweep_once()

    @contextlib.contextmanager
    def _sink(self, digest: Digest | None, expected: int) -> Iterator[Sink]:
        with explained(self._root, expected):
            self._sweep_once()
            sink = Sink(self._root, digest, self._make_room)
        try:
            yield sink
            with explained(self._root, sink.size):
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
        return self._stays(digest, path, stat)

    def _stays(self, digest: Digest, path: str, stat: os.stat_result) -> bool:
        """Whether an object that was seen just now can be relied on. One that was not used for long is marked as used;
        then a removal that had looked at it before is waited for, and one that begins later sees the mark."""
        if time.time() - stat.st_mtime < self.kept / 2:
            return True
        try:
            os.utime(path)
            self._stamps.renew(digest, stat, os.stat(path))
            with self._sweeping(fcntl.LOCK_SH):
                return os.path.exists(path)
        except FileNotFoundError:
            return False
        except OSError:  # another's file, or a disk to read alone: it is there, and cannot be made to last
            return True

    @contextlib.contextmanager
    def _sweeping(self, kind: int) -> Iterator[None]:
        descriptor = os.open(f"{self._root}/sweep.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, kind)
            yield
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _readable(self, digest: Digest, path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise ObjectMissing(digest=digest, folder=self._root) from None
        except OSError as error:
            raise CannotRead(path=path, why=error.strerror or str(error)) from error

    def _where(self, digest: Digest) -> str:
        return f"{self._root}/objects/{shard_of(digest)}"

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


def _stored_in(shard: Path) -> Iterator[Stored]:
    try:
        with os.scandir(shard) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:  # another user's, with an umask that lets nobody else look
        raise CannotRead(path=str(shard), why=error.strerror or str(error)) from error
    for entry in found:
        with contextlib.suppress(FileNotFoundError):  # removed meanwhile
            stat = entry.stat()
            yield Stored(Digest(f"blake3:{shard.name}{entry.name}"), stat.st_size, stat.st_mtime)


def _removed(path: str, unused_since: float) -> bool:
    try:
        if os.stat(path).st_mtime >= unused_since:
            return False
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def _machine(durable: bool) -> str:
    """Whose stamps these are. A power loss may take bytes that were not flushed and leave their stamp."""
    name = platform.node() or "localhost"
    if durable:
        return name
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return f"{name}-{file.read(8)}"
    except OSError:  # no Linux: each process verifies for itself
        return f"{name}-{os.getpid()}-{time.time_ns():x}"


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
