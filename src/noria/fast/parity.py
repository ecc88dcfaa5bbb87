"""The gate before a compiled model: on every row that might tell them apart, it answers as the original.

Trees must agree in every bit; linear models within 1e-12 of the size of what they sum up.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from noria.fast.compiled import Compiled, Linear, MethodName, Onnx, Trees
from noria.fast.edges import parity_rows, refused_rows
from noria.fast.encode import matrix_of
from noria.fast.errors import CannotAnswer
from noria.fast.leaf_masks import FEWEST
from noria.fast.opened import Fast, Method, open_model
from noria.fast.rows import Rows

if TYPE_CHECKING:
    import numpy as np

LINEAR_TOLERANCE = 1e-12
SESSION_TOLERANCE = 1e-6  # of an answer, or of 1 where it is smaller: 8 roundings in 32 bits
SHOWN = 6  # columns of a row that differs
ALONE = 64  # rows that the original is asked one by one, where its answer depends on how many it is asked
Given = Callable[[Rows], Any]


@dataclass(frozen=True)
class Parity:
    """Whether the two agree, on how many rows, and the first difference in words."""

    equal: bool
    rows: int
    tolerance: float
    worst: float = 0.0
    difference: str = ""


def check_parity(
    compiled: Compiled, estimator: Any, sample: Sequence[Any], given: Given | None = None
) -> Parity:
    """Compare on the sample's rows and on those made of them; warnings about odd values are no news here.

    `sample`: columns in the order of the model's inputs. `given`: makes of rows what the estimator is called with, as
    the pipeline does; a float64 matrix if None.
    """
    import numpy as np

    with warnings.catch_warnings(), np.errstate(all="ignore"), one_job(estimator):
        warnings.simplefilter("ignore")
        return _checked(compiled, estimator, sample, given or as_matrix)


def _checked(compiled: Compiled, estimator: Any, sample: Sequence[Any], given: Given) -> Parity:
    rows = parity_rows(compiled, sample)
    table = given(rows)
    fast = open_model(compiled)
    tolerance = tolerance_of(compiled)
    worst = 0.0
    for name in compiled.methods:
        checked = _method(fast, name, estimator, rows, table, given, tolerance)
        if isinstance(checked, str):
            return Parity(False, len(rows), tolerance, difference=checked)
        worst = max(worst, checked)
    refused = refused_rows(compiled, sample)
    wrong = _refusals(fast, estimator, refused, given)
    return Parity(not wrong, len(rows) + len(refused), tolerance, worst, wrong)


def tolerance_of(compiled: Compiled) -> float:
    """How far from the original's an answer may be, in parts of it: sums go in another order for another number of rows."""
    if isinstance(compiled.model, Onnx):
        return SESSION_TOLERANCE
    return LINEAR_TOLERANCE if isinstance(compiled.model, Linear) else 0.0


def as_matrix(rows: Rows) -> Any:
    """A float64 matrix."""
    import numpy as np

    return np.column_stack([np.asarray(column, np.float64) for column in rows.columns])


def as_frame(names: Sequence[str], kind: type, strings: bool = True) -> Given:
    """A frame of polars or pandas; numbers are float64."""

    def given(rows: Rows) -> Any:
        return kind(dict(zip(names, rows.columns, strict=True)))

    return given


@contextmanager
def one_job(estimator: Any) -> Iterator[None]:
    """A forest on several threads sums in the order in which they end: its own last bits change from call to call."""
    final = estimator
    while type(final).__name__ == "Pipeline":
        final = final.steps[-1][1]
    if "n_jobs" not in vars(final) if hasattr(final, "__dict__") else True:
        yield
        return
    before, final.n_jobs = final.n_jobs, 1
    try:
        yield
    finally:
        final.n_jobs = before


