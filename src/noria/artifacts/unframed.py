"""Between Arrow, numpy and datetimes without pandas.

pyarrow imports pandas, where it is installed, in `pa.array`, `pa.scalar` and a timestamp's `as_py`: to know its objects when it
sees them. That is 0.2 to 0.5 s in each process of a run, for nothing. These say the same by other means; a process that runs a
user's code may not simply be kept from importing pandas, as one of `fast.apart` is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1}


def array_of(values: np.ndarray[Any, Any]) -> pa.Array:
    """One dimension of numpy as `pa.array` has it; numbers over the same bytes where they lie side by side."""
    import numpy as np
    import pyarrow as pa

    if values.dtype.kind == "b":
        bits = np.packbits(values, bitorder="little")
        return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])
    if values.dtype.kind not in "iuf" or not values.dtype.isnative or values.dtype.itemsize > 8:
        return pa.array(values)
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def texts_of(texts: Sequence[str]) -> pa.Array:
    """Some text as `pa.array` has it; all together less than 2 GB."""
    import numpy as np
    import pyarrow as pa

    spelled = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, spelled)], dtype=np.int32)
    data = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(spelled))]
    return pa.Array.from_buffers(pa.string(), len(texts), data)


def ticks_of(times: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.int64]]:
    """A column of timestamps in its own unit since 1970."""
    import pyarrow as pa

    return numpy_of(times.cast(pa.int64()))


def numpy_of(values: pa.Array | pa.ChunkedArray) -> np.ndarray[Any, Any]:
    """As `to_numpy` gives it: of an array of numbers the same bytes, read-only; of chunks a copy."""
    import numpy as np
    import pyarrow as pa

    whole = isinstance(values, pa.ChunkedArray)
    chunks = values.chunks if whole else [values]
    plain = (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)) and not values.null_count
    if not plain or not len(values):
        return np.asarray(values.to_numpy() if whole else values.to_numpy(zero_copy_only=False))
    width = values.type.bit_width // 8
    kind = np.dtype(values.type.to_pandas_dtype())
    parts = [
        np.frombuffer(one.buffers()[1], kind, len(one), width * one.offset) for one in chunks if len(one)
    ]
    return np.concatenate(parts) if whole else parts[0]


def timestamp(moment: datetime, zone: str | None) -> pa.Scalar:
    """A moment in microseconds, in a zone; the wall clock of UTC for none."""
    import numpy as np
    import pyarrow as pa

    micros = (moment - EPOCH) // timedelta(microseconds=1)
    return array_of(np.array([micros], np.int64)).cast(pa.timestamp("us", zone))[0]


def moment_of(scalar: pa.Scalar) -> datetime | None:
    """A timestamp's moment, in UTC; naive where it has no zone, None for null. What is finer than a microsecond is cut off."""
    import pyarrow as pa

    kind, ticks = scalar.type, scalar.cast(pa.int64()).as_py()
    if ticks is None:
        return None
    micros = ticks // 1000 if kind.unit == "ns" else ticks * _MICROSECONDS[kind.unit]
    moment = EPOCH + timedelta(microseconds=micros)
    return moment if kind.tz else moment.replace(tzinfo=None)
