"""Runs and versions as polars tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from noria.records.runs import Succeeded

if TYPE_CHECKING:
    import polars as pl

    from noria.app.read import RunView, VersionView

LARGEST = 2**63  # integers from here on are no column's


def runs_table(views: Sequence[RunView]) -> pl.DataFrame:
    """A row a run: `name`, `state`, `started`, `seconds`, `trigger`, `commit`, `version`, then each parameter as
    `step.name` and each metric under its own name (`metric.NAME` where a column is called so already)."""
    import polars as pl

    asked = [view.run.asked for view in views]
    fixed: dict[str, Any] = {
        "name": pl.Series([view.name for view in views], dtype=pl.String),
        "state": pl.Series([view.state for view in views], dtype=pl.String),
        "started": pl.Series([view.run.started for view in views], dtype=pl.Datetime("us", "UTC")),
        "seconds": pl.Series([_seconds(view) for view in views], dtype=pl.Float64),
        "trigger": pl.Series([one.trigger.kind for one in asked], dtype=pl.String),
        "commit": pl.Series([one.provenance.source.commit for one in asked], dtype=pl.String),
        "version": pl.Series([_version(view) for view in views], dtype=pl.Int64),
    }
    parameters = _columns([_flat(one.parameters) for one in asked])
    return pl.DataFrame(
        {**fixed, **parameters, **_metrics([_of(view) for view in views], {*fixed, *parameters})}
    )


def versions_table(views: Sequence[VersionView]) -> pl.DataFrame:
    """A row a version: `name`, `created`, `as_of`, `run`, `aliases`, `passed` (null without gates), `rows`, metrics."""
    import polars as pl

    made = [view.version for view in views]
    judged = [view.judgement.passed if view.judgement and view.judgement.verdicts else None for view in views]
    fixed: dict[str, Any] = {
        "name": pl.Series([view.name for view in views], dtype=pl.String),
        "created": pl.Series([one.created for one in made], dtype=pl.Datetime("us", "UTC")),
        "as_of": pl.Series([one.as_of for one in made], dtype=pl.Datetime("us", "UTC")),
        "run": pl.Series([f"{one.model}/{one.run}" for one in made], dtype=pl.String),
        "aliases": pl.Series([list(view.aliases) for view in views], dtype=pl.List(pl.String)),
        "passed": pl.Series(judged, dtype=pl.Boolean),
        "rows": pl.Series([one.data.rows for one in made], dtype=pl.Int64),
    }
    return pl.DataFrame({**fixed, **_metrics([one.metrics for one in made], set(fixed))})


def _seconds(view: RunView) -> float | None:
    return (view.finished - view.run.started).total_seconds() if view.finished else None


def _version(view: RunView) -> int | None:
    return view.outcome.version if isinstance(view.outcome, Succeeded) else None


def _of(view: RunView) -> Mapping[str, float]:
    return view.outcome.metrics if isinstance(view.outcome, Succeeded) else {}


def _flat(parameters: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{step}.{name}": value for step, part in parameters.items() for name, value in part.items()}


def _metrics(given: Sequence[Mapping[str, float]], taken: set[str]) -> dict[str, pl.Series]:
    import polars as pl

    return {
        f"metric.{name}" if name in taken else name: pl.Series(
            [values.get(name) for values in given], dtype=pl.Float64
        )
        for name in _names(given)
    }


def _columns(given: Sequence[Mapping[str, Any]]) -> dict[str, pl.Series]:
    return {name: _column([values.get(name) for values in given]) for name in _names(given)}


def _column(values: list[Any]) -> pl.Series:
    """Numbers, text or truth values where all are; else their JSON, as text."""
    import polars as pl

    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool}:
        return pl.Series(values, dtype=pl.Boolean)
    if kinds <= {int} and all(value is None or -LARGEST <= value < LARGEST for value in values):
        return pl.Series(values, dtype=pl.Int64)
    if kinds <= {int, float}:
        return pl.Series([None if value is None else float(value) for value in values], dtype=pl.Float64)
    if kinds <= {str}:
        return pl.Series(values, dtype=pl.String)
    told = [None if value is None else json.dumps(value, ensure_ascii=False) for value in values]
    return pl.Series(told, dtype=pl.String)


def _names(given: Iterable[Mapping[str, Any]]) -> list[str]:
    return list({name: None for values in given for name in values})
