"""The gate before a compiled ONNX model: it answers as predict's own session, in every bit, asked the same.

Both are onnxruntime on the same bytes, so what could differ is what stands around it: which column goes where, what a
number becomes in 32 bits, which output is the answer. How many rows are asked at once is another matter: products of
matrices and sums over several threads are rounded otherwise for one row than for many. So a row alone is compared with the
session asked that row alone, many rows with many, and one row with many within the tolerance of 32-bit sums.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from noria.fast.compiled import Compiled, Onnx
from noria.fast.edges import SEED, parity_rows
from noria.fast.opened import open_model
from noria.fast.parity import SESSION_TOLERANCE, Parity, as_matrix, in_words
from noria.fast.rows import Rows
from noria.fast.sessions import feeds_of

if TYPE_CHECKING:
    import numpy as np

AROUND = 256  # rows drawn around the sample's: where a model splits its columns is not known
WIDER = 0.5  # of a column's range: by so much do they reach beyond it on either side


def check_session(compiled: Compiled, session: Any, sample: Sequence[Any]) -> Parity:
    """Compare on the sample's rows, on edge values of each column, and on rows drawn around the sample. `sample`: columns
    in the order of the model's inputs."""
    import numpy as np

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return _checked(compiled, session, sample)


def _checked(compiled: Compiled, session: Any, sample: Sequence[Any]) -> Parity:
    import numpy as np

    edges = parity_rows(compiled, sample)
    ordinary = np.arange(len(sample[0]))
    drawn = _around(edges.take(ordinary))
    rows = Rows([np.concatenate(pair) for pair in zip(edges.columns, drawn.columns, strict=True)])
    method = open_model(compiled).method("run")
    asked = _Asked(session, cast("Onnx", compiled.model))
    batch, alone = asked.of(rows), asked.each(rows)
    many = method.many(rows.columns)
    one = np.array([method.one(row) for row in rows.listed()], dtype=many.dtype)
    for got, wanted, single in ((many, batch, False), (one, alone, True)):
        for at in np.flatnonzero(~_same_bits(got, wanted))[:1].tolist():
            said = in_words(compiled, "run", rows, at, got[at], wanted[at], single)
            return Parity(False, len(rows), 0.0, difference=said)
    tame = np.concatenate([ordinary, np.arange(len(edges), len(rows))])
    return _by_number(compiled, rows.take(tame), alone[tame], batch[tame], len(rows))


def _by_number(compiled: Compiled, rows: Rows, alone: np.ndarray, batch: np.ndarray, count: int) -> Parity:
    """Whether the model answers a row alone as among others, and how nearly."""
    import numpy as np

    same = _same_bits(alone, batch)
    if same.all():
        return Parity(True, count, 0.0)
    off = np.abs(alone.astype(float) - batch).reshape(len(rows), -1).max(axis=1)
    size = np.maximum(1.0, np.abs(batch.astype(float)).reshape(len(rows), -1).max(axis=1))
    near = same | (off <= SESSION_TOLERANCE * size) & (batch.dtype.kind == "f")
    if near.all():
        return Parity(True, count, SESSION_TOLERANCE, float(np.nanmax(off)))
    at = int(np.flatnonzero(~near)[0])
    words = in_words(compiled, "run", rows, at, alone[at], batch[at], True)
    return Parity(
        False, count, SESSION_TOLERANCE, float(np.nanmax(off)), f"{words} when it is asked with others"
    )


class _Asked:
    """Predict's session, given rows as predict gives them."""

    def __init__(self, session: Any, model: Onnx) -> None:
        self._session = session
        self._model = model

    def of(self, rows: Rows) -> np.ndarray:
        return self._of(as_matrix(rows))

    def each(self, rows: Rows) -> np.ndarray:
        """Each row asked alone."""
        import numpy as np

        matrix = as_matrix(rows)
        return np.concatenate([self._of(matrix[at : at + 1]) for at in range(len(matrix))])

    def _of(self, matrix: np.ndarray) -> np.ndarray:
        made: np.ndarray = self._session.run([self._model.output], feeds_of(self._model.inputs, matrix))[0]
        return made if self._model.shape else made.reshape(len(matrix))


def _same_bits(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """A row at a time; any NaN is as good as another."""
    import numpy as np

    if one.dtype != other.dtype or one.shape != other.shape:
        return np.zeros(len(other), bool)
    same = one == other
    if one.dtype.kind == "f":
        same &= np.signbit(one) == np.signbit(other)
    same |= (one != one) & (other != other)
    answer: np.ndarray = same.reshape(len(other), -1).all(axis=1)
    return answer


def _around(base: Rows) -> Rows:
    """Rows of values drawn evenly from each column's range and somewhat beyond."""
    import numpy as np

    random, made = np.random.default_rng(SEED), []
    for column in base.columns:
        known = column[np.isfinite(column)]
        low, high = (known.min(), known.max()) if len(known) else (-1.0, 1.0)
        reach = WIDER * (high - low) or 1.0
        made.append(random.uniform(low - reach, high + reach, AROUND))
    return Rows(made)
