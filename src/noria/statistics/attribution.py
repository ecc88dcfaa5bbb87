"""A change of the mean loss, taken apart: how much of it is another mix of rows, and how much another loss of like rows.

Rows are divided into cells by one feature. With shares p, q of a cell and mean losses l, m in it, before and after,

    change = sum (q - p) (l + m) / 2  +  sum (p + q) / 2 (m - l):  the mix, and the loss within cells

(Kitagawa, "Components of a difference between two rates", JASA 1955; the symmetric form of Oaxaca 1973 and Blinder 1973, and
the Shapley value of its two factors). Each feature has a split of its own, and features that go together share theirs. What
several suspects explain together is the mix of their joint cells, shared out by Shapley's value (as Zhang et al. do with
performance, "Why did the model fail?", ICML 2023); the rest is explained by no feature that was looked at.

Everything is a function of means over blocks, so that rows within one may depend on each other. Intervals are Student's over
delete-one-block jackknife values of both periods (Efron & Stein 1981; degrees of freedom by Welch), and all that one call
says holds together (Bonferroni): with nothing to find, anything is found with probability `error` at most, roughly.
It describes; it proves no cause, and unlike the alarms it is made for one look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from noria.statistics.arrays import Floats, Whole, as_labels, check_error_rate, finite_vector
from noria.statistics.attribution_cells import BlockCells, Split, grouped_by_loss, joined, shapley, split
from noria.statistics.jackknife import Part, parts

SUSPECTS = 3  # features whose joint mix is looked at: each one more divides the rows by another five
WINDOWS = (7, 14)  # newest blocks that are taken for "after": those in which the change is plainest


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Where each row lies by one feature: numbers of `names`, (n,) before and (m,) after."""

    names: tuple[str, ...]
    before: Whole
    after: Whole


@dataclass(frozen=True, slots=True)
class CellPart:
    """One cell's part of the change. Shares are means over blocks; a loss is None where there are no rows."""

    name: str
    shares: tuple[float, float]
    losses: tuple[float | None, float | None]
    mix: Part  # its rows have become more, and are worse than the mean: positive
    within: Part  # the loss of its rows has grown: positive
    excess: Part  # of that, what it would not have if all cells had grown alike


@dataclass(frozen=True, slots=True)
class FeaturePart:
    """The change as one feature divides it."""

    feature: str
    mix: Part
    within: Part
    cells: tuple[CellPart, ...]


@dataclass(frozen=True, slots=True)
class Attribution:
    """What a change of the mean loss is made of."""

    losses: tuple[float, float]  # means over blocks, before and after
    change: Part
    features: tuple[FeaturePart, ...]  # the largest mix first
    suspects: tuple[
        tuple[str, Part], ...
    ]  # features whose mix is beyond chance, each with its share of what they explain
    unexplained: Part  # what the suspects leave
    blocks: tuple[int, int]

    @property
    def worse(self) -> tuple[tuple[str, CellPart], ...]:
        """Cells whose loss has changed beyond chance more than that of the others, in the direction of the change; the largest
        part first, with their feature.
        """
        sign = np.sign(self.change.value)
        found = [
            (one.feature, cell)
            for one in self.features
            for cell in one.cells
            if cell.excess.clear and cell.excess.value * sign > 0
        ]
        return tuple(sorted(found, key=lambda each: -abs(each[1].excess.value)))


