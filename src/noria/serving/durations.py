"""How long turns of the graph last: whether the event loop may take the next one itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

BRIEF = 0.004  # seconds that the event loop can do without; others' health checks and deadlines wait as long
OFTEN = 0.3  # share of turns that may not be brief: on a busy machine any may be interrupted
WEIGHT = 0.02  # of a turn in that share: the first turns are the thread's, until 60 were brief
LONG = 0.02  # seconds of a turn; after two of them the event loop is kept free for a while
PAUSE = (
    0.1  # seconds of a turn; after one: no more than a container's CPU quota takes away at once is forgiven
)
FORGETS = 0.99  # a turn: one of a second is too long for 230 turns


class Durations:
    """Of a batcher's turns; what was long ago counts for less and less."""

    def __init__(self) -> None:
        self._share = 1.0
        self._longest = self._second = 0.0

    def add(self, seconds: float) -> None:
        """A turn has taken so long."""
        self._share += WEIGHT * ((seconds >= BRIEF) - self._share)
        longest, second = self._longest * FORGETS, self._second * FORGETS
        self._longest, self._second = max(seconds, longest), max(min(seconds, longest), second)

    @property
    def brief(self) -> bool:
        """Whether turns are brief as a rule, and were not long lately but for an interruption."""
        return self._share < OFTEN and self._second < LONG and self._longest < PAUSE


def cpu_of_this_thread() -> Callable[[], float]:
    """CPU seconds of the thread that asks for it here, from any thread; without end 0 where the system does not tell."""
    if not hasattr(time, "pthread_getcpuclockid"):  # macOS
        return lambda: 0.0
    clock = time.pthread_getcpuclockid(threading.get_ident())
    return lambda: time.clock_gettime(clock)
