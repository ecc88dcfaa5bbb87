"""Points on their way: an append-only file, a record a point, that survives the process that writes it.

A record is 28 bytes: the series' number (u32), the step (i64), microseconds since 1970 (i64) and the value (f64), all
little-endian. A series' first point is preceded by its name: a record with the number's highest bit set and the length
of the name in UTF-8 in the step's place, then the name, filled up with zeros to whole records. Series number 0 being
named again begins the numbers anew. A record that a kill cut short is left out by the reader.
"""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from noria.errors import BackendError
from noria.records.checkpoints import Segment

if TYPE_CHECKING:
    import numpy as np

POINT = struct.Struct("<Iqqd")
_pack = POINT.pack
NAME = 1 << 31
SUFFIX = ".spool"
LAYOUT = [("number", "<u4"), ("step", "<i8"), ("at", "<i8"), ("value", "<f8")]


@dataclass(eq=False)
class CannotLog(BackendError):
    code: ClassVar[str] = "LOG-NOT-WRITTEN"
    what: ClassVar[str] = "noria.log cannot write to {path}: {why}"
    next: ClassVar[str] = "free some space there, or make it writable for this user; then run again"
    path: str
    why: str


class Point(NamedTuple):
    """One figure."""

    name: str
    step: int
    at: int
    """Microseconds since 1970."""
    value: float


class Columns(NamedTuple):
    """Points as columns; `series` says which of `names` each is of."""

    names: Sequence[str]
    series: np.ndarray
    step: np.ndarray
    at: np.ndarray
    value: np.ndarray


class Spool:
    """Writes points to a file that is made at the first of them. One write call a batch and no flush to the disk: what
    was written is the kernel's, so it survives the process, not a loss of power. Safe for many threads; a process that
    the step forks writes to a file of its own."""

    def __init__(self, folder: Path | str, step: str) -> None:
        self._folder = str(folder)
        self._stem = f"{step}.{os.getpid()}-{time.time_ns()}"
        self._begin(os.getpid(), "")

    def _begin(self, process: int, suffix: str) -> None:
        self._process = process
        self._name = f"{self._folder}/{self._stem}{suffix}{SUFFIX}"
        self._file, self._size = -1, 0
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._next: dict[str, int] = {}
        self._taken = {self._name}

    @property
    def path(self) -> Path:
        return Path(self._name)

    def segments(self) -> tuple[Segment, ...]:
        """What has been logged so far, by this process and by those that the step forked."""
        with self._lock:
            own = {self._name: self._size} if self._size else {}
        forked = {str(path): path.stat().st_size for path in self.files() if str(path) != self._name}
        return tuple(
            Segment(path=path, size=size - size % POINT.size) for path, size in (own | forked).items()
        )

    def write(self, points: Iterable[tuple[str, float]], step: int | None) -> None:
        """Append some figures of one moment. Without a step, each series counts for itself. Raises `CannotLog`."""
        if os.getpid() != self._process:
            self._begin(os.getpid(), f"+{os.getpid()}")
        given = list(
            points
        )  # before anything is numbered: another thread may be changing whose items these are
        at = time.time_ns() // 1000
        with self._lock:
            numbers, turns = self._numbers, self._next
            parts: list[bytes] = []
            for name, value in given:
                number = numbers.get(name)
                if number is None:
                    number = self._define(name, parts)
                turn = turns[name] if step is None else step
                turns[name] = turn + 1
                parts.append(_pack(number, turn, at, value))
            self._append(parts[0] if len(parts) == 1 else b"".join(parts))

    def take(self, segments: Iterable[Segment]) -> None:
        """Begin with what an earlier attempt had logged, once; a file that is gone is left out. Raises `CannotLog`."""
        with self._lock:
            for segment in segments:
                if segment.path not in self._taken and Path(segment.path).exists():
                    with Path(segment.path).open("rb") as file:
                        self._append(file.read(segment.size))
                self._taken.add(segment.path)
            if not self._size:
                return
            self._numbers.clear()  # the numbers are those that the last of them gave
            self._next = {point.name: point.step + 1 for point in points_in(self.path)}

    def files(self) -> list[Path]:
        """What has been written, by this process and by those that the step forked."""
        try:
            found = [entry.name for entry in os.scandir(self._folder) if entry.name.startswith(self._stem)]
        except FileNotFoundError:
            return []
        return [Path(self._folder, name) for name in sorted(found)]

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def drop(self) -> None:
        """Remove the files, once what is in them is kept elsewhere."""
        self.close()
        for path in self.files():
            path.unlink(missing_ok=True)

    def _define(self, name: str, parts: list[bytes]) -> int:
        number = self._numbers[name] = len(self._numbers)
        self._next.setdefault(name, 0)
        spelled = name.encode(errors="replace")
        parts += [POINT.pack(NAME | number, len(spelled), 0, 0.0), spelled, bytes(-len(spelled) % POINT.size)]
        return number

    def _append(self, data: bytes) -> None:
        """All of it or nothing: what a full disk took of it is given back."""
        try:
            if self._file < 0:
                self._open()
            written, size = os.write(self._file, data), len(data)
            while written < size:
                written += os.write(self._file, data[written:])
        except OSError as error:
            self._numbers.clear()
            if self._file >= 0:
                os.ftruncate(self._file, self._size)
            raise CannotLog(path=self._name, why=error.strerror or str(error)) from error
        self._size += written

    def _open(self) -> None:
        Path(self._folder).mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(self._name, flags, 0o644)


def columns_in(path: Path) -> Columns:
    """All points of a spool, in the order in which they were written; one that is still written to may be read."""
    return columns_of(path.read_bytes())


def columns_of(data: bytes) -> Columns:
    """All points in these bytes of a spool."""
    import numpy as np

    records = np.frombuffer(data, np.dtype(LAYOUT), count=len(data) // POINT.size)
    points = np.ones(len(records), bool)
    series = records["number"].astype(np.int64)
    names: list[str] = []
    generation, first, end = 0, 0, 0  # of the numbers: where its names begin, and its points
    for at in np.flatnonzero(records["number"] & NAME).tolist():
        if at < end:  # part of a name
            continue
        size = int(records["step"][at])
        if not records["number"][at] & ~np.uint32(NAME):
            series[first:at] += generation
            generation, first = len(names), at
        end = at + 1 + -(-size // POINT.size)
        points[at:end] = False
        names.append(data[(at + 1) * POINT.size :][:size].decode(errors="replace"))
    series[first:] += generation
    kept = records[points]
    return Columns(names, series[points], kept["step"], kept["at"], kept["value"])


def points_in(path: Path) -> Iterator[Point]:
    """The same, point by point."""
    found = columns_in(path)
    rows = zip(*(column.tolist() for column in found[1:]), strict=True)
    return (Point(found.names[series], step, at, value) for series, step, at, value in rows)
