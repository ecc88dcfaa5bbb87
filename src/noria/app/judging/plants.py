"""Known-bad data: what goes wrong upstream, done on purpose to the rows that a candidate is trained on.

Each plant takes the raw rows and says which of them train; the rows that judge stay as they are, but for the leak, which
would be in both: so a plant is caught where its harm shows, and not because the holdout was spoilt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from noria.declare import DataSpec

KEPT = 0.05  # of the training rows, in a load that was cut off
LAG = 0.1  # of the training rows, by which features are late: weeks of a few months
FAHRENHEIT = (1.8, 32.0)  # degrees Celsius in another unit: both scale and zero move
LEAST_ROWS = 20  # that a truncated table keeps; beneath, most learners refuse to begin


class CannotPlant(Exception):
    """Why this pipeline gives no room for a fault."""


@dataclass(frozen=True)
class Soil:
    """The raw rows of a run, and what a fault may be made of."""

    rows: pl.DataFrame
    """Sorted as the data step gave them."""
    trains: np.ndarray
    """Boolean: a row that is not in the holdout."""
    spec: DataSpec
    telling: Mapping[str, float]
    """How much each visible column says of the label, from 0 to 1."""
    random: np.random.Generator

    def visible(self) -> list[str]:
        """Columns that say what a row is like."""
        fixed = {*self.spec.key, self.spec.time, self.spec.unit, *self.spec.hidden}
        return [name for name in self.rows.columns if name not in fixed]

    def numbers(self) -> list[str]:
        """Those of them that are numbers and vary, the most telling first."""
        found = [name for name in self.visible() if _varies(self.rows[name])]
        return sorted(found, key=lambda name: (-self.telling.get(name, 0.0), name))

    def in_training(self, name: str, changed: pl.Series) -> pl.DataFrame:
        """The rows with a column changed where they train."""
        import polars as pl

        before = self.rows[name]
        return self.rows.with_columns(
            changed.cast(before.dtype).zip_with(pl.Series(self.trains), before).alias(name)
        )

    def order(self) -> np.ndarray:
        """Positions of training rows in order of time, or as they stand."""
        import numpy as np

        places = np.flatnonzero(self.trains)
        if self.spec.time is None:
            return places
        return places[np.argsort(self.rows[self.spec.time].to_physical().to_numpy()[places], kind="stable")]


@dataclass(frozen=True)
class Sown:
    """Rows with a fault."""

    rows: pl.DataFrame
    what: str
    judged_by: pl.DataFrame | None = field(default=None)
    """Other rows than the true ones to judge by, where the fault would be in them, too."""


def shuffled_label(soil: Soil) -> Sown:
    """Labels come from other rows: what a join on the wrong column does."""
    label = _label(soil)
    values = soil.rows[label].to_numpy().copy()
    values[soil.trains] = soil.random.permutation(values[soil.trains])
    import polars as pl

    return Sown(
        soil.in_training(label, pl.Series(values, dtype=soil.rows[label].dtype, strict=False)),
        f"{label} of the training rows shuffled",
    )


def leaked_label(soil: Soil) -> Sown:
    """A column holds what is only known later, in training and in the holdout alike."""
    import polars as pl

    label = _label(soil)
    if not soil.rows[label].dtype.is_numeric() and soil.rows[label].dtype != pl.Boolean:
        raise CannotPlant(f"{label} is {soil.rows[label].dtype}, which no number column can hold")
    name = _first(soil.numbers(), "has no column of varying numbers that the label could stand in")
    leaked = soil.rows.with_columns(soil.rows[label].cast(soil.rows[name].dtype, strict=False).alias(name))
    return Sown(leaked, f"{name} holds {label}, in the holdout as well", judged_by=leaked)


def truncated(soil: Soil) -> Sown:
    """The load was cut off: only the first training rows are there."""
    import numpy as np
    import polars as pl

    order = soil.order()
    count = max(LEAST_ROWS, int(KEPT * len(order)))
    if count >= len(order):
        raise CannotPlant(f"has {len(order)} training rows, too few to lose most of them")
    kept = ~soil.trains
    kept[order[:count]] = True
    return Sown(
        soil.rows.filter(pl.Series(np.asarray(kept))), f"only the first {count} of {len(order)} training rows"
    )


def stale(soil: Soil) -> Sown:
    """Features are those of an earlier row: a table that was not refreshed."""
    order, names = soil.order(), soil.visible()
    lag = int(LAG * len(order))
    if not lag or not names:
        raise CannotPlant("has too few training rows, or no features, to be late with")
    import numpy as np
    import polars as pl

    source = np.arange(soil.rows.height)
    source[order[lag:]] = order[:-lag]
    late = soil.rows.select(names)[pl.Series(source)]
    return Sown(soil.rows.with_columns(late.get_columns()), f"{len(names)} features {lag} training rows late")


def other_unit(soil: Soil) -> Sown:
    """A number is given in another unit: degrees Fahrenheit for Celsius."""
    import polars as pl

    scale, zero = FAHRENHEIT
    for name in soil.numbers():
        column = soil.rows[name]
        moved = column.cast(pl.Float64) * scale + zero
        if column.dtype.is_integer():
            moved = moved.round()
            if moved.cast(column.dtype, strict=False).null_count() != column.null_count():
                continue  # a small code, which has no room for it
        return Sown(
            soil.in_training(name, moved.cast(column.dtype)),
            f"{name} of the training rows x {scale:g} + {zero:g}",
        )
    raise CannotPlant("has no column of varying numbers whose unit could change")


def swapped(soil: Soil) -> Sown:
    """Two columns change places, as after a change of schema upstream: the most telling one, and of its type the one that
    is least like it, for twins swapped do no harm."""
    numbers = soil.numbers()
    for place, first in enumerate(numbers):
        alike = [name for name in numbers[place + 1 :] if soil.rows[name].dtype == soil.rows[first].dtype]
        if alike:
            second = min((_likeness(soil.rows, first, name), name) for name in alike)[1]
            rows = soil.in_training(first, soil.rows[second])
            both = rows.with_columns(soil.in_training(second, soil.rows[first])[second])
            return Sown(both, f"{first} and {second} of the training rows swapped")
    raise CannotPlant("has no two columns of numbers of one type")


DATA_PLANTS: dict[str, Callable[[Soil], Sown]] = {
    "label shuffle": shuffled_label,
    "leaked label": leaked_label,
    "truncated data": truncated,
    "stale features": stale,
    "unit change": other_unit,
    "swapped columns": swapped,
}


def _label(soil: Soil) -> str:
    if soil.spec.label is None:
        raise CannotPlant("has no label")
    return soil.spec.label


def _first(names: list[str], problem: str) -> str:
    if not names:
        raise CannotPlant(problem)
    return names[0]


def _likeness(rows: pl.DataFrame, first: str, second: str) -> float:
    """The size of the correlation of two columns; 0 where there is none to be had."""
    import polars as pl

    found = rows.select(pl.corr(pl.col(first).cast(pl.Float64), pl.col(second).cast(pl.Float64))).item()
    return abs(found) if found is not None and found == found else 0.0


def _varies(column: pl.Series) -> bool:
    return column.dtype.is_numeric() and column.n_unique() > 2
