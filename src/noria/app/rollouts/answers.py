"""Which rows of the prediction log belong to a rollout, and to which of its two versions.

A request counts as one trial, of its first row's unit, by which it was sent to a version. What the champion answered instead of
the challenger is the challenger's: it failed. What neither answered is in the log of failures.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from noria.app.rollouts.units import Units
from noria.ports.serving import ANSWER, AT, ID, TOOK, UNIT, VERSION, WAY, Cursor, Failure, Predictions
from noria.records.rollouts import Rollout, Stretch

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

AFTER = 2**62  # a byte that no segment reaches
SLACK = timedelta(
    minutes=5
)  # between a request's coming and its row's, so that no segment is passed over too early
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

CHALLENGER, FAILED, SLOW, GIVEN, STRETCH = "challenger", "failed", "slow", "given", "stretch"
"""Columns of a trial, beside `unit` and `at`: `took` (microseconds): whether it was the challenger's, failed, was slow; what was
answered (as text where it is no number); in which stretch it came."""


class Answers:
    """A rollout's trials, read as they come. What no count needs any more is forgotten: of each unit, version and stretch the
    first trial, the first that failed, and the first that was slow."""

    def __init__(self, rollout: Rollout, predictions: Predictions) -> None:
        self._rollout = rollout
        self._predictions = predictions
        self._cursor: Cursor = _begin(predictions, rollout)
        self._trials: pl.DataFrame | None = None
        self.units = Units()
        self.last: datetime | None = None
        """When the challenger was last asked."""

    def read(self, failures: Iterable[Failure], stretches: tuple[Stretch, ...]) -> pl.DataFrame:
        """Every trial that counts, by its time."""
        import polars as pl

        found: list[pl.DataFrame] = []
        while True:
            logged = self._predictions.read(self._rollout.model, self._cursor)
            self._cursor = logged.cursor
            found += [self._trials_of(table) for table in logged.tables]
            if not logged.rows:
                break
        if found:
            new = _placed(pl.concat(found), stretches)
            self.units.add(self._askers(new))
            known = [] if self._trials is None else [_placed(self._trials, stretches)]
            self._trials = _needed(pl.concat([*known, new]).sort("at", maintain_order=True))
        answered = _empty() if self._trials is None else self._trials
        lost = self._failed(failures)
        trials = pl.concat([answered, lost]) if lost.height else answered
        mine = trials.filter(pl.col(CHALLENGER))
        self.last = mine["at"].max() if mine.height else None  # type: ignore[assignment]
        return _placed(trials, stretches)

    def _askers(self, trials: pl.DataFrame) -> pl.Series:
        """Whose each request was; of copies each counts once."""
        import polars as pl

        canary = self._rollout.policy.strategy == "canary"
        return trials.filter(canary | pl.col(CHALLENGER))["unit"]

    def _trials_of(self, table: pa.Table) -> pl.DataFrame:
        import polars as pl

        wanted = [ID, VERSION, AT, UNIT, TOOK, WAY, *_answer(table)]
        if WAY not in table.column_names:  # from before there were challengers
            return _empty()
        frame = pl.DataFrame(table.select(wanted)).rename({AT: "at", UNIT: "unit"})
        frame = frame.filter(
            (pl.col("at") != pl.col("at").shift(1)).fill_null(True)
            | (pl.col(TOOK) != pl.col(TOOK).shift(1)).fill_null(True)
        )
        challenger, champion = self._arms()
        latency = self._rollout.policy.latency_ms
        slow = pl.lit(False) if latency is None else pl.col(TOOK) > latency * 1000.0
        failed = challenger & (pl.col(WAY) == "instead")
        given = _answer(table)
        return frame.filter(challenger | champion).select(
            pl.coalesce("unit", ID).alias("unit"),
            pl.col("at").cast(pl.Datetime("us", "UTC")),
            challenger.alias(CHALLENGER),
            failed.alias(FAILED),
            (slow & ~failed).fill_null(False).alias(SLOW),
            (pl.col(given[0]).cast(pl.String) if given else pl.lit(None, pl.String)).alias(GIVEN),
            pl.col(TOOK).cast(pl.Int64),
        )

    def _arms(self) -> tuple[pl.Expr, pl.Expr]:
        import polars as pl

        by_new, by_old = pl.col(VERSION) == self._rollout.version, pl.col(VERSION) == self._rollout.champion
        own = by_old & (pl.col(WAY) == "")
        if self._rollout.policy.strategy == "canary":
            return (by_new & (pl.col(WAY) == "canary")) | (by_old & (pl.col(WAY) == "instead")), own
        return by_new & (pl.col(WAY) == "shadow"), own

    def _failed(self, failures: Iterable[Failure]) -> pl.DataFrame:
        import polars as pl

        arms = {
            (self._rollout.champion, ""): False,
            (self._rollout.champion, "instead"): True,
            (self._rollout.version, "shadow"): True,
        }
        rows = [
            (
                one.unit or f"failure {at}",
                EPOCH + timedelta(microseconds=one.at),
                arm,
                True,
                False,
                None,
                None,
            )
            for at, one in enumerate(failures)
            if (arm := arms.get((one.version, one.way))) is not None
        ]
        return pl.DataFrame(rows, schema=_empty().schema, orient="row") if rows else _empty()


def _answer(table: pa.Table) -> list[str]:
    """The first of the answer's columns."""
    return [name for name in table.column_names if name.startswith(ANSWER)][:1]


def _begin(predictions: Predictions, rollout: Rollout) -> Cursor:
    """After all segments whose newest request came before the rollout."""
    return {
        piece.segment: AFTER
        for piece in predictions.pieces(rollout.model)
        if piece.newest is not None and piece.newest < rollout.started - SLACK
    }


def _needed(trials: pl.DataFrame) -> pl.DataFrame:
    """What any count rests on."""
    import polars as pl

    one = ["unit", CHALLENGER, STRETCH]
    kept = [trials.unique(one, keep="first", maintain_order=True)]
    kept += [
        trials.filter(pl.col(event)).unique(one, keep="first", maintain_order=True)
        for event in (FAILED, SLOW)
    ]
    kept.append(trials.filter(pl.col(CHALLENGER)).tail(1))  # when it was last asked
    return pl.concat(kept).unique(maintain_order=True).drop(STRETCH).sort("at", maintain_order=True)


def _placed(trials: pl.DataFrame, stretches: tuple[Stretch, ...]) -> pl.DataFrame:
    """Those that came within a stretch, with its number."""
    import polars as pl

    place = pl.lit(None, pl.Int64)
    for number, one in enumerate(stretches):
        within = pl.col("at") >= one.since
        if one.until is not None:
            within &= pl.col("at") < one.until
        place = pl.when(within).then(pl.lit(number, pl.Int64)).otherwise(place)
    placed = trials.with_columns(place.alias(STRETCH)).filter(pl.col(STRETCH).is_not_null())
    return placed.sort("at", maintain_order=True)


def _empty() -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(
        schema={
            "unit": pl.String,
            "at": pl.Datetime("us", "UTC"),
            CHALLENGER: pl.Boolean,
            FAILED: pl.Boolean,
            SLOW: pl.Boolean,
            GIVEN: pl.String,
            TOOK: pl.Int64,
        }
    )
