"""The serving graph at work: transforms in order, then predict; and the loss of what it answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from noria.artifacts.tables import as_wanted, column, is_table, row_count, to_arrow
from noria.artifacts.unframed import array_of
from noria.declare import PredictSpec, Resolved, Step
from noria.graph.errors import BadAnswer, BadLoss, NotATable, RowsChanged
from noria.records.versions import AnswerKind

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

ANSWER = "answer"  # the column's name where predict gives a single array


class Graph:
    """A version's serving graph with its frozen outputs loaded; safe for one thread at a time."""

    def __init__(
        self,
        resolved: Resolved,
        frozen: Mapping[str, Any],
        parameters: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        if resolved.predict is None or resolved.request is None:
            raise ValueError("a serving graph needs a predict and a data step")
        self.resolved = resolved
        asked = self.given = parameters or {}
        self._frozen = dict(frozen)
        self._transforms = tuple(_Prepared(step, asked.get(step.name, {})) for step in resolved.served())
        self._predict = _Prepared(resolved.predict, asked.get(resolved.predict.name, {}))
        self._request = resolved.request.name

    def raw_answer(self, rows: Any) -> Any:
        """What predict returns for a table of visible raw rows (any kind of table)."""
        return self.predicted(self.read(rows))

    def read(self, rows: Any) -> dict[str, Any]:
        """What predict may read, by name: the rows, each transform's output, and the frozen outputs."""
        known: dict[str, Any] = {**self._frozen, self._request: rows}
        count = row_count(rows)
        for transform in self._transforms:
            known[transform.step.name] = apply(
                transform.step, transform.arguments(known), count, transform.parameters
            )
        return known

    def predicted(self, known: Mapping[str, Any]) -> Any:
        """What predict returns for what it reads."""
        return self._predict.step.function(**self._predict.arguments(known), **self._predict.parameters)

    def with_frozen(self, frozen: Mapping[str, Any]) -> Graph:
        """The same graph with other objects in the place of some frozen outputs: stand-ins that answer faster."""
        return Graph(self.resolved, {**self._frozen, **frozen}, self.given)

    @property
    def frozen(self) -> Mapping[str, Any]:
        """The frozen outputs, loaded."""
        return self._frozen

    def answer(self, rows: Any) -> pa.Table:
        """A table of answers, one row for each row asked: see `answer_table` for its columns."""
        return self.table(self.raw_answer(rows), row_count(rows))

    def table(self, value: Any, count: int) -> pa.Table:
        """What predict returned for so many rows, as a table: see `answer_table`."""
        return answer_table(value, count, self._predict.step)

    def floats(self, value: Any, count: int, names: Sequence[str]) -> list[tuple[float, ...]] | None:
        """The rows of `table` where they are 64-bit floats of columns called `names`, in a tenth of the time; None where
        only the table can tell."""
        return float_rows(value, count, self._predict.step, names)


class _Prepared:
    """A step with its annotations read once, for they are asked at each request."""

    def __init__(self, step: Step, parameters: Mapping[str, Any]) -> None:
        self.step = step
        self.parameters = {**step.parameters, **parameters}
        self._wanted = {name: step.wanted(name) for name in step.inputs}

    def arguments(self, known: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: as_wanted(known[name], wanted) if is_table(known[name]) else known[name]
            for name, wanted in self._wanted.items()
        }


def apply(step: Step, arguments: Mapping[str, Any], count: int, parameters: Mapping[str, Any]) -> Any:
    """A transform's output; raises `NotATable` and `RowsChanged`."""
    made = step.function(**arguments, **parameters)
    if not is_table(made):
        raise NotATable(step=step.name, type=type(made).__name__)
    if row_count(made) != count:
        raise RowsChanged(step=step.name, given=count, made=row_count(made))
    return made


def answer_table(value: Any, count: int, step: Step) -> pa.Table:
    """Predict's result as a table: column `answer` for (n,), one a class for (n, k), a dict's or frame's own.

    Raises `BadAnswer` where rows or names do not fit.
    """
    import numpy as np
    import pyarrow as pa

    if is_table(value):
        table = to_arrow(value)
    elif isinstance(value, dict):
        table = pa.table({str(name): _array(part, step) for name, part in value.items()})
    else:
        array = np.asarray(value)
        if array.ndim == 2:
            table = _matrix(array, step)
        elif array.ndim == 1:
            table = pa.table({ANSWER: _array(value, step)})
        else:
            raise BadAnswer(step=step.name, problem=f"gave an array of shape {array.shape}")
    if table.num_rows != count:
        raise BadAnswer(step=step.name, problem=f"was asked {count} rows and answered {table.num_rows}")
    return table


def float_rows(value: Any, count: int, step: Step, names: Sequence[str]) -> list[tuple[float, ...]] | None:
    """The rows of `answer_table` for a plain array of 64-bit floats that has the rows and columns expected; else None."""
    import numpy as np

    if type(value) is not np.ndarray or value.dtype != np.float64 or len(value) != count:
        return None
    if value.ndim == 1:
        return [(number,) for number in value.tolist()] if list(names) == [ANSWER] else None
    if value.ndim != 2 or list(names) != list(_names(value.shape[1], step)):
        return None
    return [tuple(row) for row in value.tolist()]


def answer_kind(value: Any) -> AnswerKind:
    """`array`, `matrix` or `frame`: the form that a loss gets back."""
    import numpy as np

    if is_table(value) or isinstance(value, dict):
        return "frame"
    return "matrix" if np.ndim(value) == 2 else "array"


def losses(resolved: Resolved, labels: Any, answers: pa.Table, kind: AnswerKind) -> tuple[np.ndarray, int]:
    """One loss a row as float64, clipped into the declared range, and how many were clipped.

    `labels`: a table with the label's column. `answers`: as `answer_table` gave them. A loss gets arrays of numpy unless
    its annotations say otherwise.
    """
    import numpy as np

    step, spec, name = resolved.loss, resolved.loss_spec, resolved.data.label
    if step is None or spec is None or name is None:
        raise ValueError(f"pipeline {resolved.name} has no loss")
    label = column(labels, name, step.wanted("label") or np.ndarray)
    made = step.function(label=label, answer=_answer_again(answers, kind, step.wanted("answer")))
    value = np.asarray(made, dtype=np.float64)
    if value.shape != (answers.num_rows,):
        raise BadLoss(step=step.name, problem=f"gave shape {value.shape} for {answers.num_rows} labels")
    if np.isnan(value).any():
        raise BadLoss(
            step=step.name, problem=f"gave NaN for {int(np.isnan(value).sum())} of {len(value)} rows"
        )
    clipped = np.clip(value, *spec.range)
    return clipped, int((clipped != value).sum())


def _answer_again(answers: pa.Table, kind: str, wanted: type | None) -> Any:
    import numpy as np

    if kind == "array":
        return column(answers, answers.column_names[0], wanted or np.ndarray)
    if kind == "matrix":
        return np.column_stack([column(answers, name, np.ndarray) for name in answers.column_names])
    if wanted is dict:
        return {name: column(answers, name, np.ndarray) for name in answers.column_names}
    return as_wanted(answers, wanted)


def _array(value: Any, step: Step) -> Any:
    import numpy as np
    import pyarrow as pa

    if hasattr(value, "to_arrow"):  # a polars series keeps its type, lists among them
        return value.to_arrow()
    array = np.asarray(value)
    if array.ndim != 1:
        raise BadAnswer(step=step.name, problem=f"gave a column of shape {array.shape}")
    return pa.array(array.tolist()) if array.dtype == object else array_of(array)


def _matrix(array: np.ndarray, step: Step) -> pa.Table:
    import pyarrow as pa

    width = array.shape[1]
    names = _names(width, step)
    if len(names) != width:
        raise BadAnswer(step=step.name, problem=f"gave {width} columns for {len(names)} classes")
    return pa.table({name: array[:, position] for position, name in enumerate(names)})


def _names(width: int, step: Step) -> Sequence[str]:
    """Of a matrix' columns: the classes, where predict names them."""
    classes = step.spec.classes if isinstance(step.spec, PredictSpec) else ()
    return classes or [f"{ANSWER}_{position}" for position in range(width)]
