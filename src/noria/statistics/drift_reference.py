"""What a version was trained on, in the form in which what it is asked can be held against it.

Some units of the reference are set aside for the *profile*: they cut the cells and define the ranks, and are never ranked
themselves. All others are reduced to their summaries: the pool that each later unit is ranked among. A summary is kept as
one of 128 codes, fine around the profile's own and coarser far away, so that a pool is a table of counts and does not grow
with time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noria.statistics.arrays import Floats, Whole
from noria.statistics.drift_bets import Bets, block_bets, row_bets, units_to_alarm, units_to_prove
from noria.statistics.drift_cells import CELLS, Column, Levels, Numbers
from noria.statistics.drift_counting import (
    BlockCounts,
    OpenUnits,
    count_blocks,
    fills,
    length_of,
    sum_units,
)
from noria.statistics.drift_scores import DISTANCE, LOCATION, SUMMARIES, Scores, thinned
from noria.statistics.exact import pack, unpack

CODES = 128
GROUPS = 32  # of cells, with like shares of the reference: what windows of rows are kept in
_REACH = 4.0  # spreads that use up half of the codes: 16 a spread at the centre, 1 at 12 spreads

SHARES_OF_BLOCKS = np.array([0.4, 0.2, 0.15, 0.25])
SHARES_OF_ROWS = np.array([0.75, 0.15, 0.1])
"""Of a feature's error, by summary: most changes move the location, and with it the distance. By rows there is no distance,
and what is missing where nothing was is seen at once."""

VARIATION = np.array([1.0, 2.0, 1.0, 1.0])
"""How far each summary can move when the distance between the distributions grows by one: a mean of a function of the row
moves by at most the function's variation (1 for a rank, 2 for its distance from the middle)."""


@dataclass(frozen=True, slots=True, eq=False)
class Summaries:
    """Units of rows, reduced; in order of time."""

    units: Whole  # (u,) the block, when it has rows enough; in row mode 0, 1, 2 ... of this call
    strata: Whole  # (u,) places in the pool
    rows: Whole  # (u,)
    values: Floats  # (u, features, 4), see `drift_scores`
    groups: Whole  # (steps, features, GROUPS) rows in each group: a step a block, one a call in row mode
    thin: int = 0  # blocks left out: they have fewer rows than `block_rows`
    open: OpenUnits | None = None  # row mode: rows that wait for more

    def __len__(self) -> int:
        return int(self.units.size)

    def only(self, which: slice) -> Summaries:
        """Some of the blocks: to look at a block at a time."""
        return Summaries(
            self.units[which], self.strata[which], self.rows[which], self.values[which], self.groups[which]
        )


