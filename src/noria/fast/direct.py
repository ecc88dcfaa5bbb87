"""A request's values to the answer, with neither a dataframe nor the library of the model in between: what the parity gate
compares with predict, and what a service answers by.

path = version.fast
direct = open_direct(path.plan, open_model(compiled), names=("carrier", "distance"))
direct.one(("UA", 740.0))                    # -> 0.1373
direct.many((carriers, distances))           # -> an array
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


def open_direct(
    plan: Plan, fast: Fast, names: Sequence[str], row: Callable[[Row], Row] | None = None
) -> Direct:
    """`names`: of a request's values, in their order. `row`: the transforms' row function, all else bound, where predict
    reads a transform's output; it is given the values in Python's terms."""
    return Direct(plan, fast, names, row)


class Direct:
    """Answers as predict does.

    `one(values)`: the answer for one request row; a number, a class, or a tuple. Raises `CannotAnswer` where the original
    refuses the row.
    """

    def __init__(
        self, plan: Plan, fast: Fast, names: Sequence[str], row: Callable[[Row], Row] | None
    ) -> None:
        self._columns = plan.columns
        self._names = tuple(names)
        self._row = row
        self._method = fast.method(cast(MethodName, plan.method), plan.column)
        self.one: Callable[[Sequence[Any]], Any] = self._through(row) if row else self._straight()

    def many(self, columns: Sequence[Any]) -> np.ndarray:
        """The answers for the request's columns, a row function applied row by row."""
        if self._row is None:
            return self._method.many([columns[self._names.index(name)] for name in self._columns])
        rows = [
            self._row(dict(zip(self._names, values, strict=True))) for values in zip(*columns, strict=True)
        ]
        return self._method.many([[row[name] for row in rows] for name in self._columns])

    def _straight(self) -> Callable[[Sequence[Any]], Any]:
        answer, places = self._method.one, [self._names.index(name) for name in self._columns]
        if len(places) == 1:
            only = places[0]
            return lambda values: answer((values[only],))
        chosen = itemgetter(*places)
        return lambda values: answer(chosen(values))

    def _through(self, row: Callable[[Row], Row]) -> Callable[[Sequence[Any]], Any]:
        answer, names, columns = self._method.one, self._names, self._columns

        def one(values: Sequence[Any]) -> Any:
            made = row(dict(zip(names, values, strict=True)))
            return answer([made[name] for name in columns])

        return one
