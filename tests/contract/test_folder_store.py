"""The folder store keeps the port's promises, and those of a disk: crashes, full disks, damage, other processes."""

from __future__ import annotations

import os
import pickle
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from noria.adapters.folder import FolderStore
from noria.adapters.object_errors import (
    CannotRead,
    CannotWrite,
    NoSpace,
    NotADigest,
    ObjectCorrupt,
    ObjectMissing,
)
from noria.errors import render
from noria.records.base import Digest, digest_bytes
from noria.testing.object_store import ObjectStoreContract, Opener


class TestFolderStore(ObjectStoreContract):
    @pytest.fixture
    def opener(self, tmp_path: Path) -> Opener:
        return partial(FolderStore, tmp_path / "store")


class TestFolderStoreWithoutFlushes(ObjectStoreContract):
    @pytest.fixture
    def opener(self, tmp_path: Path) -> Opener:
        return partial(FolderStore, tmp_path / "store", durable=False)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def files(store: FolderStore, folder: str = ".") -> list[Path]:
    return [path for path in (store.root / folder).rglob("*") if path.is_file()]


def flip(path: Path, *, keep_time: bool = False) -> None:
    """Damage one byte, as a failing disk would (times kept) or a careless hand (times changed)."""
    before = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        first = file.read(1)
        file.seek(0)
        file.write(bytes([first[0] ^ 1]))
    path.chmod(0o444)
    if keep_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    else:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


def test_objects_lie_under_their_digest_and_cannot_be_written(store: FolderStore) -> None:
    digest = store.put(b"here")
    path = store.root / "objects" / digest[7:9] / digest[9:]
    assert store.path(digest) == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert list(store.digests()) == [digest]


def test_opening_and_asking_touches_no_disk(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    assert not store.has(digest_bytes(b"x"))
    assert list(store.digests()) == []
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    "given", ["", "blake3:", "blake3:../../etc/passwd", "sha256:" + "0" * 64, "blake3:" + "G" * 64]
)
def test_what_is_no_digest_is_refused(store: FolderStore, given: str) -> None:
    with pytest.raises(NotADigest):
        store.get(Digest(given))


def test_a_missing_object_says_what_to_do(store: FolderStore) -> None:
    with pytest.raises(ObjectMissing) as caught:
        store.get(digest_bytes(b"gone"))
    assert "run the pipeline again" in render(caught.value)


@pytest.mark.parametrize("read", ["get", "path", "verify"])
def test_a_damaged_object_is_found_moved_aside_and_can_be_made_again(store: FolderStore, read: str) -> None:
    digest = store.put(b"precious")
    path = store.path(digest)
    flip(path)
    with pytest.raises(ObjectCorrupt) as caught:
        getattr(store, read)(digest)
    message = render(caught.value)
    assert digest in message and str(path) in message and "corrupt/" in message
    assert not store.has(digest)
    assert [file.read_bytes() for file in files(store, "corrupt")] == [b"qrecious"]
    assert store.put(b"precious") == digest
    assert store.get(digest) == store.path(digest).read_bytes() == b"precious"


def test_damage_that_keeps_the_time_is_found_by_every_full_read(store: FolderStore) -> None:
    """The stamp's known limit: a mapped read trusts inode, time and size; `get` and `verify` trust nothing."""
    digest = store.put(b"silent")
    flip(store.path(digest), keep_time=True)
    assert store.path(digest).read_bytes() != b"silent"
    with pytest.raises(ObjectCorrupt):
        store.verify(digest)


def test_another_process_does_not_believe_the_stamp_of_a_changed_file(store: FolderStore) -> None:
    digest = store.put(b"x" * 1000)
    FolderStore(store.root).path(digest)
    flip(store.path(digest))
    with pytest.raises(ObjectCorrupt):
        FolderStore(store.root).path(digest)


@pytest.mark.parametrize("damage", [b"", b"nonsense\n" * 50, b"\xff" * 10])
def test_damaged_stamps_cost_a_verification_and_nothing_else(store: FolderStore, damage: bytes) -> None:
    digest = store.put(b"stamped")
    for stamps in files(store, "verified"):
        stamps.write_bytes(damage)
    assert FolderStore(store.root).path(digest).read_bytes() == b"stamped"
    flip(store.path(digest))
    with pytest.raises(ObjectCorrupt):
        FolderStore(store.root).path(digest)


