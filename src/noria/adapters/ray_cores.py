"""Cores of a node, one holder each: Ray counts cores and does not say which."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from noria.adapters.local_capacity import usable_cores


@contextmanager
def claimed(count: int, folder: Path) -> Iterator[list[int]]:
    """So many cores that nobody else on this node has claimed through the same folder; none when there are not so
    many, as on a node that was given more turns than it has cores. The kernel frees them with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    held: dict[int, int] = {}
    try:
        for core in usable_cores():
            if len(held) < count and (descriptor := _lock(folder / str(core))) is not None:
                held[core] = descriptor
        yield list(held) if len(held) == count else []
    finally:
        for descriptor in held.values():
            os.close(descriptor)


def _lock(path: Path) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
