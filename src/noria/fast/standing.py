"""A stand-in for a fitted estimator: its answers come from the compiled model, everything else from the original.

`predict` and transforms run as their author wrote them, and meet an object that is an instance of the estimator's
class, has its attributes, and answers frames and matrices of the kinds that the parity gate has compared. Whatever
else it is asked, or called with, is the original's to say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from noria.fast.compiled import Compiled, Linear, MethodName, Number
from noria.fast.errors import CannotAnswer
from noria.fast.opened import Fast, Method

if TYPE_CHECKING:
    import numpy as np

FORMS = 64  # of frames that one method remembers how to read
TEXT_TYPES = frozenset({"String", "Categorical", "Enum"})  # of polars


def stand_in(load: Callable[[], Any], fast: Fast) -> Any:
    """`load` gives the original; it is called when something is asked that the compiled model does not know."""
    return _StandIn(load, fast)


class _StandIn:
    def __init__(self, load: Callable[[], Any], fast: Fast) -> None:
        vars(self).update(_load=load, _fast=fast, _found=[])
        for name in fast.compiled.methods:
            vars(self)[name] = _answering(self, fast, name)
        vars(self).update(_known(fast.compiled))

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(_original(self))

    def __getattr__(self, name: str) -> Any:
        return getattr(_original(self), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(_original(self), name, value)

    def __repr__(self) -> str:
        return repr(_original(self))

    def __len__(self) -> int:
        return len(_original(self))

    def __getitem__(self, key: Any) -> Any:
        return _original(self)[key]

    def __sklearn_tags__(self) -> Any:
        return _original(self).__sklearn_tags__()


def _original(one: _StandIn) -> Any:
    found: list[Any] = vars(one)["_found"]
    if not found:
        found.append(vars(one)["_load"]())
    return found[0]


def _known(compiled: Compiled) -> dict[str, Any]:
    """What predict functions ask an estimator besides its methods; it spares loading the original."""
    import numpy as np

    known: dict[str, Any] = {}
    if compiled.inputs:
        known["feature_names_in_"] = np.array(compiled.inputs, dtype=object)
    if compiled.classes:
        known["classes_"] = np.array(compiled.classes, dtype=compiled.classes_type)
    return known


def _answering(one: _StandIn, fast: Fast, name: MethodName) -> Callable[..., Any]:
    method, reader = fast.method(name), TableReader(fast.compiled)
    single = _SingleRow(reader, method)

    def answer(*given: Any, **more: Any) -> Any:
        if len(given) == 1 and not more and (alone := single.answer(given[0])) is not None:
            return alone
        columns = reader.columns(given[0]) if len(given) == 1 and not more else None
        if columns is None:
            return getattr(_original(one), name)(*given, **more)
        return method.many(columns)

    answer.__name__ = name
    return answer


def _quick_to_hash(dtype: Any) -> Any:
    """A type of polars that stands for itself: a class by its identity, for its own hash is written in Python."""
    return id(dtype) if isinstance(dtype, type) else dtype


class _SingleRow:
    """A polars frame of one row, answered as one: its columns, each made an array, would take longer than the trees."""

    def __init__(self, reader: TableReader, method: Method) -> None:
        self._reader, self._method = reader, method
        self._known: dict[Any, tuple[list[int], np.ndarray] | None] = {}
        """By names and types of columns: the places of the model's inputs, and an answer of that form."""

    def answer(self, table: Any) -> Any:
        """None for any other table, and for a row that the model refuses: the usual way says why."""
        if not _is_polars(table) or table.height != 1:
            return None
        form = tuple(table.columns), tuple(map(_quick_to_hash, table.dtypes))
        if form not in self._known:
            if len(self._known) >= FORMS:
                return None
            self._known[form] = self._learned(table)
        known = self._known[form]
        if known is None:
            return None
        places, like = known
        row = table.row(0)
        try:
            found = self._method.one([row[at] for at in places])
        except CannotAnswer:
            return None
        made = like.copy()
        made[0] = found
        return made

    def _learned(self, table: Any) -> tuple[list[int], np.ndarray] | None:
        """None for what only the original should read; and for truth values, which may be null in the next row."""
        columns = self._reader.columns(table)
        if columns is None or "Boolean" in map(_name_of, table.dtypes):
            return None
        try:
            return self._reader.places(table.columns), self._method.many(columns)
        except CannotAnswer:
            return None


