"""The proof by trial that transforms and predict work row by row: some rows, each alone, against all of them together."""

from __future__ import annotations

import contextlib
import io
import math
import random
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from noria.artifacts.tables import as_wanted, to_arrow
from noria.artifacts.unframed import array_of
from noria.declare import Step
from noria.graph.answer import Graph, answer_table, apply
from noria.pipeline.errors import FailsAlone, LooksAtOtherRows

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = (
    50  # a look at the neighbouring row is found at once; one that 5 % of the rows feel, in 92 % of all runs
)
FEW = 4  # rows that predict is asked alone: what looks at the others is seen in nearly any of them
BUDGET = (
    10.0  # s; a transform that takes longer than 0.2 s a row is checked on fewer rows, and the run says so
)
LONGEST = 60  # characters of a value in an error

TOLERANCES = {"double": 1e-9, "float": 1e-4, "halffloat": 1e-2}
"""Relative: a vectorised kernel may add in another order for one row than for many, which moves the last bits (of
2**-53, 2**-24, 2**-11, with room for some hundred operations); looking at another row moves the first ones."""
FINE, COARSE = TOLERANCES["double"], TOLERANCES["float"]


def check_alone(
    step: Step,
    *,
    rows: Mapping[str, pa.Table],
    others: Mapping[str, Any],
    parameters: Mapping[str, Any],
    made: Any,
    keys: pa.Table | None,
    seed: int,
) -> str:
    """Ask for up to 50 rows one by one. Returns a note when time ran out before, else nothing.

    `rows` are the inputs that go row by row, `others` those that don't, `made` what all rows gave together, `keys`
    names a row in an error. Raises `LooksAtOtherRows`, `FailsAlone`.
    """
    import numpy as np

    whole = to_arrow(made)
    picked = sorted(random.Random(seed).sample(range(whole.num_rows), min(ROWS, whole.num_rows)))
    together = whole.take(array_of(np.array(picked, np.int64)))
    wanted = {name: step.wanted(name) for name in rows}
    until = time.monotonic() + BUDGET
    alone: list[pa.Table] = []
    for position in picked:
        one = {name: as_wanted(table.slice(position, 1), wanted[name]) for name, table in rows.items()}
        alone.append(_asked(step, {**one, **others}, parameters, _named(keys, position)))
        if time.monotonic() > until:
            break
    for at, table in enumerate(alone):
        _compare_columns(step, whole, table, _named(keys, picked[at]))
    for column in whole.schema:
        _compare(step, column, together, alone, [_named(keys, position) for position in picked])
    if len(alone) < len(picked):
        return f"row-by-row check of {step.name}: {len(alone)} of {len(picked)} rows in {BUDGET:.0f} s"
    return ""


def check_answers(graph: Graph, predict: Step, rows: pa.Table, keys: Sequence[str]) -> None:
    """Ask predict for a few visible rows together, then one by one. One that draws its answers is not looked at, for it
    gives the same row two answers however it is asked. Raises `LooksAtOtherRows`, `FailsAlone`."""
    few = rows.slice(0, min(FEW, rows.num_rows))
    names = [_named(few.select(list(keys)), position) for position in range(few.num_rows)]
    together, again = (answer_table(graph.raw_answer(few), few.num_rows, predict) for _ in range(2))
    if not all(_unmoved(together.column(name), again.column(name)) for name in together.column_names):
        return
    alone = [_answered(graph, predict, few.slice(at, 1), name) for at, name in enumerate(names)]
    for table, name in zip(alone, names, strict=True):
        _compare_columns(predict, together, table, name)
    for column in together.column_names:
        _compare_answers(predict, column, _values(together.column(column)), alone, names)


def _compare_answers(
    predict: Step, column: str, together: Sequence[Any], alone: Sequence[pa.Table], rows: Sequence[str]
) -> None:
    """As exact as 32 bits are, whatever type the answer has: a model may have reckoned in them."""
    scale = max((abs(one) for one in together if isinstance(one, float) and math.isfinite(one)), default=0.0)
    for row, expected, table in zip(rows, together, alone, strict=True):
        found = _values(table.column(column))[0]
        near = (
            isinstance(expected, float)
            and isinstance(found, float)
            and abs(expected - found) <= scale * COARSE
        )
        if not (near or same_value(expected, found, COARSE)):
            raise LooksAtOtherRows(
                role=predict.role,
                step=predict.name,
                column=column,
                row=row,
                together=_shown(expected),
                alone=_shown(found),
            )


