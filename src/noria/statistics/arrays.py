"""What every test of this package asks of its numbers before it believes them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def finite_vector(values: ArrayLike, what: str) -> Floats:
    """`values` as float64 of shape (n,). ValueError, naming `what`, unless one-dimensional and all finite."""
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1:
        raise ValueError(f"{what}: expected one dimension, got shape {vector.shape}")
    bad = int(np.count_nonzero(~np.isfinite(vector)))
    if bad:
        raise ValueError(f"{what}: {bad} of {vector.size} values are NaN or infinite")
    return vector


def check_error_rate(alpha: float, what: str) -> None:
    """ValueError, naming `what`, unless 0 < alpha < 1."""
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"{what}: expected a probability between 0 and 1, got {alpha}")
