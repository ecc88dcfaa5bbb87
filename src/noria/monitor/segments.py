"""Where a model has become worse: the risk of segments, each with a test of its own.

The segments are fixed on a version's first day, from its holdout alone, before any of their losses in production is known;
so the union bound over them holds: each gets an equal part of the error, and the alarm names the segment. Declared columns
come first. Found ones are values of one column, then of two, the largest first, and no more than the holdout's blocks can
bear: n blocks cannot bound a risk with an error under 2**-n.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import combinations
from typing import TYPE_CHECKING

from msgspec.structs import replace

from noria.monitor.risk import spotless
from noria.records.monitoring import Alarm, Block, RiskState, SegmentRisk, Term

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

SEGMENT = "segment"  # the monitor's name in alarms
LEAST = 5  # rows of a segment that a block's mean takes
LEVELS = 50  # of a declared column; more are no segments that somebody looks at
FOUND = 8  # of a column that is searched
MOST = 40  # segments that are found; each one costs the others some evidence
TRIED = 5 * MOST  # candidates whose blocks are counted: the rest are smaller still
THIRDS = (1 / 3, 2 / 3)


def begin_segments(
    frame: pl.DataFrame,
    losses: np.ndarray,
    blocks: np.ndarray,
    kinds: Mapping[str, str],
    *,
    declared: Sequence[str],
    search: bool,
    false_alarm: float,
    tolerance: float,
    loss_range: tuple[float, float],
) -> tuple[SegmentRisk, ...]:
    """The segments of a holdout `frame` (n) with `losses` (n,) in `blocks` (n,); `kinds`: its columns, as numbers or
    categories. Declared and found ones share the error half and half where there are both."""
    named: list[tuple[Term, ...]] = [
        (term,) for name in declared if name in kinds for term in terms_of(frame, name, kinds[name], LEVELS)
    ]
    groups: list[tuple[bool, list[tuple[Term, ...]]]] = [
        (True, named),
        (False, _searched(frame, kinds, declared) if search else []),
    ]
    groups = [(told, found) for told, found in groups if found]
    begun: list[SegmentRisk] = []
    for told, found in groups:
        share = false_alarm / len(groups)
        begun += _begun(frame, losses, blocks, found, told, share, tolerance, loss_range)
    return tuple(begun)


def terms_of(frame: pl.DataFrame, name: str, kind: str, most: int) -> list[Term]:
    """Values of one column that divide its rows: its most frequent categories, or thirds of its numbers."""
    import numpy as np
    import polars as pl

    if kind == "category":
        counts = frame[name].cast(pl.String).drop_nulls().alias("x").value_counts(name="n")
        ordered = counts.sort(["n", "x"], descending=[True, False]).head(most)
        return [Term(column=name, level=level) for level in ordered["x"].to_list()]
    values = frame[name].cast(pl.Float64).drop_nulls().drop_nans()
    if values.n_unique() < 3:
        return (
            []
            if values.n_unique() < 2
            else [Term(column=name, high=_top(values)), Term(column=name, low=_top(values))]
        )
    low, high = (float(np.quantile(values.to_numpy(), share)) for share in THIRDS)
    if low == high:
        return [Term(column=name, high=low), Term(column=name, low=low)]
    return [Term(column=name, high=low), Term(column=name, low=low, high=high), Term(column=name, low=high)]


def _top(values: pl.Series) -> float:
    import numpy as np

    return float(np.asarray(values.max()))


def _searched(
    frame: pl.DataFrame, kinds: Mapping[str, str], declared: Sequence[str]
) -> list[tuple[Term, ...]]:
    """One column, then two; the largest first."""
    single = [term for name, kind in kinds.items() for term in terms_of(frame, name, kind, FOUND)]
    held = {term: within(frame, (term,)) for term in single}
    alone = [(term,) for term in single if term.column not in declared]
    pairs = [(one, other) for one, other in combinations(single, 2) if one.column != other.column]
    by_rows = sorted(pairs, key=lambda pair: -int((held[pair[0]] & held[pair[1]]).sum()))
    alone.sort(key=lambda terms: -int(held[terms[0]].sum()))
    return [*alone, *by_rows][:TRIED]


def within(frame: pl.DataFrame, terms: Sequence[Term], *, prefix: str = "") -> np.ndarray:
    """Which rows (n,) a segment has; none where a column is not there."""
    import numpy as np
    import polars as pl

    conditions: list[pl.Expr] = []
    for term in terms:
        if prefix + term.column not in frame.columns:
            return np.zeros(frame.height, dtype=np.bool_)
        conditions += _conditions(term, pl.col(prefix + term.column))
    found: np.ndarray = frame.select(pl.all_horizontal(conditions).fill_null(False).alias("x"))[
        "x"
    ].to_numpy()
    return found


def _conditions(term: Term, column: pl.Expr) -> Iterator[pl.Expr]:
    import polars as pl

    if term.level is not None:
        yield column.cast(pl.String, strict=False) == term.level
        return
    number = column.cast(pl.Float64, strict=False)
    yield number.is_not_nan()
    if term.low is not None:
        yield number >= term.low
    if term.high is not None:
        yield number < term.high


def _begun(
    frame: pl.DataFrame,
    losses: np.ndarray,
    blocks: np.ndarray,
    candidates: Sequence[tuple[Term, ...]],
    declared: bool,
    false_alarm: float,
    tolerance: float,
    loss_range: tuple[float, float],
) -> list[SegmentRisk]:
    """As many of the candidates as the blocks can bear."""
    import numpy as np

    from noria.statistics import blocks_needed

    wanted = len(candidates) if declared else MOST
    means: list[tuple[tuple[Term, ...], np.ndarray, float]] = []
    for terms in candidates:
        needed = blocks_needed(false_alarm / (len(means) + 1) / 2)
        if len(means) == wanted or needed > len(np.unique(blocks)):
            break
        found, usual = _block_means(losses, blocks, within(frame, terms))
        if len(found) >= needed:
            means.append((terms, found, usual))
    share = false_alarm / max(1, len(means))
    fit = [one for one in means if len(one[1]) >= blocks_needed(share / 2)]
    return [
        replace(_risk(terms, found, declared, share, tolerance, loss_range), usual=usual)
        for terms, found, usual in fit
    ]


def _risk(
    terms: tuple[Term, ...],
    means: np.ndarray,
    declared: bool,
    share: float,
    tolerance: float,
    loss_range: tuple[float, float],
) -> SegmentRisk:
    from noria.statistics import RiskMonitor, RiskState

    monitor = RiskMonitor.from_source(
        means,
        loss_range=loss_range,
        tolerance=tolerance,
        false_alarm=share,
        method="bounded" if spotless(means, loss_range[0], tolerance) else "symmetric",
    )
    return SegmentRisk(
        terms=terms,
        declared=declared,
        bound=monitor.bound,
        threshold=monitor.threshold,
        evidence={"monitor": monitor.to_dict(), "state": RiskState().to_dict()},
    )


def _block_means(losses: np.ndarray, blocks: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, float]:
    """Of blocks with rows enough, and the rows of their median."""
    import numpy as np

    _, index = np.unique(blocks[held], return_inverse=True)
    counts = np.bincount(index)
    sums = np.bincount(index, weights=losses[held])
    enough = counts >= LEAST
    means: np.ndarray = sums[enough] / counts[enough]
    return means, float(np.median(counts[enough])) if enough.any() else 0.0


def step_segments(
    state: RiskState, block: Block, frame: pl.DataFrame, losses: np.ndarray, now: datetime, *, prefix: str
) -> tuple[RiskState, list[Alarm]]:
    """The state after a matured block with the labelled rows `frame` (n) and their `losses` (n,), and an alarm for each
    segment that it made ring."""
    moved: list[SegmentRisk] = []
    alarms: list[Alarm] = []
    for segment in state.segments:
        held = within(frame, segment.terms, prefix=prefix)
        if held.sum() < LEAST:
            moved.append(segment)
            continue
        after, rings = _advanced(segment, float(losses[held].mean()), int(held.sum()))
        moved.append(after)
        if rings:
            alarms.append(_alarm(after, state, block, int(held.sum()), now))
    return replace(state, segments=tuple(moved)), alarms


def _advanced(segment: SegmentRisk, loss: float, rows: int) -> tuple[SegmentRisk, bool]:
    from noria.statistics import RiskMonitor, RiskState, advance, alarmed, evidence, is_thin

    monitor = RiskMonitor.from_dict(segment.evidence["monitor"])  # type: ignore[arg-type]
    before = RiskState.from_dict(segment.evidence["state"])  # type: ignore[arg-type]
    after = advance(monitor, before, loss, thin=is_thin(rows, segment.usual))
    moved = replace(
        segment,
        blocks=segment.blocks + 1,
        e_value=evidence(after),
        loss=loss,
        evidence={"monitor": segment.evidence["monitor"], "state": after.to_dict()},
    )
    return moved, alarmed(monitor, after) and not alarmed(monitor, before)


def _alarm(segment: SegmentRisk, state: RiskState, block: Block, rows: int, now: datetime) -> Alarm:
    rest = "" if block.loss is None else f", and {block.loss:.4g} over all rows"
    return Alarm(
        model=state.model,
        version=state.version,
        monitor=SEGMENT,
        subject=segment.name,
        raised=now,
        block=block.start,
        e_value=segment.e_value,
        threshold=segment.threshold,
        risk=segment.loss or 0.0,
        bound=segment.bound,
        why=(
            f"where {segment.name}, the risk is over {segment.bound:.4g}: evidence {segment.e_value:.3g} after "
            f"{segment.blocks} blocks reached {segment.threshold:.3g}; the last block's loss there is {segment.loss:.4g}{rest}"
        ),
        cause=f"what the model learnt of rows where {segment.name} does not hold any more, or their labels mean something else",
        action=f"compare labels and answers there: noria predictions {state.model}; then train anew: noria run {state.model}",
        figures={"rows": rows, "blocks": segment.blocks, "segments watched": len(state.segments)},
    )
