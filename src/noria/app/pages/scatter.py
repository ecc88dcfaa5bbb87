"""A metric over a parameter: a dot a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from noria.app.pages.axes import Axis, axis_over, placed
from noria.app.pages.html import Html, tag
from noria.app.pages.lines import BOTTOM, HIGH, LEFT, RIGHT, TOP, WIDE, grid
from noria.app.pages.tables import shown
from noria.app.pages.words import figure
from noria.records.base import Json

WAYS = 12  # categories beside one another; of more, no figure is drawn
WORD = 12  # letters of a category beneath the axis
SPREAD = {
    True: 30.0,
    False: 10.0,
}  # times the smallest value from which whole numbers, and others, are told apart
# better by their order of magnitude


@dataclass(frozen=True)
class Scale:
    """Where a parameter's values stand, from 0 to 1, and what is written beneath."""

    places: tuple[float | None, ...]
    """One a run; None where the run has no such parameter."""
    marks: tuple[tuple[float, str], ...]


def scale_of(values: Sequence[Json]) -> Scale | None:
    """Numbers on an axis, everything else as categories; None for too many categories."""
    there = [value for value in values if value is not None]
    if there and all(_number(value) for value in there):
        return _numbers(values)
    named = list(dict.fromkeys(shown(value) for value in there))
    if not 0 < len(named) <= WAYS:
        return None
    at = {name: (number + 0.5) / len(named) for number, name in enumerate(named)}
    return Scale(
        places=tuple(None if value is None else at[shown(value)] for value in values),
        marks=tuple(
            (place, name if len(name) <= WORD else name[: WORD - 1] + "…") for name, place in at.items()
        ),
    )


def scatter(
    name: str,
    values: Sequence[Json],
    metric: str,
    measured: Sequence[float | None],
    runs: Sequence[str],
    best: Sequence[int],
) -> Html | None:
    """A `figure`; None where there is nothing to draw."""
    import numpy as np

    scale = scale_of(values)
    there = _there(scale, measured)
    if scale is None or not there:
        return None
    y = axis_over(np.array([value for _, _, value in there]))
    ticks = [
        tag("text", text, x=f"{_across(place):.1f}", y=HIGH - 8, text_anchor="middle")
        for place, text in scale.marks
    ]
    best_last = sorted(there, key=lambda one: one[0] in best)  # what is drawn last lies on top
    dots = [_dot(_across(place), y, value, runs[at], at in best) for at, place, value in best_last]
    box = f"0 0 {WIDE} {HIGH}"
    back = grid(Axis(0.0, 1.0), y, across=False)
    picture = tag("svg", back, ticks, dots, viewBox=box, role="img", aria_label=f"{metric} over {name}")
    caption = tag("figcaption", tag("b", metric), tag("span", f"over {name}", class_="soft"))
    return tag("figure", caption, picture, class_="chart")


def _there(scale: Scale | None, measured: Sequence[float | None]) -> list[tuple[int, float, float]]:
    """Position, place and value of the runs that have both."""
    places = scale.places if scale else ()
    both = enumerate(zip(places, measured, strict=False))
    return [(at, place, value) for at, (place, value) in both if place is not None and value is not None]


def _dot(x: float, y: Axis, value: float, run: str, best: bool) -> Html:
    return tag(
        "circle",
        tag("title", f"{run}: {figure(value)}"),
        cx=f"{x:.1f}",
        cy=f"{placed(y, value, HIGH - BOTTOM, TOP):.1f}",
        r=6 if best else 4,
        class_="spot best" if best else "spot",
    )


def _across(share: float) -> float:
    return LEFT + 8 + share * (WIDE - RIGHT - LEFT - 16)


def _numbers(values: Sequence[Json]) -> Scale:
    import numpy as np

    given = [float(value) if isinstance(value, int | float) else None for value in values]
    there = np.array([value for value in given if value is not None])
    whole = all(isinstance(value, int) for value in values if value is not None)
    axis = axis_over(there, steep=SPREAD[whole], whole=whole)
    return Scale(
        places=tuple(None if value is None else axis.share(value) for value in given),
        marks=tuple((axis.share(value), text) for value, text in axis.ticks()),
    )


def _number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
