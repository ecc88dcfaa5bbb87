"""Since when a request has waited that a busy event loop comes to only now, over a real socket."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any

import uvloop

from noria.serving.pulse import EVERY, Pulse

LONG = 2 * EVERY  # s of work for one of the two that ask together


class Slow(asyncio.Protocol):
    """Works for long on each request; says how long ago it came, as far as is known when its turn comes."""

    def __init__(self, pulse: Pulse, told: Callable[[float], Any]) -> None:
        self._pulse = pulse
        self._told = told

    def data_received(self, data: bytes) -> None:
        self._told(asyncio.get_running_loop().time() - self._pulse.arrived())
        time.sleep(LONG)


async def _waits(clients: int) -> list[float]:
    """What is told of requests that come together."""
    loop, waits = asyncio.get_running_loop(), list[float]()
    pulse = Pulse(loop)
    pairs = [socket.socketpair() for _ in range(clients)]
    for ours, _ in pairs:
        ours.setblocking(False)
        await loop.create_connection(lambda: Slow(pulse, waits.append), sock=ours)
    await asyncio.sleep(1.2 * EVERY)  # an idle loop has nothing to tell
    for _, theirs in pairs:
        theirs.sendall(b"x")
    while len(waits) < clients:
        await asyncio.sleep(0)
    pulse.stop()
    for _, theirs in pairs:
        theirs.close()
    return waits


def test_who_waits_for_others_that_came_together_is_known_to_have_waited() -> None:
    first, second = uvloop.run(_waits(2))
    assert first < 0.1
    assert LONG - EVERY <= second <= LONG + 0.1


def test_who_comes_to_an_idle_loop_has_not_waited() -> None:
    assert uvloop.run(_waits(1))[0] < 0.1
