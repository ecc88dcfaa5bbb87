"""The quick way to read a request that is a table: its numbers go from Arrow's memory into the block, as they lie.

As `quick`, it takes only what leaves no doubt, which is what most programs send: one batch of the signature's own columns and
types, numbers without a gap. All else, refusals among it, is for the careful reader (`table`).
"""

from __future__ import annotations

import struct
import sys
from math import isfinite
from typing import TYPE_CHECKING, Any

from noria.serving import table
from noria.serving.columns import ReadColumns
from noria.serving.errors import TooManyRows
from noria.serving.quick import QuickReader

if TYPE_CHECKING:
    import pyarrow as pa


class BulkTables:
    """Reads a version's requests in the stream format of Arrow."""

    def __init__(self, rows: QuickReader, *, max_rows: int) -> None:
        self._rows = rows
        self._max = max_rows
        self._places = {name: at for at, name in enumerate(rows.names)}
        self._numbers = [rows.names[at] for at in sorted(rows.doubles)]
        self._others = [(at, name) for at, name in enumerate(rows.names) if at not in rows.doubles]

    def read(self, body: bytes) -> ReadColumns | None:
        """None where only the careful reader can tell; and for the first tables of all, that find no Arrow in the process: its
        import is for the batcher's thread."""
        if "pyarrow.ipc" not in sys.modules:
            return None
        import pyarrow as pa

        try:
            batch = table.whole(body, self._max)
            names = batch.schema.names  # what is no UTF-8 is found here
        except (pa.ArrowException, OSError, ValueError, struct.error, TooManyRows):
            return None
        if len(names) != len(self._places) or {*names} != self._places.keys():
            return None
        if not isinstance(batch, pa.RecordBatch) or not batch.num_rows:
            return None
        read = self._columns(batch)
        return read if read is not None and self._rows.fits_by_column(read) else None

    def _columns(self, batch: pa.RecordBatch) -> ReadColumns | None:
        import pyarrow as pa

        others: list[Any] = [None] * len(self._places)
        for at, name in self._others:
            array = batch.column(name)
            if not (self._rows.texts[at] and pa.types.is_string(array.type)):
                return None
            others[at] = array.to_pylist()
        block = self._block(batch.select(self._numbers)) if self._numbers else b""
        return (
            None if block is None else ReadColumns(batch.num_rows, block, others, nulls=True, reply="table")
        )

    def _block(self, numbers: pa.RecordBatch) -> bytes | None:
        """The columns one after the other; None where one has a gap, or a number that is not finite."""
        import numpy as np
        import pyarrow as pa

        if not all(map(pa.types.is_float64, numbers.schema.types)):
            return None
        try:
            found = numbers.to_tensor(row_major=False).to_numpy()
        except pa.ArrowException:  # there are nulls
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            total = float(found.sum())
        # A sum with a term that is not finite is not finite either; so are some of huge numbers, which the careful reader takes.
        block: bytes = found.T.tobytes()
        return block if isfinite(total) else None
