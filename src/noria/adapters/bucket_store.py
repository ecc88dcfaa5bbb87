"""Objects in a bucket, with a copy of what this machine uses in a folder.

    objects/ab/cdef...   the bytes; written once, by a conditional put or in parts that become visible together
    used/ab/cdef...      empty: when an old object was last relied on, for a bucket cannot touch what it holds
    corrupt/...          objects that failed their verification, moved aside so that they can be made again
    sweep                who removes objects at present, and until when he may

A stream is written to the cache first, where its digest is found, and goes up from there in parts: at any size this
needs no more memory than four parts, no name but its own, and no second transfer when it is read here afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from noria.adapters.bucket_cache import Cache
from noria.adapters.bucket_errors import AccessRefused
from noria.adapters.bucket_sweep import Sweep, await_sweeps
from noria.adapters.folder_sink import digest_so_far, hasher
from noria.adapters.object_errors import (
    CannotRead,
    CannotWrite,
    NoSpace,
    ObjectCorrupt,
    ObjectMissing,
    shard_of,
)
from noria.ports.objects import KEPT, Stored
from noria.records.base import Digest

if TYPE_CHECKING:
    from noria.adapters.bucket import Bucket
    from noria.adapters.folder_sink import Sink

SMALL = 8 << 20  # bytes that go up in one request, which alone can be made conditional; more goes in parts
ATTEMPTS = 3  # to get a sound copy into the cache; a disk that damages it thrice is broken
OBJECTS, USED, CORRUPT = "objects/", "used/", "corrupt/"


class BucketStore:
    """A `ports.objects.ObjectStore`, and `Sweepable`. Beyond the port's errors raises those of `bucket_errors`."""

    def __init__(self, bucket: Bucket, cache: Cache, *, kept: float = KEPT) -> None:
        self.kept = kept
        self._bucket = bucket
        self._cache = cache
        self._seen: dict[Digest, float] = {}

    def put(self, data: bytes | memoryview) -> Digest:
        """Store some bytes; one request where the cache tells rightly whether they are there already."""
        view = memoryview(data).cast("B")
        digest = digest_so_far(hasher(len(view)).update(view))
        here = self._cache.has(digest)
        if not (here and self._stays(digest, len(view))):
            self._send(digest, view, len(view))
            if not here:
                self._keep_copy(view)
        return digest

    @contextmanager
    def writer(self) -> Iterator[Sink]:
        """Store a stream: whole in the cache first, then in the bucket."""
        with self._cache.writer() as sink:
            yield sink
        with self._copy(sink.digest).open("rb") as file:
            self._send(sink.digest, memoryview(file.read()) if sink.size <= SMALL else file, sink.size)

    def get(self, digest: Digest) -> bytes:
        """The bytes, hashed on every read."""
        key = _key(digest)
        data = self._cache.get(digest)
        if data is not None:
            return data
        found = self._bucket.get(key)
        if found is None:
            raise self._missing(digest)
        data = found[0]
        if (is_ := digest_so_far(hasher(len(data)).update(data))) != digest:
            raise self._corrupt(digest, is_)
        self._keep_copy(data)
        return data

    def path(self, digest: Digest) -> Path:
        """A copy on this machine, fetched and verified when there is none."""
        key = _key(digest)
        for _ in range(ATTEMPTS):
            path = self._cache.path(digest)
            if path is not None:
                return path
            if self._bucket.read(key, lambda parts: self._fetched(digest, parts)) is None:
                raise self._missing(digest)
        raise CannotRead(path=str(self._cache.root), why="what was written there just now is damaged or gone")

    def has(self, digest: Digest) -> bool:
        """Whether the object is in the bucket. A yes is believed for a quarter of `kept`, for as long nobody may remove
        it; a no is asked again each time."""
        _key(digest)
        seen = self._seen.get(digest)
        return (seen is not None and time.monotonic() - seen < self.kept / 4) or self._stays(digest, None)

    def stored(self) -> Iterator[Stored]:
        """Every object, with its last use."""
        marks = {_digest(one.key, USED): one.modified for one in self._bucket.list(USED)}
        for one in self._bucket.list(OBJECTS):
            digest = _digest(one.key, OBJECTS)
            yield Stored(digest, one.size, max(one.modified, marks.get(digest, 0.0)))

    def remove(self, digests: Collection[Digest], *, unused_since: float) -> Collection[Digest]:
        """Remove what was last used before then. One at a time may: raises `Busy`."""
        wanted, removed = set(digests), list[Digest]()
        if not wanted:
            return removed
        with Sweep(self._bucket) as sweep:
            going = [one.digest for one in self.stored() if one.digest in wanted and one.used < unused_since]
            for batch in sweep.batches(going):
                self._bucket.delete(key for digest in batch for key in (_key(digest), _mark(digest)))
                removed += batch
        for digest in removed:
            self._seen.pop(digest, None)
        self._cache.drop(removed)
        return removed

    def tidy(self) -> None:
        """Let the cache remove what dead writers left."""
        self._cache.tidy()

    def _send(self, digest: Digest, body: IO[bytes] | memoryview, size: int) -> None:
        """Up with it, unless it is there: then it counts as used now, or is sent again. Small bytes are sent without a
        look, in a request that tells whether they were there; a file is looked for first."""
        if isinstance(body, memoryview) and size <= SMALL:
            while not self._bucket.create(_key(digest), body):
                if self._stays(digest, size):
                    return
        elif self._stays(digest, size):
            return
        else:
            self._bucket.upload(_key(digest), body, size)
        self._seen[digest] = time.monotonic()

    def _copy(self, digest: Digest) -> Path:
        """What was written to the cache just now."""
        path = self._cache.path(digest)
        if path is None:
            raise CannotRead(
                path=str(self._cache.root), why="what was written there just now is damaged or gone"
            )
        return path

    def _stays(self, digest: Digest, size: int | None) -> bool:
        """Whether an object is there and can be relied on; see `FolderStore`, whose times are this one's marks."""
        found = self._bucket.head(_key(digest))
        if found is None:
            return False
        if size is not None and found.size != size:
            self._move_aside(digest)
            return False
        if not self._young(found.modified):
            mark = self._bucket.head(_mark(digest))
            if not (mark and self._young(mark.modified)) and not self._marked(digest):
                return False
        self._seen[digest] = time.monotonic()
        return True

    def _young(self, used: float) -> bool:
        return time.time() - used < self.kept / 2

    def _marked(self, digest: Digest) -> bool:
        """Mark it as used now; a sweep that may have looked at it before is waited for, one that begins later sees the
        mark. Whether it is still there."""
        try:
            self._bucket.replace(_mark(digest), b"")
        except AccessRefused:  # one who may read alone: it is there, and cannot be made to last
            return True
        await_sweeps(self._bucket)
        return self._bucket.head(_key(digest)) is not None

    def _fetched(self, digest: Digest, parts: Iterator[memoryview]) -> bool:
        with self._cache.writer() as sink:
            for part in parts:
                sink.write(part)
            if (found := sink.so_far()) != digest:
                raise self._corrupt(digest, found)
        return True

    def _keep_copy(self, data: bytes | memoryview) -> None:
        """The bytes are here already: a cache that is full or broken is no reason to fail, only to fetch them again."""
        try:
            self._cache.add(data)
        except (NoSpace, CannotWrite):
            return

    def _missing(self, digest: Digest) -> ObjectMissing:
        self._seen.pop(digest, None)
        return ObjectMissing(digest=digest, folder=self._bucket.name)

    def _corrupt(self, digest: Digest, found: Digest) -> ObjectCorrupt:
        kept = self._move_aside(digest)
        path = f"{self._bucket.name}/{_key(digest)}"
        return ObjectCorrupt(digest=digest, path=path, found=found, kept=kept)

    def _move_aside(self, digest: Digest) -> str:
        """Take altered bytes out of the way, so that the object is made again."""
        self._seen.pop(digest, None)
        aside = f"{CORRUPT}{digest[7:]}-{time.time_ns():x}"
        if not self._bucket.copy(_key(digest), aside):
            return "it was removed meanwhile"
        self._bucket.delete([_key(digest)])
        return f"it was moved to {self._bucket.name}/{aside}"


def _key(digest: Digest) -> str:
    return OBJECTS + shard_of(digest)


def _mark(digest: Digest) -> str:
    return USED + shard_of(digest)


def _digest(key: str, prefix: str) -> Digest:
    return Digest("blake3:" + key.removeprefix(prefix).replace("/", ""))
