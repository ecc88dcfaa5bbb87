"""The transport: HTTP/1.1 on a socket that somebody else may own. Nothing here knows a model.

One object a connection, driven by the event loop's callbacks; no task unless an answer has to be waited for. A connection
between two requests can be taken off this process with `part`, and go on in another one (see `handover`).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import math
import socket
import struct
import termios
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, cast

import httptools

from noria.errors import NoriaError
from noria.serving.errors import (
    BadHttp,
    BadPacking,
    BodyTooLarge,
    BodyTooSlow,
    HeadersTooLarge,
    TooManyConnections,
)
from noria.serving.heads import IN_VAIN, Head, head_of
from noria.serving.http_text import ANY, ROWS, TABLE, TIMEOUT, TOLD, UNTYPED, bodies_of, welcome, written
from noria.serving.last_look import LastLook
from noria.serving.messages import Response, refusal
from noria.serving.packed import ENCODINGS, Unpacking
from noria.serving.raw import Headers, Raw

BODY_SECONDS = 30.0  # s for a whole request; a client that trickles longer holds memory for nothing
READ_SECONDS = 30.0  # s for a client to take an answer that lies ready
KEEP_ALIVE = (
    75.0  # s; longer than the 60 of common proxies, so that the proxy closes an idle connection, not we
)
LINGER = 2.0  # s that a refused body is read and thrown away, so that its sender gets to read why; and for TLS's farewell
HEADERS = 64 * 2**10  # bytes of a request's line and headers: eight times what common servers take
UNPROVEN = (
    64 * 2**10
)  # bytes of a body that are read before its sender must have shown a token, if one is wanted
HEADER = 32  # bytes that each header counts for beside its own, as in HTTP/2: so there are 2,000 at most
READ = 256 * 2**10  # bytes that the event loop reads at once: so much of a body may come with the headers
SMALL = 4096  # bytes of a body whose reading takes too little to matter to who waits for it
SWEEP = 0.5  # s between two looks at what has waited too long
PIPELINED = 64  # requests of one connection that wait for those before them, until no more are read

LONGEST_TIMEOUT = 18  # digits that a sender may write of how long it waits


@dataclass
class Desk:
    """What all connections of a process share."""

    answer: Callable[[Raw, Callable[[bytes | Response], None]], None]
    """Answers a whole request, now or later, by calling what it is given, once."""
    refused: Callable[[NoriaError], None]
    """Told of a request that was refused before it was whole."""
    max_body: int
    max_connections: int = 20_000
    body_seconds: float = BODY_SECONDS
    stranger: Callable[[Headers], NoriaError | None] | None = None
    """What is wrong with the token of a request whose body is not here yet; None: whoever comes may send one."""
    connections: set[Connection] = field(default_factory=set)
    unproven: int = 0
    """Bytes of a request up to which its sender need show nothing before all of it is here."""
    last_look: LastLook = field(default_factory=LastLook)
    date: bytes = b""
    closing: bool = False
    """Every answer from now on is the last of its connection."""
    parting: Callable[[Connection], object] | None = None
    """Takes over a connection that is between two requests, instead of closing it, while this process leaves."""

    def __post_init__(self) -> None:
        self.unproven = min(self.max_body, UNPROVEN)

    def tick(self) -> None:
        self.date = b"date: " + formatdate(usegmt=True).encode() + b"\r\n"

    async def sweep(self) -> None:
        """Close what has waited too long, for as long as the process lives."""
        loop = asyncio.get_running_loop()
        while True:
            self.tick()
            now = loop.time()
            for connection in list(self.connections):
                connection.look(now)
            await asyncio.sleep(SWEEP)


class Connection(asyncio.Protocol):
    """A client's connection. Requests of one connection are answered in their order, one at a time."""

    __slots__ = (
        "_alone",
        "_body",
        "_body_size",
        "_desk",
        "_ended",
        "_head_size",
        "_headers",
        "_in_vain",
        "_kinds",
        "_known_head",
        "_last_word",
        "_loop",
        "_parser",
        "_slow",
        "_stopped",
        "_trailing",
        "_unpacking",
        "_url",
        "_waiting",
        "_within",
        "_working",
        "_writable",
        "known",
        "moves",
        "since",
        "transport",
        "unfinished",
    )

    def __init__(self, desk: Desk, loop: asyncio.AbstractEventLoop, moves: int = 0) -> None:
        self._desk = desk
        self._loop = loop
        self._parser: Any = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: Headers = []
        self._body: list[bytes] = []
        self._kinds = ANY
        self._head_size = 0
        self._alone = b""
        self._known_head: Head | None = None
        self._in_vain = 0
        self._body_size = 0
        self._unpacking: Unpacking | None = None
        self._within = math.inf
        self._slow = 0
        self._trailing = False
        self._stopped = False
        self._last_word: Response | None = None
        self._ended = False  # whether it will be asked no more: its client has said so
        self._working = False
        self._writable = True
        self._waiting: deque[Raw] = deque()
        self.moves = moves
        """How often it has gone from one model to another."""
        self.unfinished = False
        """Whether a request has begun to come that is not whole yet."""
        self.known: Any = None
        """What the worker's gate remembers of whoever is on it."""
        self.since = loop.time()
        """When it began to come, or when the last answer left."""
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)

    # -- the event loop's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if len(self._desk.connections) >= self._desk.max_connections:
            self._stop(refusal(TooManyConnections(limit=self._desk.max_connections)))
            return
        self._desk.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._stopped, self._last_word = True, None
        self._waiting.clear()
        self._desk.connections.discard(self)

    def eof_received(self) -> bool:
        """A client that sends no more may still read: what it has asked is answered before it is over."""
        self._ended = True
        return self._working or bool(self._waiting)

    def pause_writing(self) -> None:
        self._writable = False
        self.since = self._loop.time()

    def resume_writing(self) -> None:
        self._writable = True

    def data_received(self, data: bytes) -> None:
        if self._stopped or self._ended:
            return
        head = self._known_head
        if head is not None and not self.unfinished and len(data) <= self._desk.unproven:
            body = head.body(data)
            if body is not None:
                self._in_vain = 0
                self._came(head.raw.with_body(body))
                return
        self._parse(data)

    def _parse(self, data: bytes) -> None:
        if not self.unfinished and self._in_vain < IN_VAIN:
            self._alone = data
        if not self.unfinished and not self._working:
            self.since = self._loop.time()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:  # we speak HTTP/1.1 alone, and may: the request stands
            self._parser = httptools.HttpRequestParser(self)
            if rest := data[upgrade.args[0] :]:
                self.data_received(rest)
        except httptools.HttpParserError as error:
            # else the parser stumbles over what follows a request that was refused, or the last
            if not self._stopped and not self._ended:
                self._refuse(BadHttp(problem=str(error) or type(error).__name__))
        self._alone = b""
        if self.unfinished:
            self._count_head(len(data))

    def _count_head(self, came: int) -> None:
        """Refuse what has come since the last of a body: the parser tells of a header once it is whole, and would gather one
        without an end for ever."""
        self._slow += came
        if self._slow > HEADERS + READ and not self._stopped:
            self._refuse_headers()

    # -- the parser's callbacks

    def on_message_begin(self) -> None:
        self.unfinished = True

    def on_url(self, url: bytes) -> None:
        self._head_size += len(url)
        if self._head_size > HEADERS:
            self._refuse_headers()
        self._url = self._url + url if self._url else url

    def on_header(self, name: bytes, value: bytes) -> None:
        size = len(name)
        self._head_size += size + len(value) + HEADER
        if self._head_size > HEADERS:
            self._refuse_headers()
            return
        if self._trailing:
            return  # what comes after a body says nothing of it: least of all who sent it
        self._headers.append((name, value))
        if size in TOLD:  # told by their lengths first: this is called for each header of each request
            self._look_at(name.lower(), value)

    def _look_at(self, name: bytes, value: bytes) -> None:
        """Headers that decide how the body is read."""
        if name == b"content-type":
            self._kinds &= bodies_of(value)
        elif name == b"content-encoding":
            self._look_at_encoding(value)
        elif name == b"x-noria-version":
            self._kinds = 0
        elif name == TIMEOUT:
            self._look_at_timeout(value)
        elif name == b"accept":
            self._kinds &= welcome(value)
        elif name == b"content-length":
            self._headers.pop()  # the body is as long as it is; so the same head comes again
            if int(value) > self._desk.max_body and not self._stopped:
                self._refuse(BodyTooLarge(limit=self._desk.max_body))
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked" and not self._stopped:  # else the body would be taken as it is
                self._refuse(BadHttp(problem="Transfer-Encoding may be chunked alone"))
        elif name == b"expect" and value.lower() == b"100-continue" and not self._stopped:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _look_at_encoding(self, value: bytes) -> None:
        encoding = value.strip().lower()
        if encoding in ENCODINGS and self._unpacking is None:
            self._headers.pop()  # so whoever it is passed on to gets a plain one
            self._alone = b""  # the next one with this head would be taken for plain
            self._unpacking = Unpacking(encoding, self._desk.max_body)
        else:
            self._kinds = 0

    def _look_at_timeout(self, value: bytes) -> None:
        if value.isdigit() and len(value) <= LONGEST_TIMEOUT:
            self._within = int(value) / 1000
        elif not self._stopped:
            self._refuse(BadHttp(problem=f"{TIMEOUT.decode()} is no number of milliseconds"))

    def on_chunk_header(self) -> None:
        self._trailing = True

    def on_body(self, body: bytes) -> None:
        self._slow = 0
        if self._stopped:
            return
        if self._unpacking is not None:
            if self._stranger():
                return
            try:
                body = self._unpacking.feed(body)
            except BadPacking as error:
                self._refuse(error)
                return
        self._body_size += len(body)
        if self._body_size > self._desk.max_body:
            self._refuse(BodyTooLarge(limit=self._desk.max_body))
        elif self._body_size > UNPROVEN and self._stranger():
            self._body.clear()
        else:
            self._body.append(body)

    def _unpacked(self, unpacking: Unpacking) -> bool:
        """Whether a compressed body came to its end."""
        self._unpacking = None
        try:
            unpacking.end()
        except BadPacking as error:
            self._refuse(error)
            return False
        return True

    def _stranger(self) -> bool:
        """Whether whoever sends this much may not: refused, before all of it is here."""
        desk = self._desk
        error = desk.stranger(self._headers) if desk.stranger is not None else None
        if error is not None:
            self._refuse(error)
        return error is not None

    def on_message_complete(self) -> None:
        if self._stopped:
            return
        if self._unpacking is not None and not self._unpacked(self._unpacking):
            return
        parser = self._parser
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        keep, kinds = parser.should_keep_alive(), self._kinds
        if kinds & UNTYPED:
            kinds &= ROWS
        raw = Raw(parser.get_method(), self._url, self._headers, body, keep, kinds != 0, self, kinds == TABLE)
        raw.within = self._within
        self._url, self._headers, self._body, self._body_size, self._head_size = b"", [], [], 0, 0
        self._kinds, self._slow, self._trailing, self._within = ANY, 0, False, math.inf
        self.unfinished = False
        self._ended = not keep
        if self._alone:
            self._learn(raw)
        self._came(raw)

    def _learn(self, raw: Raw) -> None:
        """Remember its head for the next request, where it came in one piece."""
        self._in_vain += 1
        self._known_head = head_of(self._alone, raw)

    def _came(self, raw: Raw) -> None:
        look = self._desk.last_look
        small = raw.plain and len(raw.body) < SMALL
        raw.came = look.known if small else look.at(self._loop)
        if self._working or self._waiting:
            self._waiting.append(raw)
            if len(self._waiting) >= PIPELINED or self._parked() > self._desk.max_body:
                self.transport.pause_reading()
        else:
            self._begin(raw)

    def _parked(self) -> int:
        """Bytes of bodies that wait for those before them."""
        return sum(len(raw.body) for raw in self._waiting)

    # -- answers

    def _begin(self, raw: Raw) -> None:
        self._working = True
        self._desk.answer(raw, raw.send)

    def send(self, answer: bytes | Response, raw: Raw) -> None:
        """Write the answer to a request."""
        if self._stopped and self._last_word is None:
            return
        more = bool(self._waiting) or self._last_word is not None
        self._ended = self._ended or self._desk.closing
        keep = raw.keep and (more or not self._ended)
        self._write(answer, keep=keep, bodiless=raw.method == b"HEAD")
        self._working = False
        self.since = self._loop.time()
        if not keep:
            self._close()
        elif self._waiting:
            self._loop.call_soon(self._next)
        elif self._last_word is not None:
            self._stop(self._last_word)
        elif self._desk.parting is not None:
            self._loop.call_soon(self._offer)

    def _next(self) -> None:
        if self._waiting and not self._working:
            raw = self._waiting.popleft()
            if len(self._waiting) in (0, PIPELINED // 2):
                self.transport.resume_reading()
            self._begin(raw)

    def _write(self, answer: bytes | Response, *, keep: bool, bodiless: bool = False) -> None:
        self.transport.write(written(answer, self._desk.date, keep=keep, bodiless=bodiless))

    # -- ends

    def look(self, now: float) -> None:
        """Close it if its client has kept us waiting for too long, and end what is closed."""
        waited = now - self.since
        if self.transport.is_closing():
            if waited > (READ_SECONDS if unsent(self.transport) else LINGER):
                self.transport.abort()
        elif not self._writable:
            if waited > READ_SECONDS:
                self.transport.abort()
        elif self.unfinished and not self._working:
            if waited > self._desk.body_seconds and not self._stopped:
                self._refuse(BodyTooSlow(seconds=self._desk.body_seconds))
        elif not self._working and not self._stopped and waited > KEEP_ALIVE:
            self._close()

    @property
    def between(self) -> bool:
        """Whether nothing of a request has come and nothing of an answer is on its way."""
        return not (
            self._working
            or self._waiting
            or self.unfinished
            or self._stopped
            or self.transport.get_write_buffer_size()
        )

    @property
    def secured(self) -> bool:
        """Whether it speaks TLS: then its keys live in this process, and nobody else can go on with it."""
        return self.transport.get_extra_info("sslcontext") is not None

    @property
    def silent(self) -> bool:
        """Whether it is between two requests, and nothing of the next one waits in the kernel either."""
        if not self.between:
            return False
        held = self._held()
        if held is None:
            return True
        with held:
            try:
                return not held.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            except OSError:  # nothing waits, or it is broken and nobody waits for an answer
                return True

    def let_go(self) -> None:
        """Close it, unless it is being asked."""
        if self.silent:
            self._close()

    def part(self) -> socket.socket | None:
        """The connection's socket, for another process to go on with; None where it is not between two requests.
        Whoever takes it closes it; here it is over, and the client sees nothing of that."""
        if not self.between or self.secured:
            return None
        mine = self._held()
        if mine is None:
            return None
        self.transport.pause_reading()  # what comes from now on stays in the kernel
        self._stopped = True
        self._desk.connections.discard(self)
        self.transport.abort()  # closes this process's descriptor; the connection has another one
        return mine

    def _held(self) -> socket.socket | None:
        """Another descriptor of the connection; None where it has ended, and we are about to be told."""
        held: socket.socket | None = self.transport.get_extra_info("socket")
        return None if held is None else socket.fromfd(held.fileno(), held.family, held.type)

    def _offer(self) -> None:
        if self._desk.parting is not None and self in self._desk.connections:
            self._desk.parting(self)

    def _refuse_headers(self) -> None:
        if not self._stopped:
            self._refuse(HeadersTooLarge(limit=HEADERS))

    def _refuse(self, error: NoriaError) -> None:
        """Answer a request that is not whole; what still comes of it is read and thrown away for a moment."""
        self._desk.refused(error)
        self._stop(refusal(error, protocol=self._url.startswith(b"/v2")))

    def _stop(self, response: Response) -> None:
        """Read no more, and say this once all that was asked before is answered."""
        self._stopped = True
        if self._working or self._waiting:
            self._last_word = response
            return
        self._write(response, keep=False)
        # Closing at once would reset the connection, and the client would never see the response.
        with contextlib.suppress(OSError, NotImplementedError, RuntimeError):
            if self.transport.can_write_eof():
                self.transport.write_eof()
        self._loop.call_later(LINGER, self._close)

    def _close(self) -> None:
        """Close it once all is written. Who does not answer TLS's farewell then is not waited for: see `look`."""
        self._stopped = True
        self.since = self._loop.time()
        self.transport.close()


def unsent(transport: asyncio.Transport) -> int:
    """Bytes on their way out that have not come to the client's machine. What TLS has handed on, the transport no longer
    counts; but as long as any of that waits in this process, some waits in the kernel, too."""
    mine, held = transport.get_write_buffer_size(), transport.get_extra_info("socket")
    if mine or held is None or held.fileno() < 0:
        return mine
    (sent,) = struct.unpack("i", fcntl.ioctl(held.fileno(), termios.TIOCOUTQ, bytes(4)))
    return int(sent)