def attribute(
    before: tuple[ArrayLike, ArrayLike],
    after: tuple[ArrayLike, ArrayLike],
    cells: Mapping[str, Cells],
    *,
    error: float = 0.05,
) -> Attribution:
    """Losses (n,) and blocks (n,) of labelled rows before and after, and where they lie by each feature.

    Of the blocks after, the newest 7 or 14 are taken, whichever shows the change most plainly; intervals pay for the choice.
    ValueError for fewer than two blocks on a side, or what does not fit together.
    """
    check_error_rate(error, "error")
    old, new = _period(before, "before"), _period(after, "after")
    _check(cells, old, new)
    windows = [size for size in WINDOWS if size <= len(new.blocks)] or [len(new.blocks)]
    levels = _levels(cells, error / len(windows))
    recent = _plainest(old, [new.newest(size) for size in windows], levels.whole)
    tables = {
        name: (old.cells(one.before, one.names), recent.cells(one.after, one.names))
        for name, one in cells.items()
    }
    features = [_feature(name, cells[name].names, pair, levels) for name, pair in tables.items()]
    features.sort(key=lambda one: -abs(one.mix.value))
    suspects = [one.feature for one in features if one.mix.clear][:SUSPECTS]
    shares, rest = _explained(old, recent, {name: cells[name] for name in suspects}, tables, levels)
    return Attribution(
        losses=(float(old.means.mean()), float(recent.means.mean())),
        change=_mean_change(old, recent, levels.whole),
        features=tuple(features),
        suspects=tuple(zip(suspects, shares, strict=True)),
        unexplained=rest,
        blocks=(len(old.blocks), len(recent.blocks)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Period:
    losses: Floats  # (n,)
    index: Whole  # (n,) place of each row's block
    blocks: Whole  # (b,) ascending
    means: Floats  # (b,)
    kept: Whole  # (n,) rows of the whole period that these are

    def newest(self, size: int) -> _Period:
        first = len(self.blocks) - size
        rows = np.flatnonzero(self.index >= first)
        return _Period(
            self.losses[rows],
            self.index[rows] - first,
            self.blocks[first:],
            self.means[first:],
            self.kept[rows],
        )

    def cells(self, codes: Whole, names: tuple[str, ...]) -> BlockCells:
        return BlockCells.of(self.losses, self.index, np.asarray(codes)[self.kept], len(names))


def _period(rows: tuple[ArrayLike, ArrayLike], name: str) -> _Period:
    losses, labels = finite_vector(rows[0], f"{name}: losses"), as_labels(rows[1], f"{name}: blocks")
    if losses.shape != labels.shape:
        raise ValueError(f"{name}: losses and blocks differ in length: {losses.size} and {labels.size}")
    blocks, index = np.unique(labels, return_inverse=True)
    if blocks.size < 2:
        raise ValueError(f"{name}: it takes two blocks at least, got {blocks.size}")
    means = np.bincount(index, weights=losses) / np.bincount(index)
    return _Period(losses, index, blocks, means, np.arange(losses.size))


def _check(cells: Mapping[str, Cells], old: _Period, new: _Period) -> None:
    for name, one in cells.items():
        if len(one.before) != old.losses.size or len(one.after) != new.losses.size:
            raise ValueError(
                f"feature {name}: its cells are of {len(one.before)} and {len(one.after)} rows, the losses of "
                f"{old.losses.size} and {new.losses.size}"
            )


@dataclass(frozen=True, slots=True)
class _Levels:
    """The error of one interval: a third of all is for the whole and the rest, one for features, one for cells."""

    whole: float
    feature: float
    cell: float


def _levels(cells: Mapping[str, Cells], error: float) -> _Levels:
    """Two intervals of the whole; of each feature two and a share; of each cell three."""
    each = error / 3.0
    count = sum(len(one.names) for one in cells.values())
    return _Levels(each / 2.0, each / max(1, 3 * len(cells)), each / max(1, 3 * count))


def _plainest(old: _Period, recent: Sequence[_Period], error: float) -> _Period:
    """Where the change is largest beside the reach of its interval."""

    def plain(one: _Period) -> float:
        change = _mean_change(old, one, error)
        return abs(change.value) / max(change.upper - change.value, 1e-300)

    return max(recent, key=plain)


def _mean_change(old: _Period, new: _Period, error: float) -> Part:
    pair = (old.means[:, None], new.means[:, None])
    return parts(lambda before, after: after - before, *pair, np.array([error]))[0]


def _feature(
    name: str, names: tuple[str, ...], pair: tuple[BlockCells, BlockCells], levels: _Levels
) -> FeaturePart:
    old, new = pair
    k = len(names)
    errors = np.repeat([levels.feature, levels.cell], [2, 3 * k])
    found = parts(lambda before, after: _laid_out(split(before, after)), old.table, new.table, errors)
    told = tuple(
        CellPart(
            name=names[at],
            shares=(float(old.shares[at]), float(new.shares[at])),
            losses=(old.loss(at), new.loss(at)),
            mix=found[2 + at],
            within=found[2 + k + at],
            excess=found[2 + 2 * k + at],
        )
        for at in range(k)
    )
    return FeaturePart(name, found[0], found[1], told)


def _laid_out(one: Split) -> Floats:
    """All parts in a row: (..., 2 + 3 cells)."""
    totals = [one.mix.sum(axis=-1, keepdims=True), one.within.sum(axis=-1, keepdims=True)]
    return np.concatenate([*totals, one.mix, one.within, one.excess], axis=-1)


def _explained(
    old: _Period,
    new: _Period,
    suspects: Mapping[str, Cells],
    tables: Mapping[str, tuple[BlockCells, BlockCells]],
    levels: _Levels,
) -> tuple[list[Part], Part]:
    """Each suspect's share of what they explain together, and what they leave of the change."""
    if not suspects:
        return [], _mean_change(old, new, levels.whole)
    groups = [grouped_by_loss(*tables[name]) for name in suspects]
    codes = [
        (group[one.before[old.kept]], group[one.after[new.kept]])
        for group, one in zip(groups, suspects.values(), strict=True)
    ]
    sizes = [int(group.max()) + 1 for group in groups]
    joint = [
        BlockCells.of(
            period.losses, period.index, joined([pair[side] for pair in codes], sizes), int(np.prod(sizes))
        )
        for side, period in enumerate((old, new))
    ]

    def shares(before: Floats, after: Floats) -> Floats:
        found = shapley(before, after, sizes)
        k = before.shape[-1] // 2
        change = after[..., k:].sum(axis=-1) - before[..., k:].sum(axis=-1)
        return np.concatenate([found, (change - found.sum(axis=-1))[..., None]], axis=-1)

    errors = np.repeat([levels.feature, levels.whole], [len(sizes), 1])
    *each, rest = parts(shares, joint[0].table, joint[1].table, errors)
    return each, rest
