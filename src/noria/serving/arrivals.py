"""Who connects to a listening socket is let in, however many come at once.

uvloop's own servers accept one connection a turn of the event loop. While a worker is busy its turns are long, so that of
a thousand callers who come together the last would wait for a thousand turns: unanswered, and told nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

MOST = 128  # connections a turn: some milliseconds, in which nobody is answered
PAUSE = 1.0  # s after one could not be accepted, for the want of descriptors or memory, as in asyncio


class Arrivals:
    """Of one listening socket, which it owns. For the event loop's thread.

    Several processes accept from the same socket, and whoever looks first must not take all: so it begins with one a
    turn, and takes twice as many in each turn after one in which more waited than it took.
    """

    def __init__(
        self,
        listening: socket.socket,
        welcome: Callable[[socket.socket], None],
        loop: asyncio.AbstractEventLoop,
        *,
        troubled: Callable[[OSError], None],
    ) -> None:
        """`welcome` owns what it is given; `troubled` hears why one could not be accepted: it waits, and is tried again."""
        self._listening = listening
        self._welcome = welcome
        self._loop = loop
        self._troubled = troubled
        self._most = 1
        self._over = False
        listening.setblocking(False)
        loop.add_reader(listening, self._come)

    def close(self) -> None:
        """Let in nobody else; who waits to be accepted is others' to accept."""
        if self._over:
            return
        self._over = True
        self._loop.remove_reader(self._listening)
        self._listening.close()

    def _come(self) -> None:
        for _ in range(self._most):
            try:
                connection, _ = self._listening.accept()
            except (BlockingIOError, InterruptedError):
                self._most = 1
                return
            except ConnectionAbortedError:  # it has gone already
                continue
            except OSError as error:
                self._rest(error)
                return
            self._welcome(connection)
        self._most = min(2 * self._most, MOST)

    def _rest(self, error: OSError) -> None:
        """For a while: the socket would be ready in each turn, and none could be accepted."""
        self._loop.remove_reader(self._listening)
        self._loop.call_later(PAUSE, self._go_on)
        self._troubled(error)

    def _go_on(self) -> None:
        if not self._over:
            self._loop.add_reader(self._listening, self._come)
