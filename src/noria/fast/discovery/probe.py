"""A table whose columns can be told apart by their values, of the same types as the one that predict reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

ROWS = 48  # two columns of random whole numbers below 100 agree in all of them once in 10^96
SEED = 19700101


def probe_of(table: pl.DataFrame) -> pl.DataFrame:
    """Random rows: numbers anew, all else drawn from what the column holds, each column in an order of its own."""
    import numpy as np
    import polars as pl

    random = np.random.default_rng(SEED)
    made: list[Any] = []
    for name in table.columns:
        column = table[name]
        if column.dtype.is_float():
            values: Any = random.normal(size=ROWS)
        elif column.dtype.is_integer():
            values = random.integers(0, 100, ROWS)
        else:
            values = column.gather(random.integers(0, len(column), ROWS))
        made.append(pl.Series(name, values).cast(column.dtype))
    return pl.DataFrame(made)


def origins(given: Any, table: pl.DataFrame) -> list[str] | str:
    """Which columns of the table a frame or matrix is made of, in its order; else why that cannot be told."""
    if hasattr(given, "columns"):
        return _by_name(given, table)
    if getattr(given, "ndim", 0) != 2:
        return f"the estimator is called with a {type(given).__name__}"
    if len(given) != len(table):
        return f"the estimator is called with {len(given)} rows for {len(table)}"
    return _by_value(given, table)


def _by_name(given: Any, table: pl.DataFrame) -> list[str] | str:
    import polars as pl

    found = []
    frame = given if isinstance(given, pl.DataFrame) else pl.from_pandas(given)
    for name in map(str, frame.columns):
        if name not in table.columns or not _same(frame[name], table[name]):
            return f"its column {name} is computed"
        found.append(name)
    return found


def _same(one: pl.Series, other: pl.Series) -> bool:
    if one.dtype != other.dtype and one.dtype.is_numeric() and other.dtype.is_numeric():
        one, other = one.cast(float), other.cast(float)
    return bool(one.len() == other.len() and one.to_list() == other.to_list())


def _by_value(given: Any, table: pl.DataFrame) -> list[str] | str:
    known = {name: table[name].to_list() for name in table.columns}
    found = []
    for at in range(given.shape[1]):
        values = given[:, at].tolist()
        same = [name for name, column in known.items() if column == values]
        if len(same) != 1:
            return f"column {at} of the matrix {'may be several' if same else 'is computed'}"
        found.append(same[0])
    return found
