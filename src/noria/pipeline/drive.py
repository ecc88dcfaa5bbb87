"""A plan carried out: each item of each step reused, kept or performed, and durable before what reads it begins."""

from __future__ import annotations

import time
from bisect import insort
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from noria.artifacts.lists import items_of, save_list
from noria.declare import Cut, Step
from noria.errors import NoriaError
from noria.pipeline.code import Code
from noria.pipeline.fingerprint import ALWAYS_READ, why
from noria.pipeline.items import Item, Tree, expand, gathered, leaves
from noria.pipeline.listen import Listener, Silent
from noria.pipeline.plan import Plan
from noria.pipeline.prepared import Prepared
from noria.pipeline.prints import Prints
from noria.pipeline.results import as_step, gathered_result, performed, role_of
from noria.pipeline.retrying import Retrying
from noria.pipeline.schedule import Node, Schedule, needs_of, nodes_of
from noria.pipeline.task import task_of
from noria.pipeline.there import there
from noria.ports.clock import Clock
from noria.ports.engine import Again, Broke, Ended, Engine, Happening, Job, Said, Started
from noria.ports.objects import ObjectStore
from noria.ports.records import Ledger, RunRecords
from noria.records.artifacts import Artifact
from noria.records.base import Digest, digest_of
from noria.records.events import StepFinished
from noria.records.needs import Needs, Retry
from noria.records.runs import Fingerprint, Reused, Run, StepResult
from noria.records.tasks import Divide, Done, Task

__all__ = ["Listener", "Silent", "drive"]

ASKED_FOR = "asked for"


class Records(Protocol):
    """The doors that a run needs."""

    @property
    def ledger(self) -> Ledger: ...
    @property
    def runs(self) -> RunRecords: ...


Inspect = Callable[[StepResult], None]
"""Looks at a data step's result before any step reads it; raises to stop the run."""


def drive(
    plan: Plan,
    run: Run,
    *,
    pipeline: str,
    project: Path,
    engine: Engine,
    store: ObjectStore,
    records: Records,
    clock: Clock,
    listener: Listener,
    finished: list[StepResult],
    prepared: Mapping[str | None, Prepared] | None = None,
    fresh: Collection[str] = (),
    inspect: Inspect | None = None,
    given: Mapping[str, StepResult] | None = None,
    watched: bool = False,
    code: Code | None = None,
) -> dict[str, Artifact]:
    """Carry out a run: steps begin as soon as what they read is there; returns every output by name.

    `finished` holds at any time what has finished, in the plan's order whatever the order of time, so that the caller
    has it when a step fails. After a failure nothing new begins, what runs is heard to its end and kept, and the first
    failure is raised, with its `at_step`. A result that this run recorded before it was interrupted is kept as it is, when its fingerprint
    still holds; what an earlier run executed under the same fingerprint is reused, but for the steps in `fresh`; data
    is always read. `given` results are taken as they are, by the step's name; `watched` steps have their inputs looked
    at before and after. `code`: the project's, if it has been read before.
    """
    prints = Prints(plan, run.asked, project, prepared or {}, code)
    turn = _Turn(plan, run, pipeline, prints, Retrying(engine), store, records, clock, listener, finished)
    turn.fresh, turn.inspect = frozenset(fresh), inspect
    turn.given, turn.watched = given or {}, watched
    turn.go()
    return prints.outputs


@dataclass
class _Under:
    """An item under way."""

    node: Node
    name: str
    print_: Fingerprint
    reason: str
    started: datetime | None = None
    """None: it waits for its turn."""
    running: bool = False
    notes: list[str] = field(default_factory=list)
    tried: list[Digest] = field(default_factory=list)
    where: str = ""


@dataclass
class _Open:
    """A node that has begun: its items, and the results so far."""

    node: Node
    tree: Tree | None
    """None: a cut, which has no items."""
    results: dict[str, StepResult]
    left: int


