"""Quality by week, drawn: a PNG to keep and a plot in the terminal."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from noria.replay.compare import Worth

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FROZEN, NORIA = "#9a9a9a", "#0b6e4f"  # grey for what stood still; apart also for colour-blind eyes
ALARM = "#c1121f"


def draw(worth: Worth, path: Path, *, title: str, alarms: list[datetime], promotions: list[datetime]) -> Path:
    """Write a PNG of both loss curves, with a line at each promotion and a triangle at each alarm."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(10, 4.6), dpi=150, layout="constrained")
    _curves(axes, worth)
    _marks(axes, alarms, promotions)
    _dress(axes, title, f"{worth.loss}, mean of the week (lower is better)")
    figure.savefig(path)
    plt.close(figure)
    return path


def _curves(axes: Axes, worth: Worth) -> None:
    week, frozen, noria = (worth.weeks[name] for name in ("week", "frozen", "noria"))
    axes.plot(week, frozen, color=FROZEN, linewidth=2, label=f"frozen model, mean {worth.frozen:.4g}")
    axes.plot(week, noria, color=NORIA, linewidth=2.4, label=f"Noria, mean {worth.noria:.4g}")


def _marks(axes: Axes, alarms: list[datetime], promotions: list[datetime]) -> None:
    from matplotlib.dates import date2num

    low, high = axes.get_ylim()
    for position, moment in enumerate(promotions):
        label = "promotion" if position == 0 else None
        axes.axvline(moment, color=NORIA, linewidth=0.9, linestyle=":", label=label)  # type: ignore[arg-type]
    if alarms:
        at = date2num(alarms)  # type: ignore[no-untyped-call]
        axes.plot(at, [high] * len(at), "v", color=ALARM, markersize=8, label="alarm", clip_on=False)
    axes.set_ylim(low, high)


def _dress(axes: Axes, title: str, ylabel: str) -> None:
    from matplotlib.dates import DateFormatter, MonthLocator

    axes.set_ylabel(ylabel)
    axes.xaxis.set_major_locator(MonthLocator())  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(DateFormatter("%b"))  # type: ignore[no-untyped-call]
    axes.set_title(title, loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    axes.legend(facecolor="white", edgecolor="none", framealpha=1, fontsize=9)


def in_terminal(worth: Worth, *, width: int = 92, height: int = 18) -> str:
    """The same two curves as text."""
    import plotext

    weeks = worth.weeks
    days = [moment.strftime("%d/%m/%Y") for moment in weeks["week"]]
    plotext.clear_figure()
    plotext.plotsize(width, height)
    plotext.theme("clear")
    plotext.date_form("d/m/Y", "d b")
    plotext.plot(days, weeks["frozen"].to_list(), label="frozen model", marker="dot")
    plotext.plot(days, weeks["noria"].to_list(), label="Noria", marker="braille")
    plotext.title(f"{worth.loss} by week, lower is better")
    return str(plotext.uncolorize(plotext.build()))
