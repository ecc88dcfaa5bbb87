"""Watching a champion: predictions joined with the labels that have come, block by block, into evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from noria.monitor.blocks import Gathered, Ready, block_span
from noria.monitor.risk import begin, step
from noria.ports.engine import Engine, ask
from noria.ports.serving import ANSWER, ID, KEY, TIME, VERSION, Cursor
from noria.records.events import AlarmRaised, BlockScored, Change
from noria.records.monitoring import Alarm, Block, RiskState
from noria.records.policy import ModelPolicy
from noria.records.tasks import Score, Scored
from noria.records.versions import Quality, Version
from noria.registry.references import CHAMPION

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from noria.app.wiring import App


@dataclass(frozen=True)
class Watched:
    """What one look found."""

    version: int | None
    blocks: tuple[Block, ...] = ()
    alarm: Alarm | None = None
    state: RiskState | None = None
    waiting: int = 0
    """Predictions whose labels have not had time to come."""


class Watch:
    """One model's champion, watched from look to look; what it must not forget is in the records.

    Each prediction is read once in the life of this object; a new one reads the champion's predictions again and
    goes on after the last block that was scored. Close it: it holds a worker process.
    """

    def __init__(self, app: App, model: str) -> None:
        self._app = app
        self._policy: ModelPolicy = app.model(model)
        self._followed: _Followed | None = None

    def look(self) -> Watched:
        """Score every block of the champion's answers that has matured by now. One transaction a block."""
        number = self._app.records.versions.aliases(self._policy.name).get(CHAMPION)
        if number is None:
            return Watched(version=None)
        if self._followed is None or self._followed.version.number != number:
            self.close()
            version = self._app.records.versions.version(self._policy.name, number)
            if version is None or version.quality is None:
                return Watched(version=number)
            self._followed = _Followed(self._app, self._policy, version)
        return self._followed.look()

    def close(self) -> None:
        """End the worker process."""
        if self._followed is not None:
            self._followed.close()
            self._followed = None

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Followed:
    """One version under watch."""

    def __init__(self, app: App, policy: ModelPolicy, version: Version) -> None:
        self.version = version
        self._app = app
        self._policy = policy
        stored = app.records.monitors.state(version.model, version.number)
        self._state = stored or begin(version, _reference(app, version, policy), policy.monitor)
        self._gathered = Gathered(block_span(policy.monitor.block), since=self._state.scored_until)
        self._cursor: Cursor = {}
        self._engine: Engine | None = None

    def look(self) -> Watched:
        self._read()
        blocks: list[Block] = []
        alarm: Alarm | None = None
        for ready in self._gathered.mature(self._app.clock.now(), self._maturity()):
            block, units = self._scored(ready)
            now = self._app.clock.now()
            self._state, rung = step(self._state, block, units, now)
            changes: list[Change] = [BlockScored(block=block, state=self._state)]
            changes += [AlarmRaised(alarm=rung)] if rung else []
            self._app.records.ledger.append(self.version.model, changes, at=now)
            blocks.append(block)
            alarm = alarm or rung
        return Watched(
            version=self.version.number,
            blocks=tuple(blocks),
            alarm=alarm,
            state=self._state,
            waiting=self._gathered.waiting,
        )

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()

    def _read(self) -> None:
        while True:
            logged = self._app.predictions.read(self.version.model, self._cursor)
            self._cursor = logged.cursor
            for table in logged.tables:
                self._gathered.add(table.filter(_equals(table, VERSION, self.version.number)), TIME)
            if not logged.rows:
                return

    def _maturity(self) -> timedelta:
        given = self._policy.monitor.maturity
        return timedelta(seconds=self.version.label_delay or 0.0 if given is None else given)

    def _scored(self, ready: Ready) -> tuple[Block, Sequence[float]]:
        labelled, labels = _labelled(self._app, self.version.model, ready.predictions)
        block = Block(
            model=self.version.model,
            version=self.version.number,
            start=ready.start,
            end=ready.end,
            predictions=ready.predictions.num_rows,
            labelled=labelled.num_rows,
        )
        if labelled.num_rows == 0:
            return block, ()
        quality = self._quality(labelled, labels)
        each = quality.losses
        if self._policy.monitor.block == "row" and each is not None:
            units = self._app.artifacts.table(each).column("loss").to_pylist()
        else:
            units = [quality.mean]
        return msgspec.structs.replace(block, loss=quality.mean, clipped=quality.clipped), units

    def _quality(self, labelled: pa.Table, labels: list[Any]) -> Quality:
        rows, answers = _as_task(self.version, labelled, labels)
        if self._engine is None:
            self._engine = self._app.engine(self._app.code(self.version.code))
        task = Score(
            pipeline=self.version.graph.pipeline,
            rows=self._app.artifacts.save(rows),
            answers=self._app.artifacts.save(answers),
            kind=self.version.signature.answer_kind,
        )
        return ask(self._engine, task, Scored).quality


def _reference(app: App, version: Version, policy: ModelPolicy) -> np.ndarray:
    """Mean losses of the blocks of the version's own holdout."""
    import polars as pl

    from noria.statistics import block_means

    if version.quality is None or version.quality.losses is None:
        raise ValueError(f"{version.name} has no losses to take as its reference")
    frame = pl.DataFrame(app.artifacts.table(version.quality.losses))
    losses: np.ndarray = frame["loss"].to_numpy()
    if version.signature.time is None:
        return losses
    times = frame[version.signature.time].cast(pl.Datetime("us", "UTC")).dt.replace_time_zone(None).to_numpy()
    return block_means(times, losses, policy.monitor.block).means


def _labelled(app: App, model: str, predictions: pa.Table) -> tuple[pa.Table, list[Any]]:
    """The predictions that have a label, by id or else by key, and the labels beside them."""
    import numpy as np

    ids = predictions.column(ID).to_pylist()
    keys = predictions.column(KEY).to_pylist()
    by_id = app.records.feedback.current(model, "id", ids)
    by_key = app.records.feedback.current(model, "key", [key for key in keys if key is not None])
    found = [
        by_id.get(id) or (by_key.get(key) if key is not None else None)
        for id, key in zip(ids, keys, strict=True)
    ]
    mask = np.array([item is not None for item in found])
    return predictions.filter(mask), [item.label for item in found if item is not None]


def _as_task(version: Version, labelled: pa.Table, labels: list[Any]) -> tuple[pa.Table, pa.Table]:
    """Rows with the label's column under its own name and type, and the answers as predict gave them."""
    import pyarrow as pa

    kind = next((column.type for column in version.data.columns if column.name == version.label), None)
    if version.label is None or kind is None:
        raise ValueError(f"{version.name} has no label")
    rows = pa.table({ID: labelled.column(ID), version.label: _typed(labels, kind)})
    answers = labelled.select([ANSWER + column.name for column in version.signature.answer])
    return rows, answers.rename_columns([column.name for column in version.signature.answer])


def _typed(labels: list[Any], kind: str) -> pa.Array:
    """Labels as they came in JSON, in the type that the data has; those of other types stay what they are."""
    import pyarrow as pa

    scalar = {"bool": pa.bool_(), "double": pa.float64(), "float": pa.float32(), "string": pa.string()}
    scalar |= {
        f"{sign}int{bits}": getattr(pa, f"{sign}int{bits}")()
        for sign in ("", "u")
        for bits in (8, 16, 32, 64)
    }
    return pa.array(labels, type=scalar.get(kind))


def _equals(table: pa.Table, name: str, value: object) -> Any:
    import pyarrow.compute as pc

    return pc.equal(table.column(name), value)
