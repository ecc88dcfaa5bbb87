"""What must not run twice at a time: requests that wait while it works are answered together.

Nobody waits for a batch to fill: what is idle begins at once with what there is, and what comes meanwhile is the next
batch. The queue ends: who comes too late is told so at once, and work that nobody waits for any more is not done.

The work has a thread of its own, so that the event loop stays free for health, deadlines and other versions. Waking it
and being woken by it costs more than a brief turn of a graph itself: turns that have been brief for a while are taken in
the event loop, which answers together whatever had come when it looked (`durations`).
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from noria.serving.durations import Durations, cpu_of_this_thread
from noria.serving.each import each_of, tried
from noria.serving.errors import Overloaded, TooLate
from noria.serving.quick import Values

WAITING = 512  # requests: batched, the last of them waits for a few turns of the graph
HELD = 256 * 2**20  # bytes of waiting bodies, which stay in memory meanwhile
ROWS = 4096  # rows of one batch; a graph's fixed cost is gone in the noise long before
IN_THE_LOOP = 256  # rows that may be answered in one turn of the event loop

Done = Callable[[Any, BaseException | None], None]


@dataclass
class Job:
    """Something to do in the thread; `done` is called in the event loop, with its result or what it raised, and again with
    its own error where it raises one."""

    done: Done
    expires: float
    """By the loop's clock; nobody wants the result after that."""
    size: int
    rows: Sequence[Values] | None = None
    """Rows that may be answered beside others' rows; None for `call`."""
    call: Callable[[], Any] | None = None
    wanted: Callable[[], bool] = field(default=lambda: True)
    began: float = 0.0
    """When its work began, by the batcher's clock."""
    batch_rows: int = 0
    """Rows that were answered in one go with its own."""


Outcome = tuple[Job, Any, BaseException | None]


