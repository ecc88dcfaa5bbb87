"""What must hold of the answers when rows are changed on purpose: invariant, not lower, not higher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from noria.records.base import Json
from noria.records.expectations import Expected
from noria.records.gates import Outcome, Verdict

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    import pyarrow as pa

SHOWN = 5  # failing rows in the evidence: the worst ones
PREFIX = "expect"
HOLDS = {"invariant": "stay within", "not lower": "be no lower, within", "not higher": "be no higher, within"}


@dataclass(frozen=True)
class Changed:
    """Answers to rows as they are and to the same rows changed; position by position."""

    keys: pa.Table
    """The key of each row, or its position."""
    before: pa.Table
    after: pa.Table
    changed: int
    """Rows that the function did change."""


def expected(asked: Expected, found: Changed | str) -> Verdict:
    """One expectation's verdict. `found`: a sentence where it could not be asked."""
    name = f"{PREFIX} {asked.name}"
    if isinstance(found, str):
        return Verdict(gate=name, outcome="undecided", why=found)
    if not found.changed:
        return Verdict(gate=name, outcome="undecided", why=f"{asked.name} changed none of the holdout's rows")
    excess = _excess(asked, found)
    if isinstance(excess, str):
        return Verdict(gate=name, outcome="undecided", why=excess)
    wrong = excess > 0.0
    failing, rows = int(wrong.sum()), len(excess)
    allowed = (1.0 - asked.share) * found.changed + 1e-9  # a row that was not changed holds by itself
    outcome: Outcome = "pass" if failing <= allowed else "fail"
    evidence: dict[str, Json] = {
        "holds": asked.holds,
        "within": asked.within,
        "share": asked.share,
        "rows": rows,
        "changed": found.changed,
        "failing": failing,
        "worst": _finite(float(excess.max())) if rows else 0.0,
        "shown": _shown(found, excess),
    }
    return Verdict(gate=name, outcome=outcome, why=_sentence(asked, evidence), evidence=evidence)


def _excess(asked: Expected, found: Changed) -> np.ndarray | str:
    """By how much each row's answer goes beyond what is allowed, of its columns the most; (n,), 0 or less where it holds."""
    import numpy as np
    import polars as pl

    names = [asked.answer] if asked.answer else found.before.column_names
    if absent := [name for name in names if name not in found.before.column_names]:
        return f"answers have no {absent[0]!r}; they have {', '.join(found.before.column_names)}"
    before, after = pl.DataFrame(found.before), pl.DataFrame(found.after)
    columns = []
    for name in names:
        if before[name].dtype.is_numeric() or before[name].dtype == pl.Boolean:
            columns.append(_number_excess(asked, before[name], after[name]))
        elif asked.holds != "invariant":
            return f"answers in {name} are {before[name].dtype}, which has no lower and higher"
        else:
            columns.append(np.where(before[name].ne_missing(after[name]).to_numpy(), np.inf, 0.0))
    return np.max(columns, axis=0) if columns else np.zeros(before.height)


def _number_excess(asked: Expected, before: pl.Series, after: pl.Series) -> np.ndarray:
    import numpy as np
    import polars as pl

    change = after.cast(pl.Float64).to_numpy() - before.cast(pl.Float64).to_numpy()
    change = np.where(np.isnan(change), np.inf if asked.holds != "not lower" else -np.inf, change)
    moved = {"invariant": np.abs(change), "not lower": -change, "not higher": change}[asked.holds]
    return np.asarray(moved - asked.within)


def _shown(found: Changed, excess: np.ndarray) -> list[Json]:
    """The rows that are furthest off: key, answer before, answer after."""
    import numpy as np

    worst = [int(place) for place in np.argsort(-excess, kind="stable")[:SHOWN] if excess[place] > 0.0]
    return [
        {
            "key": _plain(found.keys, place),
            "before": _plain(found.before, place),
            "after": _plain(found.after, place),
        }
        for place in worst
    ]


def _plain(table: pa.Table, place: int) -> Json:
    """A row as evidence: one value where it has one column, text for what JSON does not hold."""
    import polars as pl

    row = pl.DataFrame(table.slice(place, 1)).row(0, named=True)
    values = {name: _json(value) for name, value in row.items()}
    return next(iter(values.values())) if len(values) == 1 else values


def _json(value: object) -> Json:
    if isinstance(value, float):
        return _finite(value)
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _finite(value: float) -> Json:
    return value if abs(value) < float("inf") else str(value)


def _sentence(asked: Expected, evidence: Mapping[str, Json]) -> str:
    rows, failing = evidence["rows"], evidence["failing"]
    should = f"answers should {HOLDS[asked.holds]} {asked.within:g}"
    allowed = f", for {asked.share:.3g} of the rows that are changed" if asked.share < 1.0 else ""
    if not failing:
        return f"it holds for all {rows} rows ({evidence['changed']} changed): {should}{allowed}"
    shown: Sequence[Json] = evidence["shown"]  # type: ignore[assignment]
    first = shown[0] if shown else {}
    example = (
        f"; the worst, {first['key']}: {_figure(first['before'])} became {_figure(first['after'])}"
        if isinstance(first, dict) and first
        else ""
    )
    return f"{failing} of {rows} rows ({evidence['changed']} changed) break it: {should}{allowed}{example}"


def _figure(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
