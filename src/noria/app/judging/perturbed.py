"""The same rows, not quite right: noise on numbers, holes in columns that may have them; seeded."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from noria.app.judging.gathered import Gathered
from noria.errors import StepFailed
from noria.gates.robustness import Perturbed
from noria.records.gates import Robustness
from noria.records.versions import Signature

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from noria.app.wiring import App


def perturbed(app: App, gate: Robustness, gathered: Gathered, seed: int) -> Perturbed | str | None:
    """The losses of perturbed rows beside those of the rows as they are; a sentence where the version gives no answer to
    such rows; None without a loss."""
    if gathered.losses is None:
        return None
    import numpy as np
    import polars as pl

    frame = pl.DataFrame(app.artifacts.table(gathered.answered.rows))
    signature = gathered.candidate.signature
    random = np.random.default_rng(seed)
    shaken, noisy = with_noise(frame, signature, gate.noise, random)
    holed_frame, holed = with_holes(shaken, signature, gate.missing, random)
    try:
        rows = app.artifacts.save(holed_frame.to_arrow())
        losses = gathered.scored(gathered.answers(rows)).losses
    except StepFailed as error:
        return f"perturbed rows are not answered: {error.headline()}"
    beside = gathered.beside(losses, "perturbed") if losses else None
    if beside is None or isinstance(beside, str):
        return beside
    rise = replace(beside, differences=-beside.differences)  # perturbed minus as they are
    return Perturbed(paired=rise, noisy=noisy, holed=holed, seed=seed)


def with_noise(
    frame: pl.DataFrame, signature: Signature, noise: float, random: np.random.Generator
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Normal noise on every number of the request but key, time and unit, of `noise` times the column's own standard
    deviation; whole numbers stay whole, so that small codes do not move. Nulls stay nulls."""
    import polars as pl

    names = [name for name in _open(signature) if name in frame.columns and _is_number(frame[name])]
    moved = []
    for name in names if noise else []:
        column = frame[name]
        numbers = column.cast(pl.Float64)
        spread = float(numbers.filter(numbers.is_finite()).std() or 0.0)  # type: ignore[arg-type]
        changed = numbers + pl.Series(random.normal(0.0, noise * spread, frame.height))
        if not column.dtype.is_float():
            ends = column.drop_nulls().to_numpy()
            low, high = float(ends.min()), float(ends.max())
            changed = changed.round().clip(low, high)  # a code beyond the largest one would be no code
        changed = changed.cast(column.dtype, strict=False)
        if changed.null_count() != column.null_count():
            continue  # numbers near the end of its type, where the next one that a float can be is none of it
        if changed.ne_missing(column).any():
            moved.append(changed.alias(name))
    return frame.with_columns(moved), tuple(one.name for one in moved)


def with_holes(
    frame: pl.DataFrame, signature: Signature, missing: float, random: np.random.Generator
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Nulls in a share of the values of each column that may be null in a request: of all but key, time and unit; of those
    that had nulls in training, where the model refuses what it has not seen."""
    import polars as pl

    nullable = {one.name for one in signature.request if one.nulls or signature.unknown == "accept"}
    names = [name for name in _open(signature) if name in frame.columns and name in nullable]
    if not missing:
        return frame, ()
    holes = {name: pl.Series(random.random(frame.height) < missing) for name in names}
    return (
        frame.with_columns(
            pl.when(hole).then(None).otherwise(pl.col(name)).alias(name) for name, hole in holes.items()
        ),
        tuple(name for name, hole in holes.items() if hole.any()),
    )


def _open(signature: Signature) -> list[str]:
    """The request's columns that say what a row is like, not which one it is."""
    fixed = {*signature.key, signature.time, signature.unit}
    return [column.name for column in signature.request if column.name not in fixed]


def _is_number(column: pl.Series) -> bool:
    return column.dtype.is_numeric() and column.null_count() < len(column)
