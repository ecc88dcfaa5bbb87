"""What in new data is not as it was, held to a project's limits."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from noria.records.policy import DataPolicy
from noria.records.profiles import ColumnProfile, Finding, Profile
from noria.records.runs import DataVersion

NAMED = 3  # categories that a finding spells out
IDENTIFIER = (
    0.5  # values a row from which a column names its rows (a file, a person) instead of dividing them
)


def found_alone(now: Profile, limits: DataPolicy) -> Iterator[Finding]:
    """What can be said without anything to compare with: a column that is the label under another name."""
    for column in now.columns:
        if column.name in limits.ignore or limits.leakage is None or column.tells is None:
            continue
        if column.tells >= limits.leakage:
            what = f"{column.name} says the label ({column.tells:.4g} of its variance): is it known when the question is asked?"
            yield Finding(check="leakage", column=column.name, what=what)


def changes(
    now: Profile, before: Profile, limits: DataPolicy, *, moving: Collection[str] = ()
) -> Iterator[Finding]:
    """Beside earlier data, column by column. `moving` columns (key, times) are expected to leave their range."""
    known = {column.name: column for column in before.columns}
    for column in now.columns:
        old = known.get(column.name)
        if column.name in limits.ignore:
            continue
        if old is None:
            yield Finding(
                check="schema", column=column.name, severity="warn", what=f"{column.name} is a new column"
            )
        elif old.type != column.type:
            yield Finding(
                check="schema", column=column.name, what=f"{column.name} was {old.type}, and is {column.type}"
            )
        else:
            yield from _column(column, old, limits, moving=column.name in moving)
    for name in known.keys() - {column.name for column in now.columns} - set(limits.ignore):
        yield Finding(check="schema", column=name, what=f"{name} is gone")


def volume(now: DataVersion, before: DataVersion, limits: DataPolicy) -> Iterator[Finding]:
    """Rows in a unit of time: of what has come since, beside all before; of a window that slides, as a whole. Where
    hardly any time has passed, all rows beside all before; fewer rows for more time, too. Less time is less data (a run
    as of an earlier time), and no finding."""
    if limits.volume is None or not before.rows:
        return
    later = _seconds(before.last, now.last)
    span = _seconds(before.first, before.last)
    slid, width = _seconds(before.first, now.first), _seconds(now.first, now.last)
    if span and width and slid is not None and slid >= span * SHORTEST:
        usual, recent = before.rows / span, now.rows / width
        if width >= span * SHORTEST and abs(recent / usual - 1) > limits.volume:
            yield Finding(
                check="volume",
                what=f"{86_400 * recent:,.0f} rows a day since {now.first:%Y-%m-%d}, and there were {86_400 * usual:,.0f}",
            )
    elif later is not None and span and later >= span * SHORTEST and now.rows >= before.rows:
        usual, recent = before.rows / span, (now.rows - before.rows) / later
        if abs(recent / usual - 1) > limits.volume:
            yield Finding(
                check="volume",
                what=f"{86_400 * recent:,.0f} rows a day have come since {before.last:%Y-%m-%d}, and were {86_400 * usual:,.0f}",
            )
    elif _fell(now, before, limits.volume, later, span) or _rose(now, before, limits.volume, span):
        yield Finding(check="volume", what=f"{now.rows:,} rows, and there were {before.rows:,}")


def _fell(
    now: DataVersion, before: DataVersion, share: float, later: float | None, span: float | None
) -> bool:
    no_less_time = later is None or later >= -SHORTEST * (span or 0)
    return no_less_time and now.rows < before.rows * (1 - share)


def _rose(now: DataVersion, before: DataVersion, share: float, span: float | None) -> bool:
    """In the same time: of other times, or without any, nobody knows how much was to come."""
    ends = (_seconds(before.first, now.first), _seconds(before.last, now.last))
    same_time = span and all(end is not None and abs(end) < SHORTEST * span for end in ends)
    return bool(same_time) and now.rows > before.rows * (1 + share)


SHORTEST = 0.05  # of the time before: a weekend says nothing of a year


def _column(now: ColumnProfile, old: ColumnProfile, limits: DataPolicy, *, moving: bool) -> Iterator[Finding]:
    yield from _missing(now, old, limits)
    if not moving:
        yield from _range(now, old, limits)
        yield from _categories(now, old, limits)


def _missing(now: ColumnProfile, old: ColumnProfile, limits: DataPolicy) -> Iterator[Finding]:
    if limits.missing is None or not now.rows or not old.rows:
        return
    share, was = now.missing / now.rows, old.missing / old.rows
    if share - was > limits.missing:
        what = f"{now.name} is missing in {share:.1%} of the rows, and was in {was:.1%}"
        yield Finding(check="missing", column=now.name, what=what)


def _range(now: ColumnProfile, old: ColumnProfile, limits: DataPolicy) -> Iterator[Finding]:
    ends = [one for one in (now.low, now.high, old.low, old.high) if isinstance(one, int | float)]
    if limits.range is None or len(ends) < 4 or any(isinstance(one, bool) for one in ends):
        return
    low, high, was_low, was_high = ends
    width = was_high - was_low
    away = max(was_low - low, high - was_high)
    if width > 0 and away > limits.range * width:
        what = f"{now.name} lies in {low:g} to {high:g}, and was in {was_low:g} to {was_high:g}"
        yield Finding(check="range", column=now.name, what=what)


def _categories(now: ColumnProfile, old: ColumnProfile, limits: DataPolicy) -> Iterator[Finding]:
    if limits.categories is None or now.levels is None or old.levels is None or not now.rows or not old.rows:
        return
    if len(old.levels) > IDENTIFIER * (old.rows - old.missing):
        return
    present, past = (
        dict(zip(now.levels, now.counts, strict=True)),
        dict(zip(old.levels, old.counts, strict=True)),
    )
    new = {level: count for level, count in present.items() if level not in past}
    gone = {level: count for level, count in past.items() if level not in present}
    if sum(new.values()) > limits.categories * now.rows:
        what = (
            f"{now.name} has new categories in {sum(new.values()) / now.rows:.1%} of the rows: {_named(new)}"
        )
        yield Finding(check="categories", column=now.name, what=what)
    if sum(gone.values()) > limits.categories * old.rows:
        what = f"{now.name} has lost categories that {sum(gone.values()) / old.rows:.1%} of the rows had: {_named(gone)}"
        yield Finding(check="categories", column=now.name, what=what)


def _named(levels: dict[str, int]) -> str:
    ordered = sorted(levels, key=lambda level: (-levels[level], level))
    more = f" and {len(ordered) - NAMED:,} more" if len(ordered) > NAMED else ""
    return ", ".join(ordered[:NAMED]) + more


def _seconds(first: datetime | None, last: datetime | None) -> float | None:
    return (last - first).total_seconds() if first and last else None
