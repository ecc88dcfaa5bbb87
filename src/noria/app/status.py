"""How a model stands: who answers, how well, what is owed, and when the wheel turns next."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from noria.app.alarms.standing import alarms_of
from noria.app.judging.approve import waits
from noria.app.judging.last_drill import last_drill
from noria.app.living import lives
from noria.app.read import ModelView, RunView, VersionView, find_run, list_models, list_runs
from noria.app.watch import LeftOut
from noria.graph.traffic import own_rows
from noria.monitor.blocks import block_span, from_the_future
from noria.monitor.maturity import maturity
from noria.ports.serving import AT, TIME, Cursor
from noria.records.base import Record
from noria.records.debt import AgeGroup
from noria.records.drills import Drill
from noria.records.monitoring import Alarm, Block, RiskState
from noria.records.rollouts import Rollout
from noria.records.service import Service
from noria.registry.references import CHAMPION

if TYPE_CHECKING:
    import pyarrow as pa

    from noria.app.wiring import App

SCARCE = (
    10 * 10**9
)  # bytes of free space, or a tenth of a smaller disk, below which a person should look at what lies there
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
    behind: int = 0
    """Those of them whose labels have had their time: whoever watches is behind."""
    until: datetime | None = None
    """The end of the newest block that was looked at."""
    ages: tuple[AgeGroup, ...] = ()
    """Every prediction as the champion that the log has, by age and by what is known of its label now;
    ages that nothing has are left out."""
    left_out: LeftOut = LeftOut()
    """What is never scored; `unreadable` is not known here, and is part of the debt."""

    @property
    def debt(self) -> int:
        """Predictions that were looked at without a label."""
        return self.scored - self.labelled

    @property
    def known(self) -> AgeGroup:
        """Of all ages together."""
        return AgeGroup(
            labelled=sum(one.labelled for one in self.ages),
            waiting=sum(one.waiting for one in self.ages),
            owed=sum(one.owed for one in self.ages),
        )


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
    """The champion's that stand, the newest first."""
    needs_maturity: bool = False
    """True: nothing is scored until `[model.x.monitor] maturity` says how long labels take."""
    left_run: RunView | None = None
    """An interrupted run that the loop does not finish, because it would not have started it."""
    drill: Drill | None = None
    """The newest gate drill."""
    waiting: tuple[str, ...] = ()
    """Versions that nothing but a person's word keeps from being promoted."""
    next_run: datetime | None = None
    """When the schedule starts a run; None without a schedule or a first run."""
    rollout: Rollout | None = None
    """The one that is under way."""


def status(app: App, model: str | None = None) -> tuple[ModelStatus, ...]:
    """Every model of noria.toml, or the one. Raises `UnknownModel`."""
    names = [app.model(model).name] if model else [policy.name for policy in app.policy.models]
    return tuple(_status(app, name) for name in names)


