"""What every test of this package asks of its numbers before it believes them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


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


def as_labels(labels: ArrayLike, what: str) -> Whole:
    """Whole numbers or datetimes as int64 (n,); ValueError, naming `what`, for anything else."""
    array = np.asarray(labels)
    if array.ndim != 1 or array.dtype.kind not in "iumM":
        raise ValueError(
            f"{what}: expected whole numbers or datetimes of shape (n,), got {array.dtype} of shape {array.shape}"
        )
    return (
        array.astype("datetime64[us]").astype(np.int64) if array.dtype.kind == "M" else array.astype(np.int64)
    )
