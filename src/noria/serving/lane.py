"""One thread for what must not run twice at a time, behind a queue that ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from noria.serving.errors import Overloaded

T = TypeVar("T")

WAITING = 256  # requests: at a millisecond each, the last waits a quarter of a second
HELD = 256 * 2**20  # bytes of waiting bodies, which stay in memory meanwhile


class Lane:
    """Work in order of arrival, in one thread beside the event loop, so that health answers while a graph works."""

    def __init__(self, name: str, *, waiting: int = WAITING, held: int = HELD) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._most, self._most_held = waiting, held
        self.waiting = 0
        self._held = 0

    async def do(self, work: Callable[[], T], *, size: int = 0) -> T:
        """The work's result. Raises `Overloaded` at once when too many, or too much, wait already."""
        if self.waiting >= self._most or (self.waiting and self._held + size > self._most_held):
            raise Overloaded(waiting=self.waiting)
        self.waiting += 1
        self._held += size
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self.waiting -= 1
            self._held -= size

    def close(self) -> None:
        """Finish what was begun."""
        self._thread.shutdown(wait=True)
