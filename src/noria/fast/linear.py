"""Linear models: plain Python for one row, which is done before numpy has begun, and numpy for matrices."""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul
from typing import TYPE_CHECKING, Any

from noria.fast.compiled import Linear

if TYPE_CHECKING:
    import numpy as np

SMALL = 400  # products up to which a sum in Python is faster than numpy's call


class LinearScores:
    """`x @ coefficients + intercept`."""

    def __init__(self, model: Linear) -> None:
        self.outputs = len(model.coefficients)
        self._rows = tuple(zip(model.coefficients, model.intercepts, strict=True))
        self._model = model
        self._matrix: tuple[np.ndarray, np.ndarray] | None = None
        self._small = self.outputs * len(model.coefficients[0]) <= SMALL

    def one(self, values: Sequence[float]) -> Any:
        if not self._small:
            return self._by_numpy(values)
        if self.outputs == 1:
            coefficients, intercept = self._rows[0]
            return sum(map(mul, values, coefficients)) + intercept
        return [sum(map(mul, values, coefficients)) + intercept for coefficients, intercept in self._rows]

    def many(self, matrix: np.ndarray) -> np.ndarray:
        coefficients, intercepts = self._arrays()
        found: np.ndarray = matrix @ coefficients + intercepts
        return found

    def _by_numpy(self, values: Sequence[float]) -> Any:
        import numpy as np

        found: list[float] = self.many(np.array([values], np.float64))[0].tolist()
        return found[0] if self.outputs == 1 else found

    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        if self._matrix is None:
            import numpy as np

            made = np.array(self._model.coefficients).T, np.array(self._model.intercepts)
            self._matrix = np.ascontiguousarray(made[0]), made[1]
        return self._matrix
