"""Who comes is let in, over real sockets: many at once, by several processes, and while nothing can be opened."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import uvloop

from noria.serving import arrivals
from noria.serving.arrivals import Arrivals

BURST = 500


@contextmanager
def _waiting(count: int) -> Iterator[socket.socket]:
    """A listening socket at which so many wait."""
    with ExitStack() as kept:
        listening = kept.enter_context(socket.create_server(("127.0.0.1", 0), backlog=2 * BURST))
        for _ in range(count):
            kept.enter_context(socket.create_connection(listening.getsockname(), timeout=20))
        yield listening


def _run(work: Coroutine[Any, Any, None]) -> None:
    async def within() -> None:
        async with asyncio.timeout(20):
            await work

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(within())


def _let_in(listening: socket.socket, into: list[socket.socket], troubles: list[OSError]) -> Arrivals:
    return Arrivals(listening, into.append, asyncio.get_running_loop(), troubled=troubles.append)


def _close(connections: list[socket.socket]) -> None:
    for one in connections:
        one.close()


async def _all_come(listening: socket.socket) -> None:
    inside: list[socket.socket] = []
    troubles: list[OSError] = []
    arrivals = _let_in(listening, inside, troubles)
    turns = 0
    while len(inside) < BURST:
        await asyncio.sleep(0)
        turns += 1
    arrivals.close()
    _close(inside)
    assert turns < BURST / 10
    assert not troubles


def test_many_who_come_at_once_do_not_wait_for_a_turn_of_the_loop_each() -> None:
    with _waiting(BURST) as listening:
        _run(_all_come(listening))


async def _two_share(listening: socket.socket) -> None:
    sides: tuple[list[socket.socket], ...] = ([], [])
    both = [_let_in(listening.dup(), side, []) for side in sides]
    while sum(map(len, sides)) < 64:
        await asyncio.sleep(0)
    for each in both:
        each.close()
    shares = [len(side) for side in sides]
    for side in sides:
        _close(side)
    assert min(shares) >= 16, shares


def test_who_looks_first_does_not_take_all() -> None:
    with _waiting(64) as listening:
        _run(_two_share(listening))


class Exhausted(socket.socket):
    """A listening socket in a process that may open no more files, the first time that it is asked."""

    asked = 0

    def accept(self) -> tuple[socket.socket, Any]:
        self.asked += 1
        if self.asked == 1:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return super().accept()


async def _come_later(listening: Exhausted) -> None:
    inside: list[socket.socket] = []
    troubles: list[OSError] = []
    arrivals = _let_in(listening, inside, troubles)
    while len(inside) < 3:
        await asyncio.sleep(0.001)
    asked = listening.asked
    arrivals.close()
    _close(inside)
    assert [one.errno for one in troubles] == [errno.EMFILE]
    assert asked < 12  # it did not try in each turn meanwhile


def test_who_cannot_be_let_in_waits_and_is_let_in_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "PAUSE", 0.05)
    with _waiting(3) as listening:
        _run(_come_later(Exhausted(fileno=os.dup(listening.fileno()))))


async def _closes(listening: socket.socket) -> None:
    inside: list[socket.socket] = []
    _let_in(listening.dup(), inside, []).close()
    await asyncio.sleep(0.01)
    assert not inside
    arrivals = _let_in(listening.dup(), inside, [])
    while len(inside) < 2:
        await asyncio.sleep(0)
    arrivals.close()
    _close(inside)


def test_who_was_not_let_in_is_anothers() -> None:
    with _waiting(2) as listening:
        _run(_closes(listening))
