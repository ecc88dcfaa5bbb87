"""Parallel coordinates: an axis a parameter, the metric last, a line a run; the better the stronger its colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from noria.app.pages.html import Html, tag
from noria.app.pages.scatter import Scale, scale_of
from noria.app.pages.words import figure

if TYPE_CHECKING:
    from noria.app.compare import Comparison, Measure

NAME = 20  # letters
AXES = 8  # parameters side by side; of more the picture says nothing any more
APART, HIGH, EDGE = (
    150,
    300,
    80,
)  # SVG units; a name of 20 letters is as wide as two edges, or the space between


def parallel(found: Comparison, measure: Measure) -> Html | None:
    """Of at least two parameters; None where there are fewer, or no run has the metric."""
    scales = [(one.name, scale) for one in found.parameters if (scale := scale_of(one.values))][:AXES]
    own = scale_of(measure.values)
    if len(scales) < 2 or own is None:
        return None
    axes = [*scales, (measure.name, own)]
    wide = 2 * EDGE + APART * (len(axes) - 1)
    order = _by_quality(measure)
    lines = [_line(axes, at, rank, found.runs[at].name, measure) for at, rank in order]
    picture = tag(
        "svg",
        *lines,
        *(_axis(name, scale, number) for number, (name, scale) in enumerate(axes)),
        viewBox=f"0 0 {wide} {HIGH + 60}",
        style=f"min-width:{wide * 0.8:.0f}px;max-width:{wide * 1.4:.0f}px",
        role="img",
        aria_label=f"{measure.name} and {len(scales)} parameters, a line a run",
    )
    told = {"lower": "stronger is lower", "higher": "stronger is higher", None: "stronger is higher"}[
        measure.better
    ]
    caption = tag(
        "figcaption", tag("b", "All parameters"), tag("span", f"a line a run; {told}", class_="soft")
    )
    return tag("figure", caption, tag("div", picture, class_="wide", tabindex=0))


def _by_quality(measure: Measure) -> list[tuple[int, float]]:
    """Positions of the runs that have the metric, the best last and so on top, with their rank from 0 to 1."""
    there = [(value, at) for at, value in enumerate(measure.values) if value is not None]
    there.sort(reverse=measure.better == "lower")
    return [(at, number / max(1, len(there) - 1)) for number, (_, at) in enumerate(there)]


def _line(axes: Sequence[tuple[str, Scale]], at: int, rank: float, run: str, measure: Measure) -> Html:
    points = [
        (EDGE + number * APART, _up(place))
        for number, (_, scale) in enumerate(axes)
        if (place := scale.places[at]) is not None
    ]
    style = f"stroke:color-mix(in oklab,var(--accent) {rank * 100:.0f}%,var(--rule));stroke-width:{1 + 1.4 * rank:.1f}"
    drawn = "M" + "L".join(f"{x} {y:.1f}" for x, y in points)
    return tag(
        "path", tag("title", f"{run}: {figure(measure.values[at])}"), d=drawn, class_="line", style=style
    )


def _axis(name: str, scale: Scale, number: int) -> list[Html]:
    x = EDGE + number * APART
    marks = [
        tag("text", text, x=x + 6, y=f"{_up(place) + 4:.1f}", class_="mark") for place, text in scale.marks
    ]
    label = name if len(name) <= NAME else "…" + name[1 - NAME :]
    return [
        tag("line", x1=x, x2=x, y1=20, y2=HIGH + 20, class_="axis"),
        *marks,
        tag("text", label, x=x, y=HIGH + 46, text_anchor="middle"),
    ]


def _up(share: float) -> float:
    return HIGH + 20 - share * HIGH
