"""Asking a worker of another version, over its own Unix socket: connections that are kept, requests as they came."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Literal, cast

import httptools

from noria.serving.messages import Response
from noria.serving.raw import Headers, Raw

INSIDE = 1  # of the requests between workers: the headers below
PROTOCOL, WAY, WITHIN = b"x-noria-inside", b"x-noria-way", b"x-noria-within"
"""The number above; how the version comes to answer; how many seconds the answer is of use."""
PARENT = b"traceparent"  # W3C's: whose child the span is that the sibling makes of it
CALL = "call"  # the end of the path of a call over gRPC: protobuf as it came, and as it is answered
FRONT = "front"  # a way: for another model, as it came in at the front; who answers has not been decided
PRIVATE = b"x-noria-"  # what a caller sends of these names is not for a worker
IDLE = (
    30.0  # s; well under what the other side keeps an idle connection for, so that it never closes one in use
)
KEPT = 64  # idle connections to one worker; more at once are opened, and closed again

Kind = Literal["late", "gone", "error", "refused"]
"""What became of a request instead of an answer: none in time; nobody there, or dead over it; a 5xx; a 4xx."""

_KEPT_BACK = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"transfer-encoding",
        b"content-length",
        b"expect",
        b"upgrade",
        b"authorization",
    }
)
"""Headers that are between a caller and this worker alone."""


class Unanswered(Exception):
    """A sibling gave no answer."""

    def __init__(self, kind: Kind, response: Response | None = None, *, sent: bool = True) -> None:
        super().__init__(kind)
        self.kind = kind
        self.sent = sent
        """False where nobody was there to send it to."""
        self.response = response
        """What it said instead, where it said anything."""


class Siblings:
    """The workers of one version, as another worker asks them. For one event loop."""

    def __init__(self, sockets: Sequence[str], loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._sockets = tuple(sockets)
        self._idle: dict[str, list[Line]] = {}
        self._turn = 0

    def move(self, sockets: Sequence[str]) -> None:
        """Other workers have this version's part from now on."""
        self._sockets = tuple(sockets)
        for path in self._idle.keys() - set(sockets):
            for line in self._idle.pop(path):
                line.close()

    def close(self) -> None:
        """Ask nobody any more; what is under way is still answered."""
        self.move(())

    @property
    def there(self) -> bool:
        """Whether there is anybody to ask."""
        return bool(self._sockets)

    async def ask(
        self, raw: Raw, *, way: str, seconds: float, more: Sequence[tuple[bytes, bytes]] = ()
    ) -> Response:
        """The answer, which has status 200. Raises `Unanswered`. `more`: headers beside the caller's own.

        A request that was sent is never sent again: what one worker died of, the next would die of too.
        """
        headers = [(PROTOCOL, b"%d" % INSIDE), (WAY, way.encode()), (WITHIN, b"%.6f" % seconds), *more]
        if raw.span is not None:
            headers.append((PARENT, raw.span.parent))
        try:
            async with asyncio.timeout(seconds):
                response = await self._asked(_bytes_of(raw, headers))
        except TimeoutError:
            raise Unanswered("late") from None
        if response.status != 200:
            raise Unanswered("error" if response.status >= 500 else "refused", response)
        return response

    async def _asked(self, data: bytes) -> Response:
        path, line = await self._line()
        try:
            response = await line.ask(data)
        except (ConnectionError, httptools.HttpParserError) as error:
            raise Unanswered("gone") from error
        finally:
            self._keep(path, line)
        return response

    async def _line(self) -> tuple[str, Line]:
        """A connection to the worker whose turn it is, or to one that takes it; asked before anything else can happen."""
        self._turn += 1
        tried: set[str] = set()
        while (path := self._next(tried)) is not None:
            tried.add(path)
            line = self._kept(path) or await self._opened(path)
            if line is not None:
                return path, line
        raise Unanswered("gone", sent=False)

    def _next(self, tried: set[str]) -> str | None:
        count = len(self._sockets)
        turns = (self._sockets[(self._turn + at) % count] for at in range(count))
        return next((path for path in turns if path not in tried), None)

    def _kept(self, path: str) -> Line | None:
        idle = self._idle.get(path, [])
        while idle:
            line = idle.pop()
            if line.usable and self._loop.time() - line.since < IDLE:
                return line
            line.close()
        return None

    async def _opened(self, path: str) -> Line | None:
        """None where nobody is there, or others took over while it was opened: who leaves counts on being asked no more,
        and closes what is silent."""
        try:
            _, line = await self._loop.create_unix_connection(lambda: Line(self._loop), path)
        except OSError:
            return None
        if path in self._sockets:
            return line
        line.close()
        return None

    def _keep(self, path: str, line: Line) -> None:
        idle = self._idle.setdefault(path, []) if path in self._sockets else []
        if line.usable and path in self._sockets and len(idle) < KEPT:
            idle.append(line)
        else:
            line.close()


class Line(asyncio.Protocol):
    """A connection to a sibling, with one request at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport = cast("asyncio.Transport", None)
        self._parser: Any = None
        self._answer: asyncio.Future[Response] | None = None
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self.usable = True
        """Whether it can take the next request."""
        self.since = loop.time()
        """When the last answer came."""

    async def ask(self, data: bytes) -> Response:
        """Raises ConnectionError, HttpParserError. Given up, it is of no more use: its answer would come to the next."""
        self._headers, self._body = {}, []
        self._parser = httptools.HttpResponseParser(self)
        self._answer = self._loop.create_future()
        self.usable = False
        self._transport.write(data)
        return await self._answer

    def close(self) -> None:
        self.usable = False
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.usable = False
        self._failed(error or ConnectionResetError("it closed the connection"))

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self.close()  # nobody asked for this
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._failed(error)
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        answer = self._answer
        if answer is None or answer.done():
            return
        self.usable = self._parser.should_keep_alive()
        self.since = self._loop.time()
        kind = self._headers.pop("content-type", "application/octet-stream")
        kept = {
            name: value
            for name, value in self._headers.items()
            if name not in ("content-length", "date", "connection")
        }
        answer.set_result(Response(self._parser.get_status_code(), b"".join(self._body), kind, kept))

    def _failed(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            lost = isinstance(error, (ConnectionError, httptools.HttpParserError))
            self._answer.set_exception(error if lost else ConnectionResetError(str(error)))


def _bytes_of(raw: Raw, headers: Headers) -> bytes:
    ours = {name for name, _ in headers}
    own = [
        (name, value)
        for name, value in raw.headers
        if (lower := name.lower()) not in _KEPT_BACK and lower not in ours and not lower.startswith(PRIVATE)
    ]
    lines = b"".join(b"%b: %b\r\n" % header for header in (*own, *headers))
    return b"%b %b HTTP/1.1\r\n%bcontent-length: %d\r\n\r\n%b" % (
        raw.method,
        raw.url,
        lines,
        len(raw.body),
        raw.body,
    )
