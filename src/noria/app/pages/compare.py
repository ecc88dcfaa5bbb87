"""Runs side by side as a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from noria.app.compare import DRAWN
from noria.app.pages.html import Html, tag
from noria.app.pages.lines import Chart, line_chart
from noria.app.pages.parallel import parallel
from noria.app.pages.scatter import scatter
from noria.app.pages.style import page
from noria.app.pages.tables import best, settings, shown, table
from noria.app.pages.words import count, figure, span, when
from noria.records.base import Json

if TYPE_CHECKING:
    from noria.app.compare import Comparison, Measure, Side

SHORT = 24  # letters of a cell that is not broken
PICTURES = 12  # parameters of which a figure is drawn


def compare_page(found: Comparison, charts: Sequence[Chart], *, made: datetime) -> str:
    """The whole page: figures first, then the table of all runs."""
    models = ", ".join(dict.fromkeys(side.name.partition("/")[0] for side in found.runs))
    title = f"{models}: {len(found.runs)} runs"
    head = tag("div", tag("h1", title), class_="head")
    footer = tag("footer", f"Compared by Noria at {when(made)}")
    return page(title, head, *comparison_parts(found, charts), footer)


def comparison_parts(found: Comparison, charts: Sequence[Chart]) -> list[Html]:
    """What stands on the page, without its head."""
    return [
        tag("p", _summary(found), class_="soft"),
        *_pictures(found),
        *_charts(charts, len(found.runs)),
        tag("h2", "Runs"),
        runs_table(found),
        *_undirected(found),
    ]


def runs_table(found: Comparison) -> Html:
    """A line a run: what differs, and every metric, the best of each stressed."""
    given = (*found.origins, *found.parameters)
    head = ["run", "state", "started", "took", "commit", *(one.name for one in given)]
    head += [_measured(one) for one in found.metrics]
    told = [list(map(_setting, one.values, settings(one.values))) for one in given]
    rows = [_row(found, side, at, [column[at] for column in told]) for at, side in enumerate(found.runs)]
    return table(head, rows)


def measure_of(found: Comparison) -> Measure | None:
    """The metric that pictures look at."""
    return next((one for one in found.metrics if one.name == found.metric), None)


def _row(found: Comparison, side: Side, at: int, told: Sequence[object]) -> list[object]:
    return [
        tag("td", tag("b", side.name), class_="nowrap"),
        side.state,
        tag("td", when(side.started), class_="nowrap"),
        tag("td", span(side.seconds), class_="nowrap"),
        tag("td", side.commit[:9] + ("+" if side.dirty else ""), class_="mono"),
        *told,
        *(_value(one, at) for one in found.metrics),
    ]


def _setting(value: Json, text: str) -> object:
    if isinstance(value, float):
        return tag("td", text, class_="num", title=shown(value))
    return tag("td", text, class_="nowrap") if isinstance(value, str) and len(text) <= SHORT else text


def _value(measure: Measure, at: int) -> object:
    value = measure.values[at]
    return best(figure(value)) if at in measure.best else "" if value is None else figure(value)


def _measured(measure: Measure) -> str:
    return measure.name + {"lower": " ↓", "higher": " ↑", None: ""}[measure.better]


def _summary(found: Comparison) -> str:
    differ = [
        f"{count(len(found.parameters), 'parameter')} differ"
        if len(found.parameters) != 1
        else "1 parameter differs"
    ]
    differ += [f"{found.alike} are alike" if found.alike != 1 else "1 is alike"] if found.alike else []
    measure = measure_of(found)
    if measure and measure.best:
        at = measure.best[0]
        differ.append(f"best {measure.name}: {figure(measure.values[at])} of {found.runs[at].name}")
    return "; ".join(differ) + "."


def _pictures(found: Comparison) -> Iterator[Html]:
    measure = measure_of(found)
    if measure is None:
        return
    runs = [side.name for side in found.runs]
    drawn = [
        picture
        for one in found.parameters
        if (picture := scatter(one.name, one.values, measure.name, measure.values, runs, measure.best))
    ]
    if drawn:
        yield tag("h2", f"{measure.name} over what was tried")
        yield tag("div", drawn[:PICTURES], class_="charts")
    if all_of_them := parallel(found, measure):
        yield tag("div", all_of_them, style="margin-top:28px")


def _charts(charts: Sequence[Chart], runs: int) -> Iterator[Html]:
    if charts:
        yield tag("h2", "Series")
        if runs > DRAWN:
            yield tag("p", f"Of the {DRAWN} runs that stand first.", class_="soft")
        yield tag("div", map(line_chart, charts), class_="charts")


def _undirected(found: Comparison) -> Iterator[Html]:
    names = [one.name for one in found.metrics if one.better is None]
    if names:
        yield tag(
            "p",
            f"No best is marked for {', '.join(names)}: neither the loss nor a gate says which direction is better.",
            class_="soft",
        )
