"""Points on their way: an append-only file, a record a point, that survives the process that writes it.

A point is 28 bytes: the series' number (u32), the step (i64), microseconds since 1970 (i64) and the value (f64), all
little-endian. A series' first point is preceded by its name: the number with the highest bit set, the length of the
name in UTF-8 in the step's place, then the name. A record that a kill cut short is left out by the reader.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

POINT = struct.Struct("<Iqqd")
NAME = 1 << 31
SUFFIX = ".spool"


class Point(NamedTuple):
    """One figure."""

    name: str
    step: int
    at: int
    """Microseconds since 1970."""
    value: float


class Spool:
    """Writes points to a file that is made at the first of them. One write call a batch and no flush to the disk: what
    was written is the kernel's, so it survives the process, not a loss of power."""

    def __init__(self, folder: Path, step: str) -> None:
        self.path = folder / f"{step}.{os.getpid()}-{time.time_ns()}{SUFFIX}"
        self._file = -1
        self._numbers: dict[str, int] = {}
        self._next: dict[str, int] = {}

    @property
    def used(self) -> bool:
        return self._file >= 0 or self.path.exists()

    def write(self, points: Iterable[tuple[str, float]], step: int | None) -> None:
        """Append some figures of one moment. Without a step, each series counts for itself."""
        at = time.time_ns() // 1000
        parts: list[bytes] = []
        for name, value in points:
            number = self._numbers.get(name)
            if number is None:
                number = self._define(name, parts)
            turn = self._next[name] if step is None else step
            self._next[name] = turn + 1
            parts.append(POINT.pack(number, turn, at, value))
        if self._file < 0:
            self._open()
        _write_all(self._file, b"".join(parts))

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def drop(self) -> None:
        """Remove the file, once what is in it is kept elsewhere."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _define(self, name: str, parts: list[bytes]) -> int:
        number = self._numbers[name] = len(self._numbers)
        self._next[name] = 0
        spelled = name.encode()
        parts += [POINT.pack(NAME | number, len(spelled), 0, 0.0), spelled]
        return number

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


def points_in(path: Path) -> Iterator[Point]:
    """The points of a spool, in the order in which they were written; one that is still written to may be read."""
    data, names, at = path.read_bytes(), {}, 0
    while at + POINT.size <= len(data):
        number, step, moment, value = POINT.unpack_from(data, at)
        at += POINT.size
        if number & NAME:
            if at + step > len(data):
                return
            names[number & ~NAME] = data[at : at + step].decode()
            at += step
        else:
            yield Point(names[number], step, moment, value)


def spools_of(folder: Path, step: str) -> list[Path]:
    """The spools of a step's attempts, the oldest first."""
    found = [
        path for path in folder.glob(f"*{SUFFIX}") if path.name.rpartition(".")[0].rpartition(".")[0] == step
    ]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns)


def _write_all(descriptor: int, data: bytes) -> None:
    """A full disk may take a part; the rest then raises what is wrong."""
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, data[written:])
