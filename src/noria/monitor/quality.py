"""The state of the data in one block, held to limits: counts of what was asked, no inference.

A limit is broken by what a block holds, so nothing is inferred about other blocks and there is no error to bound but
that of a block with few rows: `over` asks that chance alone would bring such a share once in a million (Chernoff's bound
of the binomial tail).
What training itself has seen in its worst block is no finding.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from noria.records.policy import MonitorPolicy
from noria.records.sights import ColumnSeen, ColumnSpec, Sight

if TYPE_CHECKING:
    import polars as pl

ONCE = 1e-6  # chance a share
EXPECTED = 20.0  # rows of a category that a block should have at least: none at all has chance exp(-20)
REACH = (
    1.0  # how far beyond what training had seen is outside, in widths of that: weather breaks records by less
)
WEEKS = 28  # blocks that volume is held against, or a week of shorter ones
ENOUGH = 7  # of them it takes: a week of days
WEEK = timedelta(weeks=1)


class Finding(NamedTuple):
    """A limit that a block broke."""

    monitor: str
    subject: str
    why: str
    cause: str
    action: str
    """The next step; MODEL in it stands for the name of the model."""
    figures: dict[str, float]


def counts(frame: pl.DataFrame, specs: Sequence[ColumnSpec], *, prefix: str = "") -> pl.DataFrame:
    """Of rows with their block in `_block`, a row a block: counts that may be added up over parts of a block."""
    import polars as pl

    wanted = [pl.len().alias("rows")]
    for spec in specs:
        if prefix + spec.name in frame.columns:
            wanted += _counts(spec, pl.col(prefix + spec.name))
        else:
            wanted.append(pl.len().alias(f"missing {spec.name}"))
    return frame.group_by("_block").agg(wanted).sort("_block")


def _counts(spec: ColumnSpec, column: pl.Expr) -> Iterator[pl.Expr]:
    import polars as pl

    if spec.kind == "category":
        text = column.cast(pl.String, strict=False)
        yield text.is_null().sum().alias(f"missing {spec.name}")
        if spec.levels is not None:
            yield (~text.is_in(list(spec.levels))).sum().alias(f"unknown {spec.name}")
        for at, level in enumerate(spec.steady):
            yield (text == level).sum().alias(f"level {at} {spec.name}")
        return
    number = column.cast(pl.Float64, strict=False)
    sound = number.is_not_null() & number.is_not_nan()
    yield (~sound).sum().alias(f"missing {spec.name}")
    if spec.low is not None and spec.high is not None:
        width = REACH * (spec.high - spec.low)
        beyond = (number < spec.low - width) | (number > spec.high + width)
        yield (sound & beyond).sum().alias(f"outside {spec.name}")
    yield number.filter(number.is_finite()).sum().alias(f"sum {spec.name}")
    yield number.is_finite().sum().alias(f"finite {spec.name}")


def seen(spec: ColumnSpec, counted: dict[str, float]) -> ColumnSeen:
    """A column in one block, from its counts."""
    rows, finite = counted["rows"], counted.get(f"finite {spec.name}")
    mean = counted[f"sum {spec.name}"] / finite if finite else None
    return ColumnSeen(
        missing=counted[f"missing {spec.name}"] / rows,
        outside=counted.get(f"outside {spec.name}", 0.0) / rows,
        unknown=counted.get(f"unknown {spec.name}", 0.0) / rows,
        mean=mean if mean is not None and math.isfinite(mean) else None,
    )


def findings(
    spec: ColumnSpec, one: ColumnSeen, counted: dict[str, float], limits: MonitorPolicy
) -> Iterator[Finding]:
    """Which limits a column broke in one block."""
    rows = counted["rows"]
    name = spec.name
    if over(one.missing, max(spec.worst, spec.missing) + limits.missing, rows):
        yield Finding(
            "missing",
            name,
            f"{name} is missing in {one.missing:.1%} of {rows:,.0f} rows, and was in {spec.missing:.1%} of the training data",
            f"whoever sends the requests has lost {name}, or sends it under another name or type",
            "compare a request with what the version takes, and mend the sender: noria predictions MODEL",
            {"share": one.missing, "before": spec.missing, "rows": rows},
        )
    if over(one.outside, limits.outside, rows):
        yield Finding(
            "range",
            name,
            f"{name} lies far beyond {spec.low or 0.0:g} to {spec.high or 0.0:g}, which training had seen, in {one.outside:.1%} of {rows:,.0f} rows",
            rescaled(name, spec.mean, one.mean) or f"the source of {name} has changed, or the world has",
            "if the source is wrong, mend it; if the world has changed, train anew: noria run MODEL",
            {"share": one.outside, "rows": rows} | _means(spec, one),
        )
    if over(one.unknown, limits.outside, rows):
        yield Finding(
            "categories",
            name,
            f"{name} has categories that training had not seen in {one.unknown:.1%} of {rows:,.0f} rows",
            f"{name} has new values, or is spelt in another way",
            "see which: noria predictions MODEL; then mend the sender, or train anew: noria run MODEL",
            {"share": one.unknown, "rows": rows},
        )
    yield from _vanished(spec, counted)


def _vanished(spec: ColumnSpec, counted: dict[str, float]) -> Iterator[Finding]:
    """Of rows that have a value: a caller that drops the column has lost that, and no category."""
    rows = counted["rows"] - counted[f"missing {spec.name}"]
    for at, (level, share) in enumerate(spec.steady.items()):
        if not counted.get(f"level {at} {spec.name}") and share * rows >= EXPECTED:
            yield Finding(
                "vanished",
                f"{spec.name}={level}",
                f"none of {rows:,.0f} rows with a {spec.name} has {level}, and no block of the training data was without ({share:.1%} at least)",
                f"the requests with {spec.name} {level} do not come any more, or it is spelt in another way",
                "ask whoever sends the requests; if it is gone for good, train anew: noria run MODEL",
                {"rows": rows, "share": share},
            )


class Traffic:
    """How many rows blocks have had: those of a version, but for its first, which began before it. What canaries answered in
    its place counts, too."""

    def __init__(self, sights: Iterable[Sight] = (), *, enough: int = ENOUGH) -> None:
        """`enough`: blocks that it takes to know what is usual, `a_week` of them."""
        self._enough = enough
        self.usual: list[int] = []
        """Of the newest blocks that had rows."""
        self.steady = False
        """Whether there were rows in each block of a week: from then on one without is looked at, too."""
        self._streak = 0
        self._end: datetime | None = None
        for sight in sights:
            self.add(sight)

    def add(self, sight: Sight) -> None:
        """The next block."""
        if not sight.rows:
            return
        if self._end is not None:
            self.usual = [*self.usual, sight.rows + sight.beside][-max(WEEKS, self._enough) :]
        self._streak = self._streak + 1 if self._end == sight.start else 1
        self._end = sight.end
        self.steady = self.steady or self._streak >= self._enough


def a_week(width: timedelta) -> int:
    """Blocks of a week, of days or less: nights and weekends are among them."""
    return max(ENOUGH, WEEK // width)


def volume(rows: int, usual: Sequence[int], limit: float, *, enough: int = ENOUGH) -> Finding | None:
    """Rows of a block beside those of earlier ones."""
    if len(usual) < enough:
        return None
    low, high = min(usual), max(usual)
    if (1 - limit) * low <= rows <= (1 + limit) * high:
        return None
    what = "no row was asked" if not rows else f"{rows:,} rows were asked"
    return Finding(
        "volume",
        "",
        f"{what} in a block, and {low:,} to {high:,} in each of the {len(usual)} before",
        "whoever asks has stopped, or asks less"
        if rows < low
        else "somebody else asks as well, or asks again and again",
        "see whether the service answers, and who asks: noria status MODEL",
        {"rows": float(rows), "least": float(low), "most": float(high)},
    )


def slowness(slow: float, rows: int, limits: MonitorPolicy) -> Finding | None:
    """The share of answers over the limit of time."""
    if not over(slow, limits.slow, rows):
        return None
    return Finding(
        "latency",
        "",
        f"{slow:.1%} of {rows:,} answers took longer than {limits.latency_ms:g} ms, and {limits.slow:.1%} may",
        "the machine is busier, requests are larger, or the version costs more than the one before",
        "see noria service show MODEL, then give it more workers: noria service scale MODEL N",
        {"share": slow, "rows": float(rows)},
    )


def over(share: float, limit: float, rows: float) -> bool:
    """Whether a share of so many rows is over a limit by more than chance would have it."""
    if not limit < share <= 1.0 or rows < 1 or limit >= 1.0:
        return False
    if limit <= 0.0:
        return True
    rest = (1.0 - share) * math.log((1.0 - share) / (1.0 - limit)) if share < 1.0 else 0.0
    return rows * (share * math.log(share / limit) + rest) >= -math.log(ONCE)


def _means(spec: ColumnSpec, one: ColumnSeen) -> dict[str, float]:
    told = {"mean": one.mean, "mean before": spec.mean}
    return {name: value for name, value in told.items() if value is not None}


def rescaled(name: str, before: float | None, now: float | None) -> str:
    """The suspicion that a mean of another size gives, for a change of unit multiplies; nothing where it has none."""
    if not before or now is None:
        return ""
    times = now / before
    if 0.75 <= times <= 4 / 3:
        return ""
    said = f"{times:.3g} times" if times > 0 else "of the other sign than"
    return f"the mean of {name} is {said} what it was ({now:.4g}, and {before:.4g} in training): has its unit changed?"
