"""Files off the disk into the object store."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from noria.ports.objects import ObjectStore
from noria.records.base import Record
from noria.records.sources import LeftOut, TreeFile

LARGEST = (
    20 * 2**20
)  # bytes; code is small, and what is larger is data, which a data step pins by its content
THREADS = 8  # a store flushes each new file to the disk, and a disk takes eight flushes in the time of one
LINK = 0o120000  # git's mode of a symbolic link


class Reading(Record):
    """What became of some paths."""

    files: tuple[TreeFile, ...]
    left_out: tuple[LeftOut, ...]
    missing: tuple[str, ...]
    """Nothing is there."""


def read_all(root: Path, paths: Sequence[str], store: ObjectStore) -> Reading:
    """Store each file and each symbolic link's target; links are not followed."""
    with ThreadPoolExecutor(THREADS) as threads:
        found = list(threads.map(lambda path: read_one(root, path, store), paths))
    return Reading(
        files=tuple(one for one in found if isinstance(one, TreeFile)),
        left_out=tuple(one for one in found if isinstance(one, LeftOut)),
        missing=tuple(path for path, one in zip(paths, found, strict=True) if one is None),
    )


def read_one(root: Path, path: str, store: ObjectStore) -> TreeFile | LeftOut | None:
    """None when nothing is there."""
    place = os.path.join(root, path)  # noqa: PTH118 - pathlib would cost as much as the read, at every run
    try:
        found = os.lstat(place)
        if stat.S_ISLNK(found.st_mode):
            return TreeFile(path=path, digest=store.put(os.fsencode(os.readlink(place))), mode=LINK)  # noqa: PTH115
        if not stat.S_ISREG(found.st_mode):
            return LeftOut(path=path, why="no regular file")
        if found.st_size > LARGEST:
            return LeftOut(path=path, why=f"larger than 20 MiB: {found.st_size / 2**20:.1f} MiB")
        with open(place, "rb") as file:  # noqa: PTH123
            content = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        return LeftOut(path=path, why="not readable")
    return TreeFile(
        path=path, digest=store.put(content), mode=0o755 if found.st_mode & stat.S_IXUSR else 0o644
    )
