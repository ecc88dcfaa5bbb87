"""Files in a bucket: fetched once for each content, whatever the number of runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from noria.adapters.bucket import Bucket, Held, open_bucket
from noria.adapters.outside import at_once
from noria.adapters.outside_errors import FileGone
from noria.adapters.outside_memory import Memory, Seen
from noria.adapters.patience import Tell, silent
from noria.ports.outside import Lay
from noria.records.base import Digest
from noria.records.patterns import EVERYTHING, Pattern, matcher
from noria.records.profiles import ManifestFile

if TYPE_CHECKING:
    from noria.ports.objects import Writer


class Keeper(Protocol):
    """Where the bytes go: the object store, or a cache that forgets."""

    def writer(self) -> AbstractContextManager[Writer]: ...

    def path(self, digest: Digest) -> Path | None: ...

    def has(self, digest: Digest) -> bool: ...


def read_bucket(
    pattern: Pattern, state: Path, keeper: Keeper, lay: Lay, *, tell: Tell = silent
) -> tuple[str, Sequence[ManifestFile]]:
    """See `Outside.remote`; `tell` hears what is waited for."""
    bucket, found = _found(pattern, tell)
    memory = Memory(state, pattern.text)
    by_name = {held.key: held for held in found}
    read = at_once(lambda name: _taken(bucket, memory, keeper, lay, by_name[name]), sorted(by_name))
    memory.keep((file.path, seen) for file, seen in read)
    return bucket.name, [file for file, _ in read]


def _found(pattern: Pattern, tell: Tell) -> tuple[Bucket, Sequence[Held]]:
    """What the name stands for: the object itself, else what is beneath it."""
    bucket = open_bucket(pattern.root, tell=tell, unmet=True)
    if pattern.wild:
        return bucket, _matching(bucket, pattern.below)
    if pattern.below:
        one = bucket.head(pattern.below)
        if one is not None:
            return bucket, [one]
        bucket = open_bucket(pattern.whole, tell=tell)
    return bucket, _matching(bucket, EVERYTHING)


def _matching(bucket: Bucket, below: str) -> Sequence[Held]:
    fits = matcher(below).fullmatch
    return [held for held in bucket.list("") if fits(held.key)]


def _taken(bucket: Bucket, memory: Memory, keeper: Keeper, lay: Lay, held: Held) -> tuple[ManifestFile, Seen]:
    stamp = f"{held.tag} {held.modified!r} {held.size:x}"
    seen = memory.of(held.key, stamp)
    path = keeper.path(seen.digest) if seen and keeper.has(seen.digest) else None
    if seen is None or path is None:
        seen = _fetched(bucket, keeper, held, stamp)
        path = keeper.path(seen.digest)
    if path is None:  # a cache under such pressure that it forgot what came just now
        raise FileGone(path=f"{bucket.name}/{held.key}")
    lay(held.key, path)
    return ManifestFile(
        path=held.key, digest=seen.digest, size=held.size, tag=held.tag or "", version=seen.version
    ), seen


def _fetched(bucket: Bucket, keeper: Keeper, held: Held, stamp: str) -> Seen:
    """The very content that was listed; one that came or went since is found out."""
    digests: list[Digest] = []
    version = bucket.read_listed(held, partial(_store, keeper, digests))
    if version is None:
        raise FileGone(path=f"{bucket.name}/{held.key}")
    return Seen(stamp, digests[-1], version)


def _store(keeper: Keeper, digests: list[Digest], parts: Iterator[memoryview]) -> None:
    with keeper.writer() as sink:
        for part in parts:
            sink.write(part)
    digests.append(sink.digest)
