"""What goes on beside whoever begins it: tasks that nobody waits for, held until they are over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

Broke = Callable[[BaseException], None]


class Chores:
    """`broke`: hears what a task raises; without it, the loop's own handler says so."""

    def __init__(self, broke: Broke | None = None) -> None:
        self._broke = broke
        self._tasks: set[asyncio.Task[Any]] = set()

    def begin(self, work: Coroutine[Any, Any, Any]) -> None:
        """For the running loop."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)  # the loop itself holds a task too loosely to count on
        task.add_done_callback(self._done)

    def cancel(self) -> None:
        """All that are not over."""
        for task in list(self._tasks):
            task.cancel()

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if self._broke is not None and not task.cancelled() and (error := task.exception()) is not None:
            self._broke(error)
