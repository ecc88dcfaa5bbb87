"""What every kind of model gives: raw scores of one row, and of a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np


class Scores(Protocol):
    """A model opened; safe for any number of threads."""

    outputs: int

    def one(self, values: Sequence[float]) -> float | Sequence[float]:
        """The raw score of one row, or several. Raises `struct.error` or TypeError for what is no number."""

    def many(self, matrix: np.ndarray) -> np.ndarray:
        """`(n, outputs)` raw scores of a float64 matrix in C order."""
