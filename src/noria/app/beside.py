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
    since: dict[int, datetime] = {}  # of each challenger; one that was tried again, from its first time on
    for one in app.records.rollouts.rollouts(model):  # the newest first
        if one.champion == champion and _shared(one, start, end):
            since[one.version] = one.started
    return sum(_rows(app, model, version, began, start, end) for version, began in since.items())


def _shared(rollout: Rollout, start: datetime, end: datetime) -> bool:
    """Whether a challenger may have answered a row of the block: an event may lie that far from its request."""
    return any(
        one.share > 0.0 and one.since < end + AHEAD and (one.until is None or one.until > start - AHEAD)
        for one in rollout.stretches
    )


def _rows(app: App, model: str, version: int, since: datetime, start: datetime, end: datetime) -> int:
    import polars as pl

    inside = (pl.col(VERSION) == version) & (pl.col(WAY) == "canary") & (pl.col(AT) >= since)
    block = (pl.col(TIME) >= start) & (pl.col(TIME) < end)
    found = 0
    for piece in app.predictions.pieces(model, version=version, since=since):
        for table in piece.tables((AT, TIME, VERSION, WAY)):
            if WAY in table.column_names:
                found += pl.DataFrame(table).filter(inside & block).height
    return found
