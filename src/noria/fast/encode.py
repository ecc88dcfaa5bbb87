"""From the values of a row, or from columns, to the numbers that a model takes: scikit-learn's own operations in
their own order, so that no bit differs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter, sub, truediv
from typing import TYPE_CHECKING, Any

from noria.fast.compiled import Block, Change, Compiled, Filled, Number, OneHot, Ordinal, Scalar, Scaled
from noria.fast.errors import CannotAnswer

if TYPE_CHECKING:
    import numpy as np

NAN = math.nan
Encode = Callable[[Sequence[Any]], Sequence[Any]]
Numbers = tuple[float, ...]


def row_encoder(compiled: Compiled) -> Encode | None:
    """The function from a row's values to the model's; None where they are the same."""
    if not compiled.blocks:
        return None
    if all(isinstance(block, Number) and not block.changes for block in compiled.blocks):
        sources = [block.source for block in compiled.blocks]
        return (
            None if sources == list(range(compiled.width)) else lambda values: [values[at] for at in sources]
        )
    scaled = _all_scaled(compiled)
    if scaled is not None:
        return scaled
    parts = [_part(block, _name(compiled, block.source)) for block in compiled.blocks]
    return _joined(parts)


def _all_scaled(compiled: Compiled) -> Encode | None:
    """Each input scaled, and nothing else: done for all of them at once."""
    scales = _scales(compiled.blocks)
    if scales is None or any(block.source != at for at, block in enumerate(compiled.blocks)):
        return None
    minus, over = scales
    return lambda values: list(map(truediv, map(sub, values, minus), over))


def _scales(blocks: Sequence[Block]) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """What is taken off each column and what it is divided by, where that is all that is done to any of them."""
    changes = [block.changes[0] for block in blocks if isinstance(block, Number) and len(block.changes) == 1]
    minus = tuple(one.minus for one in changes if isinstance(one, Scaled) and one.minus is not None)
    over = tuple(one.over for one in changes if isinstance(one, Scaled) and one.over is not None)
    return (minus, over) if len(minus) == len(over) == len(blocks) else None


def matrix_of(compiled: Compiled, columns: Sequence[Any]) -> np.ndarray:
    """Columns (arrays, or sequences for categories) to the model's float64 matrix in C order."""
    return ColumnEncoder(compiled).matrix(columns)


class ColumnEncoder:
    """From columns to a model's matrix; what its categories become is looked up once."""

    def __init__(self, compiled: Compiled) -> None:
        self._blocks = compiled.blocks or tuple(Number(source=at) for at in range(compiled.width))
        self._tables = [
            None if isinstance(block, Number) else Table(block, _name(compiled, block.source))
            for block in self._blocks
        ]
        self._width = sum(map(width_of, self._blocks))
        self._scales = _scales(self._blocks)

    def matrix(self, columns: Sequence[Any]) -> np.ndarray:
        """float64, C order."""
        import numpy as np

        if self._scales is not None:
            return self._scaled(columns, *self._scales)
        made = np.empty((len(columns[self._blocks[0].source]), self._width))
        at = 0
        for block, table in zip(self._blocks, self._tables, strict=True):
            values, end = columns[block.source], at + width_of(block)
            if isinstance(block, Number):
                made[:, at] = _changed_all(numbers_of(values), block.changes)
            elif table is not None:
                made[:, at:end] = [table.numbers(value) for value in plain_values(values)]
            at = end
        return made

    def of_matrix(self, given: np.ndarray) -> np.ndarray:
        """`matrix` of the columns of `given`."""
        import numpy as np

        if self._scales is None or given.dtype != np.float64:
            return self.matrix(list(given.T))
        sources = [block.source for block in self._blocks]
        made = np.subtract(
            given if sources == list(range(given.shape[1])) else given[:, sources], self._scales[0]
        )
        made /= self._scales[1]
        return np.ascontiguousarray(made)

    def _scaled(
        self, columns: Sequence[Any], minus: tuple[float, ...], over: tuple[float, ...]
    ) -> np.ndarray:
        """All columns at once: each number meets the two operations that it meets in its own column."""
        import numpy as np

        found = [numbers_of(columns[block.source]) for block in self._blocks]
        made: np.ndarray = np.array(found).T - minus
        made /= over
        return np.ascontiguousarray(made)


def width_of(block: Block) -> int:
    """How many columns of the model's matrix a block makes."""
    return block.width if isinstance(block, OneHot) else 1


class Table:
    """What each level of a category becomes, the changes that follow included."""

    def __init__(self, block: Ordinal | OneHot, column: str) -> None:
        self._column = column
        self.known: Mapping[Any, Numbers] = _known(block)
        self._none = _outcome(block, block.none)
        self._nan = _outcome(block, block.nan)
        self._other = _outcome(block, block.other)

    def numbers(self, value: Any) -> Numbers:
        """The level's numbers, or those of what has no level. Raises `CannotAnswer` where the original refuses it."""
        found = self.known.get(value)
        if found is not None:
            return found
        if value is None:
            made = self._none
        elif value != value:
            made = self._nan
        else:
            made = self._other
        if made is None:
            raise CannotAnswer(column=self._column, value=repr(value), problem="was trained to refuse it")
        return made


def _known(block: Ordinal | OneHot) -> dict[Scalar, Numbers]:
    if isinstance(block, OneHot):
        return {level: _hot(block, place) for level, place in zip(block.levels, block.places, strict=True)}
    codes = block.codes or range(len(block.levels))
    return {
        level: _changed_tuple(NAN if code is None else float(code), block.changes)
        for level, code in zip(block.levels, codes, strict=True)
    }


