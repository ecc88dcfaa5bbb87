"""Whoever is lost of a fleet is replaced: at once by a spare, and by as many new workers as there should be.

Workers that die one after the other are replaced with a pause that grows, and a challenger's are given up in the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from noria.serving.chores import Chores
from noria.serving.log import Narrator
from noria.serving.service_errors import WorkerFailed
from noria.serving.worker_process import Plan, State, Worker

PAUSE = (
    0.5  # s before a lost worker is replaced, when its predecessor was lost as well; each time twice as long
)
LONGEST = 30.0  # s; the longest such pause
LIVES = (
    6  # deaths in a row, and a challenger is given up: with the pauses between them, after some ten seconds
)
STEADY = 60.0  # s; a worker that has lived for longer does not die in a row with the one before


class Ranks(Protocol):
    """A fleet, as far as its losses are replaced."""

    given_up: Callable[[str], None] | None

    @property
    def wanted(self) -> Plan | None: ...

    @property
    def workers(self) -> Sequence[Worker]: ...

    @property
    def accepting(self) -> Sequence[Worker]: ...

    def start(self, plan: Plan) -> Worker:
        """Raises `WorkerFailed`."""
        ...

    async def until_ready(self, worker: Worker) -> None: ...

    def accept(self, worker: Worker) -> None: ...


class Replacing:
    """Of one fleet. For one event loop."""

    def __init__(self, ranks: Ranks, chores: Chores, narrate: Narrator) -> None:
        self._ranks = ranks
        self._chores = chores
        self._narrate = narrate
        self._failures = 0

    def forget(self) -> None:
        """Another version answers: what died before says nothing of it."""
        self._failures = 0

    def keep_full(self, plan: Plan) -> None:
        """See to it, beside what goes on, that there are as many as there should be, and a spare."""
        if self._there() < plan.workers:
            self._chores.begin(self._fill(plan))
        else:
            self._keep_a_spare()

    async def replace(self, lost: Worker, was: State) -> None:
        """Let others take the part of one that died in this state."""
        if asyncio.get_running_loop().time() - lost.began > STEADY:
            self._failures = 0
        await self._replace(was)

    async def _replace(self, was: State) -> None:
        """Let the spare accept at once, and start another; with a pause that grows while they keep dying."""
        ranks, plan = self._ranks, self._ranks.wanted
        if plan is None:
            return
        if was == "accepting":
            spare = next((worker for worker in ranks.workers if worker.state == "spare"), None)
            if spare is not None:
                ranks.accept(spare)
        self._failures += 1
        if ranks.given_up is not None and self._failures >= LIVES:
            ranks.given_up(f"{self._failures} of its workers died, one after the other")
            return
        if self._failures > 1:
            await asyncio.sleep(min(LONGEST, PAUSE * 2 ** (self._failures - 2)))
        await self._fill(plan)

    async def _fill(self, plan: Plan) -> None:
        """Start workers until there are as many as there should be."""
        while plan is self._ranks.wanted and self._there() < plan.workers:
            if not await self._again(plan):
                return
        self._keep_a_spare()

    def _there(self) -> int:
        return sum(worker.state in ("starting", "accepting") for worker in self._ranks.workers)

    async def _again(self, plan: Plan) -> bool:
        """Whether another worker has come up; where none has, the next is tried after a pause."""
        worker = await self._come_up(plan, "worker.failed")
        if worker is None:
            self._chores.begin(self._replace("accepting"))
            return False
        if plan is self._ranks.wanted and worker.state == "starting":
            self._ranks.accept(worker)
        return True

    async def _come_up(self, plan: Plan, failed: str) -> Worker | None:
        """One more worker, once it is ready; None where it does not come up, which is told as the event `failed`."""
        worker = None
        try:
            worker = self._ranks.start(plan)
            await self._ranks.until_ready(worker)
        except WorkerFailed as error:
            self._narrate(failed, worker=worker and worker.name, why=str(error))
            if worker is not None:
                worker.end()
            return None
        return worker

    def _keep_a_spare(self) -> None:
        plan = self._ranks.wanted
        if plan is None or not plan.spare or plan.workers != 1:
            return
        if not any(worker.state in ("spare", "starting") for worker in self._ranks.workers):
            self._chores.begin(self._spare(plan))

    async def _spare(self, plan: Plan) -> None:
        worker = await self._come_up(plan, "spare.failed")
        if worker is None:
            if (
                self._there() < plan.workers
            ):  # whoever answered was lost meanwhile, and this one was to take over
                self._chores.begin(self._replace("accepting"))
            return
        if worker.state == "starting":
            worker.state = "spare"
            if plan.workers != 1:
                worker.end()  # there are others by now
            elif plan is self._ranks.wanted and not self._ranks.accepting:
                self._ranks.accept(worker)
