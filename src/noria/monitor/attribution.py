"""Rows before and after into cells by each of their columns, and what came of taking their losses apart, in words.

In come frames of labelled rows with their losses; out go a record and its sentences. What is compared with what is the
caller's, and the sums are those of `noria.statistics`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from noria.monitor.columns import numbers
from noria.records.attribution import Attribution, Interval, MixShift, WorseSegment
from noria.records.base import Json
from noria.records.monitoring import Term

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from noria.statistics import Attribution as Found
    from noria.statistics import Cells, Part

LEVELS = 12  # of a column that have a cell of their own, the most frequent ones before
BINS = 10  # of a column of numbers: cells of like shares before
NAMED = 2  # features and segments that a sentence spells out


def taken_apart(
    before: pl.DataFrame,
    after: pl.DataFrame,
    losses: tuple[np.ndarray, np.ndarray],
    blocks: tuple[np.ndarray, np.ndarray],
    kinds: Mapping[str, str],
    *,
    prefix: str,
) -> Attribution:
    """Rows (n) and (m) with their losses and blocks; `kinds`: columns of `before`, as numbers or categories, which are called
    `prefix` + name in `after`. Raises ValueError where a side has one block.
    """
    from noria.statistics import attribute

    cells = {
        name: _cells(before[name], _column(after, prefix + name), name, kind) for name, kind in kinds.items()
    }
    return _record(attribute((losses[0], blocks[0]), (losses[1], blocks[1]), cells))


def _column(frame: pl.DataFrame, name: str) -> pl.Series:
    """A column that is not there is missing throughout."""
    import polars as pl

    return frame[name] if name in frame.columns else pl.Series(name, [None] * frame.height)


def _cells(before: pl.Series, after: pl.Series, name: str, kind: str) -> Cells:
    from noria.statistics import Cells

    if kind == "number":
        edges = _edges(before)
        names = [term.name for term in _terms(name, edges)]
        return Cells((*names, f"{name} missing"), _binned(before, edges), _binned(after, edges))
    levels = _levels(before)
    names = [Term(column=name, level=level).name for level in levels]
    return Cells(
        (*names, f"{name}, another", f"{name} missing"), _placed(before, levels), _placed(after, levels)
    )


def _edges(values: pl.Series) -> np.ndarray:
    """Between the bins; none where there are no numbers."""
    import numpy as np

    held = numbers(values)
    held = held[np.isfinite(held)]
    if not held.size:
        return np.zeros(0)
    return np.unique(np.quantile(held, np.arange(1, BINS) / BINS))


def _terms(name: str, edges: np.ndarray) -> list[Term]:
    if not edges.size:
        return [Term(column=name, low=-float("inf"))]
    middle = [Term(column=name, low=float(low), high=float(high)) for low, high in pairwise(edges)]
    return [Term(column=name, high=float(edges[0])), *middle, Term(column=name, low=float(edges[-1]))]


def _binned(values: pl.Series, edges: np.ndarray) -> np.ndarray:
    import numpy as np

    held = numbers(values)
    return np.where(np.isnan(held), edges.size + 1, np.searchsorted(edges, held, side="right"))


def _levels(values: pl.Series) -> list[str]:
    import polars as pl

    counts = values.cast(pl.String).drop_nulls().alias("x").value_counts(name="n")
    found: list[str] = counts.sort(["n", "x"], descending=[True, False]).head(LEVELS)["x"].to_list()
    return found


def _placed(values: pl.Series, levels: list[str]) -> np.ndarray:
    """The number of each value's level; then others, then what is missing."""
    import polars as pl

    text = values.cast(pl.String, strict=False)
    places = text.replace_strict(levels, range(len(levels)), default=len(levels), return_dtype=pl.Int64)
    found: np.ndarray = (
        places.to_frame("x")
        .select(pl.when(text.is_null()).then(len(levels) + 1).otherwise(pl.col("x")))
        .to_series()
        .to_numpy()
    )
    return found


def _record(found: Found) -> Attribution:
    shares = dict(found.suspects)
    mix = [
        MixShift(
            feature=one.feature,
            mix=_interval(one.mix),
            within=_interval(one.within),
            share=_interval(shares[one.feature]) if one.feature in shares else None,
        )
        for one in found.features
    ]
    segments = [
        WorseSegment(
            segment=cell.name,
            rows=cell.shares,
            losses=(cell.losses[0] or 0.0, cell.losses[1] or 0.0),
            within=_interval(cell.within),
        )
        for _, cell in found.worse
    ]
    return Attribution(
        losses=found.losses,
        change=_interval(found.change),
        unexplained=_interval(found.unexplained),
        mix=tuple(mix),
        segments=tuple(segments),
        blocks=found.blocks,
    )


def _interval(part: Part) -> Interval:
    return Interval(value=part.value, lower=part.lower, upper=part.upper)


def sentences(one: Attribution) -> Iterator[str]:
    """What is beyond chance, the change first; nothing of a record without one."""
    if one.losses is None or one.change is None or one.unexplained is None:
        return
    yield f"the loss went from {one.losses[0]:.4g} to {one.losses[1]:.4g}: {said(one.change)}"
    suspects = [each for each in one.mix if each.share is not None]
    for each in suspects[:NAMED]:
        yield f"{said(each.share)} goes with another mix of {each.feature}"  # type: ignore[arg-type]
    for segment in one.segments[:NAMED]:
        old, new = segment.losses
        yield f"{said(segment.within)} comes from where {segment.segment}, whose loss went from {old:.3g} to {new:.3g}"
    yield f"{said(one.unexplained)} is explained by the mix of no feature"


def figures_of(one: Attribution) -> dict[str, Json]:
    """Evidence of an alarm: what is beyond chance, without the rest; or why it could not be said."""
    if one.change is None or one.unexplained is None:
        return {"why": one.why}
    return {
        "change": _ends(one.change),
        "mix": {each.feature: _ends(each.share) for each in one.mix if each.share is not None},
        "segments": {each.segment: _ends(each.within) for each in one.segments},
        "unexplained": _ends(one.unexplained),
    }


def _ends(part: Interval) -> list[Json]:
    return [part.value, part.lower, part.upper]


def said(part: Interval) -> str:
    return f"{part.value:+.3g} [{part.lower:+.3g}, {part.upper:+.3g}]"