class _Turn:
    """One run under way."""

    def __init__(
        self,
        plan: Plan,
        run: Run,
        pipeline: str,
        prints: Prints,
        engine: Engine,
        store: ObjectStore,
        records: Records,
        clock: Clock,
        listener: Listener,
        finished: list[StepResult],
    ) -> None:
        self.fresh: frozenset[str] = frozenset()
        self.inspect: Inspect | None = None
        self.given: Mapping[str, StepResult] = {}
        self.watched = False
        self._plan = plan
        self._run = run
        self._pipeline = pipeline
        self._prints = prints
        self._engine = engine
        self._store = store
        self._records = records
        self._clock = clock
        self._listener = listener
        self._finished = finished
        self._nodes = nodes_of(plan.resolved)
        self._schedule = Schedule(needs_of(plan.resolved))
        self._places = {name: place for place, name in enumerate(self._nodes)}
        self._open: dict[str, _Open] = {}
        self._under: dict[str, _Under] = {}
        self._failure: NoriaError | None = None
        self._order: dict[str, tuple[int, int]] = {}
        self._ahead = records.runs.ahead(run.asked.model, run.number)
        self._before = {result.step: result for result in records.runs.steps(run.asked.model, run.number)}

    def go(self) -> None:
        """Begin what may begin, hear what happens, until all is done or the rest cannot be."""
        while True:
            while self._failure is None and (ready := self._schedule.ready()):
                self._begin(self._nodes[ready[0]])
            if not self._under:
                break
            self._hear(self._engine.wait())
        if self._failure is not None:
            raise self._failure

    # beginning

    def _begin(self, node: Node) -> None:
        self._schedule.begin(node.name)
        try:
            if isinstance(node, Cut):
                self._open[node.name] = _Open(node, None, {}, 1)
                self._settle(node, node.name, None, 0)
            else:
                self._begin_step(node)
        except NoriaError as error:
            self._fail(error, node.name)
            return
        self._close_if_done(node.name)

    def _begin_step(self, step: Step) -> None:
        tree = expand(step, self._prints.read(step), lambda artifact: items_of(artifact, self._store))
        items = list(leaves(tree))
        self._open[step.name] = _Open(step, tree, {}, len(items))
        if not isinstance(tree, Item):
            self._listener.items(step.name, len(items))
        for number, item in enumerate(items):
            self._settle(step, item.name, item, number)

    def _settle(self, node: Node, name: str, item: Item | None, number: int) -> None:
        """An item's result by the cheapest way that gives it: kept, reused, or submitted."""
        self._order[name] = (self._places[node.name], number)
        print_ = self._prints.of_cut(node) if isinstance(node, Cut) else self._prints.of(_needed(item))
        result = self.given.get(name) or self._kept(name, print_) or self._cached(node, name, print_)
        if result is not None:
            self._listener.reused(result)
            self._take(node.name, result)
        else:
            self._submit(node, name, item, print_)

    def _kept(self, name: str, now: Fingerprint) -> StepResult | None:
        """This run's own result from before it was interrupted."""
        result = self._before.get(name)
        return result if result and result.fingerprint == now and there(result, self._store) else None

    def _cached(self, node: Node, name: str, now: Fingerprint) -> StepResult | None:
        """Another run's result, as this run records it."""
        if role_of(node) == "data" or node.name in self.fresh:
            return None
        started = time.perf_counter()
        found = self._newest(digest_of(now))
        if found is None or not there(found[0], self._store):
            return None
        result, source = found
        return StepResult(
            step=name,
            role=role_of(node),
            fingerprint=now,
            outputs=result.outputs,
            reason=Reused(run=source),
            started=self._clock.now(),
            seconds=time.perf_counter() - started,
            log=result.log,
            notes=result.notes,
            series=result.series,
            card=result.card,
        )

    def _newest(self, fingerprint: Digest) -> tuple[StepResult, str] | None:
        """What was read ahead counts once: meanwhile this run may have made a newer one."""
        ahead = self._ahead.pop(fingerprint, None)
        return ahead or self._records.runs.cached(self._run.asked.model, fingerprint)

    def _submit(self, node: Node, name: str, item: Item | None, print_: Fingerprint) -> None:
        reason = self._reason(node, name, print_)
        self._engine.submit(self._job(node, name, item, print_))
        self._under[name] = _Under(node, name, print_, reason)

    def _reason(self, node: Node, name: str, now: Fingerprint) -> str:
        if role_of(node) == "data":
            return ALWAYS_READ
        if node.name in self.fresh:
            return ASKED_FOR
        return why(self._records.runs.last(self._run.asked.model, name), now)

    def _job(self, node: Node, name: str, item: Item | None, print_: Fingerprint) -> Job:
        if isinstance(node, Cut):
            task: Task = Divide(
                pipeline=self._pipeline,
                name=node.table,
                table=self._prints.outputs[node.table],
                by=node.by,
                rows=self._prints.rows_of_cut(node),
            )
            return Job(id=name, task=task, needs=Needs())
        running = node.running
        return Job(
            id=name,
            task=self._task(_needed(item), print_),
            needs=self._prints.needs(node),
            python=self._prints.python(node),
            timeout=running.timeout,
            retry=running.retry or Retry(),
        )

    def _task(self, item: Item, print_: Fingerprint) -> Task:
        task = task_of(self._prints, self._plan.resolved, self._run, self._pipeline, item, print_)
        return replace(task, watched=True) if self.watched else task

    # hearing

    def _hear(self, happened: Sequence[Happening]) -> None:
        """What came in together is made durable together."""
        results: list[tuple[_Under, StepResult]] = []
        for one in happened:
            under = self._under.get(one.id)
            if under is None:
                continue
            match one:
                case Started(where=where):
                    self._start(under, where)
                case Said(line=line):
                    self._listener.output(one.id, line)
                case Again(attempt=attempt, error=error, pause=pause):
                    under.running = False
                    under.notes.append(f"attempt {attempt} failed: {error.headline()}")
                    under.tried += filter(None, [getattr(error, "log", None)])
                    self._listener.again(one.id, attempt, error, pause)
                case Ended(done=done):
                    results.append((under, self._result(under, done)))
                    del self._under[one.id]
                case Broke(error=error):
                    del self._under[one.id]
                    self._fail(error, one.id)
        self._record(results)

    def _start(self, under: _Under, where: str) -> None:
        """It has waited for its turn until now; a further attempt is no other start."""
        if under.started is None:
            under.started = self._clock.now()
            self._listener.started(under.name, under.reason)
        under.running, under.where = True, where

    def _result(self, under: _Under, done: Done) -> StepResult:
        node = under.node
        return performed(
            under.name,
            role_of(node),
            under.print_,
            as_step(done, node),
            reason=under.reason,
            started=under.started or self._clock.now(),
            notes=(*(() if isinstance(node, Cut) else self._prints.coded(node).notes), *under.notes),
            tried=under.tried,
            where=under.where,
        )

    def _record(self, results: Sequence[tuple[_Under, StepResult]]) -> None:
        if not results:
            return
        model = self._run.asked.model
        changes = [StepFinished(model=model, run=self._run.number, result=result) for _, result in results]
        self._records.ledger.append(model, changes, at=self._clock.now())
        for under, result in results:
            self._listener.finished(result)
            self._take(under.node.name, result)
        for name in dict.fromkeys(under.node.name for under, _ in results):
            self._close_if_done(name)

    def _take(self, name: str, result: StepResult) -> None:
        opened = self._open[name]
        opened.results[result.step] = result
        opened.left -= 1
        self._note(result)

    def _note(self, result: StepResult) -> None:
        insort(self._finished, result, key=lambda one: self._order[one.step])

    def _close_if_done(self, name: str) -> None:
        """A node whose items are all there: what it made is there for others."""
        opened = self._open[name]
        if opened.left:
            return
        node = opened.node
        if isinstance(node, Cut):
            self._prints.outputs.update(opened.results[name].outputs)
        else:
            result = self._whole_result(node, opened)
            self._look_at(node, result)
            self._prints.add(node, result.outputs)
        self._schedule.finish(name)

    def _look_at(self, step: Step, result: StepResult) -> None:
        if step.role == "data" and self.inspect is not None:
            try:
                self.inspect(result)
            except NoriaError as error:
                self._fail(error, step.name)

    def _whole_result(self, step: Step, opened: _Open) -> StepResult:
        """The only item's result; for a fan-out, the lists of what its items made."""
        tree, results = opened.tree, opened.results
        if tree is None or isinstance(tree, Item):
            return results[step.name]
        outputs = {
            name: gathered(tree, lambda item: results[item.name].outputs[name], self._keep_list)  # noqa: B023
            for name in step.outputs
        }
        whole = self._prints.of(Item(step, (), self._prints.read(step)))
        result = gathered_result(step, whole, list(results.values()), outputs, self._clock.now())
        self._order[step.name] = (self._places[step.name], len(results))
        self._listener.finished(result)
        self._note(result)
        return result

    def _keep_list(self, items: Sequence[Artifact]) -> Artifact:
        return save_list(items, self._store)

    def _fail(self, error: NoriaError, name: str) -> None:
        """Remember the first failure and where it was; what has not begun yet never will."""
        error.at_step = error.at_step or name
        self._failure = self._failure or error
        for name, under in list(self._under.items()):
            if not under.running:
                self._engine.cancel(name)
                del self._under[name]


def _needed(item: Item | None) -> Item:
    if item is None:
        raise RuntimeError("a step has items")
    return item
