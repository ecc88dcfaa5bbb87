"""Which digest a file outside had when it was last read: saves reading again what has not changed.

One small file a place, replaced as a whole, in a project's own state. Lost or torn, it costs one more reading: an entry
counts only for exactly the file that it was made for.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from noria.records.base import Digest, digest_bytes

FOLDER = "outside"  # in a project's state
COARSE = 2.0  # s: the steps in which the coarsest file systems (FAT) tell the time; a younger file may change unseen
FORM = 1  # of the entries; another one is not read


class Seen(NamedTuple):
    """A file at some moment."""

    stamp: str
    """Differs when the file does."""
    digest: Digest
    version: str = ""


class Memory:
    """What was seen at one place. Safe for many threads."""

    def __init__(self, state: Path, place: str) -> None:
        self._path = state / FOLDER / digest_bytes(place.encode()).removeprefix("blake3:")[:32]
        self._seen = _read(self._path)

    def of(self, name: str, stamp: str) -> Seen | None:
        """What was seen under that name, when it is the same file still."""
        seen = self._seen.get(name)
        return seen if seen and seen.stamp == stamp else None

    def keep(self, seen: Iterable[tuple[str, Seen]]) -> None:
        """Remember these, and forget all else. What cannot be written is read again the next time."""
        now = dict(seen)
        temporary = self._path.with_suffix(f".{os.getpid()}-{time.time_ns():x}")
        with suppress(OSError):
            if now == self._seen:
                self._path.touch()  # in use still, for who tidies up
                return
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(msgspec.msgpack.encode((FORM, now)))
            temporary.replace(self._path)


def stamp_of(stat: os.stat_result) -> str:
    """Of a local file. Its time of change moves whenever its bytes or its other times are set."""
    times = f"{stat.st_mtime_ns:x} {stat.st_ctime_ns:x}"
    return f"{stat.st_dev:x} {stat.st_ino:x} {times} {stat.st_size:x}"


def is_settled(stat: os.stat_result) -> bool:
    """Whether a later change of the file will show in its times."""
    return time.time() - max(stat.st_mtime, stat.st_ctime) > COARSE


def _read(path: Path) -> dict[str, Seen]:
    try:
        form, seen = msgspec.msgpack.decode(path.read_bytes(), type=tuple[int, dict[str, Seen]])
    except (OSError, msgspec.MsgspecError):  # not there, torn, or of another form
        return {}
    return seen if form == FORM else {}