def _unmoved(first: pa.ChunkedArray, second: pa.ChunkedArray) -> bool:
    return all(same_value(*values, 0.0) for values in zip(_values(first), _values(second), strict=True))


def _answered(graph: Graph, predict: Step, row: pa.Table, name: str) -> pa.Table:
    from noria.errors import NoriaError

    try:
        return answer_table(graph.raw_answer(row), 1, predict)
    except NoriaError:
        raise
    except Exception as error:  # whatever the user's code raises
        raise FailsAlone(
            role=predict.role, step=predict.name, row=name, problem=_place(error, predict)
        ) from error


def _asked(step: Step, arguments: dict[str, Any], parameters: Mapping[str, Any], row: str) -> pa.Table:
    from noria.errors import NoriaError

    try:
        with contextlib.redirect_stdout(io.StringIO()):  # said once already, with all rows
            return to_arrow(apply(step, arguments, 1, parameters))
    except NoriaError:
        raise
    except Exception as error:  # whatever the user's code raises
        raise FailsAlone(role=step.role, step=step.name, row=row, problem=_place(error, step)) from error


def _place(error: Exception, step: Step) -> str:
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == step.where.file]
    line = f" ({own[-1].filename}:{own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {error}{line}"


def _compare_columns(step: Step, whole: pa.Table, alone: pa.Table, row: str) -> None:
    for name in dict.fromkeys((*whole.column_names, *alone.column_names)):
        if (name in whole.column_names) != (name in alone.column_names):
            there = ("there", "absent") if name in whole.column_names else ("absent", "there")
            raise LooksAtOtherRows(
                role=step.role, step=step.name, column=name, row=row, together=there[0], alone=there[1]
            )


def _compare(
    step: Step, column: pa.Field, together: pa.Table, alone: Sequence[pa.Table], rows: Sequence[str]
) -> None:
    tolerance = tolerance_of(column.type)
    expected = _values(together.column(column.name))
    for at, table in enumerate(alone):
        found = _values(table.column(column.name))[0]
        if not same_value(expected[at], found, tolerance):
            raise LooksAtOtherRows(
                role=step.role,
                step=step.name,
                column=column.name,
                row=rows[at],
                together=_shown(expected[at]),
                alone=_shown(found),
            )


def tolerance_of(kind: pa.DataType) -> float:
    """Of a type, or of what its lists hold."""
    import pyarrow as pa

    while pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        kind = kind.value_type
    return TOLERANCES.get(str(kind), FINE)


def _values(column: pa.ChunkedArray) -> list[Any]:
    import pyarrow as pa

    if pa.types.is_timestamp(column.type) or pa.types.is_duration(column.type):
        column = column.cast(pa.int64())  # Python's own times have no nanoseconds
    values: list[Any] = column.to_pylist()
    return values


def same_value(left: Any, right: Any, tolerance: float) -> bool:
    """Whether two answers to one row are alike but for the rounding of sums."""
    if isinstance(left, float) or isinstance(right, float):
        if _missing(left) or _missing(right):
            return _missing(left) and _missing(right)
        return (
            isinstance(left, int | float) and isinstance(right, int | float) and _near(left, right, tolerance)
        )
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        return _same_list(left, right, tolerance)
    if isinstance(left, dict) and isinstance(right, dict) and left.keys() == right.keys():
        return all(same_value(left[name], right[name], tolerance) for name in left)
    return bool(left == right)


def _near(left: float, right: float, tolerance: float) -> bool:
    """Equal, infinities among them, or close; below the tolerance, differences count absolutely: sums cancel."""
    return left == right or math.isclose(left, right, rel_tol=tolerance, abs_tol=tolerance * 1e-3)


def _same_list(left: list[Any], right: list[Any], tolerance: float) -> bool:
    """An element of a vector is as exact as the vector's largest one is, not as it is itself."""
    numbers = [abs(value) for value in (*left, *right) if isinstance(value, float) and math.isfinite(value)]
    scale = max(numbers, default=0.0) * tolerance
    return all(
        same_value(one, other, tolerance)
        or (isinstance(one, float) and isinstance(other, float) and abs(one - other) <= scale)
        for one, other in zip(left, right, strict=True)
    )


def _missing(value: Any) -> bool:
    """Null and NaN are both no number, and libraries turn one into the other."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _named(keys: pa.Table | None, position: int) -> str:
    if keys is None or not keys.num_columns:
        return f"number {position}"
    row = keys.slice(position, 1)
    return " ".join(f"{name}={_shown(row.column(name)[0].as_py())}" for name in keys.column_names)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else text[:LONGEST] + "..."
