"""A process's counts, in a file that others may read while it counts, and after it was killed.

`NAME.json` says what each place means; `NAME.counts` is an array of float64, mapped and counted in: an addition there costs
a tenth of a microsecond, and survives a kill of the process to the last request.
"""

from __future__ import annotations

import mmap
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

PLACES = 8192  # counts of one process: 64 kB, all labels of some hundred columns
SECONDS = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)

Labels = tuple[tuple[str, str], ...]


class Place(msgspec.Struct, frozen=True, array_like=True):
    """What one count is of; a histogram has a place for each bucket, and one for its sum."""

    name: str
    labels: Labels
    bucket: str = ""
    """The bucket's upper bound as Prometheus writes it, or `sum`."""


@dataclass(frozen=True)
class Histogram:
    """The places of one histogram, buckets first and in order; the last bucket is the infinite one."""

    first: int


class Tally:
    """The counts of this process, in a folder; in memory alone for None."""

    def __init__(self, stem: Path | None = None) -> None:
        self._places: list[Place] = []
        self._known: dict[Place, int] = {}
        self._stem = stem
        self._settled = 0
        self._map: mmap.mmap | None = None
        self.values = memoryview(bytearray(8 * PLACES)).cast("d")
        if stem is not None:
            stem.parent.mkdir(parents=True, exist_ok=True)
            counts = stem.with_suffix(".counts")
            counts.write_bytes(bytes(8 * PLACES))
            with counts.open("r+b") as file:
                self._map = mmap.mmap(file.fileno(), 8 * PLACES)
            self.values = memoryview(self._map).cast("d")
        self.lost = self.counter("noria_uncounted")
        """Where a count goes whose labels have no room."""

    def counter(self, name: str, **labels: str) -> int:
        """The place of a counter or gauge, made when it is asked for the first time."""
        return self._place(Place(name, tuple(sorted(labels.items()))))

    def histogram(self, name: str, **labels: str) -> Histogram:
        """The places of a histogram of seconds."""
        own = tuple(sorted(labels.items()))
        bounds = [*map(str, SECONDS), "+Inf", "sum"]
        first, *_ = [self._place(Place(name, own, bound)) for bound in bounds]
        return Histogram(first)

    def add(self, place: int, count: float = 1) -> None:
        self.values[place] += count

    def put(self, place: int, value: float) -> None:
        self.values[place] = value

    def observe(self, histogram: Histogram, seconds: float, weight: float = 1.0) -> None:
        """`weight`: how many such there were, where only one of them was looked at."""
        values, first = self.values, histogram.first
        values[first + bisect_left(SECONDS, seconds)] += weight
        values[first + len(SECONDS) + 1] += seconds * weight

    def read(self) -> dict[Place, float]:
        return dict(zip(self._places, self.values, strict=False))

    def close(self) -> None:
        self.settle()
        if self._map is not None:
            self.values.release()
            self._map.close()
            self._map = None

    def _place(self, place: Place) -> int:
        at = self._known.get(place)
        if at is None:
            if len(self._places) == PLACES:
                return self.lost
            at = self._known[place] = len(self._places)
            self._places.append(place)
        return at

    def settle(self) -> None:
        """Let others know what the places mean that were made since; whole at any moment. Not in the way of a request:
        the disk may be full, and then the next call tries again."""
        known = len(self._places)
        if self._stem is None or known == self._settled:
            return
        names = self._stem.with_suffix(".json")
        partial = names.with_suffix(".partial")
        try:
            partial.write_bytes(msgspec.json.encode(self._places))
            partial.replace(names)
        except OSError:
            return
        self._settled = known


def read_tally(stem: Path) -> dict[Place, float]:
    """The counts of a process, alive or not; nothing where it has not begun to count."""
    try:
        places = msgspec.json.decode(stem.with_suffix(".json").read_bytes(), type=list[Place])
        data = stem.with_suffix(".counts").read_bytes()
    except FileNotFoundError:
        return {}
    return dict(zip(places, array("d", data[: 8 * len(places)]), strict=True))


def added(counts: Iterator[Mapping[Place, float]]) -> dict[Place, float]:
    """The counts of several processes in one."""
    total: dict[Place, float] = {}
    for one in counts:
        for place, value in one.items():
            total[place] = total.get(place, 0.0) + value
    return total
