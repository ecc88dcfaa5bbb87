"""A model's monitors as a page or a picture: evidence over blocks, against the threshold."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from noria.app.monitor_tests import Test
from noria.app.monitors import MonitorsView
from noria.app.pages.asked import asked_panels, estimate_parts, skew_parts
from noria.app.pages.html import Html, tag
from noria.app.pages.lines import Chart, Line, line_chart
from noria.app.pages.picture import DOT, INK, NeedsMatplotlib
from noria.app.pages.style import page
from noria.app.pages.tables import table
from noria.app.pages.words import count, figure, when
from noria.monitor.attribution import sentences

PANELS = 9  # more are too small to read
RUNG, QUIET = "#c0392b", "#8a94a0"
TITLES = {
    "risk": "risk",
    "segment": "risk where",
    "drift": "drift of",
    "prediction": "drift of what is answered:",
}


def evidence_page(view: MonitorsView) -> str:
    """The whole page."""
    title = f"{view.model}:{view.version} under watch" if view.version else f"{view.model} has no champion"
    footer = tag("footer", f"Looked at by Noria at {when(view.at)}")
    return page(title, tag("div", tag("h1", title), class_="head"), *evidence_parts(view), footer)


def evidence_parts(view: MonitorsView) -> list[Html]:
    """What stands on the page, without its head."""
    return [
        *_alarms(view),
        *(tag("p", one, class_="soft") for one in view.why),
        *(tag("p", one) for one in (sentences(view.attribution) if view.attribution else ())),
        tag(
            "div",
            *(line_chart(_chart(test), x_label="block") for test in nearest(view.tests)),
            class_="charts",
        ),
        tag("h2", "Tests"),
        table(("test", "state", "evidence", "alarm at", "blocks", ""), [_row(test) for test in view.tests]),
        *(estimate_parts(view.estimate) if view.estimate else ()),
        *(skew_parts(view.skew) if view.skew else ()),
    ]


def nearest(tests: Sequence[Test], most: int = PANELS) -> list[Test]:
    """Those to be drawn: the ones nearest to an alarm that have a history."""
    drawn = [test for test in tests if len(test.history) > 1]
    return sorted(drawn, key=lambda test: -test.share)[:most]


def title_of(test: Test) -> str:
    return f"{TITLES[test.family]} {test.subject}".strip()


def evidence_picture(view: MonitorsView) -> bytes:
    """A PNG with a panel for each of the nearest tests, by the logarithm of the evidence. Raises `NeedsMatplotlib`."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise NeedsMatplotlib() from error
    drawn: list[Callable[[Any], None]] = [
        *(partial(_panel, test=test) for test in nearest(view.tests)),
        *asked_panels(view),
    ]
    columns = min(3, max(1, len(drawn)))
    rows = max(1, math.ceil(len(drawn) / columns))
    sheet: Any = Figure(figsize=(4.6 * columns, 2.9 * rows + 0.6), dpi=150, layout="constrained")
    FigureCanvasAgg(sheet)
    head = f"{view.model}:{view.version}: evidence of {count(len(view.tests), 'test')}, {when(view.at)}"
    sheet.suptitle(head, x=0.01, ha="left", color=INK, fontsize=12, weight="bold")
    for number, panel in enumerate(drawn):
        panel(sheet.add_subplot(rows, columns, number + 1))
    packed = io.BytesIO()
    sheet.savefig(packed, format="png", metadata={"Software": None})
    return packed.getvalue()


def _panel(axes: Any, test: Test) -> None:
    from matplotlib import dates

    told: Any = dates  # without types
    past = np.maximum(np.array(test.history), 1e-3)
    axes.plot(test.starts, past, color=RUNG if test.state == "alarm" else DOT, linewidth=1.6)
    days = told.AutoDateLocator(minticks=3, maxticks=6)
    axes.xaxis.set_major_locator(days)
    axes.xaxis.set_major_formatter(told.ConciseDateFormatter(days))
    axes.axhline(test.threshold, color=RUNG, linestyle="--", linewidth=1)
    axes.axhline(1.0, color=QUIET, linewidth=0.8)
    axes.set_yscale("log")
    axes.set_ylim(min(0.05, past.min()), max(test.threshold * 3, past.max() * 2))
    said = "" if test.state == "quiet" else f": {test.state}"
    colour = RUNG if test.state == "alarm" else INK
    axes.set_title(title_of(test) + said, fontsize=9, loc="left", color=colour)
    axes.xaxis.get_offset_text().set_size(8)
    axes.set_xlabel("block of", fontsize=8, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, colors=INK)


def _chart(test: Test) -> Chart:
    """Evidence in powers of ten: what counts is how often it has multiplied."""
    at = np.array([start.timestamp() for start in test.starts])
    past = np.log10(np.maximum(np.array(test.history), 1e-3))
    bar = np.full(len(at), math.log10(test.threshold))
    lines = (Line("evidence", at, past), Line("alarm", at, bar))
    return Chart(title=f"{title_of(test)}: evidence, in powers of ten", lines=lines, across="dates")


def _row(test: Test) -> tuple[object, ...]:
    return (
        title_of(test),
        test.state,
        figure(test.e_value),
        figure(test.threshold),
        test.blocks,
        tag("td", test.note),
    )


def _alarms(view: MonitorsView) -> Iterator[Html]:
    for one in view.alarms:
        yield tag("p", tag("b", f"{one.alarm.id} ({one.state}): "), one.said)
        yield tag("p", f"Suspected: {one.alarm.cause}. Next: {one.alarm.action}", class_="soft")
