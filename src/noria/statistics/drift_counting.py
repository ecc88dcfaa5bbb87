"""The one pass over the rows: from columns to counts a block, or to sums a unit in row mode.

Cells are looked up a chunk at a time, so that nothing as long as the columns is ever made. All sums are of whole numbers:
any order of the rows and any split of them over calls and workers give the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noria.statistics.arrays import Floats, Whole, as_labels
from noria.statistics.drift_cells import CELLS, CHUNK, Categories, Cells, Column, Levels, Numbers, numbers_of

Fill = Callable[[slice | Whole, Cells, Floats], None]
"""Writes the cells of the rows asked for; the last array is room to work in."""

_SPANNED = 256  # blocks that a chunk may touch: as many tables of CELLS counters are open at a time


@dataclass(frozen=True, slots=True, eq=False)
class BlockCounts:
    """Rows in each cell, of blocks that may still grow."""

    blocks: Whole  # (b,) ascending
    strata: Whole  # (b,) the stratum of each
    cells: Whole  # (b, features, CELLS)

    def merged(self, other: BlockCounts) -> BlockCounts:
        """With the rows that another call or worker has counted: the same as of all rows at once."""
        blocks = np.union1d(self.blocks, other.blocks)
        cells = np.zeros((blocks.size, *self.cells.shape[1:]), np.int64)
        strata = np.zeros(blocks.size, np.int64)
        for part in (self, other):
            at = np.searchsorted(blocks, part.blocks)
            cells[at] += part.cells
            strata[at] = part.strata
        return BlockCounts(blocks, strata, cells)


@dataclass(frozen=True, slots=True, eq=False)
class UnitSums:
    """Sums of packed scores of whole units in row mode, in order of time, and what is left for the next call."""

    strata: Whole  # (u,)
    sums: Whole  # (u, features)
    cells: Whole  # (features, CELLS) of all rows of this call
    left: OpenUnits


@dataclass(frozen=True, slots=True, eq=False)
class OpenUnits:
    """Units that want more rows, one a stratum at most."""

    strata: Whole  # (k,) ascending
    rows: Whole  # (k,)
    sums: Whole  # (k, features)

    @classmethod
    def none(cls, features: int) -> OpenUnits:
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, features), np.int64))


def fills(
    columns: Mapping[str, Column], features: Sequence[str], cells: Sequence[Numbers | Levels]
) -> list[Fill]:
    """How each feature's cells are found in `columns`. ValueError for a column that is not there, or not of its kind."""
    return [_fill(columns, name, spec) for name, spec in zip(features, cells, strict=True)]


def _fill(columns: Mapping[str, Column], name: str, spec: Numbers | Levels) -> Fill:
    if name not in columns:
        raise ValueError(f"column {name}: it is not among those given ({', '.join(list(columns)[:5])})")
    column = columns[name]
    if isinstance(spec, Numbers):
        if isinstance(column, Categories):
            raise ValueError(f"column {name}: was numbers in the reference, and now holds categories")
        values = numbers_of(column, name)
        return lambda rows, cells, room: spec.fill(values[rows], cells, room)
    if not isinstance(column, Categories):
        raise ValueError(f"column {name}: held categories in the reference: give it as Categories")
    codes, table = np.asarray(column.codes), np.roll(spec.table(column.levels), 1)

    def look_up(rows: slice | Whole, cells: Cells, room: Floats) -> None:
        np.add(codes[rows], 1, out=cells, casting="unsafe")
        np.take(table, cells, out=cells, mode="clip")  # what is under the first level is missing

    return look_up


def length_of(columns: Mapping[str, Column]) -> int:
    """Rows of all columns; ValueError unless they agree."""
    lengths = {
        name: len(column.codes) if isinstance(column, Categories) else len(np.asarray(column))
        for name, column in columns.items()
    }
    if len(set(lengths.values())) != 1:
        raise ValueError(f"columns: expected some, all of one length; got {lengths}")
    return next(iter(lengths.values()))


def count_blocks(found: Sequence[Fill], blocks: ArrayLike, strata: ArrayLike | None) -> BlockCounts:
    """Rows in each cell a block; `blocks` (n,) whole numbers or datetimes, in any order, `strata` (n,) of the rows."""
    labels = as_labels(blocks, "blocks")
    kinds = np.zeros_like(labels) if strata is None else as_labels(strata, "strata")
    if kinds.shape != labels.shape:
        raise ValueError(f"blocks and strata differ in length: {labels.size} and {kinds.size}")
    ordered = bool((labels[1:] >= labels[:-1]).all())
    order = None if ordered else np.argsort(labels, kind="stable")
    sorted_labels = labels if order is None else labels[order]
    starts = np.flatnonzero(np.diff(sorted_labels, prepend=sorted_labels[:1] - 1)) if labels.size else labels
    cells = np.zeros((starts.size, len(found), CELLS), np.int64)
    for first, last, rows in _chunks_of_blocks(starts, labels.size):
        asked = slice(*rows) if order is None else order[slice(*rows)]
        _count_chunk(found, cells[first:last], starts[first:last], rows, asked)
    firsts = starts if order is None else order[starts]
    return BlockCounts(labels[firsts], kinds[firsts], cells)


