"""The folder store removes what nobody uses, and nothing that somebody has just come to rely on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from noria.adapters.folder import FolderStore
from noria.records.base import Digest
from noria.testing.sweepable import FUTURE, Keeping, SweepableContract, rely, used

WAITING = 60.0  # s


class TestFolderStore(SweepableContract):
    @pytest.fixture
    def keeping(self, tmp_path: Path) -> Keeping:
        def keeping(kept: float) -> FolderStore:
            return FolderStore(tmp_path / "store", kept=kept, durable=False)

        return keeping


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def age(store: FolderStore, digest: Digest, seconds: float) -> float:
    """Make an object old; the time that it now bears."""
    then = time.time() - seconds
    os.utime(store.path(digest), (then, then))
    return then


@pytest.mark.parametrize("way", ["has", "put", "stream"])
def test_who_relies_on_an_object_that_is_being_removed_waits_and_is_told_the_truth(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """The removal has looked at the old object and is about to unlink it when somebody comes to rely on it."""
    digest = store.put(b"contested")
    old = age(store, digest, 100_000)
    said: list[bool] = []
    other = threading.Thread(target=lambda: said.append(rely(FolderStore(store.root), way, b"contested")))
    unlink = os.unlink

    def slow(path: str) -> None:
        if "objects" in path and not other.ident:
            other.start()
            deadline = time.monotonic() + WAITING
            while Path(path).stat().st_mtime == pytest.approx(old):  # until it has marked the object as used
                assert time.monotonic() < deadline
                time.sleep(0.001)
        unlink(path)

    monkeypatch.setattr(os, "unlink", slow)
    assert store.remove([digest], unused_since=time.time() - 50_000) == [digest]
    other.join(WAITING)
    assert said == [way != "has"], "`has` says no; a put makes it again"
    assert store.has(digest) is (way != "has")


def test_a_mark_before_the_removal_looks_saves_the_object(store: FolderStore) -> None:
    digest = store.put(b"saved")
    age(store, digest, 100_000)
    since = time.time() - 50_000
    assert store.has(digest)
    assert store.remove([digest], unused_since=since) == []


def test_a_mark_costs_no_second_verification(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = store.put(b"verified")
    age(store, digest, 100_000)
    store.path(digest)
    assert FolderStore(store.root).has(digest)
    monkeypatch.setattr(FolderStore, "verify", lambda *_: pytest.fail("it was read in full again"))
    assert FolderStore(store.root).path(digest).read_bytes() == b"verified"


def test_what_somebody_maps_stays_readable_after_its_removal(store: FolderStore) -> None:
    import mmap

    digest = store.put(b"mapped" * 1000)
    with store.path(digest).open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    store.remove([digest], unused_since=FUTURE)
    assert mapped[:6] == b"mapped"


REMOVE = """
import sys
from pathlib import Path
from noria.adapters.folder import FolderStore
store = FolderStore(Path(sys.argv[1]))
digests = list(store.digests())
print("removing", flush=True)
store.remove(digests[::2], unused_since=4e9)
"""


def test_a_killed_removal_has_removed_some_and_harmed_none(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store", durable=False)
    digests = sorted(store.put(b"%d" % number) for number in range(3000))
    child = subprocess.Popen([sys.executable, "-c", REMOVE, store.root], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "removing\n"
    deadline = time.monotonic() + WAITING
    while Path(store.root / "objects" / digests[0][7:9] / digests[0][9:]).exists():
        assert time.monotonic() < deadline
    child.send_signal(signal.SIGKILL)
    child.wait()
    left = set(store.digests())
    assert left >= set(digests[1::2])
    assert all(store.get(digest) for digest in left)
    assert store.remove(digests[::2], unused_since=FUTURE) == [one for one in digests[::2] if one in left]
    assert set(store.digests()) == set(digests[1::2])


def test_tidying_removes_what_a_dead_writer_left(store: FolderStore) -> None:
    store.put(b"first")
    left = store.root / "tmp" / "host-1-1"
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    store.tidy()
    assert not left.exists()


def test_ages_are_read_without_the_right_to_write(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    digest = store.put(b"x")
    then = age(store, digest, 10)
    assert used(partial(FolderStore, tmp_path / "store")(), digest) == pytest.approx(then)
