"""A bucket's prefix, as a place for a batch's files: read by ranges, written whole."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from noria.adapters.bucket import Bucket, Held, open_bucket
from noria.adapters.outside_errors import FileGone
from noria.ports.places import Lying
from noria.records.patterns import WILD, matcher

AHEAD = 1 << 20  # bytes that a small read fetches: a bucket takes 30 ms for a question, whatever its size


class BucketPlace:
    """See `noria.ports.places.Place`."""

    def __init__(self, url: str) -> None:
        self._bucket = open_bucket(url)

    @property
    def url(self) -> str:
        return self._bucket.name

    def files(self, below: str) -> Sequence[Lying]:
        if not WILD.search(below):
            one = self._bucket.head(below)
            return [] if one is None else [_lying(one)]
        fits = matcher(below).fullmatch
        found = [_lying(held) for held in self._bucket.list("") if fits(held.key)]
        return sorted(found, key=lambda lying: lying.name)

    def names(self) -> Sequence[str]:
        return sorted(held.key for held in self._bucket.list(""))

    @contextmanager
    def open(self, name: str, size: int, tag: str) -> Iterator[IO[bytes]]:
        ranges = _Ranges(self._bucket, Held(name, size, 0.0, tag or None))
        with io.BufferedReader(ranges, AHEAD) as file:
            yield cast("IO[bytes]", file)

    def read(self, name: str) -> bytes | None:
        found = self._bucket.get(name)
        return None if found is None else found[0]

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="noria-part-") as folder:
            path = Path(folder, "part")
            yield path
            with path.open("rb") as file:
                self._bucket.upload(name, file, path.stat().st_size)

    def drop(self, names: Iterable[str]) -> None:
        self._bucket.delete(names)

    def sweep(self) -> None:
        """Nothing: an upload that ended with its writer is no object, and the service's to forget."""


def _lying(held: Held) -> Lying:
    return Lying(held.key, held.size, held.tag or "")


class _Ranges(io.RawIOBase):
    """An object's bytes at random."""

    def __init__(self, bucket: Bucket, held: Held) -> None:
        self._bucket = bucket
        self._held = held
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._held.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        length = min(len(buffer), self._held.size - self._at)
        if length <= 0:
            return 0
        data = self._bucket.stretch(self._held, self._at, length)
        if data is None:
            raise FileGone(path=f"{self._bucket.name}/{self._held.key}")
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
