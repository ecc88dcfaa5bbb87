"""Tables of several versions as one: by name, with nulls where a column is missing, and numbers in the wider type."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from noria.ports.serving import ANSWER, AT, ID, KEY, REQUEST, TIME, TOOK, TRACE, UNIT, VERSION, WAY

if TYPE_CHECKING:
    import polars as pl

OWN = (ID, AT, TIME, VERSION, KEY, UNIT, TOOK, WAY)
LARGEST = 2**63  # integers from here on are no column's


def unified(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """All rows in the order given, the log's own columns first, then the request's, then the answer's. A column that is
    a number here and a text there becomes text."""
    import polars as pl

    empty = pl.DataFrame(schema=_own_types())
    alike = _alike([empty, *frames])
    whole = pl.concat(alike, how="diagonal_relaxed")
    user = [name for name in whole.columns if name not in OWN]
    asked = [name for name in user if name.startswith(REQUEST)]
    answered = [name for name in user if name.startswith(ANSWER)]
    return whole.select(*OWN, *([TRACE] if TRACE in user else []), *asked, *answered)


def values_as_column(name: str, values: Sequence[Any]) -> pl.Series:
    """Numbers, text or truth values where all are; else their JSON, as text."""
    import polars as pl

    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool} and kinds:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds <= {int} and all(value is None or -LARGEST <= value < LARGEST for value in values) and kinds:
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds <= {int, float} and kinds:
        return pl.Series(
            name, [None if value is None else float(value) for value in values], dtype=pl.Float64
        )
    if kinds <= {str}:
        return pl.Series(name, values, dtype=pl.String)
    told = [None if value is None else json.dumps(value, ensure_ascii=False) for value in values]
    return pl.Series(name, told, dtype=pl.String)


def _alike(frames: Sequence[pl.DataFrame]) -> list[pl.DataFrame]:
    """The same, with what has no type in common as text."""
    import polars as pl

    kinds: dict[str, set[Any]] = {}
    for frame in frames:
        for name, kind in frame.schema.items():
            kinds.setdefault(name, set()).add(kind)
    odd = {name for name, each in kinds.items() if len(each) > 1 and not _fit(each)}
    return [
        frame.with_columns(
            pl.col(name).map_elements(_text, pl.String) for name in frame.columns if name in odd
        )
        for frame in frames
    ]


def _fit(kinds: set[Any]) -> bool:
    """Whether polars finds a type that holds all values as they are: numbers, or text."""
    import polars as pl

    known = {kind for kind in kinds if kind != pl.Null}
    return len(known) < 2 or all(kind.is_numeric() for kind in known)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _own_types() -> dict[str, Any]:
    import polars as pl

    moment = pl.Datetime("us", "UTC")
    text = dict.fromkeys((ID, KEY, UNIT, WAY), pl.String())
    return {**text, AT: moment, TIME: moment, VERSION: pl.Int64(), TOOK: pl.Int64()}
