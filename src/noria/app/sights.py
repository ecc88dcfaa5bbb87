"""Watching what a champion is asked and answers, before any label: each row is read once, each block looked at once."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from noria.app.alarms.budget import families_of, plan_of
from noria.app.alarms.raising import changes_for, quiet
from noria.app.baseline import baseline_of, hidden_since
from noria.app.beside import rows_beside
from noria.app.reigns import reigns_of
from noria.errors import Conflict
from noria.monitor.blocks import EPOCH, MICROSECOND, block_span
from noria.monitor.drift import advanced, drift_alarms, evidence_of
from noria.monitor.quality import Traffic, a_week, findings, seen, slowness, volume
from noria.monitor.service import failing
from noria.monitor.tally import Tally
from noria.ports.records import TAKEN
from noria.ports.serving import Cursor
from noria.records.alarms import AlarmRaised
from noria.records.base import canonical, parse
from noria.records.events import Change
from noria.records.monitoring import Alarm
from noria.records.policy import ModelPolicy
from noria.records.sights import Baseline, BlockSeen, Evidence, Sight
from noria.records.versions import Version
from noria.registry.references import CHAMPION

if TYPE_CHECKING:
    from noria.app.version_worker import VersionWorker
    from noria.app.wiring import App
    from noria.monitor.quality import Finding
    from noria.statistics import DriftReference, DriftState

UNIX = datetime(1970, 1, 1, tzinfo=UTC)  # what the log counts from; blocks are numbered from a Monday
EMPTY = 31  # blocks without a row that one look tells, at most: a month of days says it all


@dataclass(frozen=True)
class Sighted:
    """What one look found."""

    version: int | None
    sights: tuple[Sight, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    """Those that were raised."""
    why: tuple[str, ...] = ()
    """What is not watched."""
    late: int = 0
    """Rows that came after their block had been looked at, since this process began."""


class Sights:
    """One model's champion, from look to look. A new process goes on after the last block that was looked at, and reads
    again only the rows of blocks that were open then. Several may watch one model: each block is seen by one of them."""

    def __init__(self, app: App, model: str, worker: VersionWorker) -> None:
        """`worker`: the caller's, who closes it."""
        self._app = app
        self._worker = worker
        self._policy = app.model(model)
        self._opened: _Opened | None = None

    def look(self) -> Sighted:
        """Look at every block that has ended by now. One transaction a block."""
        name = self._policy.name
        number = self._app.records.versions.aliases(name).get(CHAMPION)
        version = None if number is None else self._app.records.versions.version(name, number)
        if version is None:
            return Sighted(version=None)
        if self._opened is None or self._opened.version.number != version.number:
            self._opened = _Opened(self._app, self._policy, version, self._worker)
        opened = self._opened
        try:
            opened.reigns = reigns_of(self._app, version)
            opened.read()
            found, overtaken = opened.close_blocks()
        except BaseException:  # rows may be lost or counted twice: the next look begins anew
            self._opened = None
            raise
        if overtaken:
            self._opened = None
        return found


