"""Probabilities and what became of them, out of answers and the labels beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noria.app.judging.gathered import Gathered
from noria.gates.calibration import Forecasts
from noria.monitor.blocks import block_span
from noria.monitor.columns import block_numbers

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from noria.app.wiring import App


def forecasts(app: App, gathered: Gathered) -> Forecasts | str:
    """A sentence where answers are no probabilities, or labels do not say what became of them."""
    import polars as pl

    candidate, answered = gathered.candidate, gathered.answered
    if candidate.label is None:
        return "the data have no label"
    rows = pl.DataFrame(app.artifacts.table(answered.rows))
    known = rows[candidate.label].is_not_null()
    answers = pl.DataFrame(app.artifacts.table(answered.answers)).filter(known)
    rows = rows.filter(known)
    if not rows.height:
        return "no row has a label"
    if answered.kind == "matrix" and answers.width > 1:
        found = _of_classes(rows[candidate.label], answers)
    elif answers.width != 1:
        found = f"answers are no probabilities: they have the columns {', '.join(answers.columns)}"
    else:
        found = of_one(answers.to_series(), rows[candidate.label])
    if isinstance(found, str):
        return found
    block = gathered.block if candidate.signature.time else "row"
    return Forecasts(
        probabilities=found[0],
        happened=found[1],
        blocks=_blocks(rows, candidate.signature.time, block),
        block=block,
        of="the likeliest class" if answered.kind == "matrix" and answers.width > 1 else "the answer",
    )


def of_one(answers: pl.Series, label: pl.Series) -> tuple[np.ndarray, np.ndarray] | str:
    """Probabilities of label 1, and what came of them, NaN where there is no label; a sentence where either is none."""
    import polars as pl

    if not answers.dtype.is_numeric():
        return f"answers are no probabilities: {answers.name} is {answers.dtype}"
    values = answers.cast(pl.Float64)
    if not values.is_between(0.0, 1.0).fill_null(False).all():
        return f"answers are no probabilities: {_ends(values)}"
    if label.dtype not in (pl.Boolean, pl.Null) and not label.dtype.is_numeric():
        return f"the label is {label.dtype}, and one probability does not say of which value"
    happened = label.cast(pl.Float64)
    if not happened.drop_nulls().is_in([0.0, 1.0]).all():
        return "the label has values beside 0 and 1"
    return values.to_numpy(), happened.to_numpy()


def _ends(values: pl.Series) -> str:
    there = values.drop_nulls().drop_nans().to_numpy()
    if there.size < len(values):
        return f"{len(values) - there.size:,} of {len(values):,} are missing"
    return f"they go from {there.min():.4g} to {there.max():.4g}"


def _of_classes(label: pl.Series, answers: pl.DataFrame) -> tuple[np.ndarray, np.ndarray] | str:
    """The probability of the likeliest class, and whether it was the one. A label is a column's name, or its position."""
    import numpy as np
    import polars as pl

    table = answers.to_numpy()
    if table.dtype.kind != "f" or not ((table >= 0.0) & (table <= 1.0)).all():
        return "answers are no probabilities"
    likeliest = np.argmax(table, axis=1)
    said = np.asarray(answers.columns)[likeliest]
    text = label.cast(pl.String).to_numpy()
    if set(text) <= set(answers.columns):
        return table.max(axis=1), (text == said).astype(float)
    if label.dtype.is_integer() and label.is_between(0, answers.width - 1).all():
        return table.max(axis=1), (label.to_numpy() == likeliest).astype(float)
    return f"labels are no columns of the answers: {', '.join(answers.columns)}"


def _blocks(rows: pl.DataFrame, time: str | None, block: str) -> np.ndarray:
    """The number of each row's block."""
    import numpy as np

    if time is None or block == "row":
        return np.arange(rows.height)
    return block_numbers(rows[time], block_span(block))
