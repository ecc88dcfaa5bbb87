"""Columns of requests as the tests take them, and what the training data says of each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from noria.monitor.blocks import block_numbers_of
from noria.records.sights import ColumnSpec

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from noria.statistics import Column

LEVELS = 1_000  # categories that are listed; a column with more has no unknown ones
NAMES = 0.5  # distinct values a row from which a text names its rows instead of dividing them
STEADY = 0.02  # the least share in every block from which a category is missed when it is not there


def block_numbers(times: pl.Series, width: timedelta) -> np.ndarray:
    """The block (n,) of each UTC time, counted from EPOCH."""
    named = times.alias("time").to_frame()
    found: np.ndarray = named.select(block_numbers_of("time", width)).to_series().to_numpy()
    return found


def kinds_of(frame: pl.DataFrame, names: Iterable[str], leave: Collection[str]) -> dict[str, str]:
    """`number` or `category` of each column that can be watched: times move by themselves, and keys name rows."""
    import polars as pl

    found: dict[str, str] = {}
    for name in names:
        kind = frame.schema.get(name)
        if kind is None or name in leave:
            continue
        if kind.is_numeric() or kind == pl.Boolean:
            found[name] = "number"
        elif isinstance(kind, pl.String | pl.Categorical | pl.Enum):
            distinct = frame[name].n_unique()
            if distinct <= max(2, NAMES * frame.height):
                found[name] = "category"
    return found


def columns_of(frame: pl.DataFrame, kinds: Mapping[str, str], *, prefix: str = "") -> dict[str, Column]:
    """Numbers (n,), NaN where missing, and categories; a column that is not there is missing throughout. Text in a column
    of numbers counts as missing, and so does all that cannot be read as one."""
    import polars as pl

    found: dict[str, Column] = {}
    for name, kind in kinds.items():
        series = frame[prefix + name] if prefix + name in frame.columns else None
        if series is None:
            series = pl.Series(
                name, [None] * frame.height, dtype=pl.Float64 if kind == "number" else pl.String
            )
        found[name] = numbers(series) if kind == "number" else categories(series)
    return found


def numbers(series: pl.Series) -> np.ndarray:
    import polars as pl

    cast: np.ndarray = series.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
    return cast


def categories(series: pl.Series) -> Column:
    import polars as pl

    from noria.statistics import Categories

    encoded = series.cast(pl.String, strict=False).to_arrow().dictionary_encode()
    codes = pl.Series(encoded.indices).cast(pl.Int64).fill_null(-1).to_numpy()
    return Categories(codes, encoded.dictionary.to_pylist())


def specs_of(frame: pl.DataFrame, kinds: Mapping[str, str], blocks: np.ndarray) -> tuple[ColumnSpec, ...]:
    """What the rows `frame` (n), in `blocks` (n,), say of each column."""
    import polars as pl

    placed = frame.select(list(kinds)).with_columns(pl.Series("_block", blocks))
    return tuple(
        _number(placed, name) if kind == "number" else _category(placed, name) for name, kind in kinds.items()
    )


def _number(placed: pl.DataFrame, name: str) -> ColumnSpec:
    import numpy as np
    import polars as pl

    values = placed.select("_block", pl.Series("x", numbers(placed[name]), nan_to_null=True))
    share, worst = _missing(values, "x")
    finite = values["x"].drop_nulls()
    finite = finite.filter(finite.is_finite())
    if not len(finite):
        return ColumnSpec(name=name, kind="number", missing=share, worst=worst)
    low, high, mean = (float(np.asarray(one)) for one in (finite.min(), finite.max(), finite.mean()))
    return ColumnSpec(
        name=name,
        kind="number",
        missing=share,
        worst=worst,
        low=low,
        high=high,
        mean=mean if np.isfinite(mean) else None,
    )


def _category(placed: pl.DataFrame, name: str) -> ColumnSpec:
    import polars as pl

    values = placed.select("_block", pl.col(name).cast(pl.String).alias("x"))
    share, worst = _missing(values, "x")
    levels = values["x"].drop_nulls().unique().sort().to_list()
    listed = tuple(levels) if len(levels) <= LEVELS else None
    return ColumnSpec(
        name=name,
        kind="category",
        missing=share,
        worst=worst,
        levels=listed,
        steady={} if listed is None else _steady(values),
    )


def _missing(values: pl.DataFrame, name: str) -> tuple[float, float]:
    """The share that is missing, and that in the worst block."""
    import numpy as np
    import polars as pl

    if not values.height:
        return 0.0, 0.0
    each = values.group_by("_block").agg(pl.col(name).is_null().mean())[name]
    return values[name].null_count() / values.height, float(np.asarray(each.max()))


def _steady(values: pl.DataFrame) -> dict[str, float]:
    """Categories that every block has, with their smallest share."""
    import polars as pl

    blocks = values["_block"].n_unique()
    sizes = values.group_by("_block").len("rows")
    shares = values.drop_nulls("x").group_by("_block", "x").len("found").join(sizes, on="_block")
    least = shares.group_by("x").agg(
        pl.len().alias("blocks"), (pl.col("found") / pl.col("rows")).min().alias("share")
    )
    kept = least.filter((pl.col("blocks") == blocks) & (pl.col("share") >= STEADY)).sort("x")
    return dict(zip(kept["x"].to_list(), kept["share"].to_list(), strict=True))
