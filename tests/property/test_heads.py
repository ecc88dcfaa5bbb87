"""A connection that remembers a request's head reads every stream of bytes as one that parses each head anew."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from noria.errors import NoriaError
from noria.serving.connection import Connection, Desk, Raw
from noria.serving.heads import IN_VAIN

MAX_BODY = 40
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
BODIES = [b"", b"{}", b'{"a": 1}', b"\r\n\r\n", b"x" * 50, b"POST /a HTTP/1.1\r\n\r\n"]
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
    """Requests of few heads, as a client's packets: whole, cut or together; some say a wrong length."""
    first = draw(heads())
    known = [first, first, first, draw(heads()), _with_one_more(first, draw(st.sampled_from(ODD)))]
    packets: list[bytes] = []
    for number in range(draw(st.integers(2, 5))):
        lines = draw(st.sampled_from(known)) if number else first
        body = draw(st.sampled_from(BODIES))
        wrong = draw(st.sampled_from([1, -1, 100])) if number and draw(st.integers(0, 3)) == 0 else 0
        request = "\r\n".join(lines).format(max(0, len(body) + wrong)).encode() + body
        how = draw(st.sampled_from(["whole", "whole", "cut", "together"])) if number else "whole"
        if how == "cut":
            at = draw(st.integers(1, len(request)))
            packets += [request[:at], request[at:]]
        elif how == "together":
            packets[-1] += request
        else:
            packets.append(request)
    return [packet for packet in packets if packet]


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


class Clock:
    """A loop of which a connection asks the time, and calls that are made at once."""

    def time(self) -> float:
        return 0.0

    def call_soon(self, call: Any, *given: Any) -> None:
        call(*given)

    call_later = staticmethod(lambda seconds, call, *given: None)


def told(packets: list[bytes], *, remembers: bool) -> tuple[list[Any], list[str], list[bytes], bool]:
    """What is asked, what is refused and what is written."""
    asked: list[Any] = []
    refused: list[NoriaError] = []

    def answer(raw: Raw, send: Any) -> None:
        shown = (raw.method, raw.url, raw.headers, raw.body, raw.keep, raw.plain, raw.table)
        asked.append((shown, raw.connection is connection))
        send(b"{}")

    connection = Connection(
        Desk(answer, refused.append, max_body=MAX_BODY), cast("asyncio.AbstractEventLoop", Clock())
    )
    wire = Sent()
    connection.connection_made(cast("asyncio.Transport", wire))
    connection._in_vain = 0 if remembers else IN_VAIN
    for packet in packets:
        connection.data_received(packet)
    return asked, list(map(str, refused)), wire.sent, wire.closed


@given(streams())
def test_what_is_remembered_is_what_is_parsed(packets: list[bytes]) -> None:
    assert told(packets, remembers=True) == told(packets, remembers=False)
