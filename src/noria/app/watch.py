"""Watching a champion: predictions joined with the labels that have come, block by block, into evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from noria.app.alarms.budget import families_of, plan_of
from noria.app.alarms.raising import changes_for, settle
from noria.app.attribution import attribution
from noria.app.blame import blamed
from noria.app.first_day import begun
from noria.app.labelled import Labelled, labelled
from noria.app.sights import Sighted, Sights
from noria.app.version_worker import VersionWorker
from noria.errors import Conflict, StepFailed, Unavailable
from noria.graph.traffic import own_rows
from noria.monitor.blocks import Gathered, Ready, block_span
from noria.monitor.maturity import maturity
from noria.monitor.risk import step
from noria.monitor.segments import step_segments
from noria.ports.engine import ask
from noria.ports.records import TAKEN
from noria.ports.serving import AT, REQUEST, TIME, Cursor
from noria.records.alarms import AlarmRaised
from noria.records.attribution import Attribution
from noria.records.base import Record
from noria.records.events import BlockScored, Change
from noria.records.monitoring import Alarm, Block, RiskState
from noria.records.policy import ModelPolicy
from noria.records.tasks import Score, Scored
from noria.records.versions import Quality, Version
from noria.registry.references import CHAMPION

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from noria.app.wiring import App


class LeftOut(Record, kw_only=True):
    """What is never scored, by why; of all that the version answered, unless said otherwise."""

    future: int = 0
    """Predictions whose event lies too far after their request."""
    late: int = 0
    """Predictions that were seen after their block had been scored."""
    torn: int = 0
    """Records that a killed service left unfinished in the log: requests that were never answered."""
    unreadable: int = 0
    """Predictions whose label is no value of the label's column, in the blocks that a `Watch` scored
    itself: the records know them as predictions without a label."""


@dataclass(frozen=True)
class Watched:
    """What one look found."""

    version: int | None
    blocks: tuple[Block, ...] = ()
    alarm: Alarm | None = None
    """The first of them."""
    alarms: tuple[Alarm, ...] = ()
    """Those that were raised: of the whole, and of segments."""
    state: RiskState | None = None
    waiting: int = 0
    """Predictions whose labels have not had time to come."""
    left_out: LeftOut = field(default_factory=LeftOut)
    needs_maturity: bool = False
    """True: nothing says when labels come, so nothing is scored until `[model.x.monitor] maturity` does."""


class Watch:
    """One model's champion, watched from look to look; what it must not forget is in the records.

    Each prediction is read once in the life of this object; a new one reads the champion's predictions again and
    goes on after the last block that was scored. Several may watch one model: each block is scored by one of them.
    Only the champion is watched: once another version is promoted, those predictions of its predecessor that were not
    old enough by then are never scored, unless it comes back. Close it: it holds a worker process.
    """

    def __init__(self, app: App, model: str) -> None:
        self._app = app
        self._policy: ModelPolicy = app.model(model)
        self._followed: _Followed | None = None
        self._worker = VersionWorker(app)
        self._sights = Sights(app, model, self._worker)

    def see(self) -> Sighted:
        """Look at every block of questions and answers that has ended, without labels."""
        return self._sights.look()

    def look(self) -> Watched:
        """Score every block of the champion's answers that has matured by now. One transaction a block.

        Raises `Unavailable`, `StepFailed` and the like: the next look scores the block at which it happened.
        """
        number = self._app.records.versions.aliases(self._policy.name).get(CHAMPION)
        if number is None:
            return Watched(version=None)
        settle(self._app, self._policy.name, number)
        if self._followed is None or self._followed.version.number != number:
            self._followed = None
            version = self._app.records.versions.version(self._policy.name, number)
            if version is None or version.quality is None:
                return Watched(version=number)
            age = maturity(version, self._policy)
            if age is None:
                return Watched(version=number, needs_maturity=True)
            self._followed = _Followed(self._app, self._policy, version, age, self._worker)
        try:
            self._followed.read()
        except BaseException:  # rows may be lost or counted twice: the next look reads them all again
            self._followed = None
            raise
        watched, overtaken = self._followed.score()
        if overtaken:
            self._followed = None
        return watched

    def close(self) -> None:
        """End the worker process."""
        self._followed = None
        self._worker.close()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Followed:
    """One version under watch. Nothing moves in memory before it stands in the records."""

    def __init__(
        self, app: App, policy: ModelPolicy, version: Version, age: timedelta, worker: VersionWorker
    ) -> None:
        self.version = version
        self._app = app
        self._policy = policy
        self._age = age
        stored = app.records.monitors.state(version.model, version.number)
        blocks = app.records.monitors.blocks(version.model, version.number)
        self._plan = plan_of(app, policy, version.number, families_of(version))
        self._state = stored or begun(app, policy, version, self._plan)
        self._gathered = Gathered(
            block_span(self._plan.block),
            since=max((block.end for block in blocks), default=None),
            scored=_still_logged(app, version, blocks),
        )
        self._left_out = LeftOut()
        self._cursor: Cursor = {}
        self._worker = worker

    def read(self) -> None:
        """What it answered as the champion since the last read. After an exception this object has missed rows: begin anew."""
        import polars as pl

        model, number = self.version.model, self.version.number
        while True:
            logged = self._app.predictions.read(model, self._cursor, version=number)
            self._cursor = logged.cursor
            self._left_out = msgspec.structs.replace(self._left_out, torn=self._left_out.torn + logged.torn)
            for table in logged.tables:
                own = own_rows(pl.DataFrame(table), number)
                self._gathered.add(own.to_arrow(), time=TIME, at=AT)
            if not logged.rows:
                return

    def score(self) -> tuple[Watched, bool]:
        """Every block that has matured, and whether another process was found to score them, too: then begin anew.
        What fails after a block is raised by the next call, which meets it first: what was scored is to be told."""
        blocks: list[Block] = []
        alarms: list[Alarm] = []
        overtaken = False
        for ready in self._gathered.mature(self._app.clock.now(), self._age):
            try:
                done = self._recorded(ready)
            except (Unavailable, StepFailed):
                if not blocks:
                    raise
                break
            if done is None:
                overtaken = True
                break
            blocks.append(done[0])
            alarms += done[1]
        return self._watched(tuple(blocks), tuple(alarms)), overtaken

    def _watched(self, blocks: tuple[Block, ...], alarms: tuple[Alarm, ...]) -> Watched:
        gathered = self._gathered
        return Watched(
            version=self.version.number,
            blocks=blocks,
            alarm=next(iter(alarms), None),
            alarms=alarms,
            state=self._state,
            waiting=gathered.waiting,
            left_out=msgspec.structs.replace(self._left_out, future=gathered.future, late=gathered.late),
        )

    def _recorded(self, ready: Ready) -> tuple[Block, list[Alarm]] | None:
        """Score a block and append it with the state after it; None when another process was quicker."""
        found = labelled(self._app, self.version, ready.predictions)
        block, units, each = self._scored(ready, found)
        now = self._app.clock.now()
        state, rung = step(self._state, block, units, now)
        alarms = [blamed(self._app, rung, state, self._taken_apart(block))] if rung else []
        if each is not None and state.segments:
            state, worse = step_segments(state, block, _frame(found), each, now, prefix=REQUEST)
            alarms += worse
        changes: list[Change] = [BlockScored(block=block, state=state)]
        told = changes_for(self._app, self.version.model, alarms)
        changes += told
        if not self._appended(changes, now):
            return None
        self._state = state
        unreadable = self._left_out.unreadable + found.unreadable
        self._left_out = msgspec.structs.replace(self._left_out, unreadable=unreadable)
        return block, [change.alarm for change in told if isinstance(change, AlarmRaised)]

    def _appended(self, changes: Sequence[Change], now: datetime) -> bool:
        """False when the recorded state is no longer ours: evidence on top of an old one would undo the newer."""
        stored = self._app.records.monitors.state(self.version.model, self.version.number)
        if stored is not None and stored.scored_until != self._state.scored_until:
            return False
        try:
            self._app.records.ledger.append(self.version.model, changes, at=now)
        except Conflict as error:
            if error.code != TAKEN:
                raise
            return False
        return True

    def _scored(self, ready: Ready, found: Labelled) -> tuple[Block, Sequence[float], np.ndarray | None]:
        """The block, its units of evidence, and the loss of each labelled row, where the loss gives them."""
        block = Block(
            model=self.version.model,
            version=self.version.number,
            start=ready.start,
            end=ready.end,
            predictions=ready.predictions.num_rows,
            labelled=found.rows.num_rows,
        )
        if block.labelled == 0:
            return block, (), None
        quality = self._quality(found)
        table = None if quality.losses is None else self._app.artifacts.table(quality.losses)
        each = None if table is None else table.column("loss").to_numpy()
        by_row = self._plan.block == "row" and each is not None
        units = each.tolist() if by_row and each is not None else [quality.mean]
        return msgspec.structs.replace(block, loss=quality.mean, clipped=quality.clipped), units, each

    def _quality(self, found: Labelled) -> Quality:
        task = Score(
            pipeline=self.version.graph.pipeline,
            rows=self._app.artifacts.save(found.rows),
            answers=self._app.artifacts.save(found.answers),
            kind=self.version.signature.answer_kind,
        )
        return ask(self._worker.of(self.version), task, Scored).quality

    def _taken_apart(self, block: Block) -> Attribution:
        """What the change of loss is made of, once in a version's life: its rows are read and scored again."""
        width = block_span(self._plan.block)
        return attribution(
            self._app, self.version, self._worker.of(self.version), width=width, until=block.end
        )


def _still_logged(app: App, version: Version, blocks: Sequence[Block]) -> int:
    """How many of the champion's predictions that were scored the log still has."""
    scored = sum(block.predictions for block in blocks)
    return max(0, scored - app.predictions.dropped(version.model, version.number))


def _frame(found: Labelled) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(found.predictions)
