"""Two versions' losses on the same raw rows, paired and compared block by block (STATISTICS: paired gates)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from noria.records.base import Json
from noria.records.gates import NoWorse, Verdict

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    import pyarrow as pa

    from noria.statistics import Comparison

OUTCOMES: dict[str, Literal["pass", "fail", "undecided"]] = {
    "better": "pass",
    "not worse": "pass",
    "worse": "fail",
    "undecided": "undecided",
}


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
) -> Paired | str:
    """Join two tables of key, time and loss by key; a sentence when no row is left to compare."""
    import polars as pl

    mine = pl.DataFrame(candidate)
    theirs = pl.DataFrame(other).select([*key, pl.col("loss").alias("_other")])
    joined = mine.join(theirs, on=list(key), how="inner", nulls_equal=True)
    if joined.height == 0:
        return f"{other_name} was trained on all {left_out} rows of the holdout; wait for newer rows"
    difference = (joined["loss"] - joined["_other"]).to_numpy()
    return Paired(
        other=other_name,
        differences=_by_block(joined[time], difference, block) if time else difference,
        rows=joined.height,
        left_out=left_out,
        candidate_mean=float(joined["loss"].mean()),  # type: ignore[arg-type]
        other_mean=float(joined["_other"].mean()),  # type: ignore[arg-type]
        range=range,
        block=block if time else "row",
    )


def _by_block(times: pl.Series, differences: np.ndarray, block: str) -> np.ndarray:
    from noria.statistics import block_means

    instants = times.dt.convert_time_zone("UTC").dt.replace_time_zone(None).to_numpy()
    return block_means(instants, differences, block).means


def compared(gate: NoWorse, name: str, paired: Paired) -> Verdict:
    """Non-inferiority within the gate's margin: pass, fail, or undecided with what is missing."""
    from noria.statistics import compare

    low, high = paired.range
    result = compare(paired.differences, margin=gate.margin, width=high - low, alpha=gate.alpha)
    evidence: dict[str, Json] = {
        "verdict": result.verdict,
        "candidate": paired.candidate_mean,
        "other": paired.other_mean,
        "against": paired.other,
        "estimate": result.estimate,
        "lower": result.lower,
        "upper": result.upper,
        "margin": gate.margin,
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


def _sentence(gate: NoWorse, paired: Paired, result: Comparison) -> str:
    figures = (
        f"{gate.metric} {paired.candidate_mean:.4g} against {paired.other_mean:.4g} of {paired.other} on the same "
        f"{paired.rows} rows; mean difference of {result.blocks} blocks of {paired.block} {result.estimate:+.4g} "
        f"[{result.lower:+.4g}, {result.upper:+.4g}], margin {gate.margin:g}"
    )
    if result.verdict != "undecided":
        return f"{result.verdict}: {figures}"
    more = (
        f"about {result.needed} more blocks would decide"
        if result.needed
        else "more blocks will hardly decide"
    )
    return f"undecided: {figures}; {more}"
