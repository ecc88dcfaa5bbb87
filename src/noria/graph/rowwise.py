"""Row functions: the transforms of one row in plain Python, and whether they give what the transforms give."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from noria.artifacts.tables import to_arrow
from noria.declare import Resolved, Step
from noria.graph.columns import values_of

if TYPE_CHECKING:
    import pyarrow as pa

    from noria.graph.answer import Graph

Row = Mapping[str, Any]
LONGEST = 240  # characters of a row that differs: its key and what stands beside it
VARIED = 8  # rows of the sample in which each column takes each of its odd values
TEXTS = ("", "never seen", "ÄÖ ")
WHOLE = (0, 1, -1, 59, 60, 99, 100, 1000, 2359, 2400, 100_000)
NUMBERS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-300, 1e300, -1e300)
TIMES = (
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2000, 2, 29, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2013, 3, 10, 6, 59, 59, tzinfo=UTC),  # around changes of the clock in America and Europe
    datetime(2013, 3, 10, 7, tzinfo=UTC),
    datetime(2013, 11, 3, 5, 30, tzinfo=UTC),
    datetime(2013, 11, 3, 6, 30, tzinfo=UTC),
    datetime(2025, 3, 30, 1, tzinfo=UTC),
    datetime(2025, 10, 26, 0, 30, tzinfo=UTC),
    datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC),
)


def row_function(
    resolved: Resolved,
    frozen: Mapping[str, Any],
    parameters: Mapping[str, Mapping[str, Any]],
    table: str,
) -> Callable[[Row], Row] | None:
    """From one request row to one row of `table`; the row itself for the request, None where a function lacks.

    Each transform's row function is called with the rows that it reads as dicts, and with frozen outputs as they are.
    """
    chain = _chain(resolved, table)
    if any(step.name not in resolved.row_functions for step in chain):
        return None
    links = [_link(resolved.row_functions[step.name], step, frozen, parameters) for step in chain]
    request = resolved.request.name if resolved.request else ""
    if not links:
        return _itself
    if len(links) == 1 and links[0][1] == (request,):
        return links[0][2]

    def made(row: Row) -> Row:
        known = {request: row}
        for name, inputs, function in links:
            known[name] = function(*(known[one] for one in inputs))
        return known[table]

    return made


def lacking(resolved: Resolved, table: str) -> list[str]:
    """The transforms on the way to a table that have no row function."""
    return [step.name for step in _chain(resolved, table) if step.name not in resolved.row_functions]


def chain_names(resolved: Resolved, table: str) -> tuple[str, ...]:
    """The transforms on the way from the request to a table, in order."""
    return tuple(step.name for step in _chain(resolved, table))


def _chain(resolved: Resolved, table: str) -> list[Step]:
    needed = {table}
    for step in reversed(resolved.served()):
        if step.name in needed:
            needed |= set(step.inputs)
    return [step for step in resolved.served() if step.name in needed]


def _link(
    function: Step, step: Step, frozen: Mapping[str, Any], parameters: Mapping[str, Mapping[str, Any]]
) -> tuple[str, tuple[str, ...], Callable[..., Row]]:
    """A transform's name, the rows that it reads, and its row function with all else bound."""
    asked = {**step.parameters, **parameters.get(step.name, {})}
    more = {name: asked[name] for name in function.parameters}
    more |= {name: frozen[name] for name in step.inputs if name in frozen}
    rows = tuple(name for name in step.inputs if name not in frozen)
    if not more:
        return step.name, rows, function.function

    def bound(*given: Row) -> Row:
        made: Row = function.function(**dict(zip(rows, given, strict=True)), **more)
        return made

    return step.name, rows, bound


def _itself(row: Row) -> Row:
    return row


def odd_rows(rows: pa.Table, nulls: Sequence[str]) -> pa.Table:
    """Rows of the sample in which one column is null, unseen or extreme; `nulls`: columns that may be null."""
    import pyarrow as pa

    few = rows.slice(0, min(VARIED, rows.num_rows))
    plain = [dict(zip(few.column_names, values, strict=True)) for values in python_rows(few)]
    made: list[dict[str, Any]] = []
    for field in rows.schema:
        odd = _odd_values(field.type, field.name in nulls)
        made += (
            [{**plain[at % len(plain)], field.name: value} for at, value in enumerate(odd)] if plain else []
        )
    if plain:
        made.append({**plain[0], **dict.fromkeys(nulls)})
    columns = {name: [row[name] for row in made] for name in few.column_names}
    return pa.table({name: pa.array(columns[name], rows.schema.field(name).type) for name in columns})


