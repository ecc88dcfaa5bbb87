"""What a run logged, as one table; of a run under way, or one that broke off, what its steps have written so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noria.errors import NotFound
from noria.records.runs import Run, StepResult

if TYPE_CHECKING:
    import polars as pl

    from noria.app.pages.lines import Chart
    from noria.app.wiring import App

GROUPED = 48  # charts of a run at most: a page that one scrolls; the table has all


def read_series(app: App, run: Run, steps: Iterable[StepResult]) -> pl.DataFrame:
    """Columns: `step` (of the pipeline), `name`, `at_step` (the epoch, the iteration), `value`, `at`.

    In the order in which the steps finished; then of steps without a result what lies in their spools. What `noria gc`
    has removed is left out.
    """
    import polars as pl

    parts = [_stored(app, step) for step in steps if step.series]
    parts += _spooled(app, run, {step.step for step in steps})
    empty = pl.DataFrame(schema=_schema())
    return pl.concat([empty, *(part for part in parts if part is not None)])


def charts_of(frame: pl.DataFrame) -> list[Chart]:
    """Series that belong together: `train/loss` and `valid/loss` of a step, and those of a fan-out's items."""
    from noria.app.pages.gantt import base_of
    from noria.app.pages.lines import Chart, Line

    found: dict[tuple[str, str], list[tuple[str, Line]]] = {}
    for (step, name), part in frame.group_by(["step", "name"], maintain_order=True):
        step, name = str(step), str(name)
        sort, _, metric = name.rpartition("/")
        label = " ".join(filter(None, (step.removeprefix(base_of(step)), sort)))
        points = part.sort("at_step", maintain_order=True)
        line = Line(label, points["at_step"].to_numpy(), points["value"].to_numpy())
        found.setdefault((base_of(step), metric), []).append((label, line))
    many = len({step for step, _ in found}) > 1
    return [
        Chart(title=metric, lines=tuple(line for _, line in lines), of=step if many else "")
        for (step, metric), lines in list(found.items())[:GROUPED]
    ]


def charts_beside(frames: Mapping[str, pl.DataFrame], best: str = "") -> list[Chart]:
    """A chart for each series that at least two runs have, a line a run; a fan-out's items are averaged.
    `best`: the run that is told apart where there are many."""
    import polars as pl

    from noria.app.pages.lines import Chart, Line

    found: dict[tuple[str, str], list[Line]] = {}
    for run, frame in frames.items():
        base = frame.with_columns(step=pl.col("step").str.replace(r"\[.*$", ""))
        means = base.group_by(["step", "name", "at_step"], maintain_order=True).agg(pl.col("value").mean())
        for (step, name), part in means.group_by(["step", "name"], maintain_order=True):
            points = part.sort("at_step")
            line = Line(run, points["at_step"].to_numpy(), points["value"].to_numpy())
            found.setdefault((str(step), str(name)), []).append(line)
    return [
        Chart(title=name, lines=tuple(lines), of=step, best=best)
        for (step, name), lines in list(found.items())
        if len(lines) > 1
    ][:GROUPED]


def _stored(app: App, step: StepResult) -> pl.DataFrame | None:
    if step.series is None:
        return None
    try:
        return _shaped(app.artifacts.table(step.series), step.step)
    except NotFound:
        return None


def _spooled(app: App, run: Run, finished: set[str]) -> list[pl.DataFrame]:
    """Of each step without a result, what its newest attempt has written; one that goes on from a checkpoint has
    taken over what was logged before."""
    from noria.app.worker import SPOOL
    from noria.inside.spool import SUFFIX

    attempts: dict[str, dict[int, list[Path]]] = {}
    for path in (app.state / SPOOL / run.name).glob(f"*{SUFFIX}"):
        step, _, attempt = path.name.removesuffix(SUFFIX).rpartition(".")
        began = attempt.partition("+")[0].rpartition("-")[2]
        if step not in finished and began.isdecimal():
            attempts.setdefault(step, {}).setdefault(int(began), []).append(path)
    newest = {step: found[max(found)] for step, found in sorted(attempts.items())}
    try:
        return [_written(path, step) for step, paths in newest.items() for path in sorted(paths)]
    except (
        FileNotFoundError
    ):  # a step has just finished, and its spool is stored: this look comes too late for it
        return []


def _written(path: Path, step: str) -> pl.DataFrame:
    import polars as pl

    from noria.inside.spool import columns_in

    found = columns_in(path)
    names = pl.Series(found.names, dtype=pl.String)
    columns = {"name": names.gather(found.series), "step": found.step, "value": found.value, "at": found.at}
    return _shaped(columns, step)


def _shaped(table: Any, step: str) -> pl.DataFrame:
    import polars as pl

    frame = pl.DataFrame(table).rename({"step": "at_step"})
    return frame.select(pl.lit(step).alias("step"), "name", "at_step", "value", "at").cast(_schema())


def _schema() -> pl.Schema:
    import polars as pl

    return pl.Schema(
        {
            "step": pl.String(),
            "name": pl.String(),
            "at_step": pl.Int64(),
            "value": pl.Float64(),
            "at": pl.Datetime("us", "UTC"),
        }
    )
