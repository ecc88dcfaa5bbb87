"""What answers say of themselves while labels are out, and whether those whose labels came kept their word."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from noria.app.judging.foreseen import of_one
from noria.app.predictions import LABEL, predictions
from noria.monitor.blocks import block_span
from noria.monitor.columns import block_numbers
from noria.ports.serving import ANSWER, AT, TIME
from noria.records.base import Record
from noria.records.versions import Version

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from noria.app.wiring import App

SPAN = 28  # blocks back: four weeks of days
ROWS = 1_000_000  # of the newest predictions, at most


class ProbabilityBin(Record, kw_only=True):
    """Answers between two probabilities: what they said, and how often it happened, with its bounds over blocks."""

    answered: float
    happened: float
    lower: float
    upper: float
    rows: int


class Estimate(Record, kw_only=True):
    """Of the answers of the last four weeks of blocks; None where it cannot be said."""

    unlabelled: int = 0
    log_loss: float | None = None
    """Expected, of answers without a label."""
    accuracy: float | None = None
    auc: float | None = None
    warning: str = ""
    labelled: int = 0
    calibration_error: float | None = None
    """Of answers with a label: mean difference between what was answered and what happened, by bins."""
    bias: float | None = None
    """Mean over blocks of what happened less what was answered."""
    bias_lower: float | None = None
    bias_upper: float | None = None
    """With an error of 5 % together with the bins' bounds; None: too few blocks."""
    bins: tuple[ProbabilityBin, ...] = ()
    why: str = ""
    """Why there is none."""


def estimate_words(one: Estimate) -> list[str]:
    """Beside the label debt, with its warning: it decides nothing."""
    if one.why:
        return [f"none: {one.why}"]
    lines = []
    if one.log_loss is not None:
        auc = "" if one.auc is None else f", AUC {one.auc:.3f}"
        told = f"log loss {one.log_loss:.4g}, accuracy {one.accuracy or 0.0:.3f}{auc}"
        lines += [f"{told} of {one.unlabelled:,} answers without a label", f"if {one.warning}"]
    if one.calibration_error is not None and one.bias is not None:
        low, high = (("?" if end is None else f"{end:+.3f}") for end in (one.bias_lower, one.bias_upper))
        told = f"error {one.calibration_error:.3f}, bias {one.bias:+.3f} [{low}, {high}]"
        lines.append(f"calibration of {one.labelled:,} with one: {told}")
    return lines


def estimate(app: App, version: Version) -> Estimate:
    """Reads the log, unlike the monitors: asked for, not watched. It decides nothing."""
    answer = _probability(version)
    if answer is None:
        return Estimate(why="answers that are one probability of a label of 0 and 1 are needed")
    since = app.clock.now() - SPAN * block_span(app.model(version.model).monitor.block) - timedelta(days=1)
    frame = predictions(app, version.model, since=since, version=version.number, limit=ROWS)
    return _estimated(app, frame, answer, version)


def _probability(version: Version) -> str | None:
    """The answer's column, if it is the only one and the label has two values."""
    types = {column.name: column.type for column in version.data.columns}
    label = types.get(version.label or "", "")
    two = label == "bool" or label.startswith(("int", "uint"))
    columns = version.signature.answer
    return columns[0].name if two and len(columns) == 1 and columns[0].type in ("double", "float") else None


def _estimated(app: App, frame: pl.DataFrame, answer: str, version: Version) -> Estimate:
    import numpy as np
    import polars as pl

    column = ANSWER + answer
    if column not in frame.columns or not frame.height:
        return Estimate(why=f"there are no answers in the last {SPAN} blocks")
    found = of_one(frame[column], frame[LABEL])
    if isinstance(found, str):
        return Estimate(why=found)
    p, happened = found
    known = ~np.isnan(happened)
    times = frame.select(pl.coalesce(TIME, AT).alias(TIME))[TIME]
    blocks = block_numbers(times, block_span(app.model(version.model).monitor.block))
    open_ = _without_labels(p[~known]) if (~known).any() else {}
    told = _calibrated(p[known], happened[known], blocks[known]) if known.any() else {}
    return Estimate(unlabelled=int((~known).sum()), labelled=int(known.sum()), **open_, **told)  # type: ignore[arg-type]


def _without_labels(p: np.ndarray) -> dict[str, object]:
    from noria.statistics import without_labels

    found = without_labels(p)
    return {
        "log_loss": found.log_loss,
        "accuracy": found.accuracy,
        "auc": found.auc,
        "warning": found.assumption,
    }


def _calibrated(p: np.ndarray, y: np.ndarray, blocks: np.ndarray) -> dict[str, object]:
    from math import isfinite

    from noria.statistics import calibration

    found = calibration(p, y, blocks)
    bins = tuple(
        ProbabilityBin(
            answered=one.answered, happened=one.happened, lower=one.lower, upper=one.upper, rows=one.rows
        )
        for one in found.bins
    )
    return {
        "calibration_error": found.error,
        "bias": found.bias,
        "bias_lower": found.bias_lower if isfinite(found.bias_lower) else None,
        "bias_upper": found.bias_upper if isfinite(found.bias_upper) else None,
        "bins": bins,
    }
