"""Files outside of a project, on this machine and in buckets: found out by digest, kept in the object store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

from noria.adapters.folder_sink import digest_so_far, hasher
from noria.adapters.outside_errors import FileChanged, told
from noria.adapters.outside_memory import Memory, Seen, is_settled, stamp_of
from noria.adapters.patience import Tell, silent
from noria.ports.outside import Lay
from noria.records.base import Digest
from noria.records.patterns import Pattern
from noria.records.profiles import ManifestFile

if TYPE_CHECKING:
    from noria.adapters.bucket_cache import Cache
    from noria.ports.objects import ObjectStore

AT_ONCE = 8  # files: a bucket takes 30 ms for each, a disk's flush 1 ms, and both take many at once
CHUNK = 1 << 22  # bytes read at once

T = TypeVar("T")


class FilesOutside:
    """See `noria.ports.outside.Outside`; `state` holds what was seen before, and copies of what is not kept;
    `tell` hears what is waited for."""

    def __init__(self, store: ObjectStore, state: Path, *, tell: Tell = silent) -> None:
        self._store = store
        self._tell = tell
        self._state = state
        self._lying: dict[Path, str] = {}
        """Stamps of the files that the step reads where they lie."""

    def local(
        self, pattern: Pattern, root: Path, names: Sequence[str], *, keep: bool, lay: Lay
    ) -> Sequence[ManifestFile]:
        memory = Memory(self._state, pattern.text)
        take = self._kept if keep else self._lying_there
        found = at_once(partial(take, root, memory, lay), names)
        memory.keep((file.path, seen) for file, seen in found if seen)
        return [file for file, _ in found]

    def remote(self, pattern: Pattern, *, keep: bool, lay: Lay) -> tuple[str, Sequence[ManifestFile]]:
        from noria.adapters.outside_bucket import read_bucket

        keeper = self._store if keep else self._cache
        return read_bucket(pattern, self._state, keeper, lay, tell=self._tell)

    def settle(self) -> None:
        for path, stamp in self._lying.items():
            with told(str(path)):
                if stamp_of(path.stat()) != stamp:
                    raise FileChanged(path=str(path))

    @cached_property
    def _cache(self) -> Cache:
        from noria.adapters.bucket_cache import Cache
        from noria.adapters.objects import CACHE

        return Cache(self._state / CACHE)

    def _kept(self, root: Path, memory: Memory, lay: Lay, name: str) -> tuple[ManifestFile, Seen | None]:
        path = root / name
        with told(str(path)):
            stat = path.stat()
            seen = memory.of(name, stamp_of(stat))
            if seen is None or not self._store.has(seen.digest):
                digest, stat = _read(path, self._copied)
                seen = Seen(stamp_of(stat), digest)
        lay(name, self._store.path(seen.digest))
        return ManifestFile(path=name, digest=seen.digest, size=stat.st_size), seen if is_settled(
            stat
        ) else None

    def _lying_there(
        self, root: Path, memory: Memory, lay: Lay, name: str
    ) -> tuple[ManifestFile, Seen | None]:
        path = root / name
        with told(str(path)):
            stat = path.stat()
            seen = memory.of(name, stamp_of(stat))
            if seen is None:
                digest, stat = _read(path, _hashed)
                seen = Seen(stamp_of(stat), digest)
        self._lying[path] = seen.stamp
        return ManifestFile(path=name, digest=seen.digest, size=stat.st_size), seen if is_settled(
            stat
        ) else None

    def _copied(self, file: IO[bytes]) -> Digest:
        with self._store.writer() as sink:
            while chunk := file.read(CHUNK):
                sink.write(chunk)
        return sink.digest


def at_once(call: Callable[[str], T], names: Iterable[str]) -> list[T]:
    """The results of some calls, several under way at a time; after the first fault none begins."""
    from concurrent.futures import ThreadPoolExecutor  # 5 ms, for steps that read files alone

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(call, names))


def _read(path: Path, take: Callable[[IO[bytes]], Digest]) -> tuple[Digest, os.stat_result]:
    """The digest of a file that stayed as it was until it was read to its end."""
    with path.open("rb") as file:
        before = os.fstat(file.fileno())
        digest = take(file)
        after = os.fstat(file.fileno())
    if stamp_of(before) != stamp_of(after):
        raise FileChanged(path=str(path))
    return digest, after


def _hashed(file: IO[bytes]) -> Digest:
    found = hasher(os.fstat(file.fileno()).st_size)
    while chunk := file.read(CHUNK):
        found.update(chunk)
    return digest_so_far(found)
