"""A data step's table, held to what its declaration says of it: columns, times, key, what was known by then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from noria.artifacts.kinds import kind_of
from noria.artifacts.tables import as_wanted, to_arrow
from noria.artifacts.unframed import moment_of, timestamp
from noria.declare import DataSpec, Step
from noria.graph.rows import require
from noria.pipeline.errors import BadKey, BadTime, NoData

if TYPE_CHECKING:
    import pyarrow as pa

EXAMPLES = 3  # keys that an error shows


@dataclass(frozen=True)
class Read:
    """What a data step gave, without the rows that were not known yet."""

    value: Any
    """In the library that the step used."""
    dropped: int
    first: datetime | None
    last: datetime | None


def checked(value: Any, step: Step, spec: DataSpec, as_of: datetime) -> Read:
    """Keep the rows known at `as_of` and refuse what no later step could make sense of.

    Raises `MissingColumns`, `BadTime`, `NoData`, `BadKey`.
    """
    if kind_of(value) == "polars.LazyFrame":
        value = value.collect()
    table = to_arrow(value)
    if not table.num_rows:  # its columns say nothing: libraries give an empty one no types
        raise NoData(step=step.name, why="")
    _require_columns(table, step, spec)
    for name in (spec.time, spec.known):
        if name:
            _require_zone(table, name, step, pandas=kind_of(value) == "pandas.DataFrame")
    known = _known(table, spec, as_of)
    dropped = table.num_rows - known.num_rows
    if not known.num_rows:
        late = f": {spec.known!r} is later than {as_of:%Y-%m-%d %H:%M}Z, or null, in all {dropped} of them"
        raise NoData(step=step.name, why=late)
    _require_times(known, spec, step)
    _require_key(known, spec, step)
    first, last = _span(known, spec)
    return Read(as_wanted(known, type(value)) if dropped else value, dropped, first, last)


def _require_columns(table: pa.Table, step: Step, spec: DataSpec) -> None:
    named = {
        "key": spec.key,
        "time": (spec.time,),
        "known": (spec.known,),
        "label": (spec.label,),
        "outcomes": spec.outcomes,
        "unit": (spec.unit,),
    }
    for option, columns in named.items():
        wanted = tuple(name for name in columns if name)
        require(table, wanted, where=f"the table of {step.where}", why=f"`{option}` names")


def _require_zone(table: pa.Table, name: str, step: Step, *, pandas: bool) -> None:
    """A time without a zone is another moment on another machine."""
    import pyarrow as pa

    kind = table.schema.field(name).type
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return
    own = f'frame["{name}"]' if pandas else f'pl.col("{name}")'
    if pa.types.is_timestamp(kind):
        fix = f'{own}.dt.tz_localize("UTC")' if pandas else f'{own}.dt.replace_time_zone("UTC")'
        problem = "holds times without a zone"
    elif pa.types.is_date(kind):
        fix = f"pd.to_datetime({own}, utc=True)" if pandas else f'{own}.cast(pl.Datetime("us", "UTC"))'
        problem = "holds dates, which are not yet a moment"
    else:
        fix = f"pd.to_datetime({own}, utc=True)" if pandas else f'{own}.str.to_datetime(time_zone="UTC")'
        problem = f"holds {kind}, no times"
    raise BadTime(step=step.name, column=name, problem=problem, fix=f"say which zone they are in: {fix}")


def _known(table: pa.Table, spec: DataSpec, as_of: datetime) -> pa.Table:
    """The rows whose label was known by then; a row without that time has no label yet."""
    if not spec.known:
        return table
    import pyarrow.compute as pc

    when = table.column(spec.known)
    mask = pc.less_equal(when, timestamp(as_of, when.type.tz))
    mask = pc.and_kleene(mask, pc.is_valid(mask))  # a null is no yes
    return table if pc.all(mask).as_py() else table.filter(mask)


def _require_times(table: pa.Table, spec: DataSpec, step: Step) -> None:
    if spec.time and (nulls := table.column(spec.time).null_count):
        fix = "drop these rows, or give them the time at which the question was asked"
        raise BadTime(step=step.name, column=spec.time, problem=f"is null in {nulls} rows", fix=fix)


def _require_key(table: pa.Table, spec: DataSpec, step: Step) -> None:
    if not spec.key:
        return
    import polars as pl

    frame = pl.DataFrame(table.select(list(spec.key)))
    for problem, mask in (
        ("null", frame.select(pl.any_horizontal(pl.all().is_null())).to_series()),
        ("not unique", frame.is_duplicated()),
    ):
        if count := int(mask.sum()):
            rows = frame.filter(mask).unique(maintain_order=True).head(EXAMPLES).rows()
            shown = [" ".join(str(value) for value in row) for row in rows]
            raise BadKey(step=step.name, key=spec.key, problem=problem, count=count, examples=shown)


def _span(table: pa.Table, spec: DataSpec) -> tuple[datetime | None, datetime | None]:
    if not spec.time:
        return None, None
    import pyarrow as pa
    import pyarrow.compute as pc

    ends = pc.min_max(table.column(spec.time).cast(pa.timestamp("us", tz="UTC"), safe=False))
    return moment_of(ends["min"]), moment_of(ends["max"])
