"""Where open connections go on: who gives one back, because it leaves or others came, need not know who takes it."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable, Sequence

from noria.serving import wire
from noria.serving.worker_process import Worker

SETTLING = (
    5.0  # s after workers were added, in which connections that are given back go to the new ones alone
)
Elsewhere = Callable[[socket.socket, int], bool]
"""Takes a connection with its moves so far, where no worker of this model ever will."""


class Homes:
    """Connections given to workers in turn; none is closed. For one event loop."""

    def __init__(self, accepting: Callable[[], Sequence[Worker]], elsewhere: Elsewhere) -> None:
        self._accepting = accepting
        self._elsewhere = elsewhere
        self._newcomers: list[Worker] = []
        self._waiting: list[socket.socket] = []
        self._turn = itertools.count()

    def prefer(self, newcomers: Sequence[Worker]) -> None:
        """Let connections go to these alone, until they have had the time to get their share."""
        self._newcomers = list(newcomers)
        if newcomers:
            asyncio.get_running_loop().call_later(SETTLING, self._newcomers.clear)

    def settle(self) -> None:
        """Try once more for those that waited: somebody accepts now."""
        waiting, self._waiting = self._waiting, []
        self.give(waiting)

    def give(self, connections: Sequence[socket.socket], moves: int = 0) -> None:
        """Let connections go on in the workers that accept; where there is none, elsewhere, or once there is one."""
        for one in connections:
            homes = [each for each in self._newcomers if each.state == "accepting"] or self._accepting()
            if not homes:
                if not self._elsewhere(one, moves):
                    self._waiting.append(one)
            elif homes[next(self._turn) % len(homes)].tell(wire.Take(moves=moves), [one]):
                one.close()
            else:
                self._waiting.append(one)