class Batcher:
    """Does jobs in order of arrival. `answer`: the answers to many rows, one each, in their order. For the loop's thread."""

    def __init__(
        self,
        answer: Callable[[Sequence[Values]], Sequence[Any]],
        loop: asyncio.AbstractEventLoop,
        *,
        waiting: int = WAITING,
        held: int = HELD,
        rows: int = ROWS,
        told: Callable[[int, int], None] = lambda jobs, rows: None,
        clock: Callable[[], float] = perf_counter,
        busy: Callable[[], float] | None = None,
    ) -> None:
        """`busy`: CPU seconds of the event loop's thread; by default those of the thread that makes this."""
        self._answer = answer
        self._loop = loop
        self._most, self._most_held, self._most_rows = waiting, held, rows
        self._told, self._clock = told, clock
        self._loops_cpu = busy or cpu_of_this_thread()
        self._jobs: deque[Job] = deque()
        self._held = 0
        self._room = threading.Condition()
        self._over = False
        self._busy = 0
        self._durations = Durations()
        self._looks = False
        self._seen = 0
        self._thread = threading.Thread(target=self._work, name="answers", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Jobs in the queue and at work."""
        return len(self._jobs) + self._busy

    def submit(self, job: Job) -> None:
        """Raises `Overloaded` when too many, or too much, wait already."""
        with self._room:
            waiting = self.waiting
            if waiting >= self._most or (waiting and self._held + job.size > self._most_held):
                raise Overloaded(waiting=waiting)
            self._jobs.append(job)
            self._held += job.size
            if self._busy:
                return
            if not self._is_brief(job):
                self._room.notify()
            elif not self._looks:
                self._looks = True
                self._loop.call_soon(self._work_here)

    def close(self) -> None:
        """Finish what was submitted."""
        with self._room:
            self._over = True
            self._room.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next():
            told, alive = self._sorted(batch)
            if alive and alive[0].call is not None:
                told += [(alive[0], *tried(alive[0].call))]
            elif alive:
                told += self._beside_the_loop(alive)
            self._end(batch)
            self._loop.call_soon_threadsafe(each_of, told, _tell, _tell_of)

    def _beside_the_loop(self, jobs: list[Job]) -> list[Outcome]:
        """In the loop the turn would not have waited for what the loop's thread computed meanwhile: Python runs one of the
        two at a time."""
        loops = self._loops_cpu()
        outcomes = self._at_once_or_alone(jobs)
        self._durations.add(self._clock() - jobs[0].began - (self._loops_cpu() - loops))
        return outcomes

    def _work_here(self) -> None:
        """A turn in the event loop. What fails is left to the thread: it tells whose fault it was, and the user's code may
        do there what it may not do beside a running loop."""
        with self._room:
            if self._more_come():
                self._loop.call_soon(self._work_here)
                return
            self._looks, self._seen = False, 0
            if self._busy or not self._jobs:
                return
            if not self._is_brief(self._jobs[0]):
                self._room.notify()
                return
            batch = self._taken(IN_THE_LOOP)
        told, alive = self._sorted(batch)
        if alive:
            outcomes, _ = tried(lambda: self._answered(alive))
            if outcomes is None:
                self._leave_to_the_thread(batch)
                return
            told += outcomes
            self._durations.add(self._clock() - alive[0].began)
        self._end(batch)
        each_of(told, _tell, _tell_of)

    def _more_come(self) -> bool:
        """Whether others came with the last look at the sockets: then one more look finds those that came meanwhile, and
        costs less than a turn of their own. One alone waits for nobody."""
        seen, self._seen = self._seen, len(self._jobs)
        return not self._busy and max(seen, 1) < self._seen < IN_THE_LOOP

    def _is_brief(self, job: Job) -> bool:
        return self._durations.brief and job.rows is not None and len(job.rows) <= IN_THE_LOOP

    def _leave_to_the_thread(self, batch: list[Job]) -> None:
        with self._room:
            self._durations = Durations()
            self._jobs.extendleft(reversed(batch))
            self._busy = 0
            self._room.notify()

    def _end(self, batch: list[Job]) -> None:
        """What has come meanwhile is the thread's: in the event loop nothing comes while it works."""
        with self._room:
            self._busy = 0
            self._held -= sum(job.size for job in batch)
            if self._jobs:
                self._room.notify()

    def _next(self) -> list[Job]:
        """The thread's next jobs to do together, but for those that the event loop is about to look at; none at the end."""
        with self._room:
            while (not self._jobs or self._busy or self._looks) and not self._over:
                self._room.wait()
            return self._taken(self._most_rows)

    def _taken(self, most: int) -> list[Job]:
        """The next jobs, `most` rows together unless the first alone has more."""
        batch: list[Job] = []
        rows = 0
        while self._jobs:
            job = self._jobs[0]
            if job.rows is None or (batch and rows + len(job.rows) > most):
                if not batch:
                    batch.append(self._jobs.popleft())
                break
            rows += len(job.rows)
            batch.append(self._jobs.popleft())
        self._busy = len(batch)
        return batch

    def _sorted(self, batch: list[Job]) -> tuple[list[Outcome], list[Job]]:
        """What is told at once, and what is still wanted, as of now."""
        now, began = self._loop.time(), self._clock()
        late = [job for job in batch if job.expires <= now]
        alive = [job for job in batch if job.expires > now and job.wanted()]
        rows = sum(len(job.rows or ()) for job in alive)
        for job in alive:
            job.began, job.batch_rows = began, rows
        return [(job, None, TooLate()) for job in late], alive

    def _at_once_or_alone(self, jobs: list[Job]) -> list[Outcome]:
        """One request whose rows the graph cannot answer must not fail those beside it."""
        outcomes, error = tried(lambda: self._answered(jobs))
        if outcomes is not None:
            return outcomes
        if len(jobs) == 1:
            return [(jobs[0], None, error)]
        return [outcome for job in jobs for outcome in self._at_once_or_alone([job])]

    def _answered(self, jobs: list[Job]) -> list[Outcome]:
        rows = [row for job in jobs for row in job.rows or ()]
        answers = self._answer(rows)
        self._told(len(jobs), len(rows))
        outcomes: list[Outcome] = []
        at = 0
        for job in jobs:
            count = len(job.rows or ())
            outcomes.append((job, answers[at : at + count], None))
            at += count
        return outcomes


def _tell(outcome: Outcome) -> None:
    job, result, error = outcome
    job.done(result, error)


def _tell_of(outcome: Outcome, problem: Exception) -> None:
    outcome[0].done(None, problem)
