"""Figures over steps: `noria.log(loss=0.31, step=epoch)`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from noria.errors import UsageError
from noria.inside.context import current
from noria.inside.spool import Spool, columns_in
from noria.records.artifacts import Artifact

if TYPE_CHECKING:
    import pyarrow as pa

    from noria.artifacts import Artifacts

FIRST, LAST = -(2**63), 2**63


@dataclass(eq=False)
class NotAFigure(UsageError):
    code: ClassVar[str] = "LOG-VALUE"
    what: ClassVar[str] = "noria.log was given {given} for {name!r}"
    next: ClassVar[str] = "{fix}"
    name: str
    given: str
    fix: str = "log one number a name: noria.log(loss=0.31); noria.show keeps tables, figures and text"


def log(values: Mapping[str, Any] | None = None, /, *, step: int | None = None, **named: Any) -> None:
    """Log numbers of one moment of the step that runs: `noria.log(loss=0.31, step=epoch)`, or a mapping for names that
    are no Python names.

    `step` is an epoch, an iteration, any whole number; without it, each series counts from 0. NaN and infinities are
    kept: a training that diverges should show it. What was logged survives the death of the process. Outside of a run,
    as in a unit test, nothing is kept. Raises `NotAFigure`.
    """
    inside = current()
    if values is not None:
        if type(values) is not dict and not isinstance(values, Mapping):
            raise NotAFigure("values", f"a {type(values).__name__}", "give a mapping of names to numbers")
        named = {**values, **named} if named else values  # type: ignore[assignment]
    points = [
        (name, value if type(value) is float and type(name) is str else _number(name, value))
        for name, value in named.items()
    ]
    if step is not None and (type(step) is not int or not FIRST <= step < LAST):
        step = _whole(step)
    if inside is not None and points:
        inside.spool.write(points, step)


def collected(spool: Spool, artifacts: Artifacts) -> Artifact | None:
    """All that a step logged, as a stored table: name, step, value, at. None when it logged nothing."""
    files = spool.files()
    spool.close()
    return artifacts.save(table_of(files)) if files else None


def table_of(files: list[Path]) -> pa.Table:
    """The points of all files, one after another: columns throughout, for a million points are no million objects."""
    import pyarrow as pa

    empty = pa.table({name: pa.array([], kind) for name, kind in _kinds().items()})
    return pa.concat_tables([empty, *map(_table, files)]).combine_chunks()


def _table(file: Path) -> pa.Table:
    import pyarrow as pa

    found = columns_in(file)
    names = pa.array(found.names, pa.string()).take(pa.array(found.series))
    columns = [names, *map(pa.array, (found.step, found.value, found.at))]
    return pa.table(
        {name: column.cast(kind) for column, (name, kind) in zip(columns, _kinds().items(), strict=True)}
    )


def _kinds() -> dict[str, pa.DataType]:
    import pyarrow as pa

    return {
        "name": pa.string(),
        "step": pa.int64(),
        "value": pa.float64(),
        "at": pa.timestamp("us", tz="UTC"),
    }


def _number(name: Any, value: Any) -> float:
    """A number of any library; raises `NotAFigure` for text, for an array of several, for None."""
    if not isinstance(name, str):
        raise NotAFigure(repr(name), "a name that is no text", "names are text")
    if isinstance(value, str | bytes) or value is None:
        raise NotAFigure(name, repr(value))
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise NotAFigure(name, f"a {type(value).__name__}") from error


def _whole(step: Any) -> int:
    try:
        whole = int(step)
    except (TypeError, ValueError, OverflowError) as error:
        raise NotAFigure("step", repr(step), "a step is a whole number") from error
    if whole != step or not FIRST <= whole < LAST:
        raise NotAFigure("step", repr(step), "a step is a whole number of 64 bits")
    return whole
