"""A compiled model, opened: `model.method("predict_proba")` answers single rows and batches.

Nothing here, nor what it calls, imports the library that trained the model; for single rows of trees not even numpy.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from noria.fast.compiled import Compiled, Leaves, Linear, MethodName, Onnx, Trees, XgBoost, read_compiled
from noria.fast.encode import NAN, ColumnEncoder, row_encoder
from noria.fast.errors import CannotAnswer, WrongWidth
from noria.fast.linear import LinearScores
from noria.fast.links import link_many, link_one
from noria.fast.scoring import Scores

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Fast", "Method", "open_model", "read_compiled"]

MOST = 3.4028235677973366e38  # rounds to infinity in 32 bits; what is less does not
One = Callable[[Sequence[Any]], Any]


def open_model(compiled: Compiled) -> Fast:
    """The model, ready to answer. Raises `NoSuchLibrary` where its native library is not installed."""
    return Fast(compiled)


class Fast:
    """A model's methods; safe for any number of threads."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled
        self._encode = row_encoder(compiled)
        self.columns = ColumnEncoder(compiled)
        self._opened: dict[tuple[MethodName, int | None], Method] = {}
        self._scores: dict[bool, Scores] = {}
        for name in compiled.methods:
            self.method(name)

    def method(self, name: MethodName, column: int | None = None) -> Method:
        """`predict_proba` and its like; with `column`, that column of the answer alone."""
        if name not in self.compiled.methods:
            raise KeyError(f"{self.compiled.estimator} was compiled without {name}")
        if (name, column) not in self._opened:
            self._opened[name, column] = Method(self, name, column)
        return self._opened[name, column]

    def scores(self, name: MethodName) -> Scores:
        """The model that a method's answers come from, opened once."""
        raw = name == "decision_function"
        if raw not in self._scores:
            self._scores[raw] = _scores(self.compiled, raw=raw)
        return self._scores[raw]

    @property
    def encode(self) -> Callable[[Sequence[Any]], Sequence[Any]] | None:
        """From a row's values to the model's; None where they are the same."""
        return self._encode


class Method:
    """One method of a model.

    `one(values)`: the answer for one row, its values in the order of the inputs: numbers (None is NaN) and, for
    categories, levels. A number, a class, or a tuple of numbers. Raises `CannotAnswer` where the original refuses the
    row, `WrongWidth` for too many or too few values.

    `many(columns)`: the answers for a matrix `(n, width)` or for a sequence of columns: an array as the original's.
    `rows(rows)`: the same for rows, as `one` takes them.
    """

    def __init__(self, fast: Fast, name: MethodName, column: int | None) -> None:
        self._compiled = fast.compiled
        self._columns = fast.columns
        self._column = column
        self._scored = fast.scores(name)
        self._name: MethodName = name
        self.one: One = _guarded(fast, _one(fast, name, column, self._scored))

    def many(self, columns: Any) -> np.ndarray:
        matrix = _matrix(self._compiled, self._columns, columns)
        _check_finite(self._compiled, matrix)
        answer: np.ndarray = link_many(self._compiled, self._name)(self._scored.many(matrix))
        if self._column is not None:
            answer = answer[:, self._column]
        return answer

    def rows(self, rows: Sequence[Sequence[Any]]) -> np.ndarray:
        matrix = None if self._compiled.blocks else packed(rows, self._compiled.width)
        return self.many(list(zip(*rows, strict=True)) if matrix is None else matrix)


def packed(rows: Sequence[Sequence[Any]], width: int) -> np.ndarray | None:
    """Rows of numbers as a matrix, in a fifth of the time that numpy takes to look at each; None where one is none."""
    import numpy as np

    try:
        data = struct.pack(f"{len(rows) * width}d", *chain.from_iterable(rows))
    except (struct.error, TypeError, OverflowError):
        return None
    return np.frombuffer(data).reshape(len(rows), width)


def _scores(compiled: Compiled, *, raw: bool) -> Scores:
    model, width = compiled.model, _model_width(compiled)
    if isinstance(model, Linear):
        return LinearScores(model)
    if isinstance(model, Onnx):
        from noria.fast.sessions import SessionScores

        return SessionScores(model)
    if isinstance(model, XgBoost):
        from noria.fast.xgboosted import XgBoostScores

        return XgBoostScores(model, width, margin=raw)
    if isinstance(model, Leaves):
        from noria.fast.leaves import LeafScores

        return LeafScores(model, width, margin=raw)
    from noria.fast.trees import NORMAL, RAW, TreeScores

    return TreeScores(model, width, kind=NORMAL if model.applies and not raw else RAW)


def _model_width(compiled: Compiled) -> int:
    from noria.fast.encode import width_of

    return sum(map(width_of, compiled.blocks)) if compiled.blocks else compiled.width


def _one(fast: Fast, name: MethodName, column: int | None, scores: Scores) -> One:
    """Encode, score, link: what is not needed is not called."""
    encode, link = fast.encode, link_one(fast.compiled, name)
    score = scores.one if fast.compiled.finite == "anything" else _finite(fast.compiled, scores.one)
    linked = _picked(link, column)
    if encode is None:
        return lambda values: linked(score(values))
    return lambda values: linked(score(encode(values)))