def columns_of(compiled: Compiled, table: Any) -> Any:
    """A frame or matrix as the compiled model takes it; None for what only the original should read."""
    return TableReader(compiled).columns(table)


class TableReader:
    """Reads what an estimator is called with, as its compiled model takes it."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._inputs = list(compiled.inputs)
        self._texts, self._used = _texts(compiled), _used(compiled)
        self._any_float = _takes_any_float(compiled)

    def columns(self, table: Any) -> Any:
        """None for what only the original should read."""
        package = type(table).__module__.partition(".")[0]
        if package == "numpy":
            return _matrix(self._compiled, table)
        if type(table).__name__ != "DataFrame":
            return None
        if _is_polars(table):
            return self._of_frame(
                dict(zip(table.columns, table.get_columns(), strict=True)), len(table), _polars_column
            )
        if package == "pandas" and table.columns.is_unique:
            return self._of_frame(table, len(table), _pandas_column)
        return None

    def places(self, names: Sequence[str]) -> list[int]:
        """Where the model's inputs stand among the columns of a frame that can be read."""
        return [names.index(name) for name in self._inputs or names]

    def _of_frame(self, table: Any, rows: int, column: Callable[..., Any]) -> Any:
        names = list(table)
        wanted = self._inputs or names
        if (
            (names != wanted and not _by_name(self._compiled, names))
            or len(wanted) != self._compiled.width
            or not rows
        ):
            return None
        made = [
            column(table[name], at in self._texts, self._any_float) if at in self._used else ()
            for at, name in enumerate(wanted)
        ]
        return None if any(one is None for one in made) else made


def _matrix(compiled: Compiled, table: Any) -> Any:
    if table.ndim != 2 or table.shape[1] != compiled.width or not len(table):
        return None
    kinds = "fiub" if _takes_any_float(compiled) else "iu"
    fits = table.dtype.kind in kinds or table.dtype == "float64"
    return table if fits or (table.dtype == object and compiled.blocks) else None


def _by_name(compiled: Compiled, names: Sequence[Any]) -> bool:
    """Whether columns may stand in another order and more of them: a ColumnTransformer picks its own by name."""
    return compiled.picks and set(compiled.inputs) <= set(names)


def _texts(compiled: Compiled) -> frozenset[int]:
    return frozenset(block.source for block in compiled.blocks if not isinstance(block, Number))


def _used(compiled: Compiled) -> frozenset[int]:
    """Inputs that the model looks at: a ColumnTransformer may drop some."""
    if not compiled.blocks:
        return frozenset(range(compiled.width))
    return frozenset(block.source for block in compiled.blocks)


def _takes_any_float(compiled: Compiled) -> bool:
    """Whether 32-bit floats give what they give the original: where nothing is computed with them but comparisons."""
    changed = any(isinstance(block, Number) and block.changes for block in compiled.blocks)
    return not (changed or isinstance(compiled.model, Linear))


def _is_polars(table: Any) -> bool:
    return type(table).__name__ == "DataFrame" and type(table).__module__.partition(".")[0] == "polars"


def _name_of(dtype: Any) -> str:
    """Of a polars type: those without parameters come as classes."""
    return dtype.__name__ if isinstance(dtype, type) else type(dtype).__name__


def _polars_column(series: Any, text: bool, any_float: bool) -> Any:
    kind = _name_of(series.dtype)
    if kind in TEXT_TYPES:
        return series.to_list() if text else None
    if series.dtype.is_integer() or kind == "Float64" or (kind == "Float32" and any_float):
        return series.to_list() if text else series.to_numpy()
    if kind == "Boolean" and not series.null_count() and not text:
        return series.to_numpy()
    return None


def _pandas_column(series: Any, text: bool, any_float: bool) -> Any:
    kind = getattr(series.dtype, "kind", "")
    native = type(series.dtype).__module__.startswith("numpy")
    if text:
        return series.tolist() if kind in "OU" or native or str(series.dtype) in ("str", "category") else None
    if native and (kind in "iu" or str(series.dtype) == "float64" or (kind in "fb" and any_float)):
        return series.to_numpy()
    return None
