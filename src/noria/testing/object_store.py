"""What every object store promises, as tests: `class TestMine(ObjectStoreContract)` with a fixture `opener`."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from noria.errors import NotFound
from noria.ports.objects import ObjectStore
from noria.records.base import Digest, digest_bytes

Opener = Callable[[], ObjectStore]
"""Opens the same store each time it is called, in any process: a function of a module, or a partial of one."""

ABSENT = Digest("blake3:" + "0" * 64)
LARGE = 3 * 2**20 + 7  # bytes: several chunks of any sensible size, and no round number of them


class ObjectStoreContract:
    """Subclass it and give the fixture `opener`, which opens an empty store of its own for each test."""

    @pytest.fixture
    def opener(self) -> Opener:
        raise NotImplementedError("the subclass gives a fixture `opener`")

    @pytest.fixture
    def store(self, opener: Opener) -> ObjectStore:
        return opener()

    @pytest.mark.parametrize("data", [b"", b"x", b"\0" * 100, bytes(range(256)) * (LARGE // 256)])
    def test_gives_back_what_was_put_under_its_digest(self, store: ObjectStore, data: bytes) -> None:
        digest = store.put(data)
        assert digest == digest_bytes(data)
        assert store.has(digest)
        assert store.get(digest) == data
        assert store.path(digest).read_bytes() == data

    def test_takes_a_view_of_other_items_than_bytes(self, store: ObjectStore) -> None:
        numbers = memoryview(bytes(range(16))).cast("I")
        assert store.get(store.put(numbers)) == bytes(range(16))

    def test_a_stream_is_the_same_object_as_its_bytes(self, store: ObjectStore) -> None:
        parts: list[bytes | bytearray | memoryview] = [
            _noise(LARGE),
            b"",
            bytearray(b"in"),
            memoryview(b"three kinds"),
        ]
        with store.writer() as sink:
            written = [sink.write(part) for part in parts]
        whole = b"".join(map(bytes, parts))
        assert written == [len(part) for part in parts]
        assert (sink.digest, sink.size) == (digest_bytes(whole), len(whole))
        assert store.get(sink.digest) == whole

    def test_a_stream_is_not_there_before_its_end(self, store: ObjectStore) -> None:
        with store.writer() as sink:
            sink.write(b"half and half")
            assert not store.has(digest_bytes(b"half and half"))
        assert store.has(digest_bytes(b"half and half"))

    def test_a_stream_that_fails_stores_nothing(self, store: ObjectStore) -> None:
        with pytest.raises(ZeroDivisionError), store.writer() as sink:
            sink.write(b"never")
            raise ZeroDivisionError
        assert not store.has(digest_bytes(b"never"))

    def test_putting_twice_changes_nothing(self, store: ObjectStore) -> None:
        assert store.put(b"again") == store.put(b"again")
        with store.writer() as sink:
            sink.write(b"again")
        assert store.get(sink.digest) == b"again"

    def test_says_what_is_not_there(self, store: ObjectStore) -> None:
        assert not store.has(ABSENT)
        with pytest.raises(NotFound):
            store.get(ABSENT)
        with pytest.raises(NotFound):
            store.path(ABSENT)

    def test_another_opening_sees_it(self, opener: Opener) -> None:
        digest = opener().put(b"kept")
        assert opener().get(digest) == b"kept"
        assert opener().path(digest).read_bytes() == b"kept"

    def test_many_threads_may_put_and_get_at_once(self, store: ObjectStore) -> None:
        contents = [_noise(1000 + number % 10) for number in range(100)]
        with ThreadPoolExecutor(8) as pool:
            digests = list(pool.map(store.put, contents))
            assert list(pool.map(store.get, digests)) == contents

    def test_many_processes_may_put_the_same_at_once(self, opener: Opener) -> None:
        with multiprocessing.get_context("spawn").Pool(3) as pool:
            digests = pool.starmap(_put_all, [(opener, 20)] * 3)
        store = opener()
        assert digests[0] == digests[1] == digests[2]
        assert [store.get(digest) for digest in digests[0]] == [_noise(5000 + number) for number in range(20)]


def _put_all(opener: Opener, count: int) -> list[Digest]:
    store = opener()
    return [store.put(_noise(5000 + number)) for number in range(count)]


def _noise(size: int) -> bytes:
    """Bytes without a pattern, the same for a size in every process."""
    return hashlib.shake_128(str(size).encode()).digest(size)
