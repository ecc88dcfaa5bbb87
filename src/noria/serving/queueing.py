"""A request's turn in the batcher: until when it is wanted, and what becomes of it when that is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from noria.errors import NoriaError
from noria.serving.batching import Batcher, Job
from noria.serving.errors import TooLate
from noria.serving.taken import Taken


class Queue:
    """Where the quick ways let work wait. For the event loop's thread."""

    def __init__(
        self,
        batcher: Batcher,
        fail: Callable[[Taken, BaseException], None],
        *,
        deadline: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`fail` answers a request that gets no answer; `deadline`: seconds that a request may wait that says nothing of it."""
        self._batcher = batcher
        self._fail = fail
        self._deadline = deadline
        self._loop = loop

    def until(self, taken: Taken) -> float:
        """By the loop's clock."""
        until = taken.cause.until
        return taken.raw.until(self._loop.time(), self._deadline) if until is None else until

    def is_impatient(self, taken: Taken, error: NoriaError) -> bool:
        """Whether a request was too late for its sender alone, which is no failure of who answers."""
        return isinstance(error, TooLate) and taken.raw.within < self._deadline

    def is_late(self, taken: Taken) -> bool:
        return self._loop.time() > self.until(taken)

    def submit(self, taken: Taken, told: Callable[[Job, Any], None], **work: Any) -> None:
        """`work`: the `rows` or the `call` of a job; `told` gets what came of it, in time."""
        until = self.until(taken)

        def done(answers: Any, error: BaseException | None) -> None:
            if error is None and taken.cause.passed_on and self._loop.time() > until:
                error = TooLate()  # its sender has gone on without it
            if error is not None:
                self._fail(taken, error)
                return
            told(job, answers)

        job = Job(done, expires=until, size=len(taken.raw.body), **work)
        try:
            self._batcher.submit(job)
        except NoriaError as error:
            self._fail(taken, error)
