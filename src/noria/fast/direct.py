"""A request's values to the answer, with neither a dataframe nor the library of the model in between.

path = version.fast
direct = open_direct(path.plan, open_model(compiled), row=None)
direct.one({"distance": 740.0, "carrier": "UA"})       # -> 0.1373
direct.many({"distance": array, "carrier": list})      # -> an array
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast

from noria.fast.compiled import MethodName
from noria.fast.opened import Fast
from noria.records.fast import Plan

if TYPE_CHECKING:
    import numpy as np

Row = Mapping[str, Any]


def open_direct(plan: Plan, fast: Fast, row: Callable[[Row], Row] | None = None) -> Direct:
    """`row`: the transform's row function, hyperparameters bound, where predict reads a transform's output."""
    return Direct(plan, fast, row)


class Direct:
    """Answers as predict does.

    `one(row)`: one raw request row by column name; a number, a class, or a tuple. Raises `CannotAnswer` where the
    original refuses the row.
    """

    def __init__(self, plan: Plan, fast: Fast, row: Callable[[Row], Row] | None) -> None:
        self._columns = plan.columns
        self._row = row
        self._method = fast.method(cast(MethodName, plan.method), plan.column)
        self.one: Callable[[Row], Any] = _one(plan.columns, self._method.one, row)

    def many(self, columns: Mapping[str, Any]) -> np.ndarray:
        """The answers for columns of request rows, a transform's row function applied row by row."""
        if self._row is None:
            return self._method.many([columns[name] for name in self._columns])
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        return self.rows(rows)

    def rows(self, rows: Sequence[Row]) -> np.ndarray:
        """The answers for request rows."""
        made = rows if self._row is None else [self._row(row) for row in rows]
        return self._method.many([[row[name] for row in made] for name in self._columns])


def _one(
    columns: tuple[str, ...], answer: Callable[[Sequence[Any]], Any], row: Callable[[Row], Row] | None
) -> Callable[[Row], Any]:
    values = itemgetter(*columns)
    if len(columns) == 1:
        only = columns[0]
        return lambda given: answer((given[only],)) if row is None else answer((row(given)[only],))
    if row is None:
        return lambda given: answer(values(given))
    return lambda given: answer(values(row(given)))