def _picked(link: Callable[[Any], Any], column: int | None) -> Callable[[Any], Any]:
    if column is None:
        return link
    return lambda raw: link(raw)[column]


def _guarded(fast: Fast, one: One) -> One:
    """The same with None as NaN and with the original's refusals; ordinary rows pay for none of it."""
    compiled, width = fast.compiled, fast.compiled.width
    numeric = _numeric(compiled)
    numbers = [at in numeric for at in range(width)]

    def answer(values: Sequence[Any]) -> Any:
        if len(values) != width:
            raise WrongWidth(given=len(values), wanted=width)
        try:
            nulls = values.count(None)
            return one(filled(values, nulls) if nulls else values)
        except (struct.error, TypeError, ValueError, OverflowError) as error:
            raise _unfit(compiled, values, numeric) from error

    def filled(values: Sequence[Any], nulls: int) -> Sequence[Any]:
        made, at = list(values), -1
        for _ in range(nulls):
            at = values.index(None, at + 1)
            if numbers[at]:
                made[at] = NAN
        return made

    return answer


def _finite(compiled: Compiled, score: One) -> One:
    """Scores of rows that the original takes; only a row that looks odd is looked at value by value."""
    if isinstance(compiled.model, Linear):
        return _finite_linear(compiled, score)
    single = _single(compiled)

    def checked(numbers: Sequence[Any]) -> Any:
        total = sum(numbers)
        if total - total != 0 or (single and (max(numbers) >= MOST or min(numbers) <= -MOST)):
            _refuse(compiled, numbers, MOST if single else math.inf)
        return score(numbers)

    return checked


def _finite_linear(compiled: Compiled, score: One) -> One:
    """A sum with a term that is not finite is not finite either."""

    def checked(numbers: Sequence[Any]) -> Any:
        raw = score(numbers)
        total = sum(raw) if isinstance(raw, list) else raw
        if total - total != 0:
            _refuse(compiled, numbers, math.inf)
        return raw

    return checked


def _single(compiled: Compiled) -> bool:
    return isinstance(compiled.model, XgBoost | Leaves) or (
        isinstance(compiled.model, Trees) and compiled.model.single
    )


def _refuse(compiled: Compiled, numbers: Sequence[float], largest: float, row: int | None = None) -> None:
    for at, value in enumerate(numbers):
        if abs(value) >= largest:
            raise _refusal(
                compiled, at, repr(value), "takes no infinite number, nor one beyond its own bits", row
            )
        if value != value and compiled.finite == "finite":
            raise _refusal(compiled, at, "missing", "takes no missing value", row)


def _refusal(compiled: Compiled, place: int, value: str, problem: str, row: int | None) -> CannotAnswer:
    """`place`: of the number among those that the encoders make."""
    at = _input_of(compiled, place)
    name = compiled.inputs[at] if compiled.inputs else f"column {at}"
    return CannotAnswer(column=name, value=value, problem=problem, at=at, row=row)


def _input_of(compiled: Compiled, place: int) -> int:
    from noria.fast.encode import width_of

    for block in compiled.blocks:
        if place < width_of(block):
            return block.source
        place -= width_of(block)
    return place


def _check_finite(compiled: Compiled, matrix: np.ndarray) -> None:
    if compiled.finite == "anything":
        return
    import numpy as np

    single = _single(compiled)
    with np.errstate(over="ignore"):
        seen = matrix.astype(np.float32) if single else matrix
    wrong = np.isinf(seen) if compiled.finite == "no infinity" else ~np.isfinite(seen)
    if wrong.any():
        row = int(np.argmax(wrong.any(axis=1)))
        _refuse(compiled, matrix[row].tolist(), MOST if single else math.inf, row)


def _matrix(compiled: Compiled, encoder: ColumnEncoder, columns: Any) -> np.ndarray:
    import numpy as np

    if isinstance(columns, np.ndarray) and columns.ndim == 2:
        if columns.shape[1] != compiled.width:
            raise WrongWidth(given=columns.shape[1], wanted=compiled.width)
        if not compiled.blocks and columns.dtype != object:
            return np.ascontiguousarray(columns, np.float64)
        return encoder.of_matrix(columns)
    if len(columns) != compiled.width:
        raise WrongWidth(given=len(columns), wanted=compiled.width)
    if isinstance(compiled.model, Onnx) and compiled.model.once:
        from noria.fast.sessions import rounded_columns

        columns = rounded_columns(columns, compiled.model.once)
    return encoder.matrix(columns)


def _numeric(compiled: Compiled) -> frozenset[int]:
    from noria.fast.compiled import Number

    if not compiled.blocks:
        return frozenset(range(compiled.width))
    return frozenset(block.source for block in compiled.blocks if isinstance(block, Number))


def _unfit(compiled: Compiled, values: Sequence[Any], numeric: frozenset[int]) -> CannotAnswer:
    for at, value in enumerate(values):
        if at in numeric and not isinstance(value, int | float | None):
            name = compiled.inputs[at] if compiled.inputs else f"input {at}"
            return CannotAnswer(column=name, value=repr(value), problem="takes a number there")
    return CannotAnswer(column="a value", value=repr(list(values)), problem="cannot take it")
