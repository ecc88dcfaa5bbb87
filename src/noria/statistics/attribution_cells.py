"""Cells of rows with their losses, block by block; the split of a change over them, and over several features at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial

import numpy as np

from noria.statistics.arrays import Floats, Whole

GROUPS = 5  # of a suspect's cells, by their loss, where several suspects divide the rows together


@dataclass(frozen=True, slots=True, eq=False)
class BlockCells:
    """Of each block the share of its rows in each cell, then their loss, as a part of the block's mean: (b, 2 cells)."""

    table: Floats

    @classmethod
    def of(cls, losses: Floats, index: Whole, codes: Whole, cells: int) -> BlockCells:
        """From rows: losses (n,), the place of the block (n,), the cell (n,)."""
        blocks = int(index.max()) + 1
        place = index * cells + codes
        rows = np.bincount(index, minlength=blocks)[:, None]
        shares = np.bincount(place, minlength=blocks * cells).reshape(blocks, cells) / rows
        sums = np.bincount(place, weights=losses, minlength=blocks * cells).reshape(blocks, cells) / rows
        return cls(np.concatenate([shares, sums], axis=1))

    @property
    def cells(self) -> int:
        return int(self.table.shape[1]) // 2

    @property
    def shares(self) -> Floats:
        return np.asarray(self.table[:, : self.cells].mean(axis=0))

    @property
    def sums(self) -> Floats:
        return np.asarray(self.table[:, self.cells :].mean(axis=0))

    def loss(self, cell: int) -> float | None:
        """Mean in a cell; None without rows."""
        share = float(self.shares[cell])
        return float(self.sums[cell]) / share if share > 0.0 else None


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """What each cell adds to the change: (..., cells) each; `mix` and `within` add up to the change."""

    mix: Floats
    within: Floats
    excess: Floats


def split(before: Floats, after: Floats) -> Split:
    """From means over blocks (..., 2 cells). A cell that only one period has is mix alone: nothing is known of its loss in the
    other.
    """
    p, sums, old = _parted(before)
    q, others, new = _parted(after)
    old, new = np.where(p > 0.0, old, new), np.where(q > 0.0, new, old)
    middle = (sums.sum(axis=-1, keepdims=True) + others.sum(axis=-1, keepdims=True)) / 2.0
    weight = np.where((p > 0.0) & (q > 0.0), (p + q) / 2.0, 0.0)
    within = weight * (new - old)
    alike = within.sum(axis=-1, keepdims=True) / np.maximum(weight.sum(axis=-1, keepdims=True), 1e-300)
    return Split((q - p) * ((old + new) / 2.0 - middle), within, within - weight * alike)


def _parted(table: Floats) -> tuple[Floats, Floats, Floats]:
    """Shares, sums of losses, and losses; 0 where there are no rows."""
    cells = table.shape[-1] // 2
    shares, sums = table[..., :cells], table[..., cells:]
    return shares, sums, np.divide(sums, shares, out=np.zeros_like(sums), where=shares > 0.0)


def grouped_by_loss(before: BlockCells, after: BlockCells) -> Whole:
    """The group (cells,) of each cell: groups of like shares, from the cells with the least loss to those with the most."""
    shares = before.shares + after.shares
    sums = before.sums + after.sums
    loss = np.divide(sums, shares, out=np.zeros_like(sums), where=shares > 0.0)
    order = np.argsort(loss, kind="stable")
    middle = (np.cumsum(shares[order]) - shares[order] / 2.0) / shares.sum()
    found = np.empty(before.cells, np.int64)
    found[order] = np.unique((middle * GROUPS).astype(np.int64), return_inverse=True)[1]
    return found


def joined(codes: Sequence[Whole], sizes: Sequence[int]) -> Whole:
    """One cell (n,) for each combination of cells."""
    return np.asarray(np.ravel_multi_index(tuple(codes), tuple(sizes)), np.int64)


def shapley(before: Floats, after: Floats, sizes: Sequence[int]) -> Floats:
    """Each feature's share (..., features) of the mix of the joint cells, from means over blocks (..., 2 cells of all).

    The worth of some features is the mix of their joint cells, the others summed over; a share is what a feature adds, averaged over
    all orders in which they could be told (Shapley 1953). The shares add up to the worth of all.
    """
    every = range(len(sizes))
    worth = {
        some: _mix(before, after, sizes, some)
        for n in range(len(sizes) + 1)
        for some in combinations(every, n)
    }
    shares = []
    for one in every:
        total = np.zeros(np.broadcast_shapes(before.shape[:-1], after.shape[:-1]))
        for some, value in worth.items():
            if one in some:
                continue
            orders = factorial(len(some)) * factorial(len(sizes) - len(some) - 1) / factorial(len(sizes))
            total = total + orders * (worth[tuple(sorted((*some, one)))] - value)
        shares.append(total)
    return np.stack(shares, axis=-1)


def _mix(before: Floats, after: Floats, sizes: Sequence[int], some: Sequence[int]) -> Floats:
    """The mix of the cells of some features."""
    return np.asarray(split(_summed(before, sizes, some), _summed(after, sizes, some)).mix.sum(axis=-1))


def _summed(table: Floats, sizes: Sequence[int], some: Sequence[int]) -> Floats:
    """Cells of all features to cells of some: (..., 2 cells)."""
    lead = table.shape[:-1]
    whole = table.reshape(*lead, 2, *sizes)
    others = tuple(len(lead) + 1 + at for at in range(len(sizes)) if at not in some)
    return np.asarray(whole.sum(axis=others).reshape(*lead, -1))
