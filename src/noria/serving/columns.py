"""A large request by column, from its body to the log: numbers are packed once, and are then the model's and the log's alike."""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from noria.ports.serving import Columns

if TYPE_CHECKING:
    from noria.serving.quick import QuickReader


class ReadColumns(msgspec.Struct, frozen=True):
    """The rows of one large request, a column of the signature after the other."""

    count: int
    """Rows."""
    columns: Sequence[Sequence[Any]]
    packed: Sequence[bytes | None]
    """Those of numbers without a gap as 64-bit floats; None for any other."""
    nulls: bool
    """Whether any value may be null."""
    tensors: bool = False
    id: str | None = None
    """What a request of tensors wants to be called."""

    @property
    def first(self) -> tuple[Any, ...]:
        """The first row."""
        return tuple(column[0] for column in self.columns)

    def __len__(self) -> int:
        return self.count


def read_columns(
    columns: Sequence[Sequence[Any]],
    reader: QuickReader,
    count: int,
    *,
    nulls: bool = True,
    tensors: bool = False,
    id: str | None = None,
) -> ReadColumns:
    """Columns of values that the reader has found to be the signature's."""
    return ReadColumns(count, columns, packed(columns, reader.doubles, count), nulls, tensors, id)


def packed(columns: Sequence[Sequence[Any]], doubles: Collection[int], count: int) -> Sequence[bytes | None]:
    """Each column's values as 64-bit floats; None where it is none of `doubles`, or has a gap."""
    pack = struct.Struct(f"<{count}d").pack
    made: list[bytes | None] = []
    for at, column in enumerate(columns):
        try:
            made.append(pack(*column) if at in doubles else None)
        except struct.error:  # a null among them
            made.append(None)
    return made


def some_of(logged: Columns, places: Sequence[int]) -> Columns:
    """Some of the rows."""
    import numpy as np

    numbers = np.frombuffer(logged.numbers, "<f8").reshape(-1, logged.count)[:, list(places)]

    def chosen(values: Any) -> Any:
        return [values[at] for at in places] if isinstance(values, list | tuple) else values

    return msgspec.structs.replace(
        logged,
        count=len(places),
        numbers=numbers.tobytes(),
        others=[chosen(values) for values in logged.others],
        keys=chosen(logged.keys),
        units=chosen(logged.units),
        times=chosen(logged.times),
    )
