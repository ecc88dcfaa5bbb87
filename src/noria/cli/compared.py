"""A comparison as text: tables, and lines drawn with letters."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

from noria.app.compare import Comparison, Measure
from noria.app.pages.tables import settings
from noria.cli.render import NONE, coloured, count, figure, paint, span, table, when

if TYPE_CHECKING:
    from noria.app.pages.lines import Chart

BESIDE = 5  # runs that stand side by side; more stand one below the other
DRAWN = 3  # charts in the terminal; a page has all
LINES = 8  # of a chart: letters tell no more apart
WIDEST, HIGH = 100, 16  # letters
ARROWS = {"lower": " (lower is better)", "higher": " (higher is better)", None: ""}


def comparison_lines(found: Comparison) -> list[str]:
    """What differs, and what came of it."""
    few = len(found.runs) <= BESIDE
    body = _beside(found) if few else _below(found)
    alike = (
        f"{count(found.alike, 'parameter')} {'is' if found.alike == 1 else 'are'} alike"
        if found.alike
        else ""
    )
    undirected = [one.name for one in found.metrics if one.better is None]
    hint = f"no best for {', '.join(undirected)}: no loss or gate says which direction is better"
    return [*body, *([alike] if alike else []), *([hint] if undirected else [])]


def chart_lines(charts: Sequence[Chart], metric: str | None) -> list[str]:
    """The first few charts; those of the metric that was asked for come first."""
    drawn = [chart for chart in charts if len(chart.lines) <= LINES]
    drawn.sort(key=lambda chart: metric not in (chart.title, chart.title.rpartition("/")[2]))
    if not charts:
        return []
    if not _installed():
        return [
            "",
            f"{count(len(charts), 'series', 'series')} in common: pip install 'noria[figures]' draws them here",
        ]
    more = len(charts) - len(drawn[:DRAWN])
    left = [f"{count(more, 'more chart')}: --output compare.html"] if more else []
    return [line for chart in drawn[:DRAWN] for line in ("", *_drawn(chart))] + left


def _beside(found: Comparison) -> list[str]:
    """A column a run."""
    head = ("", *(side.name for side in found.runs))
    made = any(side.version for side in found.runs)
    sides = [
        ("state", *(side.state for side in found.runs)),
        *([("version", *(side.version or "" for side in found.runs))] if made else []),
        ("started", *(when(side.started) for side in found.runs)),
        ("took", *(span(side.seconds) for side in found.runs)),
        ("commit", *(_commit(side.commit, side.dirty) for side in found.runs)),
    ]
    given = [(one.name, *settings(one.values, NONE)) for one in (*found.origins, *found.parameters)]
    metrics = [(one.name + ARROWS[one.better], *_marked(one)) for one in found.metrics]
    lines = table(head, [*sides, *given, *metrics])
    ends = (1 + len(sides), 1 + len(sides) + len(given))
    parts = [lines[: ends[0]], lines[ends[0] : ends[1]], lines[ends[1] :]]
    return [line for part in parts if part for line in (*part, "")][:-1]


def _below(found: Comparison) -> list[str]:
    """A line a run."""
    given = (*found.origins, *found.parameters)
    head = ("run", "state", "commit", *(one.name for one in given), *(one.name for one in found.metrics))
    told = [settings(one.values, NONE) for one in given]
    marked = [_marked(one) for one in found.metrics]
    rows = [
        (
            side.name,
            side.state,
            _commit(side.commit, side.dirty),
            *(column[at] for column in told),
            *(column[at] for column in marked),
        )
        for at, side in enumerate(found.runs)
    ]
    return table(head, rows)


def _marked(measure: Measure) -> list[str]:
    """Figures with a star at the best, in line beneath one another."""
    texts = [figure(value) for value in measure.values]
    wide = max(map(len, texts))
    if not measure.best:
        return texts
    return [f"{text.rjust(wide)}{' *' if at in measure.best else ''}" for at, text in enumerate(texts)]


def _commit(commit: str, dirty: bool) -> str:
    return commit[:9] + ("+" if dirty else "")


def _installed() -> bool:
    from importlib.util import find_spec

    return find_spec("plotext") is not None


def _drawn(chart: Chart) -> list[str]:
    """Lines in colour, or of letters where there is none."""
    import numpy as np
    import plotext

    from noria.app.pages.axes import axis_over
    from noria.app.pages.lines import thinned

    plotext.clear_figure()
    plotext.plotsize(min(WIDEST, shutil.get_terminal_size((80, 24)).columns), HIGH)
    plotext.theme("clear" if not coloured() else "pro")
    for line, letter in zip(chart.lines, "abcdefgh", strict=False):
        across, up = thinned(line.x, line.y, 2 * WIDEST)
        finite = np.isfinite(up)
        if finite.any():
            marker = "braille" if coloured() else letter
            plotext.plot(across[finite].tolist(), up[finite].tolist(), label=line.label, marker=marker)
    ticks = list(axis_over(np.concatenate([line.x for line in chart.lines]), whole=True).ticks())
    plotext.xticks([value for value, _ in ticks], [text for _, text in ticks])
    title = f"{chart.title}, {chart.of}" if chart.of else chart.title
    text = str(plotext.build())
    return [paint(title, "bold"), *(text if coloured() else str(plotext.uncolorize(text))).splitlines()]
