"""What rows for training and rows for judging have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from noria.records.profiles import Finding, Severity

if TYPE_CHECKING:
    import pyarrow as pa

NAMED = 3  # keys that a finding spells out

Names = tuple[str, str]
"""What the two tables are called."""


def shared_keys(
    train: pa.Table, held: pa.Table, key: Sequence[str], limit: float, *, names: Names
) -> Iterator[Finding]:
    """Rows held out whose key is among those trained on, when they are more than that share."""
    if not train.num_rows or not held.num_rows:
        return
    import polars as pl

    ours, theirs = (pl.DataFrame(table.select(list(key))) for table in (held, train))
    if ours.schema != theirs.schema:  # a step gave a key another type: what it says is still the same
        ours, theirs = (frame.cast(pl.String) for frame in (ours, theirs))
    both = ours.join(theirs.unique(), on=list(key), how="semi", nulls_equal=True)
    if both.height <= limit * ours.height:
        return
    shown = [" ".join(map(str, row)) for row in both.unique(maintain_order=True).head(NAMED).rows()]
    share = f"{both.height:,} of the {ours.height:,} rows of {names[1]}"
    yield Finding(
        check="overlap",
        what=f"{share} are among those of {names[0]}, which it is trained on, such as: {', '.join(shown)}",
    )


def later_than(
    train: pa.Table, held: pa.Table, time: str, severity: Severity, *, names: Names
) -> Iterator[Finding]:
    """Rows trained on that are no earlier than the first one held out."""
    if time not in train.column_names or time not in held.column_names or not held.num_rows:
        return
    import pyarrow.compute as pc

    first: Any = pc.min(held.column(time))
    later = pc.sum(pc.greater_equal(train.column(time), first)).as_py() or 0
    if later:
        what = (
            f"{later:,} of the {train.num_rows:,} rows of {names[0]} are no earlier than the first of {names[1]} "
            f"({first.as_py():%Y-%m-%d %H:%M}): it learns from what comes after"
        )
        yield Finding(check="overlap", column=time, severity=severity, what=what)