def _chunks_of_blocks(starts: Whole, rows: int) -> Iterator[tuple[int, int, tuple[int, int]]]:
    """Stretches of at most CHUNK rows and _SPANNED blocks: first block, the one after the last, rows from and to."""
    at = 0
    while at < rows:
        first = int(np.searchsorted(starts, at, "right")) - 1
        end = min(rows, at + CHUNK)
        if first + _SPANNED < starts.size:
            end = min(end, int(starts[first + _SPANNED]))
        yield first, int(np.searchsorted(starts, end, "left")), (at, end)
        at = end


def _count_chunk(
    found: Sequence[Fill], counts: Whole, starts: Whole, rows: tuple[int, int], asked: slice | Whole
) -> None:
    size = rows[1] - rows[0]
    cells, room = np.empty(size, np.int64), np.empty(size)
    lengths = np.diff(np.append(np.maximum(starts, rows[0]), rows[1]))
    offsets = None if len(starts) == 1 else np.repeat(np.arange(len(starts)) * CELLS, lengths)
    for feature, fill in enumerate(found):
        fill(asked, cells, room)
        if offsets is not None:
            np.add(cells, offsets, out=cells)
        counts[:, feature] += np.bincount(cells, minlength=len(starts) * CELLS).reshape(-1, CELLS)


def sum_units(
    found: Sequence[Fill],
    packed: Whole,
    rows: int,
    strata: ArrayLike | None,
    unit_rows: int,
    before: OpenUnits,
) -> UnitSums:
    """Sums of the packed scores (features, CELLS) over units of `unit_rows` consecutive rows of one stratum, going on
    with the units that were left open.
    """
    kinds = np.zeros(rows, np.int64) if strata is None else as_labels(strata, "strata")
    if kinds.size != rows:
        raise ValueError(f"columns and strata differ in length: {rows} and {kinds.size}")
    order = None if rows == 0 or (kinds == kinds[0]).all() else np.argsort(kinds, kind="stable")
    starts, labels = _segments(kinds if order is None else kinds[order], unit_rows, before)
    sums, cells = _add_up(found, packed, starts, rows, order)
    held = np.diff(np.append(starts, rows))
    first = np.flatnonzero(np.diff(labels, prepend=labels[:1] - 1)) if labels.size else labels
    known = {int(label): at for at, label in enumerate(before.strata)}
    for at in first:
        if int(labels[at]) in known:
            sums[at] += before.sums[known[int(labels[at])]]
            held[at] += before.rows[known[int(labels[at])]]
    whole = held == unit_rows
    ends = np.append(starts[1:], rows)[whole] - 1
    in_time = np.argsort(ends if order is None else order[ends], kind="stable")
    left = _left(before, labels, held, sums, whole)
    return UnitSums(labels[whole][in_time], sums[whole][in_time], cells, left)


def _segments(kinds: Whole, unit_rows: int, before: OpenUnits) -> tuple[Whole, Whole]:
    """Where each unit begins among rows sorted by stratum, and its stratum."""
    starts: list[Whole] = []
    labels: list[Whole] = []
    for label in np.unique(kinds):
        low, high = np.searchsorted(kinds, label, "left"), np.searchsorted(kinds, label, "right")
        at = np.flatnonzero(before.strata == label)
        wanted = unit_rows - (int(before.rows[at[0]]) if at.size else 0)
        inside = np.append(low, np.arange(low + wanted, high, unit_rows))
        starts.append(inside)
        labels.append(np.full(inside.size, label))
    return (np.concatenate(starts), np.concatenate(labels)) if starts else (kinds, kinds)


def _add_up(
    found: Sequence[Fill], packed: Whole, starts: Whole, rows: int, order: Whole | None
) -> tuple[Whole, Whole]:
    sums = np.zeros((starts.size, len(found)), np.int64)
    counts = np.zeros((len(found), CELLS), np.int64)
    room, cells, scored = np.empty(CHUNK), np.empty(CHUNK, np.int64), np.empty(CHUNK, np.int64)
    first = 0
    while first < starts.size:
        begun = int(starts[first])
        if rows - begun <= CHUNK:
            last, end = starts.size, rows
        else:  # whole units only; one has fewer rows than a chunk
            last = int(np.searchsorted(starts, begun + CHUNK, "right")) - 1
            end = int(starts[last])
        span = slice(begun, end)
        size = span.stop - span.start
        asked = span if order is None else order[span]
        for feature, fill in enumerate(found):
            fill(asked, cells[:size], room[:size])
            counts[feature] += np.bincount(cells[:size], minlength=CELLS)
            np.take(packed[feature], cells[:size], out=scored[:size], mode="clip")
            sums[first:last, feature] = np.add.reduceat(scored[:size], starts[first:last] - span.start)
        first = last
    return sums, counts


def _left(before: OpenUnits, labels: Whole, held: Whole, sums: Whole, whole: NDArray[np.bool_]) -> OpenUnits:
    """Units still open: those of strata that had no rows now, and what is incomplete of the others."""
    idle = ~np.isin(before.strata, labels)
    strata = np.concatenate([before.strata[idle], labels[~whole]])
    rows = np.concatenate([before.rows[idle], held[~whole]])
    order = np.argsort(strata)
    return OpenUnits(strata[order], rows[order], np.concatenate([before.sums[idle], sums[~whole]])[order])
