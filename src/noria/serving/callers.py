"""The connections of a process that answers: who comes in, who moves on to another process, and who is let go at the end."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from noria.serving.arrivals import Arrivals
from noria.serving.chores import Chores
from noria.serving.connection import Connection, Desk
from noria.serving.log import Narrator
from noria.serving.post import Post
from noria.serving.tls import Certificates

BACKLOG = 2048  # connections that wait to be accepted
HANDSHAKE = 10.0  # s for a client to agree on TLS
LAST = 45.0  # s in which a TLS connection's next answer may still be its last; the keeper waits for 60 in all
LATE = 0.05  # s between two looks at whether the last connection has gone


class Callers:
    """Of one desk. For the event loop's thread.

    `inside`: the desk of the service's own processes, which is left with it. `over` is set when the last is gone.
    """

    def __init__(
        self,
        desk: Desk,
        post: Post,
        certificates: Certificates | None,
        narrate: Narrator,
        *,
        inside: Desk | None = None,
    ) -> None:
        self.over = asyncio.Event()
        self._desk = desk
        self._inside = [inside] if inside is not None else []
        self._post = post
        self._certificates = certificates
        self._narrate = narrate
        self._arrivals: list[Arrivals] = []
        self._chores = Chores()
        self._adopting = 0
        """Connections that have come from elsewhere, and are not open here yet."""
        self._draining = False
        self._ending: asyncio.TimerHandle | None = None

    def accept(self, listening: socket.socket) -> None:
        """Let in who connects to this socket, from now on."""
        listening.listen(BACKLOG)
        loop = asyncio.get_running_loop()
        self._arrivals.append(Arrivals(listening, self._come, loop, troubled=self._troubled))

    def _come(self, one: socket.socket) -> None:
        if self._certificates is None:
            self.adopt([one], 0)
        else:
            self._chores.begin(self._agree(one, self._certificates))

    async def _agree(self, one: socket.socket, certificates: Certificates) -> None:
        """On TLS; who does not is let go. Until then it is no connection, and keeps nobody from ending."""
        one.setblocking(False)
        loop = asyncio.get_running_loop()
        with suppress(OSError):  # its handshake failed, took too long, or it has gone
            await loop.connect_accepted_socket(
                self._connection, one, ssl=certificates.context, ssl_handshake_timeout=HANDSHAKE
            )

    def adopt(self, connections: Sequence[socket.socket], moves: int) -> None:
        """Go on with connections that have moved `moves` times."""
        self._adopting += len(connections)  # at once: whoever is told to end next must know of them
        for one in connections:
            self._chores.begin(self._adopt(one, moves))

    async def _adopt(self, one: socket.socket, moves: int) -> None:
        """While this process leaves, it is given back at once, for nobody else would."""
        one.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            _, made = await loop.connect_accepted_socket(partial(self._connection, moves), one)
        finally:
            self._adopting -= 1
        if self._desk.parting is not None:
            self._desk.parting(made)
        elif self._desk.closing:
            made.let_go()

    def leave(self) -> None:
        """Let nobody in, give back each connection as soon as it is between two requests, and end with the last."""
        self._shut()
        for desk in self._inside:
            _let_go(desk)
        if self._certificates is not None:
            self._leave_slowly()
            return
        self._desk.parting = self._part
        for connection in list(self._desk.connections):
            self._part(connection)
        self._end_with_the_last()

    def drain(self) -> None:
        """Let nobody in, and each answer be the last of its connection; who asks nothing is let go."""
        self._shut()
        self._desk.parting = None
        self._draining = True
        self._end_with_the_last()

    def share(self, share: float) -> None:
        """Give back some connections, for others to go on with; this process goes on."""
        if self._certificates is not None:
            return  # they cannot move: new workers get new ones
        wanted = int(len(self._desk.connections) * share)

        def part(connection: Connection) -> None:
            nonlocal wanted
            if wanted > 0 and self._part(connection):
                wanted -= 1
            if wanted == 0 and self._desk.parting is part:
                self._desk.parting = None

        self._desk.parting = part
        for connection in list(self._desk.connections):
            part(connection)

    def _troubled(self, error: OSError) -> None:
        self._narrate("accept.failed", open=len(self._desk.connections), why=str(error))

    def _connection(self, moves: int = 0) -> Connection:
        return Connection(self._desk, asyncio.get_running_loop(), moves)

    def _leave_slowly(self) -> None:
        """The keys of a TLS connection live in this process, so nobody else can go on with it: its next answer says that
        it is the last. What is idle waits for that, since a request may be on its way; so does who is still agreeing."""
        loop = asyncio.get_running_loop()
        self._desk.closing = True
        self._ending = loop.call_later(HANDSHAKE, self._end_with_the_last)
        loop.call_later(LAST, self.drain)

    def _part(self, connection: Connection) -> bool:
        taken = connection.part()
        if taken is None:
            return False
        self._post.give([taken])
        return True

    def _shut(self) -> None:
        for each in self._arrivals:
            each.close()
        self._arrivals.clear()

    def _end_with_the_last(self, empty: int = 0) -> None:
        """End once two looks, one after the other, find nobody: a sibling's request may wait to be accepted still. Each
        lets go of who asks nothing by then, for some had not yet agreed on TLS at the look before."""
        if self._ending is not None:
            self._ending.cancel()  # another one's looks end with these
        desks = (self._desk, *self._inside)
        for desk in desks if self._draining else ():
            _let_go(desk)
        busy = self._adopting or any(desk.connections for desk in desks)
        if not busy and empty == 2:
            self.over.set()
            return
        later = asyncio.get_running_loop().call_later
        self._ending = later(LATE, self._end_with_the_last, 0 if busy else empty + 1)


def open_many_files() -> None:
    """As many connections as the machine lets this user have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _let_go(desk: Desk) -> None:
    desk.closing = True
    for connection in list(desk.connections):
        connection.let_go()
