"""The ids of a segment's rows, all at once: a letter of all of them is one operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from noria.adapters.log_segment import Frame
from noria.records.predictions import ALPHABET, ROW

if TYPE_CHECKING:
    import pyarrow as pa

_LETTERS = np.frombuffer(ALPHABET.encode(), np.uint8)


def ids_of(frames: Sequence[Frame], segment: str) -> pa.StringArray:
    """Those of the rows that the frames hold, as `prediction_ids` writes them."""
    import pyarrow as pa

    rows, head = _rows_of(frames), np.frombuffer(f"{segment}-".encode(), np.uint8)
    width = len(head) + ROW
    text = np.empty((len(rows), width), np.uint8)
    text[:, : len(head)] = head
    for place in range(ROW):
        text[:, width - 1 - place] = _LETTERS[(rows >> (5 * place)) & 31]
    ends = np.arange(len(rows) + 1, dtype=np.int32) * np.int32(width)
    return pa.StringArray.from_buffers(len(rows), pa.py_buffer(ends), pa.py_buffer(text))


def _rows_of(frames: Sequence[Frame]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Their numbers in the segment."""
    first = np.array([frame.first for frame in frames], np.int64)
    if any(frame.places is not None for frame in frames):  # of a sample
        kept = [range(frame.rows) if frame.places is None else frame.places for frame in frames]
        places = np.array([place for each in kept for place in each], np.int64)
        return np.repeat(first, [len(each) for each in kept]) + places
    counts = np.array([frame.rows for frame in frames], np.int64)
    before: np.ndarray[Any, np.dtype[np.int64]] = counts.cumsum() - counts
    return np.repeat(first - before, counts) + np.arange(counts.sum(), dtype=np.int64)
