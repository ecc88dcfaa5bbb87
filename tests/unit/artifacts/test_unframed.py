"""Arrow without pandas: the same values by other means, and no import."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from noria.artifacts.unframed import array_of, moment_of, numpy_of, texts_of, timestamp

VALUES = [
    np.array([True, False, True] * 5),
    np.arange(5),
    np.arange(10)[::2],
    np.array([1.5, np.nan, np.inf]),
    np.array([], np.float64),
    np.array([3, 255], np.uint8),
    np.array([1, 2], np.int16),
    np.array([1.5], np.float32),
    np.array([1, 2], ">i4").astype("i4"),
    np.array(["a", "b"]),
    np.array(["2024-01-01"], "M8[us]"),
]


@pytest.mark.parametrize("values", VALUES, ids=lambda values: str(values.dtype))
def test_numpy_to_arrow(values: Any) -> None:
    made, wanted = array_of(values), pa.array(values)
    assert made.type == wanted.type
    assert made.validate(full=True) is None
    assert made.equals(wanted) or np.array_equal(made.to_numpy(), wanted.to_numpy(), equal_nan=True)


@pytest.mark.parametrize("texts", [[], [""], ["a", "größe", "", "\U0001f600"]])
def test_text_to_arrow(texts: list[str]) -> None:
    made = texts_of(texts)
    assert made.validate(full=True) is None
    assert made.equals(pa.array(texts, pa.string()))


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, 2, 3]),
        pa.array([1, 2, 3]).slice(1, 2),
        pa.array([1.5, None]),
        pa.array([], pa.float64()),
        pa.array(["a", "b"]),
        pa.array([True, False]),
        pa.array([1, 2], pa.uint8()),
    ],
    ids=str,
)
def test_arrow_to_numpy(values: pa.Array) -> None:
    chunks = pa.chunked_array([values, values])
    np.testing.assert_array_equal(numpy_of(values), values.to_numpy(zero_copy_only=False))
    np.testing.assert_array_equal(numpy_of(chunks), chunks.to_numpy())
    assert numpy_of(values).dtype == values.to_numpy(zero_copy_only=False).dtype
    assert numpy_of(chunks).dtype == chunks.to_numpy().dtype
    if len(values) and pa.types.is_int64(values.type):
        numpy_of(chunks)[0] = 7  # a copy: the reader's own


@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_moments(zone: str | None) -> None:
    moment = datetime(2024, 3, 1, 12, 30, 0, 250, tzinfo=timezone(timedelta(hours=2)))
    made = timestamp(moment, zone)
    assert made.equals(pa.scalar(moment, pa.timestamp("us", zone)))
    back = moment_of(made)
    assert back is not None
    assert back == (moment if zone else moment.astimezone(UTC).replace(tzinfo=None))
    column = pa.array([moment, moment + timedelta(days=1)], pa.timestamp("ns", tz="UTC"))
    assert moment_of(pc.max(column)) == moment + timedelta(days=1)
    assert moment_of(pa.scalar(None, pa.timestamp("s"))) is None


def test_nothing_of_it_imports_pandas() -> None:
    code = """
import sys
from datetime import UTC, datetime
import numpy as np, pyarrow as pa
from noria.artifacts.unframed import array_of, moment_of, numpy_of, timestamp
numpy_of(pa.chunked_array([array_of(np.arange(3.0))]))
moment_of(timestamp(datetime(2024, 1, 1, tzinfo=UTC), "UTC"))
print("pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
