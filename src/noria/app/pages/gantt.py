"""When each step ran, as bars over the run's time; a fan-out's items lie in one row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from noria.app.pages.html import Html, tag
from noria.app.pages.words import count, span
from noria.records.runs import Ran, StepResult


@dataclass
class Row:
    """A step: its own result, and those of its items."""

    name: str
    own: StepResult | None = None
    items: list[StepResult] = field(default_factory=list)


def gantt(steps: Sequence[StepResult], *, began: datetime, failed: str | None = None) -> Html:
    """A row a step, in the order in which they finished, with why it ran; the failed step last."""
    rows = rows_of(steps)
    ends = [(step.started - began).total_seconds() + step.seconds for step in steps]
    total = max([0.001, *ends])
    if failed is not None and base_of(failed) not in rows:
        rows[base_of(failed)] = Row(base_of(failed))
    body = [_row(row, began, total, failed=base_of(failed) if failed else None) for row in rows.values()]
    return tag("div", body, class_="gantt")


def rows_of(steps: Iterable[StepResult]) -> dict[str, Row]:
    """Results by the step that was declared: `score[0]` and `score[1]` belong to `score`."""
    rows: dict[str, Row] = {}
    for step in steps:
        row = rows.setdefault(base_of(step.step), Row(base_of(step.step)))
        if step.step == row.name:
            row.own = step
        else:
            row.items.append(step)
    return rows


def base_of(name: str) -> str:
    """A step's name without the item of its fan-out."""
    return name.partition("[")[0]


def _row(row: Row, began: datetime, total: float, *, failed: str | None) -> list[Html]:
    bars = [_bar(item, began, total, part=True) for item in row.items]
    if row.own and not row.items:
        bars = [_bar(row.own, began, total, part=False)]
    took = _took(row)
    broke = row.name == failed
    return [
        tag("div", tag("b", row.name), class_="name"),
        tag("div", _why(row), class_="why soft"),
        tag("div", bars, class_="track", role="img", aria_label=f"{row.name}: {took}"),
        tag("div", tag("span", "failed", class_="badge bad") if broke else took, class_="num"),
    ]


def _bar(step: StepResult, began: datetime, total: float, *, part: bool) -> Html | None:
    if not isinstance(step.reason, Ran):
        return None
    left = max(0.0, (step.started - began).total_seconds()) / total * 100
    wide = min(step.seconds / total * 100, 100 - left)
    kind = "part" if part else None
    return tag(
        "i",
        style=f"left:{left:.2f}%;width:{wide:.2f}%",
        class_=kind,
        title=f"{step.step}: {span(step.seconds)}",
    )


def _took(row: Row) -> str:
    if row.items:
        return span(sum(item.seconds for item in row.items))
    return span(row.own.seconds) if row.own else ""


def _why(row: Row) -> str:
    steps = row.items or ([row.own] if row.own else [])
    reasons = {_reason(step): None for step in steps}
    where = {step.where: None for step in steps if step.where}
    parts = [count(len(row.items), "item")] if row.items else []
    parts += [*list(reasons)[:3], *([f"and {len(reasons) - 3} other reasons"] if len(reasons) > 3 else [])]
    parts += [f"on {', '.join(where)}"] if where else []
    return "; ".join(parts)


def _reason(step: StepResult) -> str:
    return f"ran: {step.reason.why}" if isinstance(step.reason, Ran) else f"reused from {step.reason.run}"
