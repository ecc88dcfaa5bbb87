"""The losses of both versions' answers in a rollout, as their labels come.

Both answered in the same blocks of event time, for units that came to them by chance (or the same requests, of a shadow): what a
block was like falls out of the difference of their means over as many rows of each, as long as the challenger's share was one
(`even_differences`). Answers count once they
are old enough for their labels, for when a label comes may depend on what it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from noria.app.labelled import labelled
from noria.monitor.blocks import block_span
from noria.monitor.maturity import maturity
from noria.ports.engine import Engine, ask
from noria.ports.serving import AT, TIME, UNIT, VERSION, WAY
from noria.records.rollouts import Losses, Rollout
from noria.records.tasks import Score, Scored
from noria.records.versions import Version
from noria.statistics import even_differences
from noria.statistics.exact import hashes_of
from noria.statistics.unpaired import Rows, UnitSpread, unit_spread

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from noria.app.wiring import App

_KEY = b"noria rows of a block"
_BLOCK, _SHARE = "block", "share"  # beside the log's columns
_NONE = Rows(np.zeros(0, "datetime64[us]"), np.zeros(0), np.zeros(0))


def losses_of(app: App, rollout: Rollout, judge: Version, engine: Engine, now: datetime) -> Losses:
    """At one look, of the rollout as it is counted. Reads the log from its beginning, and runs the loss of `judge` in the engine's
    process, which has its code. Raises as `ask` does."""
    import polars as pl

    new, old = (_version(app, rollout.model, number) for number in (rollout.version, rollout.champion))
    age = maturity(judge, app.model(rollout.model))
    if judge.quality is None or judge.label is None:
        return Losses(unjudgeable=f"{judge.name} has no loss")
    if age is None:
        return Losses(
            unripe=True,
            unjudgeable=f"nothing says when labels come: set [model.{rollout.model}.monitor] maturity",
        )
    frame = _answered(app, rollout)
    if frame is None:
        return Losses()
    width = block_span(rollout.policy.block)
    frame = frame.with_columns(pl.col(TIME).dt.truncate(rollout.policy.block).alias(_BLOCK))
    ripe = frame.filter(pl.col(_BLOCK) + width + age <= now)
    both = [
        _losses(app, ripe.filter(pl.col(VERSION) == one.number), one, judge, engine) for one in (old, new)
    ]
    counted = sum(rows.losses.size for rows in both)
    low, high = judge.quality.range
    smallest = (rollout.policy.quality or 0.0) / (high - low)
    copies = rollout.policy.strategy != "canary"  # of the same units
    spread = UnitSpread(0.0, 0.0) if copies else unit_spread(*both)
    return Losses(
        differences=tuple(even_differences(*both, smallest=smallest).tolist()),
        spread=spread.deviation,
        freedom=spread.freedom,
        width=high - low,
        labelled=counted,
        waiting=frame.height - counted,
        unripe=ripe.height < frame.height,
    )


def _version(app: App, model: str, number: int) -> Version:
    version = app.records.versions.version(model, number)
    if version is None:
        raise ValueError(f"{model} has no version {number}, and a rollout of it")
    return version


def _answered(app: App, rollout: Rollout) -> pl.DataFrame | None:
    """Rows that either version answered for its own share, within a stretch."""
    import polars as pl

    ways = {
        rollout.champion: "",
        rollout.version: "canary" if rollout.policy.strategy == "canary" else "shadow",
    }
    found = []
    for piece in app.predictions.pieces(rollout.model, since=rollout.started):
        if piece.version not in ways:
            continue
        for table in piece.tables(None):
            if WAY in table.column_names:
                frame = pl.DataFrame(table)
                own = frame.filter(pl.col(WAY) == ways[piece.version]).with_columns(
                    _share(rollout).alias(_SHARE)
                )
                found.append(own.filter(pl.col(_SHARE).is_not_null()))
    return pl.concat(found, how="diagonal_relaxed") if found else None


def _share(rollout: Rollout) -> pl.Expr:
    """The challenger's, in the stretch in which a row was asked; null outside of all."""
    import polars as pl

    share = pl.lit(None, pl.Float64)
    for one in rollout.stretches:
        here = pl.col(AT) >= one.since
        if one.until is not None:
            here &= pl.col(AT) < one.until
        share = pl.when(here).then(pl.lit(one.share)).otherwise(share)
    return share


def _losses(app: App, answers: pl.DataFrame, by: Version, judge: Version, engine: Engine) -> Rows:
    """Losses of one version's answers that have a label, by another's loss, in the order of a hash of their ids."""
    import polars as pl

    found = labelled(app, by, answers.drop(_BLOCK, _SHARE).to_arrow()) if answers.height else None
    if found is None or not found.rows.num_rows:
        return _NONE
    task = Score(
        pipeline=judge.graph.pipeline,
        rows=app.artifacts.save(found.rows),
        answers=app.artifacts.save(found.answers),
        kind=by.signature.answer_kind,
    )
    each = ask(engine, task, Scored).quality.losses
    if each is None:
        return _NONE
    losses = pl.DataFrame({"id": found.rows.column("id"), "loss": app.artifacts.table(each).column("loss")})
    of_unit = pl.coalesce(UNIT, "id").alias(UNIT)
    joined = losses.join(answers.select("id", _BLOCK, _SHARE, of_unit), on="id", how="inner")
    order = np.argsort(hashes_of(joined["id"], _KEY), kind="stable")
    starts = joined[_BLOCK].dt.replace_time_zone(None).to_numpy().astype("datetime64[us]")
    units = hashes_of(joined[UNIT], _KEY).astype(np.int64)
    return Rows(
        starts[order], joined[_SHARE].to_numpy()[order], joined["loss"].to_numpy()[order], units[order]
    )
