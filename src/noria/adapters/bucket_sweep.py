"""Who removes objects from a bucket: one at a time, for a time, and seen by all who come to rely on an old object.

A bucket has no locks that end with their holder. So the right to remove is an object that says until when it holds; it
is taken by a conditional put, and renewed long before it ends. Clocks may differ by `SKEW`.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from noria.ports.leases import Busy
from noria.records.base import Digest

if TYPE_CHECKING:
    from noria.adapters.bucket import Bucket

KEY = "sweep"
LEASE = 150.0  # s
ENOUGH = (
    0.6  # of it that must be left before a batch is asked for: its request is given up before that has passed
)
SKEW = 30.0  # s by which the clocks of two machines may differ
ASK = 0.5  # s between two looks, for one who waits
BATCH = 500  # objects, with their marks: what one request may delete


class Sweep:
    """The right to remove, from the block's beginning to its end. Raises `Busy` when another has it."""

    def __init__(self, bucket: Bucket, *, lease: float = LEASE) -> None:
        self._bucket = bucket
        self._lease = lease
        self._id = secrets.token_hex(8)
        self._until = 0.0
        self._tag: str | None = None

    def __enter__(self) -> Sweep:
        body = self._body()
        if not self._bucket.create(KEY, body):
            self._take_over(body)
        self._confirm()
        return self

    def __exit__(self, *_: object) -> None:
        if self._mine() is not None:
            self._bucket.delete([KEY])

    def batches(self, digests: Sequence[Digest]) -> Iterator[Sequence[Digest]]:
        """What may be removed by one request, while the right holds for long enough."""
        for start in range(0, len(digests), BATCH):
            if self._until - time.time() < ENOUGH * self._lease:
                self._bucket.replace(KEY, self._body(), tag=self._tag)
                self._confirm()
            yield digests[start : start + BATCH]

    def _take_over(self, body: bytes) -> None:
        """From one who died, by replacing just what he left."""
        found = self._bucket.get(KEY)
        if found and _over(found[0]):
            self._bucket.replace(KEY, body, tag=found[1])

    def _confirm(self) -> None:
        tag = self._mine()
        if tag is None:
            raise Busy(what_for=self._bucket.name, holder="another noria gc")
        self._tag = tag

    def _mine(self) -> str | None:
        """The tag of what is there, when it is ours."""
        found = self._bucket.get(KEY)
        return found[1] if found and json.loads(found[0])["id"] == self._id else None

    def _body(self) -> bytes:
        self._until = time.time() + self._lease
        return json.dumps({"id": self._id, "until": self._until}).encode()


def await_sweeps(bucket: Bucket) -> None:
    """Wait until nobody removes objects by what he saw before now: until the sweep that is under way ends, or its right
    does."""
    found = bucket.get(KEY)
    first = json.loads(found[0])["id"] if found else None
    while found and json.loads(found[0])["id"] == first and not _over(found[0]):
        time.sleep(ASK)
        found = bucket.get(KEY)


def _over(body: bytes) -> bool:
    until: float = json.loads(body)["until"]
    return time.time() > until + SKEW
