"""In a worker: rows changed by one of the pipeline's expectations, beside the same rows as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from noria.artifacts.tables import as_wanted, is_table, to_arrow
from noria.declare import Resolved, Step
from noria.errors import StepFailed
from noria.graph.rows import visible
from noria.records.tasks import Alter, Altered

if TYPE_CHECKING:
    import pyarrow as pa

    from noria.artifacts import Artifacts

_PLACE = "_place"


@dataclass(eq=False)
class BadExpectation(StepFailed):
    code: ClassVar[str] = "GATE-EXPECTATION"
    what: ClassVar[str] = "expectation {name} {problem}"
    next: ClassVar[str] = "let it return the rows that it was given, or some of them, with values changed"
    name: str
    problem: str


def alter(task: Alter, resolved: Resolved, artifacts: Artifacts) -> Altered:
    """Raises `BadExpectation` where what comes back are not the request's rows."""
    step = resolved.expectations.get(task.expectation)
    if step is None:
        raise BadExpectation(name=task.expectation, problem="is not in the pipeline")
    rows = visible(artifacts.table(task.rows), resolved.data)
    before, after = matched(rows, _changed(step, rows), step.name, resolved.data.key)
    return Altered(
        before=artifacts.save(before), after=artifacts.save(after), changed=_different(before, after)
    )


def _changed(step: Step, rows: pa.Table) -> pa.Table:
    """What the function returns, as the request's columns."""
    import pyarrow as pa

    (name,) = step.inputs
    made = step.function(**{name: as_wanted(rows, step.wanted(name))}, **step.parameters)
    if not is_table(made):
        raise BadExpectation(name=step.name, problem=f"returned {type(made).__name__}, which is no table")
    table = to_arrow(made)
    if missing := [column for column in rows.column_names if column not in table.column_names]:
        raise BadExpectation(name=step.name, problem=f"returned no {missing[0]!r}")
    try:
        return table.select(rows.column_names).cast(rows.schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise BadExpectation(name=step.name, problem=f"returned values of other types: {error}") from error


def matched(rows: pa.Table, changed: pa.Table, name: str, key: tuple[str, ...]) -> tuple[pa.Table, pa.Table]:
    """Both tables row by row: by position where there are as many, unless the same keys come in another order; else by their
    key. Raises `BadExpectation`."""
    import polars as pl

    if changed.num_rows == rows.num_rows:
        return _in_order(rows, changed, key), changed
    if not key or not set(key) <= set(changed.column_names):
        problem = (
            f"returned {changed.num_rows} rows for {rows.num_rows}, and there is no key to match them by"
        )
        raise BadExpectation(name=name, problem=problem)
    places = pl.DataFrame(rows.select(list(key))).with_row_index(_PLACE).unique(list(key), keep="first")
    found = pl.DataFrame(changed.select(list(key))).join(
        places, on=list(key), how="left", nulls_equal=True, maintain_order="left"
    )[_PLACE]
    if found.null_count():
        raise BadExpectation(name=name, problem="returned rows whose key it was not given")
    return rows.take(found.to_arrow()), changed


def _in_order(rows: pa.Table, changed: pa.Table, key: tuple[str, ...]) -> pa.Table:
    """The rows in the order of those that were changed, where these have the same keys; else, and without a key, as they
    are."""
    import polars as pl

    before, after = (pl.DataFrame(table.select(list(key))) for table in (rows, changed))
    if not key or before.equals(after):
        return rows
    old, new = (one.with_row_index(_PLACE).sort(key, maintain_order=True) for one in (before, after))
    if not old.drop(_PLACE).equals(new.drop(_PLACE)):
        return rows
    return rows.take(old[_PLACE].gather(new[_PLACE].arg_sort()).to_arrow())


def _different(before: pa.Table, after: pa.Table) -> int:
    import polars as pl

    old, new = pl.DataFrame(before), pl.DataFrame(after)
    differs = [old[name].ne_missing(new[name]).alias(name) for name in old.columns]
    return int(pl.DataFrame(differs).select(pl.any_horizontal(pl.all()).sum()).item()) if differs else 0
