"""A store that takes digests and keeps nothing: for asking what something would be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import blake3

from noria.ports.objects import ObjectStore
from noria.records.base import Digest, digest_bytes


class Unstored:
    """An `ObjectStore` in front of another: what that one holds can be read, what is put is only digested."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def put(self, data: bytes | memoryview) -> Digest:
        return digest_bytes(data)

    @contextmanager
    def writer(self) -> Iterator[Hashing]:
        hashing = Hashing()
        yield hashing
        hashing.digest = Digest("blake3:" + hashing.hasher.hexdigest())

    def get(self, digest: Digest) -> bytes:
        return self._store.get(digest)

    def path(self, digest: Digest) -> Path:
        return self._store.path(digest)

    def has(self, digest: Digest) -> bool:
        return self._store.has(digest)


class Hashing:
    """A sink that hashes as it is written to."""

    digest: Digest
    size: int = 0

    def __init__(self) -> None:
        self.hasher = blake3.blake3()

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        view = memoryview(data).cast("B")
        self.hasher.update(view)
        self.size += len(view)
        return len(view)