def scarce(app: App) -> int | None:
    """The bytes that are free where the project's state lies, when these are few; else None."""
    disk = shutil.disk_usage(app.state)
    return disk.free if disk.free < min(SCARCE, disk.total // 10) else None


def left_run(app: App, model: str) -> RunView | None:
    """The newest run, when it was interrupted and the loop leaves it to the person who asked for it."""
    left = app.records.runs.unfinished(model)
    view = find_run(app, left.name) if left else None
    if view is None or view.state not in ("interrupted", "killed"):
        return None
    return None if view.run.asked.trigger.kind in app.model(model).retrain.on else view


def _status(app: App, model: str) -> ModelStatus:
    now = app.clock.now()
    view = list_models(app, model)[0]
    number = view.aliases.get(CHAMPION)
    champion = next((one for one in view.versions if one.version.number == number), None)
    runs = list_runs(app, model, last=1)
    last = runs[0] if runs else None
    rollout = app.records.rollouts.last(model)
    facts = ModelStatus(
        model=model,
        at=now,
        champion=champion,
        services=tuple(_service(service, now) for service in app.records.services.services(model)),
        last_run=last,
        left_run=left_run(app, model),
        drill=last_drill(app, model),
        waiting=_waiting(view, number),
        next_run=_next_run(app, model, last) if champion else None,
        rollout=rollout if rollout and rollout.open else None,
    )
    return facts if number is None else _watched(app, facts, number)


def _waiting(view: ModelView, champion: int | None) -> tuple[str, ...]:
    """Newer versions than the champion that wait for approval, the newest first."""
    newer = (one for one in view.versions if one.version.number > (champion or 0))
    return tuple(one.name for one in newer if waits(one.judgement))


def _watched(app: App, facts: ModelStatus, number: int) -> ModelStatus:
    """The same with what the monitor knows of the champion."""
    import msgspec

    blocks = app.records.monitors.blocks(facts.model, number)
    recent = [block for block in blocks if block.loss is not None][-RECENT:]
    return msgspec.structs.replace(
        facts,
        labels=_labels(app, facts, number, blocks),
        risk=app.records.monitors.state(facts.model, number),
        recent_loss=_mean_loss(recent),
        recent_blocks=len(recent),
        alarms=tuple(_standing(app, facts.model, number)),
        needs_maturity=_needs_maturity(app, facts),
    )


def _standing(app: App, model: str, version: int) -> list[Alarm]:
    found = alarms_of(app, model).standing.values()
    return [one.alarm for one in found if one.stands and one.alarm.version == version][::-1]


def _needs_maturity(app: App, facts: ModelStatus) -> bool:
    version = facts.champion.version if facts.champion else None
    if version is None or version.quality is None:
        return False
    return maturity(version, app.model(facts.model)) is None


def _service(service: Service, now: datetime) -> ServiceView:
    return ServiceView(
        service=service,
        alive=lives(service, now),
        age=max(0.0, (now - service.seen).total_seconds()),
    )


def _next_run(app: App, model: str, last: RunView | None) -> datetime | None:
    retrain = app.model(model).retrain
    if last is None or retrain.every is None or "schedule" not in retrain.on:
        return None
    return last.run.started + timedelta(seconds=retrain.every)


def _mean_loss(blocks: Sequence[Block]) -> float | None:
    """Over rows: a block with few labels counts little."""
    rows = sum(block.labelled for block in blocks)
    return sum((block.loss or 0.0) * block.labelled for block in blocks) / rows if rows else None


def _labels(app: App, facts: ModelStatus, version: int, blocks: Sequence[Block]) -> Labels:
    """What became of a version's predictions; reads what the log has of it, a part at a time."""
    model = facts.model
    since = max((block.end for block in blocks), default=None)
    scored = sum(block.predictions for block in blocks)
    width = block_span(app.model(model).monitor.block)
    mature = _mature(app, facts, width)
    passed = waiting = behind = future = torn = 0
    cursor: Cursor = {}
    while True:
        logged = app.predictions.read(model, cursor, limit=200_000, version=version)
        cursor, torn = logged.cursor, torn + logged.torn
        for table in logged.tables:
            counted = _counted(table, version, since, width)
            passed, waiting, future = passed + counted[0], waiting + counted[1], future + counted[2]
            if mature is not None and (since is None or since < mature):
                behind += _counted(table, version, mature, width)[0] - counted[0]
        if not logged.rows:
            break
    return Labels(
        scored=scored,
        labelled=sum(block.labelled for block in blocks),
        waiting=waiting,
        behind=behind,
        until=since,
        ages=_ages(app, facts, version, width),
        left_out=LeftOut(
            future=future,
            late=max(0, passed + app.predictions.dropped(model, version) - scored) if since else 0,
            torn=torn,
        ),
    )


def _mature(app: App, facts: ModelStatus, width: timedelta) -> datetime | None:
    """Until when blocks are old enough to be scored; None where none ever is."""
    from noria.graph.debt import last_mature

    version = facts.champion.version if facts.champion else None
    age = maturity(version, app.model(facts.model)) if version and version.quality else None
    return None if age is None else last_mature(facts.at - age, width)


def _ages(app: App, facts: ModelStatus, number: int, block: timedelta) -> tuple[AgeGroup, ...]:
    from noria.graph.debt import all_labels, label_debt

    version = facts.champion.version if facts.champion else None
    if version is None or version.label is None:
        return ()
    groups = label_debt(
        app.predictions.pieces(facts.model, version=number),
        all_labels(app.records.feedback, facts.model),
        version=number,
        now=facts.at,
        block=block,
        maturity=maturity(version, app.model(facts.model)),
    )
    return tuple(group for group in groups if group.predictions)


def _counted(table: pa.Table, version: int, since: datetime | None, width: timedelta) -> tuple[int, int, int]:
    """Rows of a champion's traffic before `since`, from then on, and from the future. Counted by polars: pyarrow imports all of
    pandas, for a second, to compare with a value of Python's."""
    import polars as pl

    rows = own_rows(pl.DataFrame(table), version)
    sound = rows.filter(~from_the_future(TIME, AT, width))
    before = 0 if since is None else int(sound.select((pl.col(TIME) < since).sum()).item())
    return before, sound.height - before, rows.height - sound.height
