"""Objects of a bucket on this machine: each is fetched once, mapped from here, and gives way to others when room is
needed."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from noria.adapters.folder import FolderStore
from noria.adapters.folder_sink import Sink
from noria.adapters.object_errors import ObjectCorrupt, ObjectMissing
from noria.errors import ConfigError
from noria.records.base import Digest

LIMIT = (
    20 << 30
)  # bytes, unless NORIA_CACHE says otherwise: several large data sets, and a part of today's disks
IN_USE = 600.0  # s for which a path that was handed out stays: to open it takes milliseconds, and a map then holds it
PRESSED = 0.1  # of that, when the disk is full: better than to fail
ROOM = 0.9  # of the limit that is left after giving way, so that not every object that comes makes others go
LOOK = (
    0.05  # of the limit that may come between two looks at the folder: a look takes 2 ms a thousand objects
)
VARIABLE = "NORIA_CACHE"
UNITS = {"": 1, "B": 1, "MB": 10**6, "GB": 10**9, "TB": 10**12, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}

T = TypeVar("T")


@dataclass(eq=False)
class BadCacheSize(ConfigError):
    code: ClassVar[str] = "CACHE-SIZE"
    what: ClassVar[str] = "{variable} is {given!r}, which is no size"
    next: ClassVar[str] = "write a count and a unit, as in {variable}=50GiB"
    given: str
    variable: str = VARIABLE


class Cache:
    """A `FolderStore` that forgets what was not used for longest, when it has grown past its limit or when the disk is
    full. What was used in the last minutes stays: so its size may pass the limit. Writing raises `NoSpace` when the
    disk is full of other things."""

    def __init__(self, root: Path, *, limit: int | None = None, in_use: float = IN_USE) -> None:
        self.root = root
        self._objects = FolderStore(
            root, durable=False, kept=in_use / 2, make_room=lambda: self._give_way(0, PRESSED * in_use)
        )
        self._limit = limit_from_environment() if limit is None else limit
        self._in_use = in_use
        self._unseen = self._limit  # so that the first object makes this process look

    def get(self, digest: Digest) -> bytes | None:
        """The bytes, verified; None where they are not, or no longer."""
        return self._sound(lambda: self._objects.get(digest) if self._objects.has(digest) else None)

    def path(self, digest: Digest) -> Path | None:
        """A file to map, verified once; None where it is not, or no longer."""
        return self._sound(lambda: self._objects.path(digest) if self._objects.has(digest) else None)

    def has(self, digest: Digest) -> bool:
        return self._objects.has(digest)

    def add(self, data: bytes | memoryview) -> None:
        """Keep some bytes."""
        self._objects.put(data)
        self._grown(memoryview(data).nbytes)

    @contextmanager
    def writer(self) -> Iterator[Sink]:
        """Keep a stream."""
        with self._objects.writer() as sink:
            yield sink
        self._grown(sink.size)

    def drop(self, digests: Collection[Digest]) -> None:
        """Forget objects, whoever uses them."""
        self._objects.remove(digests, unused_since=float("inf"))

    def tidy(self) -> None:
        """Remove what dead writers left."""
        self._objects.tidy()

    def _give_way(self, limit: int, in_use: float) -> bool:
        """Forget what was not used for longest, until the rest fits; whether anything went."""
        found = sorted(self._objects.stored(), key=lambda one: one.used)
        over = sum(one.size for one in found) - limit
        going = []
        for one in found:
            if over <= 0:
                break
            going.append(one.digest)
            over -= one.size
        return bool(self._objects.remove(going, unused_since=time.time() - in_use))

    def _grown(self, size: int) -> None:
        self._unseen += size
        if self._unseen >= LOOK * self._limit:
            self._unseen = 0
            if sum(one.size for one in self._objects.stored()) > self._limit:
                self._give_way(int(ROOM * self._limit), self._in_use)

    def _sound(self, read: Callable[[], T | None]) -> T | None:
        """A copy that is damaged was moved aside, and is fetched anew; one that gave way just now, too."""
        try:
            return read()
        except (ObjectMissing, ObjectCorrupt):
            return None


def limit_from_environment() -> int:
    """Bytes that `NORIA_CACHE` allows. Raises `BadCacheSize`."""
    given = os.environ.get(VARIABLE)
    if given is None:
        return LIMIT
    parts = re.fullmatch(r"(\d+) ?(\w*)", given.strip())
    if parts is None or parts[2] not in UNITS:
        raise BadCacheSize(given=given)
    return int(parts[1]) * UNITS[parts[2]]
