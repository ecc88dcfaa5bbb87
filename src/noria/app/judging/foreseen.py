"""Probabilities and what became of them, out of a candidate's answers and the labels beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noria.app.judging.gathered import Gathered
from noria.gates.calibration import Forecasts

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
    else:
        found = _of_one(rows[candidate.label], answers)
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


def _of_one(label: pl.Series, answers: pl.DataFrame) -> tuple[np.ndarray, np.ndarray] | str:
    """A probability of label 1."""
    import numpy as np
    import polars as pl

    if answers.width != 1 or not answers.to_series().dtype.is_numeric():
        return f"answers are no probabilities: they have the columns {', '.join(answers.columns)}"
    values = answers.to_series().cast(pl.Float64)
    if not values.is_between(0.0, 1.0).all():
        ends = np.nanmin(values.to_numpy()), np.nanmax(values.to_numpy())
        return f"answers are no probabilities: they go from {ends[0]:.4g} to {ends[1]:.4g}"
    if label.dtype != pl.Boolean and not label.dtype.is_numeric():
        return f"the label is {label.dtype}, and one probability does not say of which value"
    happened = label.cast(pl.Float64)
    if not happened.is_in([0.0, 1.0]).all():
        return "the label has values beside 0 and 1"
    return values.to_numpy(), happened.to_numpy()


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

    from noria.statistics import block_width

    if time is None or block == "row":
        return np.arange(rows.height)
    instants = rows[time].dt.convert_time_zone("UTC").dt.replace_time_zone(None).to_numpy()
    monday = np.datetime64("1970-01-05", "us")  # where `noria.statistics.blocks` begins to count, too
    return np.asarray((instants.astype("datetime64[us]") - monday) // block_width(block))
