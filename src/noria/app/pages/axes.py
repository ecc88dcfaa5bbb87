"""Axes: the range of some values, and the round figures that stand beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

TICKS = 5
DATES = 6.5  # six of ten letters each stand beside one another
STEEP = 1e3  # times the smallest value from which a logarithmic axis shows more than a straight one
HOUR, DAY, YEAR = 3600.0, 86400.0, 364 * 86400.0  # s; a year of whole weeks
MONDAY = 4 * DAY  # the first one after 1970 began
STEPS = (
    *(60.0 * minutes for minutes in (1, 5, 15)),
    *(HOUR * hours for hours in (1, 3, 6, 12)),
    *(DAY * days for days in (1, 2, 7, 14, 28, 56, 91, 182, 364)),
)
TINY = 1e-300  # a spread below it cannot be divided into ticks without leaving the range of normal floats


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`, in the value's own unit; `low` is below `high`."""

    low: float
    high: float
    log: bool = False
    whole: bool = False
    """Whole numbers alone: epochs, iterations."""
    dates: bool = False
    """Seconds since 1970, told as dates in UTC."""

    def share(self, value: float) -> float:
        """Where a value lies, from 0 to 1."""
        if self.log:
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Round values inside of the range, with their text."""
        if self.dates:
            yield from _dates(self.low, self.high)
            return
        values = _decades(self.low, self.high) if self.log else _round(self.low, self.high, self.whole)
        step = values[1] - values[0] if len(values) > 1 else 0.0
        for value in values:
            yield value, f"{value:.4g}" if self.log else _spelled(value, step)


def axis_over(values: np.ndarray, *, steep: float | None = None, whole: bool = False) -> Axis:
    """An axis that shows all of these finite values, at least one; logarithmic where the largest is more than `steep`
    times the smallest."""
    low, high = float(values.min()), float(values.max())
    if steep and 0 < low < high / steep:
        return Axis(low, high, log=True)
    if high - low <= max(abs(high) * 1e-12, TINY):
        pad = 0.5 if whole or not high else max(abs(high) * 0.05, TINY)
        return Axis(low - pad, high + pad, whole=whole)
    pad = 0.0 if whole else (high - low) * 0.04
    return Axis(low - pad, high + pad, whole=whole)


def axis_of_dates(values: np.ndarray) -> Axis:
    """An axis that shows all of these moments, at least one, in seconds since 1970."""
    low, high = float(values.min()), float(values.max())
    pad = 0.0 if low < high else DAY / 2
    return Axis(low - pad, high + pad, dates=True)


def placed(axis: Axis, value: float, begin: float, end: float) -> float:
    """A value's place between two coordinates."""
    return begin + axis.share(value) * (end - begin)


def _round(low: float, high: float, whole: bool) -> list[float]:
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    step = max(1.0, step) if whole else step
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _dates(low: float, high: float) -> Iterator[tuple[float, str]]:
    """Midnights, Mondays where a tick stands for weeks, and times of the day where the range is short."""
    rough = (high - low) / DATES
    step = next((step for step in STEPS if step >= rough), math.ceil(rough / YEAR) * YEAR)
    spelled = "%Y-%m-%d" if step >= DAY else "%m-%d %H:%M"
    for number in range(math.ceil((low - MONDAY) / step), math.floor((high - MONDAY) / step) + 1):
        at = MONDAY + number * step
        yield at, datetime.fromtimestamp(at, UTC).strftime(spelled)


def _decades(low: float, high: float) -> list[float]:
    first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
    if last - first < 2:
        between = [factor * 10.0**power for power in range(first - 1, last + 1) for factor in (1, 2, 5)]
        return [value for value in between if low <= value <= high]
    stride = max(1, math.ceil((last - first) / TICKS))
    return [10.0**exponent for exponent in range(first, last + 1, stride)]


def _spelled(value: float, step: float) -> str:
    if value and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.3g}"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) if step else 3
    return f"{value:,.{decimals}f}" if value else "0"
