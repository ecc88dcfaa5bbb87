"""The transport: HTTP/1.1 on a socket that somebody else may own. Nothing here knows a model.

One object a connection, driven by the event loop's callbacks; no task unless an answer has to be waited for. A connection
between two requests can be taken off this process with `part`, and go on in another one (see `handover`).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import termios
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, cast

from noria.errors import NoriaError
from noria.serving.errors import BodyTooSlow, Broken, TooManyConnections
from noria.serving.http_text import written
from noria.serving.last_look import LastLook
from noria.serving.messages import Response, refusal
from noria.serving.raw import Headers, Raw
from noria.serving.reading import UNPROVEN, Reading

BODY_SECONDS = 30.0  # s for a whole request; a client that trickles longer holds memory for nothing
READ_SECONDS = 30.0  # s for a client to take an answer that lies ready
KEEP_ALIVE = (
    75.0  # s; longer than the 60 of common proxies, so that the proxy closes an idle connection, not we
)
LINGER = 2.0  # s that a refused body is read and thrown away, so that its sender gets to read why; and for TLS's farewell
SMALL = 4096  # bytes of a body whose reading takes too little to matter to who waits for it
SWEEP = 0.5  # s between two looks at what has waited too long
PIPELINED = 64  # requests of one connection that wait for those before them, until no more are read


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
        "_desk",
        "_last_word",
        "_loop",
        "_reading",
        "_stopped",
        "_waiting",
        "_working",
        "_writable",
        "known",
        "moves",
        "since",
        "transport",
    )

    def __init__(self, desk: Desk, loop: asyncio.AbstractEventLoop, moves: int = 0) -> None:
        self._desk = desk
        self._loop = loop
        self._reading = Reading(self, desk)
        self._stopped = False
        self._last_word: Response | None = None
        self._working = False
        self._writable = True
        self._waiting: deque[Raw] = deque()
        self.moves = moves
        """How often it has gone from one model to another."""
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
        self._stopped = self._reading.over = True
        self._last_word = None
        self._waiting.clear()
        self._desk.connections.discard(self)

    def eof_received(self) -> bool:
        """A client that sends no more may still read: what it has asked is answered before it is over."""
        self._reading.over = True
        return self._working or bool(self._waiting)

    def pause_writing(self) -> None:
        self._writable = False
        self.since = self._loop.time()

    def resume_writing(self) -> None:
        self._writable = True

    def data_received(self, data: bytes) -> None:
        self._reading.feed(data)

    # -- requests

    def begun(self) -> None:
        """A request has begun to come."""
        if not self._working:
            self.since = self._loop.time()

    def came(self, raw: Raw) -> None:
        """A request is whole."""
        look = self._desk.last_look
        owed = self._working or bool(self._waiting)
        small = raw.plain and len(raw.body) < SMALL and not owed
        raw.came = look.known if small else look.at(self._loop)
        if owed:
            self._waiting.append(raw)
            if len(self._waiting) >= PIPELINED or self._parked() > self._desk.max_body:
                self.transport.pause_reading()
        else:
            self._begin(raw)

    def _parked(self) -> int:
        """Bytes of bodies that wait for those before them."""
        return sum(len(raw.body) for raw in self._waiting)

    # -- answers

    def go_on(self) -> None:
        """Tell a client that waits for it to send its body; one that still waits for other answers is left to do it unasked."""
        if not (self._working or self._waiting):
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _begin(self, raw: Raw) -> None:
        self._working = True
        try:
            self._desk.answer(raw, raw.send)
        except Exception as error:  # a fault of ours, which the loop tells: its caller must not wait for ever
            self._loop.call_exception_handler({"message": "a request broke", "exception": error})
            if self._working:
                self.send(refusal(Broken(incident="")), raw)

    def send(self, answer: bytes | Response, raw: Raw) -> None:
        """Write the answer to a request."""
        if self._stopped and self._last_word is None:
            return
        more = bool(self._waiting) or self._last_word is not None
        if self._desk.closing:
            self._reading.over = True
        keep = raw.keep and (more or not self._reading.over)
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
        elif self._reading.unfinished and not self._working:
            if waited > self._desk.body_seconds and not self._stopped:
                self.refuse(BodyTooSlow(seconds=self._desk.body_seconds))
        elif not self._working and not self._stopped and waited > KEEP_ALIVE:
            self._close()

    @property
    def between(self) -> bool:
        """Whether nothing of a request has come and nothing of an answer is on its way."""
        return not (
            self._working
            or self._waiting
            or self._reading.unfinished
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
        self._stopped = self._reading.over = True
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

    def refuse(self, error: NoriaError) -> None:
        """Answer a request that is not whole; what still comes of it is read and thrown away for a moment."""
        self._desk.refused(error)
        self._stop(refusal(error, protocol=self._reading.protocol))

    def _stop(self, response: Response) -> None:
        """Read no more, and say this once all that was asked before is answered."""
        self._stopped = self._reading.over = True
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
        self._stopped = self._reading.over = True
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
