"""How much each column says of the label, by the cheapest statistic that finds the label under another name.

For numbers the squared Pearson correlation with the label, for categories the correlation ratio (Fisher, 1925): the
share of the label's variance that lies between the categories. Both are 1 for a copy of the label, whatever its scale or
its names, and near 0 for what says nothing. Rounded to nine digits, so that the order of the rows does not show.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

MOST = 1000  # categories; beyond, each has so few rows that chance alone makes them tell the label
FEWEST = 20  # rows of a category on average, for the same reason
DIGITS = 9


def telling(table: pa.Table, label: str, hidden: Collection[str]) -> dict[str, float]:
    """For each visible column that is a number, a truth value or a category with few values. Empty where the label is
    neither a number nor has two values."""
    import polars as pl

    frame = pl.DataFrame(table)
    told = _as_number(frame[label])
    if told is None:
        return {}
    frame = frame.with_columns(told.alias("noria label")).filter(pl.col("noria label").is_finite())
    names = [name for name in table.column_names if name != label and name not in hidden]
    found = {name: _tells(frame, name) for name in names}
    return {name: round(value, DIGITS) for name, value in found.items() if value is not None}


def _as_number(series: pl.Series) -> pl.Series | None:
    import polars as pl

    if series.dtype.is_numeric() or series.dtype == pl.Boolean:
        return series.cast(pl.Float64)
    values = series.drop_nulls().unique()
    if len(values) != 2 or series.dtype not in (pl.String, pl.Categorical):
        return None
    return (series.cast(pl.String) == str(values.cast(pl.String).min())).cast(pl.Float64)


def _tells(frame: pl.DataFrame, name: str) -> float | None:
    import polars as pl

    kind = frame[name].dtype
    if kind.is_numeric() or kind == pl.Boolean:
        pairs = frame.select(x=pl.col(name).cast(pl.Float64), y=pl.col("noria label"))
        pairs = pairs.filter(pl.col("x").is_finite())
        found: Any = pairs.select(pl.corr("x", "y")).item() if pairs.height > 2 else None
        return None if found is None or found != found else float(found) ** 2
    if kind not in (pl.String, pl.Categorical, pl.Enum):
        return None
    pairs = frame.select(
        x=pl.col(name).cast(pl.String), y=pl.col("noria label")
    )  # whatever the user's are called
    groups = pairs.drop_nulls("x").group_by("x").agg(n=pl.len(), y=pl.col("y").mean())
    total = float(frame["noria label"].var(ddof=0) or 0.0)  # type: ignore[arg-type]  # of a float column
    rows = int(groups["n"].sum())
    if not total or not rows or groups.height > MOST or rows < FEWEST * groups.height:
        return None
    mean = float((groups["n"] * groups["y"]).sum()) / rows
    between = float((groups["n"] * (groups["y"] - mean) ** 2).sum()) / rows
    return min(1.0, between / total)