@dataclass(frozen=True, slots=True, eq=False)
class DriftReference:
    """Fixed on the day on which a version was accepted; `drift_reference` makes it."""

    features: tuple[str, ...]
    cells: tuple[Numbers | Levels, ...]
    scores: Scores  # of cells
    grouped_scores: Scores  # of groups of cells
    centre: Floats  # (features, 4) of the codes
    spread: Floats  # (features, 4) of the codes
    pool: Whole  # (strata, features, 4, CODES): ranked units of the reference with each code
    strata: Whole  # (k,) labels known; with more than one, the pool has a place more, for all others
    groups: Whole  # (features, CELLS): the group of each cell, in the order of the cells
    rows: Whole  # (features, GROUPS): rows of the reference, the profile's too
    unit_rows: int  # rows of a unit in row mode; 0: a unit is a block
    block_rows: int  # rows that each block is thinned to
    false_alarm: float  # probability of a false alarm of any feature, ever
    tolerance: float  # a distance between distributions that nobody minds
    seed: int  # of the chance that breaks ties

    @property
    def by_block(self) -> bool:
        return self.unit_rows == 0

    @property
    def summaries(self) -> int:
        """How many of SUMMARIES are watched, a feature: a handful of rows has no distance."""
        return len(SUMMARIES) if self.by_block else DISTANCE

    @property
    def shares(self) -> Floats:
        """Each summary's share of a feature's error: (summaries,)."""
        return SHARES_OF_BLOCKS if self.by_block else SHARES_OF_ROWS

    @property
    def bets(self) -> Bets:
        """What is laid on each rank."""
        return block_bets() if self.by_block else row_bets()

    @property
    def units(self) -> Whole:
        """Ranked units of the reference in each stratum: (strata,)."""
        return np.asarray(self.pool[:, 0, 0].sum(axis=-1))

    @property
    def threshold(self) -> float:
        """Evidence, a feature, at which an alarm is due: a union bound over features (and, inside, over summaries)."""
        return len(self.features) / self.false_alarm

    @property
    def units_to_alarm(self) -> int | None:
        """Units after a change that puts them all beyond the reference until the alarm, at best. None: never."""
        fewest = int(self.units[: max(1, len(self.strata))].min())
        share = float(self.shares[LOCATION])
        seen = units_to_alarm(self.bets, fewest, self.threshold / share)
        if seen is None or not self.tolerance:
            return seen
        proved = units_to_prove(self.bets, fewest, self.price_error, self.proof * 2.0 / share)
        return None if proved is None else max(seen, proved)

    @property
    def deaf(self) -> bool:
        """No change whatever can ring this alarm: the reference has too few units for its features and error."""
        return self.units_to_alarm is None

    @property
    def proof(self) -> float:
        """Evidence, a feature, that its change is over the tolerance: the other half of the error is in the prices."""
        return 2.0 / self.false_alarm

    @property
    def price_error(self) -> float:
        """Of one fair price: half of the error over directions, summaries, bets and strata."""
        return self.false_alarm / (2 * 2 * self.summaries * len(self.bets) * len(self.pool))

    def count(
        self, columns: Mapping[str, Column], blocks: ArrayLike, strata: ArrayLike | None = None
    ) -> BlockCounts:
        """Rows of some blocks in each cell; merge the counts of calls and workers until a block is complete."""
        found = fills(columns, self.features, self.cells)
        rows = length_of({name: columns[name] for name in self.features})
        if np.asarray(blocks).size != rows:
            raise ValueError(f"columns and blocks differ in length: {rows} and {np.asarray(blocks).size}")
        return count_blocks(found, blocks, strata)

    def summarise(self, counts: BlockCounts) -> Summaries:
        """Of blocks that are complete. Those with fewer rows than `block_rows` are left out, and counted."""
        enough = counts.cells[:, 0].sum(axis=-1) >= self.block_rows
        groups = grouped(counts.cells[enough], self.groups)
        blocks = counts.blocks[enough]
        even = np.array(
            [
                thinned(each, self.block_rows, self._source(block))
                for block, each in zip(blocks, groups, strict=True)
            ]
        )
        return Summaries(
            units=blocks,
            strata=self.place(counts.strata[enough]),
            rows=groups[:, 0].sum(axis=-1),
            values=self.grouped_scores.of_counts(even.reshape(groups.shape).astype(np.int64)),
            groups=groups,
            thin=int(np.count_nonzero(~enough)),
        )

    def _source(self, block: int) -> np.random.Generator:
        """The chance by which a block is thinned: the same whenever it is asked for, and no part of another block's."""
        return np.random.Generator(np.random.Philox(key=(self.seed, 1), counter=int(block) % 2**64 << 64))

    def summarise_rows(
        self, columns: Mapping[str, Column], strata: ArrayLike | None = None, *, open: OpenUnits | None = None
    ) -> Summaries:
        """Row mode: units of independent rows, in order of time; `open` is what the last call left (`DriftState.open`)."""
        rows = length_of({name: columns[name] for name in self.features if name in columns})
        found = fills(columns, self.features, self.cells)
        before = OpenUnits.none(len(self.features)) if open is None else open
        sums = sum_units(found, self.scores.packed, rows, strata, self.unit_rows, before)
        held = np.full(len(sums.strata), self.unit_rows)
        values = self.scores.of_sums(sums.sums, held)
        groups = grouped(sums.cells, self.groups)[None]
        return Summaries(np.arange(held.size), self.place(sums.strata), held, values, groups, open=sums.left)

    def place(self, strata: Whole) -> Whole:
        """Where in the pool each stratum is."""
        if len(self.pool) == 1:
            return np.zeros(strata.size, np.int64)
        at = np.minimum(np.searchsorted(self.strata, strata), self.strata.size - 1)
        return np.where(self.strata[at] == strata, at, self.strata.size)

    def codes(self, values: Floats) -> NDArray[np.uint8]:
        """Of summaries (..., features, k) the codes, rising with them."""
        k = values.shape[-1]
        far = (values - self.centre[:, :k]) / (self.spread[:, :k] * _REACH)
        far /= 1.0 + np.abs(far)
        return np.asarray(np.rint(far * (CODES / 2 - 1)) + CODES / 2, np.uint8)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, to the last bit."""
        arrays = {name: pack(getattr(self, name)) for name in _ARRAYS}
        return arrays | {
            "features": list(self.features),
            "cells": [cell.to_dict() for cell in self.cells],
            "profile": pack(self.scores.profile),
            "unit_rows": self.unit_rows,
            "block_rows": self.block_rows,
            "false_alarm": self.false_alarm.hex(),
            "tolerance": self.tolerance.hex(),
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> DriftReference:
        """The reference that `to_dict` wrote. KeyError or ValueError for anything else."""
        cells = tuple(
            Numbers.from_dict(cell) if "scale" in cell else Levels.from_dict(cell) for cell in fields["cells"]
        )
        arrays = {name: unpack(fields[name]) for name in _ARRAYS}
        numeric = np.array([isinstance(cell, Numbers) for cell in cells])
        profile = unpack(fields["profile"])
        return cls(
            features=tuple(fields["features"]),
            cells=cells,
            scores=Scores.of(profile, numeric),
            grouped_scores=Scores.of(grouped(profile, arrays["groups"]), numeric),
            unit_rows=int(fields["unit_rows"]),
            block_rows=int(fields["block_rows"]),
            false_alarm=float.fromhex(fields["false_alarm"]),
            tolerance=float.fromhex(fields["tolerance"]),
            seed=int(fields["seed"]),
            **arrays,
        )


_ARRAYS = ("centre", "spread", "pool", "strata", "groups", "rows")


def grouped(cells: Whole, groups: Whole) -> Whole:
    """Rows in each cell (..., features, CELLS) to rows in each group (..., features, GROUPS)."""
    flat = cells.reshape(-1, CELLS)
    offset = np.arange(len(flat))[:, None] * GROUPS
    place = np.tile(groups, (len(flat) // len(groups), 1)) + offset
    total = np.bincount(place.ravel(), weights=flat.ravel(), minlength=len(flat) * GROUPS)
    return np.asarray(total.reshape(*cells.shape[:-1], GROUPS), np.int64)
