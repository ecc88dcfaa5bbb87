"""Times, spans, sizes and figures in a reader's words: the same on a page, in a notebook and on a terminal."""

from __future__ import annotations

from datetime import datetime, timedelta

from noria.records.base import short
from noria.records.runs import DataSource, DataVersion

NONE = "-"  # what stands for nothing, so that columns can be counted
UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def when(moment: datetime | None) -> str:
    """`2013-03-01 09:00:05Z`"""
    return f"{moment:%Y-%m-%d %H:%M:%SZ}" if moment else NONE


def span(seconds: float | timedelta | None) -> str:
    """`0.03 s`, `12.4 s`, `3 min 20 s`, `2 d 4 h`."""
    if seconds is None:
        return NONE
    value = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
    if abs(value) < 60:
        return f"{value:.2f} s" if abs(value) < 10 else f"{value:.1f} s"
    whole = round(abs(value))
    for at, (unit, name) in enumerate(UNITS):
        if whole >= unit:
            count, rest = divmod(whole, unit)
            smaller, small = UNITS[at + 1] if at + 1 < len(UNITS) else (1, "s")
            more = f" {rest // smaller} {small}" if rest // smaller else ""
            return f"{'-' if value < 0 else ''}{count} {name}{more}"
    return NONE


def figure(value: float | None) -> str:
    """Five significant digits: what a gate's margin needs, and no noise behind it."""
    return NONE if value is None else f"{value:.5g}"


def size(count: int | None) -> str:
    """`812 B`, `3.1 MB`."""
    if count is None:
        return NONE
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.4g} TB"


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 row`, `12,000 rows`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def amount(data: DataVersion) -> str:
    """`12,000 rows`, or `3 files` where they are no table."""
    return count(data.rows, "row") if data.files is None else count(data.files, "file")


def pinned(source: DataSource) -> str:
    """`files data/*.csv (3fa2...)`, `delta lake/flights version 3 of 2024-03-01 09:00:05Z`."""
    if source.kind == "files":
        return f"files {source.name} ({short(source.version)})"
    name = "version" if source.kind == "delta" else "snapshot"
    at = f" of {when(source.at)}" if source.at else ""
    return f"{source.kind} {source.name} {name} {source.version}{at}"
