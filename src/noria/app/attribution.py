"""What a champion's change of loss is made of: its holdout beside the newest blocks whose labels have come."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from noria.app.baseline import hidden
from noria.app.labelled import labelled
from noria.app.predictions import predictions
from noria.errors import NotFound, StepFailed, Unavailable
from noria.graph.traffic import own_rows
from noria.monitor.attribution import taken_apart
from noria.monitor.blocks import AHEAD
from noria.monitor.columns import block_numbers, kinds_of
from noria.ports.engine import Engine, ask
from noria.ports.serving import AT, REQUEST, TIME
from noria.records.attribution import Attribution
from noria.records.tasks import Score, Scored
from noria.records.versions import Version

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from noria.app.wiring import App

SPAN = 14  # blocks back, at most: the longest window that `noria.statistics.attribute` takes
ROWS = 1_000_000  # of the newest predictions, at most


def attribution(
    app: App, version: Version, engine: Engine, *, width: timedelta, until: datetime
) -> Attribution:
    """Of the blocks of `width` that ended by `until`, by the features of the request. Reads the log of those blocks and scores it again. What
    stands in the way is said, not raised: it is evidence beside an alarm, which must not wait for it.
    """
    try:
        before = _holdout(app, version)
    except (NotFound, Unavailable) as error:
        return Attribution(why=f"the rows of the holdout cannot be read: {error}")
    if before is None:
        return Attribution(why=_NO_ROWS)
    try:
        after = _recent(app, version, engine, until, width)
    except (NotFound, StepFailed, Unavailable) as error:
        return Attribution(why=f"the newest rows cannot be scored: {error}")
    time = version.signature.time or ""
    names = [one.name for one in version.signature.request]
    kinds = kinds_of(before, names, {*version.signature.key, time, *hidden(app.policy.service.log)})
    try:
        return taken_apart(
            before,
            after,
            (before["loss"].to_numpy(), after["loss"].to_numpy()),
            (block_numbers(before[time], width), _blocks(after, width)),
            kinds,
            prefix=REQUEST,
        )
    except ValueError as error:
        return Attribution(why=str(error))


_NO_ROWS = "the rows of the holdout and the loss of each are not known: it takes @data(key=..., time=...) and a loss a row"


def _holdout(app: App, version: Version) -> pl.DataFrame | None:
    """The holdout's rows as the request has them, each with its loss; None where they cannot be told apart."""
    import polars as pl

    key = list(version.signature.key)
    if version.quality is None or version.quality.losses is None or version.signature.time is None or not key:
        return None
    losses = pl.DataFrame(app.artifacts.table(version.quality.losses))
    if not {*key} <= {*losses.columns}:
        return None
    rows = pl.DataFrame(app.artifacts.table(version.rows))
    return losses.select(*key, "loss").join(rows, on=key, how="inner", maintain_order="left")


def _recent(app: App, version: Version, engine: Engine, until: datetime, width: timedelta) -> pl.DataFrame:
    """Labelled rows of its own traffic in the newest blocks, each with its loss."""
    import polars as pl

    since = until - SPAN * width
    frame = predictions(
        app, version.model, since=since - max(width, AHEAD), version=version.number, limit=ROWS
    )
    event = pl.coalesce(TIME, AT)
    inside = own_rows(frame, version.number).filter(event >= since, event < until)
    found = labelled(app, version, inside.to_arrow())
    if not found.rows.num_rows:
        return inside.clear().with_columns(pl.Series("loss", [], dtype=pl.Float64))
    task = Score(
        pipeline=version.graph.pipeline,
        rows=app.artifacts.save(found.rows),
        answers=app.artifacts.save(found.answers),
        kind=version.signature.answer_kind,
    )
    losses = ask(engine, task, Scored).quality.losses
    if losses is None:
        return inside.clear().with_columns(pl.Series("loss", [], dtype=pl.Float64))
    each = pl.DataFrame(app.artifacts.table(losses))["loss"]
    return pl.DataFrame(found.predictions).with_columns(each.alias("loss"))


def _blocks(frame: pl.DataFrame, width: timedelta) -> np.ndarray:
    import polars as pl

    return block_numbers(frame.select(pl.coalesce(TIME, AT).alias(TIME))[TIME], width)
