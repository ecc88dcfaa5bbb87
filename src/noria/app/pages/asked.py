"""What `noria monitor` tells only when it is asked: quality without labels, calibration, skew; on a page and in a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from noria.app.estimates import Estimate, estimate_words
from noria.app.pages.html import Html, tag
from noria.app.pages.lines import Chart, Line, line_chart
from noria.app.pages.picture import DOT, INK
from noria.app.pages.tables import table
from noria.app.skew import Skew, skew_words

if TYPE_CHECKING:
    from noria.app.monitors import MonitorsView

CALIBRATION = "calibration: how often it happened, by what was answered"
SKEWED = 12  # columns in a picture: the worst
BAND, AS_SAID = "#0072b233", "#8a94a0"


def estimate_parts(one: Estimate) -> Iterator[Html]:
    yield tag("h2", "Without labels, and calibration")
    yield from (tag("p", line) for line in estimate_words(one))
    if len(one.bins) > 1:
        yield tag("div", line_chart(_chart(one), x_label="what was answered"), class_="charts")


def skew_parts(one: Skew) -> Iterator[Html]:
    yield tag("h2", "As asked, and as in training")
    head, *rest = skew_words(one)
    yield tag("p", head)
    if one.columns:
        rows = [(name, f"{each.differ:.1%}", each.asked, each.had) for name, each in one.columns.items()]
        yield table(("column", "rows that differ", "asked, for example", "in training"), rows)
    else:
        yield from (tag("p", line) for line in rest)


def asked_panels(view: MonitorsView) -> Iterator[Callable[[Any], None]]:
    """What draws each on matplotlib's axes; nothing for what was not asked, or cannot be told."""
    if view.estimate and len(view.estimate.bins) > 1:
        yield partial(_calibration, one=view.estimate)
    if view.skew and not view.skew.why:
        yield partial(_skew, one=view.skew)


def _chart(one: Estimate) -> Chart:
    at = np.array([each.answered for each in one.bins])
    lines = (
        Line("happened", at, np.array([each.happened for each in one.bins])),
        Line("as answered", at, at),
        Line("at least", at, np.array([each.lower for each in one.bins])),
        Line("at most", at, np.array([each.upper for each in one.bins])),
    )
    return Chart(title=CALIBRATION, lines=lines, across="numbers")


def _calibration(axes: Any, one: Estimate) -> None:
    at = [each.answered for each in one.bins]
    low, high = ([getattr(each, end) for each in one.bins] for end in ("lower", "upper"))
    axes.fill_between(at, np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0), color=BAND, linewidth=0)
    axes.plot(at, at, color=AS_SAID, linewidth=0.8)
    axes.plot(at, [each.happened for each in one.bins], "o-", color=DOT, linewidth=1.6, markersize=3)
    axes.set_xlabel("answered", fontsize=8, color=INK)
    axes.set_ylabel("happened", fontsize=8, color=INK)
    _dressed(axes, f"calibration of {one.labelled:,} answers")


def _skew(axes: Any, one: Skew) -> None:
    worst = list(one.columns.items())[:SKEWED][::-1]
    axes.barh([name for name, _ in worst], [100.0 * each.differ for _, each in worst], color=DOT)
    axes.set_xlim(0.0, 100.0)
    axes.set_xlabel("% of the rows that differ", fontsize=8, color=INK)
    told = "as asked, unlike training" if worst else "as asked: no value differs"
    _dressed(axes, f"{told} ({one.rows:,} rows)")


def _dressed(axes: Any, title: str) -> None:
    axes.set_title(title, fontsize=9, loc="left", color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, colors=INK)
