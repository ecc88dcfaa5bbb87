"""A table's outline, column by column."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from noria.profiles.leakage import telling
from noria.records.base import Json
from noria.records.profiles import ColumnProfile, Profile

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    import pyarrow as pa

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TOP = 10  # values whose counts are kept: what a reader looks at
LEVELS = 1000  # categories that are listed; a column with more is an identifier or a text


def profile(table: pa.Table, *, label: str | None = None, hidden: Collection[str] = ()) -> Profile:
    """The outline of a table: the same, to the byte, for the same rows in any order and in any chunks. With a label,
    each column's `tells`, but for the `hidden` ones.

    Numbers are exact: least and largest finite value, mean and deviation (over the values in ascending order, so that
    rounding does not depend on theirs), and quantiles as values that occur. NaN counts as missing.
    """
    told = telling(table, label, hidden) if label else {}
    columns = (_column(name, table.column(name)) for name in table.column_names)
    return Profile(
        rows=table.num_rows, columns=tuple(replace(one, tells=told.get(one.name)) for one in columns)
    )


def _column(name: str, values: pa.ChunkedArray) -> ColumnProfile:
    import pyarrow as pa

    kind = values.type
    if pa.types.is_dictionary(kind):
        values, inner = values.cast(kind.value_type), kind.value_type
    else:
        inner = kind
    base: dict[str, Any] = {
        "name": name,
        "type": str(kind),
        "rows": len(values),
        "missing": values.null_count,
    }
    if len(values) == values.null_count:
        return ColumnProfile(**base)
    if pa.types.is_floating(inner) or pa.types.is_integer(inner) or pa.types.is_decimal(inner):
        return ColumnProfile(**base | _numbers(values, base["missing"]))
    if pa.types.is_boolean(inner) or pa.types.is_string(inner) or pa.types.is_large_string(inner):
        return ColumnProfile(**base | _labels(_series(values)))
    if pa.types.is_timestamp(inner) or pa.types.is_date(inner):
        return ColumnProfile(**base | _times(_series(values)))
    return ColumnProfile(**base)


def _series(values: pa.ChunkedArray) -> pl.Series:
    import polars as pl

    return pl.Series(values.combine_chunks())


def _numbers(values: pa.ChunkedArray, nulls: int) -> dict[str, Any]:
    import numpy as np

    series = _series(values)
    whole = series.dtype.is_integer()
    ordered = np.sort(series.drop_nulls().cast(series.dtype if whole else _float()).to_numpy())
    nans = 0 if whole else int(np.isnan(ordered).sum())  # sorted to the end
    ordered = ordered[: len(ordered) - nans]
    finite = ordered if whole else ordered[np.isfinite(ordered)]
    found: dict[str, Any] = {"missing": nulls + nans, "distinct": _distinct(ordered)}
    if not len(finite):
        return found
    plain = finite.astype(np.float64)
    return found | {
        "low": _plain(finite[0]),
        "high": _plain(finite[-1]),
        **_moments(plain),
        "quantiles": tuple(float(value) for value in plain[_places(len(plain))]),
        "top": _top(finite) if found["distinct"] <= LEVELS else (),
    }


def _moments(plain: np.ndarray) -> dict[str, float]:
    """Left out where they lie beyond the largest float."""
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        found = {"mean": float(plain.mean()), "deviation": float(plain.std())}
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _float() -> Any:
    import polars as pl

    return pl.Float64


def _distinct(ordered: np.ndarray) -> int:
    import numpy as np

    return int(len(ordered) and 1 + np.count_nonzero(ordered[1:] != ordered[:-1]))


def _places(count: int) -> list[int]:
    """Of the quantiles, in values in ascending order: those that occur, the lower one in between."""
    return [int(share * (count - 1)) for share in QUANTILES]


def _top(ordered: np.ndarray) -> tuple[tuple[Json, int], ...]:
    import numpy as np

    values, counts = np.unique(ordered, return_counts=True)
    order = np.lexsort((values, -counts))[:TOP]
    return tuple((_plain(values[at]), int(counts[at])) for at in order)


def _labels(series: pl.Series) -> dict[str, Any]:
    """Text and truth values by how often they occur; of two as frequent ones, the smaller first."""
    import polars as pl

    counts = series.drop_nulls().alias("value").value_counts(name="count")
    ordered = counts.sort(["count", "value"], descending=[True, False]).head(TOP)
    listed = counts.sort("value") if counts.height <= LEVELS else None
    return {
        "distinct": counts.height,
        "low": _plain(series.min()),
        "high": _plain(series.max()),
        "top": tuple((_plain(value), int(count)) for value, count in ordered.iter_rows()),
        "levels": None if listed is None else tuple(listed["value"].cast(pl.String)),
        "counts": () if listed is None else tuple(listed["count"].to_list()),
    }


def _times(series: pl.Series) -> dict[str, Any]:
    """Ends as ISO 8601 in UTC, quantiles as seconds since 1970."""
    import polars as pl

    moments = series.drop_nulls()
    seconds = moments.cast(pl.Datetime("us")).sort().to_physical().to_numpy() / 1e6
    return {
        "distinct": moments.n_unique(),
        "low": _iso(moments.min()),
        "high": _iso(moments.max()),
        "quantiles": tuple(float(value) for value in seconds[_places(len(seconds))]),
    }


def _iso(moment: Any) -> str:
    zoned = getattr(moment, "tzinfo", None) is not None
    return str((moment.astimezone(UTC) if zoned else moment).isoformat())


def _plain(value: Any) -> Json:
    """A number or text as JSON has it; whole numbers beyond 64 bits as text."""
    found: Json = value.item() if hasattr(value, "item") else value
    if isinstance(found, int) and not isinstance(found, bool) and not -(2**63) <= found < 2**63:
        return str(found)
    return found
