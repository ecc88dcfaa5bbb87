"""Columns of rows into few cells: the only thing that drift tests ever see of a value, found in a few nanoseconds.

A column of numbers gets cells of equal width between two far quantiles, with one below, one above and one for what is
missing; a column of categories gets a cell for each frequent level, some more that rare levels share by a keyed hash, one
for levels that were not there and one for what is missing. Cells only lose resolution: a test over them is as valid as one
over the values, for any distribution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noria.statistics.arrays import Floats
from noria.statistics.exact import hashes_of, pack, unpack

Cells = NDArray[np.int64]

CELLS = 512  # a feature; 508 between the quantiles see a shift of a hundredth of a standard deviation
MISSING, LEAST = (
    0,
    1,
)  # the first cell of values is what lies below (numbers) or was not there before (levels)
CHUNK = 16_384  # rows at a time: two buffers of 128 KiB stay in a core's own cache
FAR = 0.005  # share of the rows beyond each end: heavy tails shall not take the cells from the rest
OWN = 254  # levels with a cell of their own, the most frequent ones; the others share the rest
KNOWN = 100_000  # levels remembered; a column with more names its rows and has nothing to compare


@dataclass(frozen=True, slots=True, eq=False)
class Categories:
    """A column of categories: `codes` (n,) into `levels`, negative where missing."""

    codes: NDArray[np.int64]
    levels: Sequence[str]

    @classmethod
    def of(cls, values: Sequence[object]) -> Categories:
        """From values as they come: each is taken as its text, None and NaN as missing."""
        places: dict[object, int] = {}
        codes = np.fromiter(
            (
                -1 if value is None or value != value else places.setdefault(value, len(places))
                for value in values
            ),
            dtype=np.int64,
            count=len(values),
        )
        return cls(codes, [str(value) for value in places])


Column = Categories | ArrayLike


@dataclass(frozen=True, slots=True)
class Numbers:
    """Cells of equal width: `x * scale + offset`, cut off, is the cell."""

    scale: float
    offset: float

    @classmethod
    def cut(cls, values: Floats) -> Numbers:
        """Cells for the spread of `values` (n,); around the one value of a constant column; anywhere for none."""
        finite = values[np.isfinite(values)]
        low, high = np.quantile(finite, [FAR, 1.0 - FAR]) if finite.size else (0.0, 1.0)
        least = 1e-9 * max(abs(low), abs(high), 1e-290)  # nothing finer: rounding would decide
        if high - low < least:
            low, high = low - 254.0 * least, low + 254.0 * least
        scale = (CELLS - 4) / (high - low)
        return cls(float(scale), float(2.0 - low * scale))

    def to_dict(self) -> dict[str, Any]:
        return {"scale": self.scale.hex(), "offset": self.offset.hex()}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Numbers:
        return cls(float.fromhex(fields["scale"]), float.fromhex(fields["offset"]))

    def fill(self, values: NDArray[np.generic], cells: Cells, room: Floats) -> None:
        """Cells of `values` (n,) into `cells` (n,); `room` (n,) is overwritten. NaN is missing, infinities are ends."""
        with np.errstate(over="ignore", invalid="ignore"):
            np.multiply(values, self.scale, out=room, dtype=np.float64, casting="unsafe")
            np.add(room, self.offset, out=room)
        np.clip(room, LEAST, CELLS - 1, out=room)
        if np.isnan(room.sum()):  # cheaper than to look for NaN in each value
            np.fmax(room, MISSING, out=room)  # the one that takes NaN for the lesser
        np.copyto(cells, room, casting="unsafe")


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """Cells of levels, in the order of a keyed hash, so that no order of names can hide a change."""

    key: bytes
    hashes: NDArray[np.uint64]  # of the levels known, sorted
    places: Cells  # their cells

    @classmethod
    def cut(cls, column: Categories, key: bytes) -> Levels:
        """Cells for the levels that `column` holds."""
        counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.levels))
        present = np.flatnonzero(counts)
        present = present[np.argsort(-counts[present], kind="stable")][:KNOWN]
        hashes = hashes_of([column.levels[int(i)] for i in present], key)
        places = 2 + OWN + (hashes % np.uint64(CELLS - 2 - OWN)).astype(np.int64)
        frequent = min(OWN, present.size)
        places[np.argsort(hashes[:frequent])] = 2 + np.arange(frequent)
        order = np.argsort(hashes)
        return cls(key, hashes[order], places[order])

    def to_dict(self) -> dict[str, Any]:
        return {"key": self.key.hex(), "hashes": pack(self.hashes), "places": pack(self.places)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Levels:
        return cls(bytes.fromhex(fields["key"]), unpack(fields["hashes"]), unpack(fields["places"]))

    def table(self, levels: Sequence[str]) -> Cells:
        """The cell of each of `levels`, and at the end that of what is missing."""
        asked = hashes_of(levels, self.key)
        cells = np.full(asked.size + 1, LEAST)
        if self.hashes.size:
            at = np.minimum(np.searchsorted(self.hashes, asked), self.hashes.size - 1)
            cells[:-1] = np.where(self.hashes[at] == asked, self.places[at], LEAST)
        cells[-1] = MISSING
        return cells


def codes_of(column: Categories) -> Cells:
    """Codes that index `Levels.table`: what is missing, or beyond the levels, is at its end."""
    codes = np.asarray(column.codes, np.int64)
    size = len(column.levels)
    return np.where((codes < 0) | (codes >= size), size, codes)


def numbers_of(column: ArrayLike, name: str) -> NDArray[np.generic]:
    """A column of numbers or truth values as an array (n,); ValueError, naming it, for anything else."""
    values = np.asarray(column)
    if values.ndim != 1 or values.dtype.kind not in "fiub":
        raise ValueError(
            f"column {name}: expected numbers of shape (n,), got {values.dtype} of shape {values.shape}; categories are given as Categories"
        )
    return values