def test_a_file_is_read_in_full_once_a_machine(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = store.put(b"once")
    for stamps in files(store, "verified"):
        stamps.unlink()
    full_reads: list[Digest] = []
    verify = FolderStore.verify
    monkeypatch.setattr(
        FolderStore, "verify", lambda self, digest: (full_reads.append(digest), verify(self, digest))
    )
    for _ in range(3):
        FolderStore(store.root).path(digest)
    assert full_reads == [digest]


def test_a_truncated_object_is_replaced_when_it_is_put_again(store: FolderStore) -> None:
    digest = store.put(b"whole and sound")
    path = store.path(digest)
    path.chmod(0o644)
    path.write_bytes(b"whole")
    store.put(b"whole and sound")
    assert store.get(digest) == b"whole and sound"
    with store.writer() as sink:
        sink.write(b"whole and sound")
    assert store.get(digest) == b"whole and sound"


WRITE_FOR_EVER = """
import sys
from pathlib import Path
from noria.adapters.folder import FolderStore
with FolderStore(Path(sys.argv[1])).writer() as sink:
    sink.write(b"begun" * 1000)
    print("writing", flush=True)
    while True:
        sink.write(b"more" * 1000)
"""


def test_a_killed_writer_leaves_nothing_to_see_and_its_file_is_removed_later(store: FolderStore) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", WRITE_FOR_EVER, str(store.root)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "writing\n"
    old = time.time() - 3600
    (left,) = files(store, "tmp")
    os.utime(left, (old, old))
    FolderStore(store.root).put(b"beside a live writer")
    os.utime(left, (old, old))
    assert left.exists()  # old, and locked by its writer
    child.send_signal(signal.SIGKILL)
    child.wait()
    os.utime(left, (old, old))
    assert len(list(store.digests())) == 1
    FolderStore(store.root).put(b"after its death")
    assert not left.exists()


def test_files_that_were_just_begun_are_left_alone(store: FolderStore) -> None:
    store.put(b"first")
    young = store.root / "tmp" / "somebody-1-1"
    young.write_bytes(b"made, not yet locked")
    FolderStore(store.root).put(b"second")
    assert young.exists()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "tiny"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"needs the right to mount a small disk (run as root): {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_full_disk_names_the_path_and_what_is_missing_and_leaves_nothing(
    tiny_disk: Path, streamed: bool
) -> None:
    store = FolderStore(tiny_disk / "store")
    kept = store.put(b"small enough")
    with pytest.raises(NoSpace) as caught:
        if streamed:
            with store.writer() as sink:
                while True:
                    sink.write(b"x" * 100_000)
        store.put(b"x" * 2_000_000)
    error = caught.value
    assert str(tiny_disk) in render(error)
    assert error.needed >= 1_000_000 > error.free or not streamed
    assert error.needed > error.free
    assert files(store, "tmp") == []
    assert list(store.digests()) == [kept]
    assert store.put(b"room again") and store.get(kept) == b"small enough"


def test_a_limit_on_the_size_of_files_is_reported_and_leaves_nothing(store: FolderStore) -> None:
    store.put(b"small")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(CannotWrite):
            store.put(b"x" * 200_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert files(store, "tmp") == []


READ_ONLY = """
import os, sys
from pathlib import Path
from noria.adapters.folder import FolderStore
from noria.adapters.object_errors import CannotWrite
from noria.records.base import Digest
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
store, digest = FolderStore(Path(sys.argv[1])), Digest(sys.argv[2])
assert store.get(digest) == store.path(digest).read_bytes() == b"readable"
try:
    store.put(b"not this")
except CannotWrite as error:
    print(error)
"""


def test_a_read_only_store_can_be_read_and_says_that_it_cannot_be_written(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("open") / "store"
    digest = FolderStore(root).put(b"readable")
    for folder in (*root.parents, root, *(path for path in root.rglob("*") if path.is_dir())):
        if "pytest" in str(folder):
            folder.chmod(0o555)
    try:
        done = subprocess.run(
            [sys.executable, "-c", READ_ONLY, root, digest], capture_output=True, text=True, check=False
        )
    finally:
        for folder in (*root.parents, root, *(path for path in root.rglob("*") if path.is_dir())):
            if "pytest" in str(folder):
                folder.chmod(0o755)
    assert done.stderr == ""
    assert done.stdout == f"cannot write to {root}: Permission denied\n"


def test_a_part_that_cannot_be_listed_is_reported(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put(b"x")
    (tmp_path / "objects" / "00").write_text("no folder")
    with pytest.raises(CannotRead, match="objects/00"):
        list(store.stored())


def test_a_file_in_the_way_of_the_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("no folder")
    with pytest.raises(CannotWrite):
        FolderStore(tmp_path / "store").put(b"x")


def test_its_errors_reach_another_process_whole() -> None:
    error = NoSpace(path="/data", needed=10, free=2, why="the disk is full")
    assert render(pickle.loads(pickle.dumps(error))) == render(error)
