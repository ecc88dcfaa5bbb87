"""A drift reference out of the rows that a version was trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noria.statistics.arrays import Floats, Whole, as_labels, check_error_rate
from noria.statistics.drift_cells import LEAST, MISSING, Categories, Column, Levels, Numbers, numbers_of
from noria.statistics.drift_counting import count_blocks, fills, length_of
from noria.statistics.drift_reference import CODES, GROUPS, DriftReference, Summaries, grouped
from noria.statistics.drift_scores import ABSENT, DISTANCE, LOCATION, MOST_ROWS, ONE, SHAPE, SUMMARIES, Scores

# Blocks for each one of the profile. Of 14 one: with 13 to rank among a change that none of them came near to is seen in half
# the days that it takes with 12.
PROFILE_PART = 14

# In row mode the profile is a twentieth of a large reference. Of a smaller one it takes 500 rows, up to a quarter of all: a level
# of a category that it lacks looks new for ever. Numbers are ranked well by fewer: a fourteenth of all, or ten rows, is enough.
SMALLEST_PART, LARGEST_PART = 20, 4
PROFILE_ROWS, NUMBERS_ROWS = 500, 10

UNIT_ROWS = 20  # in row mode: fewer cost more; with more, 0.3 sd is no longer seen in 1,000 rows
UNITS = 25  # wanted in row mode, before units get as many rows as that
BLOCK_ROWS = 1_000  # rows of a block that are looked at: chance then moves a mean rank by 0.01, days by more
_DAY, _HOUR, _MONDAY = 24, 3_600_000_000, 4 * 24  # us; 1970-01-05, in hours

_AT_A_TIME = 32  # blocks whose counters are in memory together
_DISTANCE = 0.3  # over sqrt(rows): spread of the distance between a sample and its distribution (Kolmogorov)


def hour_of_week(times: ArrayLike) -> Whole:
    """Strata for traffic with a weekly rhythm: 0 (Monday, midnight UTC) to 167 for `times` (n,) datetime64."""
    hours = as_labels(np.asarray(times, "datetime64[us]"), "times") // _HOUR
    return np.asarray((hours - _MONDAY) % (7 * _DAY))


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    columns: Mapping[str, Column]
    blocks: Whole  # (n,) in row mode the number of the row
    strata: Whole  # (n,)
    unit: int  # rows of a unit, 0 for blocks
    thin_to: int  # rows of a block

    def only(self, which: NDArray[np.bool_] | Whole) -> _Rows:
        return _Rows(
            _only(self.columns, which), self.blocks[which], self.strata[which], self.unit, self.thin_to
        )


def drift_reference(
    columns: Mapping[str, Column],
    *,
    blocks: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    false_alarm: float = 0.01,
    tolerance: float = 0.0,
    unit_rows: int | None = None,
    block_rows: int | None = None,
    seed: int = 0,
) -> DriftReference:
    """From the reference's rows: a column is numbers (n,), NaN where missing, or `Categories`.

    `blocks` (n,) names each row's block of event time (whole numbers or datetimes): a unit is a block, and its rows may
    depend on each other in any way. Each block is thinned to `block_rows`, and one with fewer is left out: by default the
    smallest of the reference that has half as many as the median, 1,000 at most; give fewer where the service will have
    fewer. Without blocks (row mode) rows must be independent within a stratum, and a unit is `unit_rows` of them (by default
    as many as leave 25 units, 20 at most). `strata` (n,) names what must be alike for units to be comparable, such as
    `hour_of_week`; a block has one. ValueError for fewer than two blocks or rows, or a senseless setting.
    """
    check_error_rate(false_alarm, "false_alarm")
    if not 0.0 <= tolerance < 1.0:
        raise ValueError(f"tolerance: expected a distance of at least 0 and under 1, got {tolerance}")
    if seed < 0:
        raise ValueError(f"seed: expected a whole number of at least 0, got {seed}")
    rows = _rows(columns, blocks, strata, unit_rows, block_rows)
    part = _row_part(columns, rows.blocks.size) if rows.unit else PROFILE_PART
    aside = _aside(rows.blocks, part)
    if not aside.any() or aside.all():
        raise ValueError("reference: it takes two blocks at least, or two rows where rows are independent")
    draft = _draft(rows.only(aside), np.unique(rows.strata), float(false_alarm), float(tolerance), seed)
    return _filled(draft, rows.only(~aside))


def _rows(
    columns: Mapping[str, Column],
    blocks: ArrayLike | None,
    strata: ArrayLike | None,
    unit_rows: int | None,
    block_rows: int | None,
) -> _Rows:
    rows = length_of(columns)
    unit = _default_unit(columns, rows) if unit_rows is None else unit_rows
    if not 1 <= unit <= MOST_ROWS:
        raise ValueError(f"unit_rows: expected 1 to {MOST_ROWS}, got {unit_rows}")
    labels = np.arange(rows) if blocks is None else as_labels(blocks, "blocks")
    kinds = np.zeros(rows, np.int64) if strata is None else as_labels(strata, "strata")
    if not labels.size == kinds.size == rows:
        raise ValueError(
            f"columns, blocks and strata differ in length: {rows}, {labels.size} and {kinds.size}"
        )
    thin_to = _default_block(labels) if block_rows is None else block_rows
    if thin_to < 1:
        raise ValueError(f"block_rows: expected at least 1, got {block_rows}")
    return _Rows(columns, labels, kinds, unit if blocks is None else 0, thin_to if blocks is not None else 0)


def _row_part(columns: Mapping[str, Column], rows: int) -> int:
    """Rows for each one of the profile."""
    part = rows // PROFILE_ROWS
    if not any(isinstance(column, Categories) for column in columns.values()):
        part = max(part, min(rows // NUMBERS_ROWS, PROFILE_PART))
    return int(np.clip(part, LARGEST_PART, SMALLEST_PART))


def _default_block(blocks: Whole) -> int:
    sizes = np.unique(blocks, return_counts=True)[1]
    usual = sizes[sizes >= np.median(sizes) / 2.0] if sizes.size else np.ones(1)
    return int(min(BLOCK_ROWS, usual.min()))


def _default_unit(columns: Mapping[str, Column], rows: int) -> int:
    ranked = rows - rows // _row_part(columns, rows)
    return int(np.clip(ranked // UNITS, 1, UNIT_ROWS))


def _aside(blocks: Whole, part: int) -> NDArray[np.bool_]:
    """Which rows are the profile's: those of every `part`-th block, but of one at least."""
    names, index = np.unique(blocks, return_inverse=True)
    chosen = np.zeros(names.size, np.bool_)
    chosen[part // 2 :: part] = True
    if names.size and not chosen.any():
        chosen[0] = True
    return chosen[index]


def _draft(profile: _Rows, strata: Whole, false_alarm: float, tolerance: float, seed: int) -> DriftReference:
    """Everything but the pool."""
    cells = tuple(_cut(column, name, seed) for name, column in profile.columns.items())
    numeric = np.array([isinstance(cell, Numbers) for cell in cells])
    found = fills(profile.columns, tuple(profile.columns), cells)
    counts = count_blocks(found, np.zeros_like(profile.blocks), None).cells[0]
    groups = np.array([_groups(each, number) for each, number in zip(counts, numeric, strict=True)])
    draft = DriftReference(
        features=tuple(profile.columns),
        cells=cells,
        scores=Scores.of(counts, numeric),
        grouped_scores=Scores.of(grouped(counts, groups), numeric),
        centre=np.zeros((len(cells), len(SUMMARIES))),
        spread=np.ones((len(cells), len(SUMMARIES))),
        pool=np.zeros((strata.size + (strata.size > 1), len(cells), len(SUMMARIES), CODES), np.int64),
        strata=strata,
        groups=groups,
        rows=grouped(counts, groups),
        unit_rows=profile.unit,
        block_rows=profile.thin_to,
        false_alarm=false_alarm,
        tolerance=tolerance,
        seed=seed,
    )
    centre, spread = _scale(draft, profile)
    return replace(draft, centre=centre, spread=spread)


def _cut(column: Column, name: str, seed: int) -> Numbers | Levels:
    if isinstance(column, Categories):
        return Levels.cut(column, f"noria {seed} {name}".encode()[:64])
    return Numbers.cut(np.asarray(numbers_of(column, name), np.float64))


def _groups(counts: Whole, numeric: bool) -> Whole:
    """The group of each cell (CELLS,): 0 for what is missing, 1 for levels that were not there; of the rest one a level, or
    like shares of the profile's rows where there are more cells than groups.
    """
    first = LEAST if numeric else LEAST + 1
    present = counts[first:].astype(np.float64)
    used: Whole = np.cumsum(present > 0) - (present > 0)
    room = GROUPS - first
    before = (np.cumsum(present) - present / 2.0) / max(present.sum(), 1.0)
    place = used if not numeric and used[-1] < room else (before * room).astype(np.int64)
    return np.concatenate([np.arange(first), first + np.minimum(place, room - 1)])


def _scale(draft: DriftReference, profile: _Rows) -> tuple[Floats, Floats]:
    """Where units are expected and how far they scatter, at least as far as independent rows do: (features, 4) each."""
    scores = draft.scores if profile.unit else draft.grouped_scores
    centre = scores.of_counts(scores.profile[None])[0]
    spread = np.sqrt(_variances(scores, centre) / (profile.unit or profile.thin_to))
    if profile.unit:
        return centre, spread
    seen = np.concatenate([part.values for part in _summaries(draft, profile)])
    if len(seen):  # all of the profile's blocks may be too thin
        centre, spread = seen.mean(axis=0), np.maximum(spread, seen.std(axis=0))
    centre[:, DISTANCE] = np.maximum(centre[:, DISTANCE], spread[:, DISTANCE])
    return centre, spread


def _variances(scores: Scores, centre: Floats) -> Floats:
    """Of each summary, of one row of the profile: (features, 4). Never 0: what has not varied may begin to."""
    present = scores.profile.astype(np.float64)
    present[:, MISSING] = 0.0
    present /= np.maximum(present.sum(axis=1, keepdims=True), 1.0)
    found = np.empty_like(centre)
    for place, score in ((LOCATION, scores.location / ONE), (SHAPE, scores.shape / ONE)):
        found[:, place] = (present * score**2).sum(axis=1) - (present * score).sum(axis=1) ** 2
    found[:, ABSENT] = centre[:, ABSENT] * (1.0 - centre[:, ABSENT])
    found[:, DISTANCE] = _DISTANCE**2
    return np.asarray(np.maximum(found, 0.0) + 1.0 / np.maximum(scores.profile.sum(axis=1, keepdims=True), 1))


def _filled(draft: DriftReference, ranked: _Rows) -> DriftReference:
    """With the units that are ranked among."""
    pool, rows = draft.pool.copy(), draft.rows.copy()
    for part in _summaries(draft, ranked):
        codes = draft.codes(part.values)
        np.add.at(pool, (part.strata[:, None, None], *_every(codes.shape[1:]), codes), 1)
        rows += part.groups.sum(axis=0)
    return replace(draft, pool=pool, rows=rows)


def _every(shape: tuple[int, ...]) -> tuple[Whole, Whole]:
    """Indices of all features and summaries, to go with an array of codes."""
    return np.arange(shape[0])[None, :, None], np.arange(shape[1])[None, None, :]


def _summaries(reference: DriftReference, rows: _Rows) -> Iterator[Summaries]:
    """All units, some blocks at a time: each block has counters of its own."""
    if rows.unit:
        yield reference.summarise_rows(rows.columns, rows.strata)
        return
    order = np.argsort(rows.blocks, kind="stable")
    starts = np.flatnonzero(np.diff(rows.blocks[order], prepend=rows.blocks[order[:1]] - 1))
    edges = np.append(starts[::_AT_A_TIME], order.size)
    for low, high in pairwise(edges):
        some = rows.only(order[low:high])
        yield reference.summarise(reference.count(some.columns, some.blocks, some.strata))


def _only(columns: Mapping[str, Column], which: NDArray[np.bool_] | Whole) -> dict[str, Column]:
    return {
        name: Categories(np.asarray(column.codes)[which], column.levels)
        if isinstance(column, Categories)
        else np.asarray(column)[which]
        for name, column in columns.items()
    }
