"""Since when a request has waited that the event loop comes to only now.

A turn of the loop reads all sockets that have something, one after the other. Where it takes seconds, because many large
requests came together, the last of them has waited as long in the kernel, and nobody has told when it came. But a timer goes
off before the loop looks at its sockets: one that is overdue tells that this turn began before it was due.
"""

from __future__ import annotations

import asyncio

EVERY = 0.25  # s; what is told is wrong by as much, and always too little


class Pulse:
    """Of one event loop, for its thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._beat()

    def arrived(self) -> float:
        """When that came which the loop reads now, by its clock; at the latest."""
        return min(self._loop.time(), self._due)

    def stop(self) -> None:
        self._timer.cancel()

    def _beat(self) -> None:
        self._due = self._loop.time() + EVERY
        self._timer = self._loop.call_later(EVERY, self._beat)
