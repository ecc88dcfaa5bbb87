"""What every store that can be swept promises: `class TestMine(SweepableContract)` with a fixture `keeping`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pytest

from noria.ports.objects import KEPT, Stored, Writer
from noria.records.base import Digest, digest_bytes

PATIENCE = 30.0  # s until a clock of whole seconds must have moved, on a busy machine
FUTURE = 4e9  # s since 1970: in the year 2096
DAY = 86_400.0
TICK = 0.01  # s; two marks may lie closer together than a file system's clock tells


class Swept(Protocol):
    """An object store that is sweepable."""

    kept: float

    def put(self, data: bytes | memoryview) -> Digest: ...
    def writer(self) -> AbstractContextManager[Writer]: ...
    def get(self, digest: Digest) -> bytes: ...
    def path(self, digest: Digest) -> Path: ...
    def has(self, digest: Digest) -> bool: ...
    def stored(self) -> Iterator[Stored]: ...
    def remove(self, digests: list[Digest], *, unused_since: float) -> list[Digest]: ...


Keeping = Callable[[float], Swept]
"""Opens one store with the given `kept` each time it is called."""


class SweepableContract:
    """Subclass it and give the fixture `keeping`, which opens an empty store of its own for each test."""

    @pytest.fixture
    def keeping(self) -> Keeping:
        raise NotImplementedError("the subclass gives a fixture `keeping`")

    @pytest.fixture
    def store(self, keeping: Keeping) -> Swept:
        return keeping(KEPT)

    def test_lists_every_object_with_its_size_and_the_time_of_its_put(self, store: Swept) -> None:
        assert list(store.stored()) == []
        sizes = {store.put(bytes(size)): size for size in (0, 1, 1000)}
        found = list(store.stored())
        assert {one.digest: one.size for one in found} == sizes
        assert all(abs(one.used - time.time()) < DAY / 24 for one in found)

    def test_lists_more_than_a_page(self, store: Swept) -> None:
        digests = {store.put(b"%d" % number) for number in range(1100)}
        assert {one.digest for one in store.stored()} == digests
        assert set(store.remove(sorted(digests), unused_since=FUTURE)) == digests
        assert list(store.stored()) == []

    def test_removes_what_is_named_and_nothing_else(self, store: Swept) -> None:
        given, other = store.put(b"given up"), store.put(b"needed")
        assert list(store.remove([given], unused_since=FUTURE)) == [given]
        assert not store.has(given)
        assert store.get(other) == b"needed"
        assert [one.digest for one in store.stored()] == [other]

    def test_keeps_what_was_used_since(self, store: Swept) -> None:
        digest = store.put(b"young")
        assert list(store.remove([digest], unused_since=time.time() - DAY)) == []
        assert store.get(digest) == b"young"

    def test_removing_what_is_not_there_is_harmless(self, store: Swept) -> None:
        digest = store.put(b"once")
        absent = digest_bytes(b"never")
        assert list(store.remove([digest, absent], unused_since=FUTURE)) == [digest]
        assert list(store.remove([digest, absent], unused_since=FUTURE)) == []
        assert list(store.remove([], unused_since=FUTURE)) == []

    def test_what_was_removed_can_be_put_again(self, store: Swept) -> None:
        digest = store.put(b"back again")
        store.remove([digest], unused_since=FUTURE)
        assert store.put(b"back again") == digest
        assert store.get(digest) == store.path(digest).read_bytes() == b"back again"
        assert [one.digest for one in store.stored()] == [digest]

    @pytest.mark.parametrize("way", ["has", "put", "stream"])
    def test_relying_on_an_old_object_makes_it_young(self, keeping: Keeping, way: str) -> None:
        """`kept` of nothing makes every object an old one."""
        digest = keeping(KEPT).put(b"old")
        first = used(keeping(KEPT), digest)
        deadline = time.monotonic() + PATIENCE
        while used(keeping(KEPT), digest) <= first + TICK:  # the store's clock may count whole seconds
            assert time.monotonic() < deadline, f"`{way}` did not mark it as used"
            assert rely(keeping(0.0), way, b"old")
        assert list(keeping(KEPT).remove([digest], unused_since=first + TICK)) == []
        assert keeping(KEPT).get(digest) == b"old"

    def test_relying_on_a_young_object_costs_no_mark(self, store: Swept) -> None:
        digest = store.put(b"young")
        first = used(store, digest)
        assert store.has(digest) and store.put(b"young") == digest
        assert used(store, digest) == first


def used(store: Swept, digest: Digest) -> float:
    return next(one.used for one in store.stored() if one.digest == digest)


def rely(store: Swept, way: str, data: bytes) -> bool:
    """Have a store promise that an object stays."""
    if way == "has":
        return store.has(digest_bytes(data))
    if way == "put":
        return store.put(data) == digest_bytes(data)
    with store.writer() as sink:
        sink.write(data)
    return sink.digest == digest_bytes(data)
