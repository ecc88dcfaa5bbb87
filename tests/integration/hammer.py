"""A client that asks the same again and again: `python hammer.py URL PATH BODY CONNECTIONS REQUESTS`.

A process of its own, so that what it costs is not the server's; raw HTTP, for a client of a library would be the bottleneck.
Prints how many requests were answered with 200, and the seconds; ends with 1 at the first other answer.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any, cast

import uvloop

OK, SIZE = b"HTTP/1.1 200 ", b"content-length: "


class Caller(asyncio.Protocol):
    """One connection: the next request leaves when the answer before is whole."""

    def __init__(self, request: bytes, left: list[int], over: asyncio.Future[None]) -> None:
        self._request, self._left, self._over = request, left, over
        self._transport = cast("asyncio.Transport", None)
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head = self._heard.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self._heard.find(SIZE) + len(SIZE)
        size = int(self._heard[at : self._heard.find(b"\r", at)])
        if len(self._heard) < head + 4 + size:
            return
        if not self._heard.startswith(OK):
            self._end(ValueError(self._heard[:500]))
            return
        self._heard = b""
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error or ConnectionResetError("the connection was closed"))

    def _ask(self) -> None:
        if self._left[0] == 0:
            self._end(None)
            return
        self._left[0] -= 1
        self._transport.write(self._request)

    def _end(self, error: Exception | None) -> None:
        if self._over.done():
            return
        if error is None:
            self._over.set_result(None)
        else:
            self._over.set_exception(error)


async def hammer(url: str, path: str, body: bytes, connections: int, requests: int) -> None:
    host, _, port = url.removeprefix("http://").rpartition(":")
    head = "POST {} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n"
    request = head.format(path, len(body)).encode() + body
    loop, left = asyncio.get_running_loop(), [requests]
    ends: list[asyncio.Future[Any]] = [loop.create_future() for _ in range(connections)]
    for over in ends:
        await loop.create_connection(lambda over=over: Caller(request, left, over), host, int(port))
    await asyncio.gather(*ends)


def main() -> None:
    url, path, body, connections, requests = sys.argv[1:]
    began = time.perf_counter()
    uvloop.run(hammer(url, path, Path(body).read_bytes(), int(connections), int(requests)))
    print(requests, round(time.perf_counter() - began, 1))


if __name__ == "__main__":
    main()
