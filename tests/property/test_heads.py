"""A connection that remembers a request's head reads every stream of bytes as one that parses each head anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from noria.errors import NoriaError
from noria.serving.connection import Connection, Desk
from noria.serving.heads import IN_VAIN
from noria.serving.raw import Raw

MAX_BODY = 200
PLAIN = ["Host: a", "content-type: application/json", "accept: */*", "authorization: Bearer one"]
ODD = [
    "authorization: Bearer two",
    "content-type: text/plain",
    "connection: close",
    "x-noria-version: 3",
    "expect: 100-continue",
    "transfer-encoding: chunked",
    "x-long: content-length: 7",
]
LENGTHS = ["content-length: {}", "Content-Length:{}", "CONTENT-LENGTH:  {} ", "content-length: 0{}"]
BODIES = [b"", b"{}", b'{"a": 1}', b"\r\n\r\n", b"x" * 250, b"POST /a HTTP/1.1\r\n\r\n"]
STARTS = [
    "POST /a HTTP/1.1",
    "POST /b HTTP/1.1",
    "GET /a HTTP/1.1",
    "POST /a HTTP/1.0",
    "\r\nPOST /a HTTP/1.1",
]


@st.composite
def heads(draw: st.DrawFn) -> list[str]:
    """The lines of a head; most of them such as are remembered."""
    odd = [draw(st.sampled_from(ODD))] if draw(st.integers(0, 3)) == 0 else []
    lines = draw(st.permutations([*draw(st.lists(st.sampled_from(PLAIN), max_size=2, unique=True)), *odd]))
    start = draw(st.sampled_from(STARTS)) if draw(st.integers(0, 5)) == 0 else STARTS[0]
    length = draw(st.sampled_from(LENGTHS))
    at = draw(st.integers(0, len(lines)))
    return [start, *lines[:at], length, *lines[at:], "", ""]


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Requests of few heads, as a client's packets: whole, cut anywhere, with others; some say a wrong length, and some
    bodies look like a request. Often so many heads come first that no more are learnt."""
    first = draw(heads())
    known = [first, first, first, draw(heads()), _with_one_more(first, draw(st.sampled_from(ODD)))]
    before = draw(st.sampled_from([0, IN_VAIN - 1, IN_VAIN - 1, IN_VAIN]))
    learnt = [*(_with_one_more(first, f"x-trace: {number}") for number in range(before)), first]
    packets = [_written(lines, b"{}") for lines in learnt]
    came, cuts = b"", set[int]()
    for _ in range(draw(st.integers(1, 4))):
        body = draw(st.sampled_from([*BODIES, packets[-1], packets[-1]]))
        wrong = draw(st.sampled_from([0] * 9 + [1, -1, 100]))
        request = _written(draw(st.sampled_from(known)), body, wrong)
        start, end = len(came), len(came) + len(request)
        somewhere = draw(st.integers(start, end))
        cuts |= draw(
            st.sampled_from([{start}, {start}, {somewhere}, {end - len(body), end}, {end - len(body)}])
        )
        came += request
    edges = [0, *sorted(cuts - {0, len(came)}), len(came)]
    return packets + [came[start:end] for start, end in pairwise(edges)]


def _written(lines: list[str], body: bytes, wrong: int = 0) -> bytes:
    return "\r\n".join(lines).format(max(0, len(body) + wrong)).encode() + body


def _with_one_more(lines: list[str], line: str) -> list[str]:
    return [*lines[:-2], line, *lines[-2:]]


class Sent:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def close(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading

    def get_write_buffer_size(self) -> int:
        return 0


class Loop:
    """One of which a connection asks the time, and whose calls are made when the test says so."""

    def __init__(self) -> None:
        self._soon: list[Callable[[], object]] = []

    def time(self) -> float:
        return 0.0

    def call_soon(self, call: Callable[..., object], *given: Any) -> None:
        self._soon.append(lambda: call(*given))

    call_later = staticmethod(lambda seconds, call, *given: None)

    def turn(self) -> None:
        soon, self._soon = self._soon, []
        for call in soon:
            call()


Moves = list[tuple[bool, bool]]
"""After each packet: whether a request is answered that waits for it, and whether the loop has a turn."""


def told(
    packets: list[bytes], moves: Moves, *, remembers: bool, at_once: bool
) -> tuple[list[Any], list[str], list[bytes], list[bool]]:
    """What is asked, what is refused and what is written; and after each packet, whether it is between two requests."""
    asked: list[Any] = []
    refused: list[NoriaError] = []
    owed: list[Callable[[], None]] = []
    between: list[bool] = []

    def answer(raw: Raw, send: Any) -> None:
        shown = (raw.method, raw.url, raw.headers, raw.body, raw.keep, raw.plain, raw.table)
        asked.append((shown, raw.connection is connection))
        answered = b"%d" % len(asked)
        if at_once:
            send(answered)
        else:
            owed.append(lambda: send(answered))

    loop, wire = Loop(), Sent()
    connection = Connection(
        Desk(answer, refused.append, max_body=MAX_BODY), cast("asyncio.AbstractEventLoop", loop)
    )
    connection.connection_made(cast("asyncio.Transport", wire))
    connection._reading._in_vain = 0 if remembers else IN_VAIN
    for packet, (answers, turns) in zip(packets, moves, strict=False):
        connection.data_received(packet)
        if answers and owed:
            owed.pop(0)()
        if turns:
            loop.turn()
        between.append(connection.between)
    while owed:
        owed.pop(0)()
        loop.turn()
    return asked, list(map(str, refused)), wire.sent, [*between, connection.between, wire.closed]


@settings(max_examples=400)
@given(streams(), st.lists(st.tuples(st.booleans(), st.booleans()), min_size=40, max_size=40), st.booleans())
def test_what_is_remembered_is_what_is_parsed(packets: list[bytes], moves: Moves, at_once: bool) -> None:
    remembered = told(packets, moves, remembers=True, at_once=at_once)
    assert remembered == told(packets, moves, remembers=False, at_once=at_once)