class _Opened:
    """One version under watch. Nothing moves in memory before it stands in the records."""

    def __init__(self, app: App, policy: ModelPolicy, version: Version, worker: VersionWorker) -> None:
        from noria.statistics import DriftReference

        self.version = version
        self._app = app
        self._policy = policy
        self.reigns = reigns_of(app, version)
        sights = app.records.monitors.sights(version.model, version.number)
        self._last = sights[-1] if sights else None
        self._plan = plan_of(app, policy, version.number, families_of(version))
        self._width = block_span(self._plan.block)
        self._enough = a_week(self._width)
        whole = (one for one in sights if self.reigns.whole(one.start, one.end))
        self._traffic = Traffic(whole, enough=self._enough)
        self._digest, self.baseline = self._based(worker)
        self._hidden = hidden_since(self.baseline, self._last, app.policy.service.log)
        self._specs = {spec.name: spec for spec in self.baseline.columns if spec.name not in self._hidden.now}
        self._tests: dict[str, DriftReference] = {
            name: DriftReference.from_dict(fields)
            for name in ("drift", "prediction")
            if (fields := getattr(self.baseline, name)) is not None
        }
        self._states = self._remembered()
        since = None if self._last is None else self._index(self._last.end)
        self._tally = Tally(
            list(self._specs.values()),
            self._tests,
            self._width,
            policy.monitor.latency_ms,
            since,
            self.baseline.strata,
        )
        self._cursor: Cursor = {} if self._last is None else self._last.cursor

    def read(self) -> None:
        """What was answered since the last read."""
        model, number = self.version.model, self.version.number
        while True:
            logged = self._app.predictions.read(model, self._cursor, version=number)
            for table in logged.tables:
                self._tally.add(table, self._cursor, version=number)
            self._cursor = logged.cursor
            if not logged.rows:
                self._tally.caught_up()
                return

    def close_blocks(self) -> tuple[Sighted, bool]:
        """Every block that has ended, and whether another process was found to look at them, too."""
        now = self._app.clock.now()
        sights: list[Sight] = []
        alarms: list[Alarm] = []
        overtaken = False
        while (index := self._next(self._index(now))) is not None:
            done = self._recorded(index, now)
            if done is None:
                overtaken = True
                break
            sights.append(done[0])
            alarms += done[1]
        found = Sighted(
            self.version.number,
            tuple(sights),
            tuple(alarms),
            (*self.baseline.why, *self._hidden.why),
            self._tally.late,
        )
        return found, overtaken

    def _next(self, now: int) -> int | None:
        """The first block to look at before the one of now: one with rows, one with requests that got no answer, or, once
        there were rows in each block of a week, one without in which it was the champion throughout."""
        found = [*self._tally.blocks(before=now)[:1], *self._failing(now)]
        if self._last is not None and self._traffic.steady:
            blocks = range(max(self._index(self._last.end), now - EMPTY), min([now, *found]))
            found += [index for index in blocks if self.reigns.whole(*self._span(index))][:1]
        return min(found, default=None)

    def _failing(self, now: int) -> list[int]:
        """The first block before the one of now in whose time a request got no answer, of those not looked at."""
        after = self._last.asked_until if self._last else self.reigns.began
        if after is None:
            return []
        since = now - EMPTY if self._last is None else self._index(self._last.end)
        counts = self._app.failure_counts(self.version.model).read(after + MICROSECOND, self._span(now)[0])
        blocks = (
            self._index(UNIX + MICROSECOND * one.at) for one in counts if one.version == self.version.number
        )
        return [index for index in blocks if index >= since][:1]

    def _recorded(self, index: int, now: datetime) -> tuple[Sight, list[Alarm]] | None:
        """Look at a block and append it with the state after it; None when another process was quicker."""
        states = self._advanced(index)
        sight = self._sight(index, states)
        found = [*self._findings(index, sight, now), *drift_alarms(sight, self._last, self._specs, now)]
        changes: list[Change] = [BlockSeen(sight=sight)]
        raised = changes_for(self._app, sight.model, found)
        changes += [*raised, *quiet(self._app, sight, [alarm.topic for alarm in found], now)]
        stored = self._app.records.monitors.last_sight(sight.model, sight.version)
        if (stored and stored.start) != (self._last and self._last.start):
            return None
        try:
            self._app.records.ledger.append(sight.model, changes, at=now)
        except Conflict as error:
            if error.code != TAKEN:
                raise
            return None
        if self.reigns.whole(sight.start, sight.end):
            self._traffic.add(sight)
        self._last, self._states = sight, states
        self._tally.forget(index)
        return sight, [change.alarm for change in raised if isinstance(change, AlarmRaised)]

    def _advanced(self, index: int) -> dict[str, DriftState]:
        if self.reigns.cuts(*self._span(index)):
            return self._states
        counts = self._tally.counts(index)
        return {
            name: advanced(test, self._states[name], counts[name]) if name in counts else self._states[name]
            for name, test in self._tests.items()
        }

    def _sight(self, index: int, states: dict[str, DriftState]) -> Sight:
        start, end = self._span(index)
        counted = self._tally.quality(index)
        rows = int(counted.get("rows", 0))
        evidence: dict[str, dict[str, Evidence]] = {
            name: evidence_of(test, states[name]) for name, test in self._tests.items()
        }
        memory = {name: state.to_dict() for name, state in states.items()}
        after, until = self._asked(index, end)
        return Sight(
            model=self.version.model,
            version=self.version.number,
            start=start,
            end=end,
            rows=rows,
            beside=rows_beside(self._app, self.version.model, self.version.number, start, end),
            cut=self.reigns.cuts(start, end),
            columns={name: seen(spec, counted) for name, spec in self._specs.items()} if rows else {},
            drift=self._hidden.without(evidence.get("drift", {})),
            prediction=evidence.get("prediction", {}),
            answers=self._tally.answers(counted),
            slow=counted["slow"] / rows if rows and "slow" in counted else None,
            requests=int(counted.get("requests", 0)),
            unanswered=self._unanswered(after, until),
            asked_until=until,
            took_ms=counted["took"] / rows / 1000 if rows and "took" in counted else None,
            thin=max((state.thin for state in states.values()), default=0),
            baseline=self._digest,
            memory=self._app.store.put(json.dumps(memory, sort_keys=True).encode()),
            cursor=dict(self._tally.low_water(after=index, now=self._cursor)),
        )

    def _findings(self, index: int, sight: Sight, now: datetime) -> list[Alarm]:
        limits, counted = self._policy.monitor, self._tally.quality(index)
        found = [
            one
            for name, column in sight.columns.items()
            for one in findings(self._specs[name], column, counted, limits)
        ]
        if self._last is not None and self.reigns.whole(sight.start, sight.end):
            asked = sight.rows + sight.beside
            found += [
                one for one in [volume(asked, self._traffic.usual, limits.volume, enough=self._enough)] if one
            ]
        if sight.slow is not None:
            found += [one for one in [slowness(sight.slow, sight.rows, limits)] if one]
        found += [one for one in [failing(sight.requests, sight.unanswered, limits.errors)] if one]
        return [self._alarm(sight, one, now) for one in found]

    def _asked(self, index: int, end: datetime) -> tuple[datetime, datetime]:
        """After when, and until when, a block's requests came: one without an answer has no time of event, only that of its
        arrival, and belongs to the block whose requests came then."""
        asked, last = self._tally.asked(index), self._last.asked_until if self._last else self.reigns.began
        if asked is None:
            return last or end, max(end, last or end)
        first, newest = (UNIX + MICROSECOND * at for at in asked)
        if self._last is None:  # a reign may have begun after what is played again of long ago
            return min(last or first, first - MICROSECOND), newest
        return last or first - MICROSECOND, max(newest, last or newest)

    def _unanswered(self, after: datetime, until: datetime) -> dict[str, int]:
        found: Counter[str] = Counter()
        counts = self._app.failure_counts(self.version.model)
        for one in counts.read(after + MICROSECOND, until + MICROSECOND):
            if one.version == self.version.number:
                found.update(one.codes)
        return dict(sorted(found.items()))

    def _alarm(self, sight: Sight, found: Finding, now: datetime) -> Alarm:
        """Raised when the look began: in one look at many blocks none is over before it was raised."""
        return Alarm(
            model=sight.model,
            version=sight.version,
            monitor=found.monitor,
            subject=found.subject,
            raised=now,
            block=sight.start,
            e_value=0.0,
            threshold=0.0,
            risk=0.0,
            bound=0.0,
            severity="critical" if not sight.rows else "warning",
            why=found.why,
            cause=found.cause,
            action=found.action.replace("MODEL", sight.model),
            figures=dict(found.figures),
        )

    def _based(self, worker: VersionWorker) -> tuple[Any, Baseline]:
        if self._last is not None:
            return self._last.baseline, parse(self._app.store.get(self._last.baseline), Baseline)
        baseline = baseline_of(self._app, self._policy, self.version, self._plan, worker)
        return self._app.store.put(canonical(baseline)), baseline

    def _remembered(self) -> dict[str, DriftState]:
        from noria.statistics import DriftState

        if self._last is None:
            return {name: DriftState.first(test) for name, test in self._tests.items()}
        memory = json.loads(self._app.store.get(self._last.memory))
        return {name: DriftState.from_dict(memory[name]) for name in self._tests}

    def _span(self, index: int) -> tuple[datetime, datetime]:
        return EPOCH + self._width * index, EPOCH + self._width * (index + 1)

    def _index(self, moment: datetime) -> int:
        return (moment - EPOCH) // MICROSECOND // (self._width // MICROSECOND)
