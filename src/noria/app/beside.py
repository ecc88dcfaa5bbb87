"""What canaries answered in a champion's place: as much less comes to it, though nobody asks less."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from noria.monitor.blocks import AHEAD
from noria.ports.serving import AT, TIME, VERSION, WAY
from noria.records.rollouts import Rollout

if TYPE_CHECKING:
    from noria.app.wiring import App


def rows_beside(app: App, model: str, champion: int, start: datetime, end: datetime) -> int:
    """Rows of a block of event time. Reads the log only where a canary had a share by then."""
    rollouts = app.records.rollouts.rollouts(model)
    near = [one for one in rollouts if one.champion == champion and _shared(one, start, end)]
    return sum(_rows(app, one, start, end) for one in near)


def _shared(rollout: Rollout, start: datetime, end: datetime) -> bool:
    """Whether a challenger may have answered a row of the block: an event may lie that far from its request."""
    return any(
        one.share > 0.0 and one.since < end + AHEAD and (one.until is None or one.until > start - AHEAD)
        for one in rollout.stretches
    )


def _rows(app: App, rollout: Rollout, start: datetime, end: datetime) -> int:
    import polars as pl

    inside = (
        (pl.col(VERSION) == rollout.version) & (pl.col(WAY) == "canary") & (pl.col(AT) >= rollout.started)
    )
    block = (pl.col(TIME) >= start) & (pl.col(TIME) < end)
    found = 0
    for piece in app.predictions.pieces(rollout.model, version=rollout.version, since=rollout.started):
        for table in piece.tables((AT, TIME, VERSION, WAY)):
            if WAY in table.column_names:
                found += pl.DataFrame(table).filter(inside & block).height
    return found
