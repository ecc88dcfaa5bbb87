"""A large request by column, from its body to the log: its numbers lie in one block, which the model and the log take alike."""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec

from noria.ports.serving import Columns

if TYPE_CHECKING:
    import numpy as np

    from noria.serving.quick import QuickReader

WIDE = 8  # bytes of a 64-bit float

Reply = Literal["rows", "tensors", "table"]
"""The form in which an answer leaves: that of its request."""


class ReadColumns(msgspec.Struct, frozen=True):
    """The rows of one large request, a column of the signature after the other."""

    count: int
    """Rows."""
    numbers: bytes
    """Columns of 64-bit floats without a gap, one after the other, little-endian."""
    others: Sequence[Sequence[Any] | None]
    """The values of each column; None for one that is in `numbers`."""
    nulls: bool
    """Whether any value may be null."""
    reply: Reply = "rows"
    id: str | None = None
    """What a request of tensors wants to be called."""

    @property
    def first(self) -> tuple[Any, ...]:
        """The first row."""
        numbers = iter(struct.unpack(f"<{self._width}d", b"".join(self._firsts())))
        return tuple(next(numbers) if values is None else values[0] for values in self.others)

    def column(self, at: int) -> Sequence[Any]:
        """A column's values."""
        values = self.others[at]
        return self._unpacked(self._place(at)) if values is None else values

    def block(self) -> np.ndarray:
        """`(columns, rows)`: what is in `numbers`, as it lies there."""
        import numpy as np

        return np.frombuffer(self.numbers, "<f8").reshape(-1, self.count)

    def places(self, columns: Sequence[int]) -> list[int] | None:
        """Where some of the columns lie in `block`; None where one of them does not."""
        counted = iter(range(len(self.others)))
        place = [next(counted) if values is None else None for values in self.others]
        found = [place[at] for at in columns]
        return None if None in found else cast("list[int]", found)

    def with_values(self, changed: Mapping[int, Sequence[Any]]) -> ReadColumns:
        """Itself with other values in some of the columns."""
        others, kept, place = list(self.others), [], 0
        for at, values in enumerate(self.others):
            if values is None and at not in changed:
                kept.append(self._bytes(place))
            place += values is None
        for at, values in changed.items():
            others[at] = values
        return msgspec.structs.replace(self, numbers=b"".join(kept), others=others)

    def __len__(self) -> int:
        return self.count

    @property
    def _width(self) -> int:
        return len(self.numbers) // (WIDE * self.count)

    def _place(self, at: int) -> int:
        """The row of the block that holds a column."""
        return sum(values is None for values in self.others[:at])

    def _bytes(self, place: int) -> bytes:
        size = WIDE * self.count
        return self.numbers[place * size : (place + 1) * size]

    def _unpacked(self, place: int) -> tuple[float, ...]:
        return struct.unpack(f"<{self.count}d", self._bytes(place))

    def _firsts(self) -> list[bytes]:
        """The first number of each column in the block."""
        size = WIDE * self.count
        return [self.numbers[at : at + WIDE] for at in range(0, len(self.numbers), size)]


def read_columns(
    columns: Sequence[Sequence[Any]],
    reader: QuickReader,
    count: int,
    *,
    nulls: bool = True,
    reply: Reply = "rows",
    id: str | None = None,
) -> ReadColumns:
    """Columns of values that the reader has found to be of the signature's types."""
    numbers = packed(columns, reader.doubles, count)
    return ReadColumns(
        count,
        b"".join([each for each in numbers if each is not None]),
        [values if each is None else None for values, each in zip(columns, numbers, strict=True)],
        nulls,
        reply,
        id,
    )


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
