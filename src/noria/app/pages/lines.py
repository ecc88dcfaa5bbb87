"""Lines over steps as SVG: small enough to draw by hand, and so it follows the page's colours, light and dark.

matplotlib's SVG is ten times the bytes, fixes its colours, and is no dependency of Noria's core.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from noria.app.pages.axes import STEEP, Axis, axis_of_dates, axis_over, placed
from noria.app.pages.html import Html, tag
from noria.app.pages.words import count, figure

if TYPE_CHECKING:
    import numpy as np

WIDE, HIGH = (
    460,
    230,
)  # SVG units; about the pixels of a phone held upright, so its letters stay letters there
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 8, 26
COLOURS = 8  # the palette has no more that one can tell apart
LARGEST = 1e300  # beyond, the difference of two values may be no number any more
NAMED = 12  # lines in a legend; beyond, it says how many there are
BUCKETS = WIDE - LEFT - RIGHT  # one a unit: finer is not seen


@dataclass(frozen=True)
class Line:
    """One series: a label, and points in order."""

    label: str
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Chart:
    """Lines that share their axes."""

    title: str
    lines: tuple[Line, ...]
    of: str = ""
    """The step that logged them."""
    best: str = ""
    """The label of the line that is told apart where there are too many for a colour each."""
    across: Literal["steps", "dates", "numbers"] = "steps"
    """What `x` are: whole numbers, moments in seconds since 1970, or any."""


def line_chart(chart: Chart, *, x_label: str = "step") -> Html:
    """A chart with its legend: a `figure` element."""
    import numpy as np

    finite = [(line, np.abs(line.y) < LARGEST) for line in chart.lines]
    shown = [line.y[mask] for line, mask in finite if mask.any()]
    if not shown:
        return tag("figure", _caption(chart), tag("p", "no finite value", class_="soft"), class_="chart")
    y = axis_over(np.concatenate(shown), steep=STEEP)
    x = _across(chart, np.concatenate([line.x[mask] for line, mask in finite]))
    many = len(chart.lines) > COLOURS
    order = sorted(
        enumerate(chart.lines), key=lambda one: many and one[1].label == chart.best
    )  # it lies on top
    drawn = [_drawn(line, x, y, style=_style(chart, number, many)) for number, line in order]
    spoken = f"{chart.title}: {len(chart.lines)} lines over {x_label}"
    picture = tag(
        "svg",
        *grid(x, y),
        *drawn,
        viewBox=f"0 0 {WIDE} {HIGH}",
        role="img",
        aria_label=spoken,
    )
    lost = sum(len(mask) - int(mask.sum()) for _, mask in finite)
    return tag("figure", _caption(chart, y.log), picture, _legend(chart, many), _lost(lost), class_="chart")


def _across(chart: Chart, values: np.ndarray) -> Axis:
    if chart.across == "dates":
        return axis_of_dates(values)
    return axis_over(values, whole=chart.across == "steps")


def grid(x: Axis, y: Axis, *, across: bool = True) -> Iterator[Html]:
    """Ticks with their figures, and a faint line across at each of the vertical axis. `across`: the horizontal ones, too."""
    for value, text in y.ticks():
        at = placed(y, value, HIGH - BOTTOM, TOP)
        yield tag("line", x1=LEFT, x2=WIDE - RIGHT, y1=_n(at), y2=_n(at), class_="grid")
        yield tag("text", text, x=LEFT - 7, y=_n(at + 3.8), text_anchor="end")
    for value, text in x.ticks() if across else ():
        at = placed(x, value, LEFT, WIDE - RIGHT)
        yield tag("text", text, x=_n(at), y=HIGH - 8, text_anchor="middle")


def thinned(x: np.ndarray, y: np.ndarray, buckets: int = BUCKETS) -> tuple[np.ndarray, np.ndarray]:
    """So few points that each can be seen: of every stretch the first, the lowest, the highest and the last, in
    their order. A peak of one point in a million stays."""
    import numpy as np

    if len(x) <= 4 * buckets:
        return x, y
    edges = np.linspace(0, len(x), buckets + 1).astype(int)
    kept: set[int] = set()
    for begin, end in pairwise(edges.tolist()):
        part = y[begin:end]
        if np.isfinite(part).any():
            kept |= {begin + int(np.nanargmin(part)), begin + int(np.nanargmax(part))}
        kept |= {begin, end - 1}
    order = np.array(sorted(kept))
    return x[order], y[order]


def _style(chart: Chart, number: int, many: bool) -> str:
    """A colour each, as long as one can tell them apart."""
    if not many:
        return f"line s{number}"
    return "line best" if chart.lines[number].label == chart.best else "line many"


def _drawn(line: Line, x: Axis, y: Axis, *, style: str) -> Html:
    """A path that is broken where the values are not finite; a dot for a point that stands alone."""
    import numpy as np

    across, up = thinned(line.x, line.y)
    parts: list[str] = []
    dots: list[Html] = []
    finite = np.abs(up) < LARGEST
    for stretch in _stretches(finite):
        points = [
            (placed(x, a, LEFT, WIDE - RIGHT), placed(y, b, HIGH - BOTTOM, TOP))
            for a, b in zip(across[stretch].tolist(), up[stretch].tolist(), strict=True)
        ]
        parts.append("M" + "L".join(f"{_n(a)} {_n(b)}" for a, b in points))
        if len(points) == 1:
            dots.append(tag("circle", cx=_n(points[0][0]), cy=_n(points[0][1]), r=3, class_=f"dot {style}"))
    return tag("g", tag("title", line.label or "value"), tag("path", d="".join(parts), class_=style), dots)


def _stretches(finite: np.ndarray) -> list[slice]:
    """Where the values are finite without a break."""
    import numpy as np

    edges = np.flatnonzero(np.diff(np.concatenate([[False], finite, [False]]).astype(np.int8)))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _caption(chart: Chart, log: bool = False) -> Html:
    more = [part for part in (chart.of, "log scale" if log else "") if part]
    return tag("figcaption", tag("b", chart.title), tag("span", " · ".join(more), class_="soft"))


def _legend(chart: Chart, many: bool) -> Html | None:
    if len(chart.lines) == 1:
        return tag("p", "last ", tag("b", _last(chart.lines[0])), class_="legend soft")
    if many:
        best = next((line for line in chart.lines if line.label == chart.best), None)
        told = (
            tag("span", tag("i", class_="key best"), best.label, " ", tag("b", _last(best))) if best else None
        )
        rest = [line for line in chart.lines if line is not best]
        more = f"{'and ' if best else ''}{count(len(rest), 'more line' if best else 'line')}{_some(rest)}"
        return tag("p", told, tag("span", more, class_="soft"), class_="legend")
    entries = [
        tag("span", tag("i", class_=f"key k{number}"), line.label or "value", " ", tag("b", _last(line)))
        for number, line in enumerate(chart.lines)
    ]
    return tag("p", entries, class_="legend")


def _some(lines: Sequence[Line]) -> str:
    named = ", ".join(line.label for line in lines[:NAMED])
    return f": {named}{', ...' if len(lines) > NAMED else ''}"


def _last(line: Line) -> str:
    return figure(float(line.y[-1])) if len(line.y) else ""


def _lost(count: int) -> Html | None:
    return tag("p", f"{count:,} values are not finite", class_="legend bad") if count else None


def _n(value: float) -> str:
    """A coordinate, as short as it may be."""
    return f"{value:.1f}".removesuffix(".0")
