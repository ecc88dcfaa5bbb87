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
from noria.fast.errors import CannotAnswer
from noria.fast.opened import Fast
from noria.records.fast import Plan

if TYPE_CHECKING:
    import numpy as np

Row = Mapping[str, Any]
Values = Callable[[Sequence[Any]], Sequence[Any]]


def open_direct(
    plan: Plan, fast: Fast, names: Sequence[str], row: Callable[[dict[str, Any]], Row] | None = None
) -> Direct:
    """`names`: of a request's values, in their order. `row`: the transforms' row function, all else bound, where predict
    reads a transform's output; it is given the values by name, in a dict that is its own."""
    return Direct(plan, fast, names, row)


class Direct:
    """Answers as predict does.

    `one(values)`: the answer for one request row; a number, a class, or a tuple. Raises `CannotAnswer` where the original
    refuses the row.
    `inputs`: the places of the model's inputs among a request's values; None where a row function makes them.
    """

    def __init__(
        self, plan: Plan, fast: Fast, names: Sequence[str], row: Callable[[dict[str, Any]], Row] | None
    ) -> None:
        self._columns = plan.columns
        self._names = tuple(names)
        self._method = fast.method(cast(MethodName, plan.method), plan.column)
        self.inputs = None if row is not None else [self._names.index(name) for name in plan.columns]
        self._values = self._chosen() if row is None else self._made(row)
        self.one: Callable[[Sequence[Any]], Any] = _after(self._values, self._method.one, plan.columns)

    def many(self, columns: Sequence[Any]) -> np.ndarray:
        """The answers for the request's columns, a row function applied row by row."""
        if self.inputs is not None:
            chosen = [columns[at] for at in self.inputs]
            return self._told(lambda: self._method.many(chosen))
        return self.rows(list(zip(*columns, strict=True)))

    def matrix(self, inputs: np.ndarray) -> np.ndarray:
        """The answers for a matrix `(n, inputs)` of 64-bit floats, where there are `inputs`."""
        return self._told(lambda: self._method.many(inputs))

    def rows(self, rows: Sequence[Sequence[Any]]) -> np.ndarray:
        """The answers for request rows."""
        return self._told(lambda: self._method.rows([self._values(row) for row in rows]))

    def _told(self, answer: Callable[[], np.ndarray]) -> np.ndarray:
        try:
            return answer()
        except CannotAnswer as error:
            _name(error, self._columns)
            raise

    def _chosen(self) -> Values:
        """From a request's values to those that predict reads."""
        places = cast("list[int]", self.inputs)
        if len(places) == 1:
            only = places[0]
            return lambda values: (values[only],)
        return itemgetter(*places)

    def _made(self, row: Callable[[dict[str, Any]], Row]) -> Values:
        """The same through the transforms' row function."""
        names, columns = self._names, self._columns
        if len(columns) == 1:
            only = columns[0]
            return lambda given: (row(dict(zip(names, given, strict=True)))[only],)
        chosen = itemgetter(*columns)
        return lambda given: chosen(row(dict(zip(names, given, strict=True))))


def _after(
    first: Values, then: Callable[[Sequence[Any]], Any], columns: Sequence[str]
) -> Callable[[Sequence[Any]], Any]:
    def one(values: Sequence[Any]) -> Any:
        try:
            return then(first(values))
        except CannotAnswer as error:
            _name(error, columns)
            raise

    return one


def _name(error: CannotAnswer, columns: Sequence[str]) -> None:
    """As the request calls it: a model that was trained on a matrix knows no names."""
    if error.at is not None:
        error.column = columns[error.at]
