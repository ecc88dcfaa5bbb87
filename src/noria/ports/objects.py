"""Bytes under their digest."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from noria.records.base import Digest

KEPT = 86_400.0  # s; longer than anything takes from a put to the record that names it, but for a step's own time


class Writer(Protocol):
    """A file-like sink that hashes as it writes; `digest` and `size` are set once its block has ended well."""

    digest: Digest
    size: int

    def write(self, data: bytes | bytearray | memoryview, /) -> int: ...


class ObjectStore(Protocol):
    """Content-addressed, immutable objects. Safe for many threads and processes at once.

    A put is atomic and durable: when it returns, the object is whole and survives a power loss; before, nobody
    sees it. Putting what is there already is cheap and changes nothing. Errors: `Unavailable` and `BackendError`
    (a full disk names the path and what is missing) on writing, `NotFound` and `Corrupt` on reading.

    An object that was put, or that `has` said was there, stays for a quarter of `KEPT` at least, whoever sweeps
    meanwhile; longer, where a record names it or where the one who asked has announced itself as a driver. A reader
    without the right to write is told the truth and cannot make it last.
    """

    def put(self, data: bytes | memoryview) -> Digest:
        """Store some bytes."""
        ...

    def writer(self) -> AbstractContextManager[Writer]:
        """Store a stream; an exception inside the block stores nothing and leaves no file behind."""
        ...

    def get(self, digest: Digest) -> bytes:
        """The bytes, verified."""
        ...

    def path(self, digest: Digest) -> Path:
        """A local file to map, verified once a machine (by inode, time and size). Never written through. To be opened
        at once: a map stays, but a copy of what lies elsewhere may give way to others after some minutes."""
        ...

    def has(self, digest: Digest) -> bool:
        """Whether the object is there, unread."""
        ...


class Stored(NamedTuple):
    """What a store knows of an object without reading it."""

    digest: Digest
    size: int
    used: float
    """When it was put, or relied on: seconds since 1970 by the store's clock, up to half of `kept` behind."""


class Sweepable(Protocol):
    """A store whose objects can be listed, and removed when nobody needs them.

    Whoever puts an object that is there, or asks `has`, relies on it from then on. If its last use lies more than half
    of `kept` back, both mark it as used now, and then answer only when no removal is under way that had looked at it
    before. So one who removes what was last used before `now - kept`, and before `kept` ahead of the start of the
    oldest driver, takes from nobody what he was promised.
    """

    kept: float
    """Seconds."""

    def stored(self) -> Iterator[Stored]:
        """Every object; what is put meanwhile may be left out."""
        ...

    def remove(self, digests: Collection[Digest], *, unused_since: float) -> Collection[Digest]:
        """Remove those of them that nobody used since then, looked at once more; those that were removed. Killed in the
        middle, it has removed some and harmed none. Raises `Busy` where a second sweep could undo the promise of the
        first."""
        ...

    def tidy(self) -> None:
        """Remove what dead writers left on this machine."""
        ...
