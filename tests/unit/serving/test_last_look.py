"""Since when requests have waited that a busy event loop comes to only now, over real sockets."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable

import pytest
import uvloop

from noria.serving.connection import Connection, Desk
from noria.serving.raw import Raw

ASKED = b"POST /%d HTTP/1.1\r\ncontent-length: 0\r\nx-noria-version: 1\r\n\r\n"
SMALL = b"POST /%d HTTP/1.1\r\ncontent-length: 0\r\n\r\n"
LARGE = b"POST /%d HTTP/1.1\r\ncontent-length: 5000\r\n\r\n" + b" " * 5000


async def _told(clients: int, send: Callable[[list[socket.socket]], object]) -> list[tuple[float, float]]:
    """Of each request: since when it has waited, and when its turn came; `send` is called by the loop."""
    loop = asyncio.get_running_loop()
    told: list[tuple[float, float]] = []
    over = asyncio.Event()

    def answer(raw: Raw, send: object) -> None:
        told.append((raw.came, loop.time()))
        while loop.time() <= told[-1][1]:  # the work that it makes
            pass
        if len(told) == clients:
            over.set()

    desk = Desk(answer, lambda error: None, max_body=5000)
    pairs = [socket.socketpair() for _ in range(clients)]
    for ours, _ in pairs:
        ours.setblocking(False)
        await loop.create_connection(lambda: Connection(desk, loop), sock=ours)
    loop.call_soon(send, [theirs for _, theirs in pairs])
    await over.wait()
    for _, theirs in pairs:
        theirs.close()
    return told


@pytest.mark.parametrize("first", [ASKED, LARGE])
@pytest.mark.parametrize("other", [ASKED, LARGE, SMALL])
def test_who_waits_for_others_that_came_with_it_has_waited_since_then(first: bytes, other: bytes) -> None:
    def send(callers: list[socket.socket]) -> None:
        for number, caller in enumerate(callers):
            caller.sendall((other if number else first) % number)

    told = uvloop.run(_told(3, send))
    assert len({came for came, _ in told}) == 1
    assert [turn > came for came, turn in told[1:]] == [True, True]


def test_small_requests_are_not_asked_since_when_they_wait() -> None:
    def send(callers: list[socket.socket]) -> None:
        for number, caller in enumerate(callers):
            caller.sendall(SMALL % number)

    assert {came for came, _ in uvloop.run(_told(3, send))} == {math.inf}


def test_what_the_loop_did_before_it_looked_is_nobodys_waiting() -> None:
    sent: list[float] = []

    def send(callers: list[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while loop.time() <= began:  # work in a callback, at whose end somebody asks
            pass
        sent.append(loop.time())
        callers[0].sendall(ASKED % 0)

    ((came, turn),) = uvloop.run(_told(1, send))
    assert sent[0] <= came <= turn
