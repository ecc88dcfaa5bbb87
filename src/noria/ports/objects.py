"""Bytes under their digest."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from noria.records.base import Digest


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
        """A local file to map, verified once a machine (by inode, time and size). Never written through."""
        ...

    def has(self, digest: Digest) -> bool:
        """Whether the object is there, unread."""
        ...
