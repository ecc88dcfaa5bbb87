"""The quickest way to read a large request of tensors: the text of a number becomes a 64-bit float in C, and never an object.

Of 256 rows of 30 numbers msgspec makes 7,680 Python objects, and packing them is another look at each; simdjson writes
them side by side. Both round as IEEE 754 wants it: to the nearest, whatever the number of digits. As `quick`, this takes only
what leaves no doubt, and gives None for all else: nulls, other datatypes than the columns' own, parameters, an odd shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import simdjson

from noria.records.versions import Signature
from noria.serving.columns import ReadColumns
from noria.serving.quick import QuickReader

KEPT = (
    2**20
)  # bytes of a body up to which the parser's memory, some twenty times as much, is kept for the next one
MEMBERS = ["data", "datatype", "name", "shape"]  # of a tensor; each once


class BulkTensors:
    """Reads a version's requests of flat tensors, and of one matrix of all columns. For one thread."""

    def __init__(self, signature: Signature, rows: QuickReader, *, max_rows: int) -> None:
        self._rows = rows
        self._max = max_rows
        self._width = len(signature.request)
        self._doubles = {rows.names[at]: at for at in rows.doubles}
        self._texts = {name: at for at, name in enumerate(rows.names) if rows.texts[at]}
        self._parser = simdjson.Parser()

    def read(self, body: bytes) -> ReadColumns | None:
        """None where only the other readers can tell."""
        if body[:1] != b"{":  # such as a byte order mark, which simdjson would pass over
            return None
        parser = self._parser if len(body) <= KEPT else simdjson.Parser()
        try:
            read = self._read(parser.parse(body), body.count(b"["))
        except (ValueError, TypeError, AttributeError):  # no JSON, or of another form
            return None
        except (
            RuntimeError
        ):  # an integer beyond 64 bits; or what a parser read is still held, and it reads no more
            self._parser = simdjson.Parser()
            return None
        return read if read is not None and self._rows.fits_by_column(read) else None

    def _read(self, sent: Any, arrays: int) -> ReadColumns | None:
        """`arrays`: how many the request has at most; a bracket in a text counts as one."""
        if sorted(sent.keys()) not in (["inputs"], ["id", "inputs"]):
            return None
        id, tensors = sent.get("id"), list(sent["inputs"])
        if not isinstance(id, str | None) or any(sorted(each.keys()) != MEMBERS for each in tensors):
            return None
        if len(tensors) == self._width and arrays == 1 + 2 * len(tensors):
            return self._of_columns(tensors, id)
        return self._of_matrix(tensors[0], arrays, id) if len(tensors) == 1 else None

    def _of_columns(self, tensors: Sequence[Any], id: str | None) -> ReadColumns | None:
        count = len(tensors[0]["data"])
        numbers: dict[int, Any] = {}
        others: list[Any] = [None] * self._width
        for tensor in tensors:
            data, kind, name = tensor["data"], tensor["datatype"], tensor["name"]
            if len(data) != count or not _is_shape(tensor["shape"], count):
                return None
            if kind == "FP64" and name in self._doubles:
                numbers[self._doubles[name]] = data.as_buffer(of_type="d")
            elif kind == "BYTES" and name in self._texts:
                others[self._texts[name]] = _texts(data)
            else:
                return None
        filled = len(numbers) + len(others) - others.count(None)
        if not 0 < count <= self._max or filled != self._width:  # else a name came twice, and another never
            return None
        block = b"".join([numbers[at] for at in sorted(numbers)])
        return ReadColumns(count, block, others, nulls=True, reply="tensors", id=id)

    def _of_matrix(self, tensor: Any, arrays: int, id: str | None) -> ReadColumns | None:
        """`[n, k]` of numbers, flat or a row after the other."""
        import numpy as np

        data, width, shape = tensor["data"], self._width, tensor["shape"].as_list()
        if len(self._doubles) != width or len(shape) != 2 or {*map(type, shape)} != {int}:
            return None
        count, given = shape[0], len(data)
        nested = given == count and arrays == 3 + count and all(len(row) == width for row in data)
        if not nested and (arrays != 3 or given != count * width):
            return None
        if shape[1] != width or tensor["datatype"] != "FP64" or tensor["name"] in self._rows.names:
            return None
        if not 0 < count <= self._max:
            return None
        matrix = np.frombuffer(data.as_buffer(of_type="d"), "<f8").reshape(count, width)
        others: list[Any] = [None] * width
        return ReadColumns(count, matrix.T.tobytes(), others, nulls=True, reply="tensors", id=id)


def _is_shape(shape: Any, count: int) -> bool:
    """[count] or [count, 1]; a fraction or a truth value that equals one is none."""
    sizes = shape.as_list()
    return (sizes == [count] or sizes == [count, 1]) and {*map(type, sizes)} == {int}


def _texts(data: Any) -> list[str | None]:
    """Raises TypeError for what is no text."""
    values: list[str | None] = data.as_list()
    if not {*map(type, values)} <= {str, type(None)}:
        raise TypeError
    return values
