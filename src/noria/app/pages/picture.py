"""A comparison as one PNG, drawn with matplotlib: for a slide, a pull request, a chat."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from noria.app.pages.compare import measure_of
from noria.app.pages.lines import thinned
from noria.app.pages.scatter import scale_of
from noria.app.pages.words import figure
from noria.errors import ConfigError

if TYPE_CHECKING:
    from noria.app.compare import Comparison, Measure, Setting
    from noria.app.pages.lines import Chart

PANELS = 9  # more are too small to read
NAMED = 10  # lines with a legend
INK, DOT, BEST = "#1b2430", "#0072b2", "#0b6e4f"


@dataclass(eq=False)
class NeedsMatplotlib(ConfigError):
    code: ClassVar[str] = "FIGURES-MISSING"
    what: ClassVar[str] = "a PNG is drawn with matplotlib, which is not installed"
    next: ClassVar[str] = 'pip install "noria[figures]", or write .html, which needs nothing'


def picture(found: Comparison, charts: Sequence[Chart]) -> bytes:
    """Panels: the metric of each run, the metric over each parameter that differs, the series. Raises
    `NeedsMatplotlib`."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise NeedsMatplotlib() from error
    panels = [*_panels(found), *(_series(chart) for chart in charts)][:PANELS]
    columns = min(3, max(1, len(panels)))
    rows = max(1, math.ceil(len(panels) / columns))
    drawn: Any = Figure(figsize=(4.6 * columns, 3.2 * rows + 0.5), dpi=150, layout="constrained")
    FigureCanvasAgg(drawn)
    models = ", ".join(dict.fromkeys(side.name.partition("/")[0] for side in found.runs))
    drawn.suptitle(
        f"{models}: {len(found.runs)} runs", x=0.01, ha="left", color=INK, fontsize=12, weight="bold"
    )
    for number, panel in enumerate(panels):
        axes = drawn.add_subplot(rows, columns, number + 1)
        panel(axes)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.25)
        axes.tick_params(labelsize=8, colors=INK)
    packed = io.BytesIO()
    drawn.savefig(packed, format="png", metadata={"Software": None})
    return packed.getvalue()


def _panels(found: Comparison) -> list[Callable[[Any], None]]:
    measure = measure_of(found)
    if measure is None:
        return []
    runs = [side.name for side in found.runs]
    over = [_over(one, measure) for one in found.parameters if scale_of(one.values)]
    return [_by_run(measure, runs), *over]


def _by_run(measure: Measure, runs: Sequence[str]) -> Callable[[Any], None]:
    def draw(axes: Any) -> None:
        there = [(at, value) for at, value in enumerate(measure.values) if value is not None]
        axes.scatter(
            [at for at, _ in there],
            [value for _, value in there],
            c=[BEST if at in measure.best else DOT for at, _ in there],
            s=[60 if at in measure.best else 25 for at, _ in there],
        )
        few = len(runs) <= NAMED
        axes.set_xticks(range(len(runs)) if few else [])
        axes.set_xticklabels(runs if few else [], rotation=30, ha="right")
        axes.set_title(f"{measure.name} by run", loc="left", fontsize=9)

    return draw


def _over(setting: Setting, measure: Measure) -> Callable[[Any], None]:
    def draw(axes: Any) -> None:
        scale = scale_of(setting.values)
        places = scale.places if scale else ()
        there = [
            (at, place, value)
            for at, (place, value) in enumerate(zip(places, measure.values, strict=True))
            if place is not None and value is not None
        ]
        axes.scatter(
            [place for _, place, _ in there],
            [value for _, _, value in there],
            c=[BEST if at in measure.best else DOT for at, _, _ in there],
            s=[60 if at in measure.best else 25 for at, _, _ in there],
            alpha=0.75,
        )
        marks = scale.marks if scale else ()
        axes.set_xticks([place for place, _ in marks], [text for _, text in marks])
        axes.set_xlim(-0.05, 1.05)
        axes.set_title(f"{measure.name} over {setting.name}", loc="left", fontsize=9)

    return draw


def _series(chart: Chart) -> Callable[[Any], None]:
    def draw(axes: Any) -> None:
        few = len(chart.lines) <= NAMED
        for line in chart.lines:
            last = figure(float(line.y[-1])) if len(line.y) else ""
            style = {"label": f"{line.label} {last}"} if few else {"color": DOT, "alpha": 0.3}
            if line.label == chart.best and not few:
                style = {"label": f"{line.label} {last}, best", "color": BEST, "zorder": 3}
            axes.plot(*thinned(line.x, line.y), linewidth=0.8 if "alpha" in style else 1.3, **style)
        if few or chart.best:
            axes.legend(fontsize=7, frameon=False)
        axes.set_title(f"{chart.title} · {chart.of}" if chart.of else chart.title, loc="left", fontsize=9)

    return draw