def _odd_values(kind: pa.DataType, nullable: bool) -> list[Any]:
    import pyarrow as pa

    types = pa.types
    none: list[Any] = [None] if nullable else []
    if types.is_dictionary(kind):
        return _odd_values(kind.value_type, nullable)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return [*none, *TEXTS]
    if types.is_integer(kind):
        return [*none, *(value for value in WHOLE if _fits(value, kind))]
    if types.is_floating(kind):
        return [*none, *(value for value in NUMBERS if types.is_float64(kind) or abs(value) < 1e30)]
    if types.is_timestamp(kind):
        return [*none, *(moment if kind.tz else moment.replace(tzinfo=None) for moment in TIMES)]
    if types.is_date(kind):
        return [*none, date(1970, 1, 1), date(2000, 2, 29), date(2013, 1, 1) + timedelta(days=364)]
    return [*none, True, False] if types.is_boolean(kind) else none


def _fits(value: int, kind: pa.DataType) -> bool:
    signed = str(kind).startswith("int")
    low, high = (
        (-(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1)) if signed else (0, 2**kind.bit_width)
    )
    return bool(low <= value < high)


def row_difference(graph: Graph, rows: pa.Table, table: str, function: Callable[[Row], Row]) -> str:
    """The first value that a row function gives differently from its transforms, in words; empty when none is."""
    try:
        made = to_arrow(graph.read(rows)[table])
    except Exception as error:  # the user's transform, on rows that it may rightly refuse
        if rows.num_rows == 1:
            return _both_refuse(rows, function, error)
        each = (row_difference(graph, rows.slice(at, 1), table, function) for at in range(rows.num_rows))
        return next(filter(None, each), "")
    wanted = [dict(zip(made.column_names, values, strict=True)) for values in python_rows(made)]
    for values, expected in zip(python_rows(rows), wanted, strict=True):
        given = dict(zip(rows.column_names, values, strict=True))
        if problem := _row_problem(function, given, expected):
            return f"{problem}, for {_shown(given)}"
    return ""


def _both_refuse(rows: pa.Table, function: Callable[[Row], Row], error: Exception) -> str:
    given = dict(zip(rows.column_names, next(iter(python_rows(rows))), strict=True))
    try:
        function(given)
    except Exception:  # as its transform does
        return ""
    return f"the transform raises {type(error).__name__}, the row function does not, for {_shown(given)}"


def _row_problem(function: Callable[[Row], Row], given: dict[str, Any], expected: Row) -> str:
    try:
        found: Any = function(dict(given))
    except Exception as error:  # the user's own code
        return f"the row function raises {type(error).__name__}: {error}"
    if not isinstance(found, Mapping):
        return f"the row function gives a {type(found).__name__}, not a dict"
    if set(found) != set(expected):
        odd = sorted(set(found) ^ set(expected))
        return f"the row function and the transform differ in having column {odd[0]}"
    for name, value in expected.items():
        if not same_value(found[name], value):
            return f"column {name} is {found[name]!r} by the row function, {value!r} by the transform"
    return ""


def same_value(one: Any, other: Any) -> bool:
    """Whether a model sees no difference: equal, zeros with their sign, NaN with NaN, null with null."""
    if one is None or other is None:
        return one is other
    if isinstance(one, str) != isinstance(other, str):
        return False
    if one != one or other != other:
        return bool(one != one and other != other)
    if one == 0 and other == 0 and not isinstance(one, str):
        return bool(math.copysign(1, one) == math.copysign(1, other))
    return bool(one == other)


def python_rows(table: pa.Table) -> list[tuple[Any, ...]]:
    columns = [values_of(column.combine_chunks()) for column in table.columns]
    return list(zip(*columns, strict=True))


def _shown(given: Row) -> str:
    said = ", ".join(f"{name} = {_value(value)}" for name, value in given.items())
    return said if len(said) <= LONGEST else said[:LONGEST] + " ..."


def _value(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else repr(value)
