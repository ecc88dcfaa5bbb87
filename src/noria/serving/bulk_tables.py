"""The quick way to read a request that is a table: its numbers go from Arrow's memory into the block, as they lie.

As `quick`, it takes only what leaves no doubt, which is what most programs send: one batch of the signature's own columns and
types, numbers without a gap. All else, refusals among it, is for the careful reader (`table`).
"""

from __future__ import annotations

import struct
import sys
from math import isfinite
from typing import TYPE_CHECKING, Any

from noria.graph.columns import floats
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
        read = self._columns(dict(zip(names, batch.columns, strict=True)), batch.num_rows)
        return read if read is not None and self._rows.fits_by_column(read) else None

    def _columns(self, arrays: dict[str, pa.Array], count: int) -> ReadColumns | None:
        import numpy as np

        others: list[Any] = [None] * len(arrays)
        numbers = []
        for at, name in enumerate(self._rows.names):
            array = arrays[name]
            if at in self._rows.doubles and array.type == "double" and not array.null_count:
                numbers.append(floats(array))
            elif self._rows.texts[at] and array.type == "string":
                others[at] = array.to_pylist()
            else:
                return None
        block = b"".join(numbers)
        with np.errstate(over="ignore", invalid="ignore"):
            total = float(np.frombuffer(block).sum())
        if not isfinite(total):  # one of them is not, or they are huge: the careful reader looks at each
            return None
        return ReadColumns(count, block, others, nulls=True, reply="table")
