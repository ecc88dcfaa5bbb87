"""How a model stands: who answers, how well, what is owed, and when the wheel turns next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from noria.app.read import RunView, VersionView, list_models, list_runs, running
from noria.ports.serving import TIME, VERSION
from noria.records.base import Record
from noria.records.monitoring import Alarm, Block, RiskState
from noria.records.service import Service
from noria.registry.references import CHAMPION

if TYPE_CHECKING:
    import pyarrow as pa

    from noria.app.wiring import App

RECENT = 7  # blocks in the risk that is shown: a week of days, so that weekdays do not make it swing


class ServiceView(Record, kw_only=True):
    """A service and whether it lives."""

    service: Service
    alive: bool
    age: float
    """Seconds since it was last heard of."""


class Labels(Record, kw_only=True):
    """What the champion answered, and what came back."""

    scored: int = 0
    """Predictions in blocks that were looked at."""
    labelled: int = 0
    """Those of them with a label."""
    waiting: int = 0
    """Predictions whose block has not been looked at yet."""

    @property
    def debt(self) -> int:
        """Predictions that were looked at without a label."""
        return self.scored - self.labelled


class ModelStatus(Record, kw_only=True):
    """One model, at one time."""

    model: str
    at: datetime
    champion: VersionView | None = None
    services: tuple[ServiceView, ...] = ()
    last_run: RunView | None = None
    labels: Labels | None = None
    """None without a champion."""
    risk: RiskState | None = None
    """The monitor's state; None until it has looked at a block."""
    recent_loss: float | None = None
    """Mean loss of the labelled rows in the newest blocks."""
    recent_blocks: int = 0
    alarms: tuple[Alarm, ...] = ()
    """The champion's."""
    next_run: datetime | None = None
    """When the schedule starts a run; None without a schedule or a first run."""


def status(app: App, model: str | None = None) -> tuple[ModelStatus, ...]:
    """Every model of noria.toml, or the one. Raises `UnknownModel`."""
    names = [app.model(model).name] if model else [policy.name for policy in app.policy.models]
    return tuple(_status(app, name) for name in names)


def _status(app: App, model: str) -> ModelStatus:
    now = app.clock.now()
    view = list_models(app, model)[0]
    number = view.aliases.get(CHAMPION)
    champion = next((one for one in view.versions if one.version.number == number), None)
    runs = list_runs(app, model, last=1)
    last = runs[0] if runs else None
    facts = ModelStatus(
        model=model,
        at=now,
        champion=champion,
        services=tuple(_service(service, now) for service in app.records.services.services(model)),
        last_run=last,
        next_run=_next_run(app, model, last) if champion else None,
    )
    return facts if number is None else _watched(app, facts, number)


def _watched(app: App, facts: ModelStatus, number: int) -> ModelStatus:
    """The same with what the monitor knows of the champion."""
    import msgspec

    blocks = app.records.monitors.blocks(facts.model, number)
    risk = app.records.monitors.state(facts.model, number)
    recent = [block for block in blocks if block.loss is not None][-RECENT:]
    return msgspec.structs.replace(
        facts,
        labels=Labels(
            scored=sum(block.predictions for block in blocks),
            labelled=sum(block.labelled for block in blocks),
            waiting=_waiting(app, facts.model, number, risk.scored_until if risk else None),
        ),
        risk=risk,
        recent_loss=_mean_loss(recent),
        recent_blocks=len(recent),
        alarms=tuple(app.records.monitors.alarms(facts.model, number)),
    )


def _service(service: Service, now: datetime) -> ServiceView:
    return ServiceView(
        service=service,
        alive=running(service.pid),
        age=max(0.0, (now - service.seen).total_seconds()),
    )


def _next_run(app: App, model: str, last: RunView | None) -> datetime | None:
    retrain = app.model(model).retrain
    if last is None or retrain.every is None or "schedule" not in retrain.on:
        return None
    return last.run.asked.as_of + timedelta(seconds=retrain.every)


def _mean_loss(blocks: Sequence[Block]) -> float | None:
    """Over rows: a block with few labels counts little."""
    rows = sum(block.labelled for block in blocks)
    return sum((block.loss or 0.0) * block.labelled for block in blocks) / rows if rows else None


def _waiting(app: App, model: str, version: int, since: datetime | None) -> int:
    """Predictions of a version from `since` on; reads the log once, a part at a time."""
    found, cursor = 0, None
    while True:
        logged = app.predictions.read(model, cursor or {}, limit=200_000)
        if not logged.tables:
            return found
        found += sum(_rows_since(table, version, since) for table in logged.tables)
        cursor = logged.cursor


def _rows_since(table: pa.Table, version: int, since: datetime | None) -> int:
    """Counted by polars: pyarrow imports all of pandas, for a second, to compare with a value of Python's."""
    import polars as pl

    wanted = pl.col(VERSION) == version
    if since is not None:
        wanted &= pl.col(TIME) >= since
    return int(pl.DataFrame(table).select(wanted.sum()).item())
