"""What continuous training was worth: the answers that were given, beside those of a model that was never retrained."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from noria.ports.engine import ask
from noria.ports.serving import ANSWER, KEY, VERSION, Cursor
from noria.records.predictions import key_text
from noria.records.tasks import Answer, Answered, Score, Scored
from noria.records.versions import Version
from noria.replay.history import History

if TYPE_CHECKING:
    import polars as pl

    from noria.app.wiring import App


@dataclass(frozen=True)
class Worth:
    """Losses of the same labelled rows under the frozen model and under Noria."""

    weeks: pl.DataFrame
    """Columns: week (start, UTC), rows, frozen, noria (mean losses), versions (that answered in it)."""
    frozen: float
    noria: float
    rows: int
    loss: str

    @property
    def better_weeks(self) -> int:
        """Weeks in which another version than the frozen one answered, and answered better."""
        return int((self._renewed()["noria"] < self._renewed()["frozen"]).sum())

    @property
    def renewed_weeks(self) -> int:
        """Weeks in which another version than the frozen one answered."""
        return self._renewed().height

    def _renewed(self) -> pl.DataFrame:
        import polars as pl

        return self.weeks.filter(pl.col("renewed"))


def worth(app: App, frozen: Version, history: History, start: datetime, until: datetime) -> Worth:
    """Score what was logged, and what version `frozen` says to the same rows, by one loss."""
    import polars as pl

    spec = history.spec
    served = _served(app, frozen)
    asked = history.rows.filter(
        pl.col(history.time).is_between(start, until, closed="left") & pl.col(history.label).is_not_null()
    )
    names = [column.name for column in frozen.signature.answer]
    key = _key_texts(asked, spec.key)
    joined = asked.with_columns(_key=key).join(
        served, left_on="_key", right_on=KEY, how="inner", maintain_order="left"
    )
    rows = joined.select(asked.columns)
    mine = joined.select([pl.col(ANSWER + name).alias(name) for name in names])
    by_noria, by_frozen = _losses(app, frozen, rows, mine)
    table = joined.select(history.time, VERSION).with_columns(noria=by_noria, frozen=by_frozen)
    weeks = (
        table.sort(history.time)
        .group_by_dynamic(history.time, every="1w", start_by="monday")
        .agg(
            rows=pl.len(),
            frozen=pl.col("frozen").mean(),
            noria=pl.col("noria").mean(),
            versions=pl.col(VERSION).unique().sort(),
            renewed=(pl.col(VERSION) != frozen.number).mean() > 0.5,
        )
        .rename({history.time: "week"})
    )
    return Worth(
        weeks=weeks,
        frozen=float(by_frozen.mean() or 0.0),  # type: ignore[arg-type]
        noria=float(by_noria.mean() or 0.0),  # type: ignore[arg-type]
        rows=joined.height,
        loss=frozen.quality.loss if frozen.quality else "loss",
    )


def _served(app: App, frozen: Version) -> pl.DataFrame:
    """Every logged answer: key, version, the answer's columns; the first one where a key was asked twice."""
    import polars as pl

    names = [KEY, VERSION, *(ANSWER + column.name for column in frozen.signature.answer)]
    frames: list[pl.DataFrame] = []
    cursor: Cursor = {}
    while (logged := app.predictions.read(frozen.model, cursor)).rows:
        cursor = logged.cursor
        frames += [pl.DataFrame(table.select(names)) for table in logged.tables]
    return pl.concat(frames).unique(KEY, keep="first", maintain_order=True)


def _key_texts(rows: pl.DataFrame, key: tuple[str, ...]) -> pl.Series:
    import polars as pl

    return pl.Series([key_text(values) for values in rows.select(key).iter_rows()], dtype=pl.String)


def _losses(app: App, frozen: Version, rows: pl.DataFrame, mine: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Losses of the logged answers and of the frozen version's, row by row."""
    import polars as pl

    with closing(app.engine(app.code(frozen.code))) as engine:
        stored = app.artifacts.save(rows)
        answered = ask(engine, Answer(graph=frozen.graph, rows=stored), Answered)
        pipeline = frozen.graph.pipeline
        given = app.artifacts.save(mine)
        tasks = [
            Score(pipeline=pipeline, rows=stored, answers=given, kind=frozen.signature.answer_kind),
            Score(pipeline=pipeline, rows=stored, answers=answered.answers, kind=answered.kind),
        ]
        both = [ask(engine, task, Scored).quality.losses for task in tasks]
    found = [pl.DataFrame(app.artifacts.table(losses))["loss"] for losses in both if losses]
    return found[0], found[1]
