"""Requests for a compiled model in the event loop: those that came in one of its turns, a stage of all before the next stage.

Between two requests the kernel, the parser and the log push the model's code and tables out of the processor's caches. Who
asks the model for all that have come, and then logs and answers them, finds them there: at 64 connections a request takes a
quarter to a third less of this process. Nobody waits for a batch to fill, and who comes alone is answered in the same turn;
answers leave together at its end, as they must, for the log is written before them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from noria.serving.each import each_of
from noria.serving.journal import Journal
from noria.serving.quick import Read
from noria.serving.quick_tensors import ReadTensors
from noria.serving.served import Few
from noria.serving.taken import Taken

LOOKED_AT = (
    16  # of so many requests one has its stages timed: the clock and the counts cost as much as some of them
)
MOST = 256  # requests: what a turn may owe to those who came first in it

Rows = Read | ReadTensors
Waiting = tuple[Taken, Rows]
Outcome = tuple[Taken, Rows, Sequence[tuple[Any, ...]], BaseException | None]


class Turn:
    """Of one version. For the event loop's thread."""

    def __init__(
        self,
        few: Few,
        deliver: Callable[[Taken, Rows, Sequence[tuple[Any, ...]]], None],
        fail: Callable[[Taken, BaseException], None],
        journal: Journal,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`deliver` logs a request's answers and puts its reply; `fail` answers a request that gets none."""
        self._few = few
        self._deliver = deliver
        self._fail = fail
        self._send_after = journal.send_after
        self._stage = journal.metrics.stage
        self._loop = loop
        self._waiting: list[Waiting] = []
        self._until_looked_at = LOOKED_AT
        self._weight = 0

    def add(self, taken: Taken, read: Rows) -> None:
        """Answer a request that has just been read before the turn is over."""
        self._until_looked_at -= 1
        if not self._until_looked_at:
            self._until_looked_at = LOOKED_AT
            self._weight += LOOKED_AT
            self._stage("read", perf_counter() - taken.began, LOOKED_AT)
        self._waiting.append((taken, read))
        if len(self._waiting) == 1:
            self._loop.call_soon(self._answer_all)
        elif len(self._waiting) == MOST:
            self._answer_all()

    def _answer_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        weight, self._weight = self._weight, 0
        if not waiting:  # there were so many that they have been answered
            return
        began = perf_counter()
        outcomes = self._asked(waiting)
        ready = perf_counter()
        self._send_after(lambda: each_of(outcomes, self._tell, self._tell_of))
        if weight:
            self._stage("model", (ready - began) / len(waiting), weight)
            self._stage("log and reply", (perf_counter() - ready) / len(waiting), weight)

    def _asked(self, waiting: Sequence[Waiting]) -> list[Outcome]:
        """The model's answers, or what it raised."""
        few = self._few
        outcomes: list[Outcome] = []
        for taken, read in waiting:
            try:
                outcomes.append((taken, read, few(read.rows), None))
            except BaseException as error:  # as in `each.tried`, which costs a call
                outcomes.append((taken, read, (), error))
        return outcomes

    def _tell(self, outcome: Outcome) -> None:
        taken, read, answers, error = outcome
        if error is None:
            self._deliver(taken, read, answers)
        else:
            self._fail(taken, error)

    def _tell_of(self, outcome: Outcome, problem: Exception) -> None:
        self._fail(outcome[0], problem)
