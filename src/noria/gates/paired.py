"""Two versions' losses on the same raw rows, paired and compared block by block (STATISTICS: paired gates)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from noria.records.base import Json
from noria.records.gates import Better, Comparing, NoWorse, Outcome, Verdict

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    import pyarrow as pa

    from noria.statistics import Comparison

OUTCOMES: dict[str, Outcome] = {
    "better": "pass",
    "not worse": "pass",
    "worse": "fail",
    "undecided": "undecided",
}
DIFFERENCE = "_difference"


@dataclass(frozen=True)
class Paired:
    """Block means of (candidate's loss - other's loss) on rows that both answered and neither was trained on."""

    other: str
    differences: np.ndarray
    """float64, one a block, in the loss's own unit; negative where the candidate is better."""
    rows: int
    left_out: int
    """Rows of the candidate's holdout that the other version was trained on."""
    candidate_mean: float
    other_mean: float
    range: tuple[float, float]
    block: str
    time: str | None = None
    each: pl.DataFrame | None = None
    """A row each: its time, its difference, and the columns that segments are cut by; None where none are."""


def pair(
    candidate: pa.Table,
    other: pa.Table,
    *,
    key: tuple[str, ...],
    time: str | None,
    left_out: int,
    range: tuple[float, float],
    other_name: str,
    block: str,
    segments: pa.Table | None = None,
) -> Paired | str:
    """Join two tables of key, time and loss by key; a sentence when no row is left to compare. `segments`: a table of key
    and the columns that segments are cut by."""
    import polars as pl

    mine = pl.DataFrame(candidate)
    theirs = pl.DataFrame(other).select([*key, pl.col("loss").alias("_other")])
    joined = mine.join(theirs, on=list(key), how="inner", nulls_equal=True)
    if joined.height == 0:
        return f"{other_name} was trained on all {left_out} rows of the holdout; wait for newer rows"
    joined = joined.with_columns((pl.col("loss") - pl.col("_other")).alias(DIFFERENCE))
    return Paired(
        other=other_name,
        differences=by_block(joined, time, DIFFERENCE, block),
        rows=joined.height,
        left_out=left_out,
        candidate_mean=float(joined["loss"].mean()),  # type: ignore[arg-type]
        other_mean=float(joined["_other"].mean()),  # type: ignore[arg-type]
        range=range,
        block=block if time else "row",
        time=time,
        each=None if segments is None else _with_segments(joined, pl.DataFrame(segments), key),
    )


def _with_segments(joined: pl.DataFrame, segments: pl.DataFrame, key: tuple[str, ...]) -> pl.DataFrame:
    """The raw rows' columns beside the differences; one of the same name gives way to them."""
    kept = [name for name in joined.columns if name in key or name not in segments.columns]
    beside = segments.unique(subset=list(key), keep="first")
    return joined.select(kept).join(beside, on=list(key), how="left", nulls_equal=True, maintain_order="left")


def by_block(rows: pl.DataFrame, time: str | None, column: str, block: str) -> np.ndarray:
    """Block means of a column, in order of time; each row is its own block where rows have no time."""
    from noria.statistics import block_means

    values = rows[column].to_numpy()
    if time is None:
        return values
    instants = rows[time].dt.convert_time_zone("UTC").dt.replace_time_zone(None).to_numpy()
    return block_means(instants, values, block).means


def name_of(gate: Comparing) -> str:
    """`log_loss against champion`, `log_loss better than delay:3`."""
    return f"{gate.metric} {'better than' if isinstance(gate, Better) else 'against'} {gate.than}"


def compared(gate: Comparing, name: str, paired: Paired) -> Verdict:
    """Non-inferiority within the gate's margin, or superiority by more than its `by`: pass, fail, or undecided with what
    is missing."""
    result = held(gate, paired.differences, paired.range, alpha=gate.alpha)
    evidence: dict[str, Json] = {
        "verdict": result.verdict,
        "candidate": paired.candidate_mean,
        "other": paired.other_mean,
        "against": paired.other,
        "estimate": result.estimate,
        "lower": result.lower,
        "upper": result.upper,
        **_asked(gate),
        "alpha": gate.alpha,
        "e_value": result.e_value,
        "blocks": result.blocks,
        "block": paired.block,
        "rows": paired.rows,
        "left_out": paired.left_out,
        "needed": result.needed,
        "method": result.method,
        "assumption": result.assumption,
    }
    return Verdict(
        gate=name, outcome=OUTCOMES[result.verdict], why=_sentence(gate, paired, result), evidence=evidence
    )


def held(gate: Comparing, differences: np.ndarray, range: tuple[float, float], *, alpha: float) -> Comparison:
    """The comparison that a gate asks for, its figures in the unit of the differences. To be better by more than `by` is
    to be better once `by` is added: then "better" passes, "worse" says that it is surely not that much better."""
    from noria.statistics import compare

    width = range[1] - range[0]
    if isinstance(gate, NoWorse):
        return compare(differences, margin=gate.margin, width=width, alpha=alpha)
    shifted = compare(differences + gate.by, margin=0.0, width=width + gate.by, alpha=alpha)
    return replace(
        shifted,
        estimate=shifted.estimate - gate.by,
        lower=shifted.lower - gate.by,
        upper=shifted.upper - gate.by,
    )


def _asked(gate: Comparing) -> dict[str, Json]:
    return {"margin": gate.margin} if isinstance(gate, NoWorse) else {"by": gate.by}


def _sentence(gate: Comparing, paired: Paired, result: Comparison) -> str:
    figures = (
        f"{gate.metric} {paired.candidate_mean:.4g} against {paired.other_mean:.4g} of {paired.other} on the same "
        f"{paired.rows} rows; mean difference of {result.blocks} blocks of {paired.block} {result.estimate:+.4g} "
        f"[{result.lower:+.4g}, {result.upper:+.4g}], {limit_of(gate)}"
    )
    if result.verdict != "undecided":
        return f"{said(gate, result)}: {figures}"
    more = (
        f"about {result.needed} more blocks would decide"
        if result.needed
        else "more blocks will hardly decide"
    )
    return f"undecided: {figures}; {more}"


def limit_of(gate: Comparing) -> str:
    """What is allowed, in words."""
    return f"margin {gate.margin:g}" if isinstance(gate, NoWorse) else f"asked to be under {-gate.by:g}"


def said(gate: Comparing, result: Comparison) -> str:
    """The verdict in words: who is asked to be better and is not, need not be worse."""
    if isinstance(gate, NoWorse):
        return result.verdict
    return (
        "better" if result.verdict == "better" else f"not better by {gate.by:g}" if gate.by else "not better"
    )
