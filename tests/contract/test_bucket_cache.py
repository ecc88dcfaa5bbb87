"""The cache of a bucket's objects: bounded, sound, and never in the way of who uses what it holds."""

from __future__ import annotations

import mmap
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from noria.adapters.bucket_cache import BadCacheSize, Cache
from noria.adapters.object_errors import NoSpace
from noria.adapters.objects import open_objects
from noria.errors import render
from noria.records.base import Digest, digest_bytes

KB = 1000


def kept(cache: Cache) -> set[str]:
    return {path.parent.name + path.name for path in (cache.root / "objects").rglob("*") if path.is_file()}


def age(cache: Cache, digest: Digest, seconds: float) -> None:
    path = cache.path(digest)
    assert path
    os.utime(path, (time.time() - seconds,) * 2)


def filled(cache: Cache, count: int, *, old: float = 100_000, size: int = 10 * KB) -> list[Digest]:
    """Objects of one size, the first the oldest; each was last used long ago."""
    digests = []
    for number in range(count):
        data = bytes([number]) * size
        cache.add(data)
        digests.append(digest_bytes(data))
        age(cache, digests[-1], old - number)
    return digests


def names(digests: list[Digest]) -> set[str]:
    return {digest.removeprefix("blake3:") for digest in digests}


def test_what_was_not_used_for_longest_gives_way(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit=100 * KB)
    digests = filled(cache, 10)
    assert cache.get(digests[0]) == b"\0" * 10 * KB  # used just now, so no longer the oldest
    cache.add(b"new" * 10 * KB)
    left = kept(cache)
    assert digests[0].removeprefix("blake3:") in left
    assert digest_bytes(b"new" * 10 * KB).removeprefix("blake3:") in left
    assert not left & names(digests[1:4])
    assert sum(path.stat().st_size for path in (tmp_path / "objects").rglob("*") if path.is_file()) <= 90 * KB


def test_what_is_in_use_stays_even_beyond_the_limit(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit=50 * KB)
    digests = filled(cache, 10, old=5)
    assert names(digests) <= kept(cache)


def test_a_map_outlives_its_file(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit=50 * KB)
    (digest,) = filled(cache, 1)
    path = cache.path(digest)
    assert path
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    age(cache, digest, 100_000)
    cache.add(b"x" * 60 * KB)
    assert cache.path(digest) is None
    assert mapped[:] == b"\0" * 10 * KB


def test_a_damaged_copy_is_as_good_as_none(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    (digest,) = filled(cache, 1)
    path = cache.path(digest)
    assert path
    path.chmod(0o644)
    path.write_bytes(b"\1" * 10 * KB)
    assert cache.get(digest) is None
    assert cache.path(digest) is None
    cache.add(b"\0" * 10 * KB)
    assert cache.get(digest) == b"\0" * 10 * KB


@pytest.mark.parametrize("given", ["", "much", "10 apples", "-1", "1.5GB"])
def test_a_limit_that_is_no_size_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str) -> None:
    monkeypatch.setenv("NORIA_CACHE", given)
    with pytest.raises(BadCacheSize) as caught:
        Cache(tmp_path)
    assert "NORIA_CACHE" in render(caught.value)


@pytest.mark.parametrize(("given", "limit"), [("100 kB", None), ("30000", 30_000), ("0", 0), ("1MB", 10**6)])
def test_the_limit_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str, limit: int | None
) -> None:
    monkeypatch.setenv("NORIA_CACHE", given)
    if limit is None:
        with pytest.raises(BadCacheSize):
            Cache(tmp_path)
        return
    cache = Cache(tmp_path)
    filled(cache, 20)
    cache.add(b"last" * KB)
    assert len(kept(cache)) * 10 * KB <= limit + 20 * KB


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "tiny"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"needs the right to mount a small disk (run as root): {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def test_on_a_full_disk_the_oldest_give_way_and_the_stream_goes_on(tiny_disk: Path) -> None:
    cache = Cache(tiny_disk / "cache")
    old = filled(cache, 35, size=100 * KB)
    with cache.writer() as sink:
        for _ in range(30):
            sink.write(b"y" * 100 * KB)
    assert cache.get(sink.digest) == b"y" * 3000 * KB
    assert not names(old) <= kept(cache)


def test_a_disk_full_of_other_things_is_told(tiny_disk: Path) -> None:
    (tiny_disk / "other").write_bytes(b"z" * 3900 * KB)
    cache = Cache(tiny_disk / "cache")
    with pytest.raises(NoSpace) as caught, cache.writer() as sink:
        sink.write(b"y" * 800 * KB)
    assert str(tiny_disk) in render(caught.value)
    assert not list((tiny_disk / "cache" / "tmp").iterdir())


def test_a_folder_elsewhere_is_a_store_too(tmp_path: Path) -> None:
    store, slots = open_objects(f"file://{tmp_path}/else%20where", tmp_path / "state")
    digest = store.put(b"there")
    slots.put("a", b"1")
    assert (tmp_path / "else where" / "objects").is_dir()
    assert store.path(digest).is_relative_to(tmp_path / "else where")
    assert not (tmp_path / "state").exists()
