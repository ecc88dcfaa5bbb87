"""A process's counts, in a file that others may read while it counts, and after it was killed.

`NAME.json` says what each place means; `NAME.counts` is an array of float64, mapped. A count is added to a list, for
that is what a request can afford, and published in one copy a few times a second; what must survive a kill to the last
request (those in flight) is written at once.
"""

from __future__ import annotations

import mmap
import struct
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

PLACES = 8192  # counts of one process: 64 kB, all labels of some hundred columns
EVERY = 0.25  # s between two publications; at a kill, so much of the counts is lost
SECONDS = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)

_FLOAT = struct.Struct("=d")

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
    """The counts of this process, in a folder; nowhere for None."""

    def __init__(self, stem: Path | None = None) -> None:
        self.values: list[float] = []
        self._places: list[Place] = []
        self._known: dict[Place, int] = {}
        self._stem = stem
        self._map: mmap.mmap | None = None
        self._named = 0
        if stem is not None:
            stem.parent.mkdir(parents=True, exist_ok=True)
            counts = stem.with_suffix(".counts")
            counts.write_bytes(bytes(8 * PLACES))
            with counts.open("r+b") as file:
                self._map = mmap.mmap(file.fileno(), 8 * PLACES)

    def counter(self, name: str, **labels: str) -> int:
        """The place of a counter or gauge, made when it is asked for the first time."""
        return self._place(Place(name, tuple(sorted(labels.items()))))

    def histogram(self, name: str, **labels: str) -> Histogram:
        """The places of a histogram of seconds."""
        own = tuple(sorted(labels.items()))
        bounds = [*map(str, SECONDS), "+Inf", "sum"]
        places = [self._place(Place(name, own, bound)) for bound in bounds]
        return Histogram(places[0])

    def add(self, place: int, count: float = 1) -> None:
        self.values[place] += count

    def put(self, place: int, value: float) -> None:
        self.values[place] = value

    def observe(self, histogram: Histogram, seconds: float) -> None:
        values, first = self.values, histogram.first
        values[first + bisect_left(SECONDS, seconds)] += 1
        values[first + len(SECONDS) + 1] += seconds

    def publish(self, place: int | None = None) -> None:
        """Let others see the counts; of one place alone, at once, for what has to survive a kill."""
        if self._map is None:
            return
        if place is None:
            self._map[: 8 * len(self.values)] = array("d", self.values).tobytes()
            self._name()
        else:
            _FLOAT.pack_into(self._map, 8 * place, self.values[place])

    def read(self) -> dict[Place, float]:
        return dict(zip(self._places, self.values, strict=True))

    def close(self) -> None:
        self.publish()
        if self._map is not None:
            self._map.close()
            self._map = None

    def _place(self, place: Place) -> int:
        at = self._known.get(place)
        if at is None:
            if len(self.values) == PLACES:
                return self._known[Place("noria_uncounted", ())]
            at = self._known[place] = len(self.values)
            self._places.append(place)
            self.values.append(0.0)
            if at == 0 and place.name != "noria_uncounted":
                self._place(Place("noria_uncounted", ()))
        return at

    def _name(self) -> None:
        if self._stem is not None and self._named != len(self._places):
            names = self._stem.with_suffix(".json")
            partial = names.with_suffix(".partial")
            partial.write_bytes(msgspec.json.encode(self._places))
            partial.replace(names)
            self._named = len(self._places)


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
