"""One thread for what must not run twice at a time: requests that wait while it works are answered together.

Nobody waits for a batch to fill: an idle thread begins at once with what there is, and what comes meanwhile is the next
batch. The queue ends: who comes too late is told so at once, and work that nobody waits for any more is not done.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from noria.serving.errors import Overloaded, TooLate
from noria.serving.quick import Values

WAITING = 512  # requests: batched, the last of them waits for a few turns of the graph
HELD = 256 * 2**20  # bytes of waiting bodies, which stay in memory meanwhile
TOGETHER = 4096  # rows of one batch; a graph's fixed cost is gone in the noise long before

Done = Callable[[Any, BaseException | None], None]


@dataclass
class Job:
    """Something to do in the thread; `done` is called in the event loop, with its result or what it raised."""

    done: Done
    expires: float
    """By the loop's clock; nobody wants the result after that."""
    size: int
    rows: Sequence[Values] | None = None
    """Rows that may be answered beside others' rows; None for `call`."""
    call: Callable[[], Any] | None = None
    wanted: Callable[[], bool] = field(default=lambda: True)
    began: float = 0.0
    """When its work began, by `perf_counter`."""
    together: int = 0
    """Rows that were answered in one go with its own."""


class Batcher:
    """Does jobs in order of arrival. `answer`: the answers to many rows, one each, in their order."""

    def __init__(
        self,
        answer: Callable[[Sequence[Values]], Sequence[Any]],
        loop: asyncio.AbstractEventLoop,
        *,
        waiting: int = WAITING,
        held: int = HELD,
        together: int = TOGETHER,
        told: Callable[[int, int], None] = lambda jobs, rows: None,
    ) -> None:
        self._answer = answer
        self._loop = loop
        self._most, self._most_held, self._together = waiting, held, together
        self._told = told
        self._jobs: deque[Job] = deque()
        self._held = 0
        self._room = threading.Condition()
        self._over = False
        self._busy = 0
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
            if not self._busy:
                self._room.notify()

    def close(self) -> None:
        """Finish what was submitted."""
        with self._room:
            self._over = True
            self._room.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next():
            outcomes = self._outcomes(batch)
            with self._room:
                self._busy = 0
                self._held -= sum(job.size for job in batch)
            self._loop.call_soon_threadsafe(_tell, outcomes)

    def _next(self) -> list[Job]:
        """The next jobs to do together; none at the end."""
        with self._room:
            while not self._jobs and not self._over:
                self._room.wait()
            batch: list[Job] = []
            rows = 0
            while self._jobs:
                job = self._jobs[0]
                if job.rows is None or (batch and rows + len(job.rows) > self._together):
                    if not batch:
                        batch.append(self._jobs.popleft())
                    break
                rows += len(job.rows)
                batch.append(self._jobs.popleft())
            self._busy = len(batch)
            return batch

    def _outcomes(self, batch: list[Job]) -> list[tuple[Job, Any, BaseException | None]]:
        now, began = self._loop.time(), perf_counter()
        late = [job for job in batch if job.expires <= now]
        alive = [job for job in batch if job.expires > now and job.wanted()]
        told: list[tuple[Job, Any, BaseException | None]] = [(job, None, TooLate()) for job in late]
        if not alive:
            return told
        together = sum(len(job.rows or ()) for job in alive)
        for job in alive:
            job.began, job.together = began, together
        if alive[0].call is not None:
            return [*told, (alive[0], *_tried(alive[0].call))]
        self._told(len(alive), together)
        return [*told, *self._together_or_alone(alive)]

    def _together_or_alone(self, jobs: list[Job]) -> list[tuple[Job, Any, BaseException | None]]:
        """One request whose rows the graph cannot answer must not fail those beside it."""
        rows = [row for job in jobs for row in job.rows or ()]
        answers, error = _tried(lambda: self._answer(rows))
        if error is None:
            outcomes: list[tuple[Job, Any, BaseException | None]] = []
            at = 0
            for job in jobs:
                count = len(job.rows or ())
                outcomes.append((job, answers[at : at + count], None))
                at += count
            return outcomes
        if len(jobs) == 1:
            return [(jobs[0], None, error)]
        return [outcome for job in jobs for outcome in self._together_or_alone([job])]


def _tried(work: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return work(), None
    except BaseException as error:  # the user's code: SystemExit and a library's panic are no Exception
        return None, error


def _tell(outcomes: list[tuple[Job, Any, BaseException | None]]) -> None:
    for job, result, error in outcomes:
        job.done(result, error)