def _outcome(block: Ordinal | OneHot, outcome: Any) -> Numbers | None:
    """None where the original raises."""
    if outcome == "refuse":
        return None
    if isinstance(block, OneHot):
        return _hot(block, outcome)
    return _changed_tuple(NAN if outcome is None else float(outcome), block.changes)


def _hot(block: OneHot, place: int) -> Numbers:
    changes = block.changes or ((),) * block.width
    return tuple(changed(float(at == place), each) for at, each in enumerate(changes))


def _changed_tuple(value: float, changes: Sequence[Change]) -> Numbers:
    return (changed(value, changes),)


def changed(value: float, changes: Sequence[Change]) -> float:
    """A number after its changes, each rounded as numpy rounds it."""
    for change in changes:
        if isinstance(change, Scaled):
            value = value if change.minus is None else value - change.minus
            value = value if change.over is None else value / change.over
        elif isinstance(change, Filled):
            value = change.value if value != value else value
        else:
            value = value * change.times + change.plus
            value = _held(value, change.low, change.high)
    return value


def _held(value: float, low: float | None, high: float | None) -> float:
    """What is infinite stays so: the original refuses it, and so will whoever reads it next."""
    if value in (math.inf, -math.inf):
        return value
    if low is not None and value < low:
        return low
    return high if high is not None and value > high else value


def _changed_all(column: np.ndarray, changes: Sequence[Change]) -> np.ndarray:
    import numpy as np

    for change in changes:
        if isinstance(change, Scaled):
            column = column if change.minus is None else column - change.minus
            column = column if change.over is None else column / change.over
        elif isinstance(change, Filled):
            column = np.where(np.isnan(column), change.value, column)
        else:
            column = column * change.times + change.plus
            if change.low is not None or change.high is not None:
                held = np.clip(column, change.low, change.high)
                column = np.where(np.isinf(column), column, held)
    return column


def _part(block: Block, column: str) -> tuple[int, Callable[[Any], Any], bool]:
    """An input's place, what it becomes, and whether that is several numbers."""
    if isinstance(block, Number):
        return block.source, _number(block.changes), False
    table = Table(block, column)
    return block.source, _looked_up(table, single=isinstance(block, Ordinal)), isinstance(block, OneHot)


def _number(changes: Sequence[Change]) -> Callable[[Any], Any]:
    if not changes:
        return _itself
    only = changes[0]
    if len(changes) == 1 and isinstance(only, Scaled) and only.minus is not None and only.over is not None:
        minus, over = only.minus, only.over
        return lambda value: (NAN if value is None else value - minus) / over
    return lambda value: changed(NAN if value is None else value * 1.0, changes)


def _itself(value: Any) -> Any:
    return value


def _looked_up(table: Table, *, single: bool) -> Callable[[Any], Any]:
    return _Codes(table) if single else table.numbers


class _Codes:
    """What each level of a category becomes where that is one number: one look-up for what is known; the rest is rarer."""

    def __init__(self, table: Table) -> None:
        self.known = {level: numbers[0] for level, numbers in table.known.items()}
        self._table = table

    def __call__(self, value: Any) -> float:
        found = self.known.get(value)
        return self.other(value) if found is None else found

    def other(self, value: Any) -> float:
        """Of what is not known. Raises `CannotAnswer` where the original refuses it."""
        return self._table.numbers(value)[0]


def _joined(parts: Sequence[tuple[int, Callable[[Any], Any], bool]]) -> Encode:
    if not any(several for _, _, several in parts):
        return _flat([(source, function) for source, function, _ in parts])

    def spread(values: Sequence[Any]) -> list[Any]:
        made: list[Any] = []
        for source, function, several in parts:
            if several:
                made += function(values[source])
            else:
                made.append(function(values[source]))
        return made

    return spread


def _flat(parts: Sequence[tuple[int, Callable[[Any], Any]]]) -> Encode:
    """A number of each input."""
    places = [source for source, _ in parts]
    chosen = (
        itemgetter(*places) if len(places) > 1 else lambda values: (values[places[0]],)
    )  # of one place it gives no tuple
    codes = [(at, code.known, code.other) for at, (_, code) in enumerate(parts) if isinstance(code, _Codes)]
    mapped = [
        (at, function)
        for at, (_, function) in enumerate(parts)
        if function is not _itself and not isinstance(function, _Codes)
    ]

    def flat(values: Sequence[Any]) -> list[Any]:
        made = list(chosen(values))
        for at, known, other in codes:
            found = known.get(made[at])
            made[at] = other(made[at]) if found is None else found
        for at, function in mapped:
            made[at] = function(made[at])
        return made

    return flat


def _name(compiled: Compiled, source: int) -> str:
    return compiled.inputs[source] if compiled.inputs else f"input {source}"


def numbers_of(values: Any) -> np.ndarray:
    """A column as float64, None as NaN. Raises TypeError or ValueError for what is no number."""
    import numpy as np

    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    array = np.asarray(values)
    if array.dtype == object:
        array = np.array([NAN if value is None else float(value) for value in array.tolist()])
    if array.dtype.kind not in "fiub":
        raise TypeError(f"a column of {array.dtype} holds no numbers")
    return array.astype(np.float64, copy=False)


def plain_values(values: Any) -> Sequence[Any]:
    """A column as Python's values."""
    for name in ("to_list", "tolist"):
        if hasattr(values, name):
            made: Sequence[Any] = getattr(values, name)()
            return made
    return list(values)
