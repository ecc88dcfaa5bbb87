"""Copies of requests for a version that answers nobody: sent after the answer, dropped where it cannot keep up."""

from __future__ import annotations

import asyncio
from collections import deque

from noria.serving.metrics import VersionMetrics
from noria.serving.raw import Raw
from noria.serving.siblings import Siblings, Unanswered

WAITING = (
    256  # requests; a shadow that is further behind than its champion's own queue would only tell of the past
)
HELD = 32 * 2**20  # bytes of their bodies
UNDER_WAY = (
    16  # copies under way at once: enough for batches, and few enough to leave the machine to the champion
)


class Shadow:
    """One shadow's queue. For one event loop."""

    def __init__(
        self,
        version: int,
        siblings: Siblings,
        *,
        metrics: VersionMetrics,
        loop: asyncio.AbstractEventLoop,
        seconds: float,
    ) -> None:
        self._version = version
        self._siblings = siblings
        self._metrics = metrics
        self._loop = loop
        self._seconds = seconds
        self._waiting: deque[Raw] = deque()
        self._held = 0
        self._under_way: set[asyncio.Task[None]] = set()

    def copy(self, raw: Raw) -> None:
        """Let the shadow answer a request too, sometime, or not at all."""
        size = len(raw.body)
        if len(self._waiting) >= WAITING or (self._waiting and self._held + size > HELD):
            self._metrics.dropped(self._version)
            return
        self._waiting.append(raw)
        self._held += size
        self._loop.call_soon(self._next)  # what is called for now comes first, such as the answer itself

    def close(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
        self._held = 0

    def _next(self) -> None:
        while self._waiting and len(self._under_way) < UNDER_WAY:
            raw = self._waiting.popleft()
            self._held -= len(raw.body)
            task = self._loop.create_task(self._sent(raw))
            self._under_way.add(task)
            task.add_done_callback(self._done)

    async def _sent(self, raw: Raw) -> None:
        self._metrics.passed_on(self._version, "shadow")
        try:
            await self._siblings.ask(raw, way="shadow", seconds=self._seconds)
        except Unanswered as failure:
            self._metrics.unanswered(self._version, "shadow", failure.kind)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._next()
