"""How much two artifacts differ: to the last bit, within a tolerance, or beyond it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from noria.records.artifacts import Artifact
from noria.records.proofs import Sameness

if TYPE_CHECKING:
    import numpy as np

    from noria.artifacts import Artifacts


def likeness(
    first: Artifact, second: Artifact, tolerance: float, artifacts: Artifacts
) -> tuple[Sameness, str]:
    """Tables, arrays and plain values are compared number by number, relative to the first's; anything else by its
    bytes. The words say where and by how much they differ; empty for equal bits."""
    if first.digest == second.digest and first.codec == second.codec:
        return "bit", ""
    kind = first.codec.partition("/")[0]
    if first.codec != second.codec or kind not in ("arrow", "npy", "json"):
        return "different", f"other bytes of a {first.type or kind}"
    if kind == "arrow":
        return _tables(first, second, tolerance, artifacts)
    values = artifacts.load(first), artifacts.load(second)
    worst = _array(*values) if kind == "npy" else _plain(*values)
    return _verdict(worst, tolerance, "")


def _tables(
    first: Artifact, second: Artifact, tolerance: float, artifacts: Artifacts
) -> tuple[Sameness, str]:
    one, other = artifacts.table(first), artifacts.table(second)
    if one.num_rows != other.num_rows:
        return "different", f"{one.num_rows} rows, and {other.num_rows} now"
    if one.schema.names != other.schema.names:
        return "different", f"columns {', '.join(one.schema.names)}, and {', '.join(other.schema.names)} now"
    worst, where = 0.0, ""
    for name in one.schema.names:
        far = _column(one.column(name), other.column(name))
        if far > worst:
            worst, where = far, f"column {name}: "
    return _verdict(worst, tolerance, where)


def _column(one: Any, other: Any) -> float:
    import pyarrow as pa

    if one.equals(other):
        return 0.0
    if not (pa.types.is_floating(one.type) and pa.types.is_floating(other.type)):
        return math.inf
    if one.is_null().combine_chunks() != other.is_null().combine_chunks():
        return math.inf
    return _array(one.fill_null(0.0).to_numpy(), other.fill_null(0.0).to_numpy())


def _array(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference of two numbers, relative to the first one's; infinite for what is not comparable."""
    import numpy as np

    if one.shape != other.shape or one.dtype != other.dtype:
        return math.inf
    if one.dtype.kind not in "fc":
        return 0.0 if np.array_equal(one, other) else math.inf
    if not np.array_equal(np.isfinite(one), np.isfinite(other)):
        return math.inf
    finite = np.isfinite(one)
    scale = np.maximum(np.abs(one[finite]), np.finfo(one.dtype).tiny)
    return float(np.max(np.abs(one[finite] - other[finite]) / scale, initial=0.0))


def _plain(one: Any, other: Any) -> float:
    """The same of JSON values; a list or a dict of another shape is infinitely far."""
    if isinstance(one, float) and isinstance(other, float | int) and not isinstance(other, bool):
        return abs(one - other) / max(abs(one), 5e-324) if one != other else 0.0
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return max((_plain(one[key], other[key]) for key in one), default=0.0)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return max(map(_plain, one, other), default=0.0)
    return 0.0 if msgspec.json.encode(one) == msgspec.json.encode(other) else math.inf


def _verdict(worst: float, tolerance: float, where: str) -> tuple[Sameness, str]:
    words = f"{where}{f'by {worst:.2g}, relatively' if math.isfinite(worst) else 'values that are no near numbers'}"
    return ("tolerance" if worst <= tolerance else "different"), words
