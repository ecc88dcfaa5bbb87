"""Figures over steps: `noria.log(loss=0.31, step=epoch)`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from noria.errors import UsageError
from noria.inside.context import current
from noria.inside.spool import Columns, Spool, columns_in, columns_of
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
    for name, value in named.items():
        if type(value) is not float or type(name) is not str:
            named = {name: _number(name, value) for name, value in named.items()}
            break
    if step is not None and (type(step) is not int or not FIRST <= step < LAST):
        step = _whole(step)
    if inside is not None and named:
        inside.spool.write(named.items(), step)


def collected(spool: Spool, artifacts: Artifacts) -> Artifact | None:
    """All that a step logged, as a stored table: name, step, value, at. None when it logged nothing."""
    files = spool.files()
    spool.close()
    return artifacts.save(table_of(files)) if files else None


def table_of(files: list[Path]) -> pa.Table:
    """The points of all files, one after another: columns throughout, for a million points are no million objects."""
    import pyarrow as pa

    return pa.concat_tables(
        [_table(columns_of(b"")), *(_table(columns_in(file)) for file in files)]
    ).combine_chunks()


def _table(found: Columns) -> pa.Table:
    import pyarrow as pa

    from noria.artifacts.unframed import array_of, texts_of

    return pa.table(
        {
            "name": texts_of(found.names).take(array_of(found.series)),
            "step": array_of(found.step),
            "value": array_of(found.value),
            "at": array_of(found.at).cast(pa.timestamp("us", tz="UTC")),
        }
    )


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
