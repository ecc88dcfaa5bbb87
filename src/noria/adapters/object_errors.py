"""What can be wrong with an object, wherever it lies."""

from __future__ import annotations

import re
from dataclasses import dataclass

from noria.errors import BackendError, Corrupt, NotFound, UsageError

_DIGEST = re.compile(r"blake3:[0-9a-f]{64}")


def shard_of(digest: str) -> str:
    """An object's place below a store's objects: `ab/cdef...`. Raises `NotADigest`."""
    if not _DIGEST.fullmatch(digest):
        raise NotADigest(given=digest)
    return f"{digest[7:9]}/{digest[9:]}"


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