def _method(
    fast: Fast, name: MethodName, estimator: Any, rows: Rows, table: Any, given: Given, tolerance: float
) -> float | str:
    """The largest difference, or the first that is too large in words."""
    import numpy as np

    method = fast.method(name)
    try:
        wanted = np.asarray(getattr(estimator, name)(table))
    except Exception as error:  # whatever the original's own complaint is
        return f"the original's {name} raises {type(error).__name__} on rows made for the comparison: {error}"
    try:
        got = method.many(rows.columns)
        few = _in_small_batches(method, rows) if isinstance(fast.compiled.model, Trees) else got
        one = np.array([method.one(row) for row in rows.listed()], dtype=got.dtype)
    except CannotAnswer as refusal:
        return f"{name} answers a row that the compiled model refuses: {refusal}"
    if got.dtype != wanted.dtype or got.shape != wanted.shape:
        return f"{name} gives {wanted.dtype} {wanted.shape}, the compiled model {got.dtype} {got.shape}"
    allowed = _allowed(fast.compiled, rows, wanted, tolerance)
    for answers, alone in ((got, False), (few, False), (one, True)):
        apart = _apart(answers, wanted, allowed)
        for at in np.flatnonzero(apart)[:ALONE].tolist():
            if not (alone and _same_alone(estimator, name, given, rows, at, answers[at])):
                return in_words(fast.compiled, name, rows, at, answers[at], wanted[at], alone)
        if alone and apart.sum() > ALONE:
            return f"{name} of single rows differs from that of a batch in {int(apart.sum())} rows"
    if wanted.dtype.kind != "f":
        return 0.0
    with np.errstate(invalid="ignore"):
        return float(np.nanmax(np.abs(np.where(got == wanted, 0.0, got - wanted)), initial=0.0))


def _in_small_batches(method: Method, rows: Rows) -> np.ndarray:
    """The same answers on the way of batches that are too small for tables."""
    import numpy as np

    parts = np.array_split(np.arange(len(rows)), max(1, -(-len(rows) // (FEWEST - 1))))
    return np.concatenate([method.many(rows.take(part).columns) for part in parts])


def _allowed(compiled: Compiled, rows: Rows, wanted: np.ndarray, tolerance: float) -> Any:
    """How far an answer may be off, a row: relative to the sum of its terms' sizes, whose rounding either has."""
    import numpy as np

    model = compiled.model
    if not isinstance(model, Linear):
        return np.zeros(len(rows))
    coefficients = np.abs(np.array(model.coefficients)).T
    terms = (np.abs(matrix_of(compiled, rows.columns)) @ coefficients).max(axis=1) + np.abs(
        model.intercepts
    ).max()
    size = np.abs(wanted.reshape(len(rows), -1)).max(axis=1) if wanted.dtype.kind == "f" else 0.0
    return tolerance * np.maximum(1.0, np.maximum(terms, 1.0) * np.maximum(size, 1.0))


def _apart(answers: np.ndarray, wanted: np.ndarray, allowed: Any) -> Any:
    import numpy as np

    if wanted.dtype.kind != "f":
        return answers != wanted
    flat, others = answers.reshape(len(answers), -1), wanted.reshape(len(wanted), -1)
    with np.errstate(invalid="ignore"):
        same = (flat == others) | (np.isnan(flat) & np.isnan(others))
        same |= np.abs(flat - others) <= allowed[:, None] * (allowed[:, None] > 0) - (allowed[:, None] == 0)
    return ~same.all(axis=1)


def _same_alone(estimator: Any, name: str, given: Given, rows: Rows, at: int, answer: Any) -> bool:
    """Whether the original, asked this row alone, says the same: sums over classes may depend on the batch."""
    import numpy as np

    wanted = np.asarray(getattr(estimator, name)(given(rows.take(np.array([at])))))[0]
    return bool(np.array_equal(wanted, answer, equal_nan=wanted.dtype.kind == "f"))


def _refusals(fast: Fast, estimator: Any, rows: Rows, given: Given) -> str:
    """Empty where both refuse each of the rows."""
    import numpy as np

    name = next(iter(fast.compiled.methods))
    for at, values in enumerate(rows.listed()):
        try:
            getattr(estimator, name)(given(rows.take(np.array([at]))))
        except Exception:  # whatever the original's own complaint is: it does not answer
            try:
                fast.method(name).one(values)
            except CannotAnswer:
                continue
            return f"the original refuses {_row(fast.compiled, values)}, the compiled model answers"
        return f"the original answers {_row(fast.compiled, values)}, the compiled model refuses it"
    return ""


def in_words(compiled: Compiled, name: str, rows: Rows, at: int, got: Any, wanted: Any, alone: bool) -> str:
    how = " asked alone" if alone else ""
    row = _row(compiled, rows.listed()[at])
    return f"{name} of row {at}{how} ({row}) is {_shown(got)}, the original says {_shown(wanted)}"


def _row(compiled: Compiled, values: Sequence[Any]) -> str:
    names = compiled.inputs or tuple(f"input {at}" for at in range(len(values)))
    pairs = [f"{name} = {value!r}" for name, value in zip(names, values, strict=True)]
    return ", ".join(pairs[:SHOWN]) + (", ..." if len(pairs) > SHOWN else "")


def _shown(value: Any) -> str:
    return str(value.tolist() if hasattr(value, "tolist") else value)
