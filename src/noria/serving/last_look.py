"""Since when a request has waited that the event loop comes to only now.

A turn of the loop looks at its sockets, and reads all that have something, one after the other. Where that takes seconds,
because many large requests came together, the last of them has waited as long in the kernel, and nobody has told when it came:
but not after the first of them was read. What the loop did before it looked tells nothing; a request may have come at the end
of that.
"""

from __future__ import annotations

import asyncio
import math


class LastLook:
    """Of one event loop at its sockets, for its thread."""

    def __init__(self) -> None:
        self.known = math.inf
        """When what the loop reads now was there, by its clock and at the latest; infinite where nobody has asked for it since
        the loop looked."""

    def at(self, loop: asyncio.AbstractEventLoop) -> float:
        """The same, known from now on."""
        at = self.known
        if at == math.inf:
            self.known = at = loop.time()
            loop.call_soon(self._over)  # comes when all has been read
        return at

    def _over(self) -> None:
        self.known = math.inf
