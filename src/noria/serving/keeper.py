"""A service from its socket to its end: the process that owns the address, keeps the workers and takes the labels.

It imports no user's code and answers no rows, so that nothing of what it keeps can take it down.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from noria.serving.access import Access
from noria.serving.admin import Admin
from noria.serving.connection import Connection, Desk, Raw
from noria.serving.exposition import page
from noria.serving.fleet import Fleet
from noria.serving.follow import Follower
from noria.serving.labels import Labels
from noria.serving.log import Narrator
from noria.serving.messages import TEXT, Request, Response, reply
from noria.serving.metrics import Metrics
from noria.serving.repository import Repository
from noria.serving.routes import INDEX, LOAD, UNLOAD, V1, Route, Routes
from noria.serving.tally import added
from noria.serving.tending import Tending
from noria.serving.traffic import Traffic

MODES = 0o600  # of the hub's socket: whoever may act as this user may reach it


@dataclass
class Hub:
    """What workers pass on to the keeper: labels and metrics."""

    labels: Labels
    fleet: Fleet
    traffic: Traffic
    metrics: Metrics
    narrate: Narrator
    repository: Repository

    def __post_init__(self) -> None:
        self._lane = asyncio.Lock()
        table = (
            ("feedback", "POST", V1 + "/feedback", self.feedback),
            ("metrics", "GET", "/metrics", self.page),
            ("repository", "POST", INDEX, self.index),
            ("repository", "POST", LOAD, self.load),
            ("repository", "POST", UNLOAD, self.unload),
        )
        self.routes = Routes(
            tuple(Route(name, method, re.compile(path), partial(act)) for name, method, path, act in table),
            self.metrics,
            self.narrate,
            about="",
        )

    async def feedback(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        async with self._lane:  # labels are checked against one another, one request at a time
            return await asyncio.to_thread(self.labels.take, request)

    async def index(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        return reply(await self.repository.index(request))

    async def load(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        await self.repository.load(named["model"] or "")
        return reply({})

    async def unload(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        await self.repository.unload(named["model"] or "")
        return reply({})

    async def page(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        tally, account = self.metrics.tally, self.fleet.account
        tally.put(
            tally.counter("noria_workers"), sum(len(fleet.accepting) for fleet in self.traffic.fleets())
        )
        tally.put(tally.counter("noria_workers_lost"), account.workers_lost + self.traffic.lost)
        tally.put(tally.counter("noria_requests_lost"), account.requests_lost)
        tally.put(tally.counter("noria_handed_over"), account.handed_over)
        counts = added(iter([self.fleet.counts(), self.traffic.counts(), tally.read()]))
        return Response(200, await asyncio.to_thread(page, counts), TEXT)


class Keeper:
    """Runs a service until it is told to end."""

    def __init__(
        self,
        listening: socket.socket,
        hub: Hub,
        follower: Follower,
        admin: Admin,
        *,
        hub_path: Path,
        max_body: int,
        tending: Tending | None = None,
        access: Access | None = None,
    ) -> None:
        self._listening = listening
        self._hub = hub
        self._follower = follower
        self._hub_path = hub_path
        self._tending = tending
        self._access = access
        self._admin = Desk(admin.routes.answer, admin.routes.refused, max_body=max_body)
        self._desk = Desk(hub.routes.answer, hub.routes.refused, max_body=max_body)
        self._over = asyncio.Event()

    async def live(self, ready: Callable[[], Awaitable[None]], *, until_stdin_closes: bool) -> None:
        """Raises a `NoriaError` when the first version does not come up."""
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, self._over.set)
        if until_stdin_closes:
            threading.Thread(
                target=_at_end_of_stdin, args=(loop, self._over), daemon=True, name="stdin"
            ).start()
        self._listening.listen(2048)
        doors = {self._hub_path: self._desk, admin_path(self._hub_path): self._admin}
        servers = [await _open(path, desk) for path, desk in doors.items()]
        beside = [loop.create_task(desk.sweep()) for desk in doors.values()]
        if self._access is not None:
            beside.append(loop.create_task(self._access.run()))
        try:
            beginning = loop.create_task(self._follower.begin())
            ending = loop.create_task(self._over.wait())
            await asyncio.wait({beginning, ending}, return_when=asyncio.FIRST_COMPLETED)
            if beginning.done():
                beginning.result()
                beside.append(loop.create_task(self._hub.traffic.restore()))
                await ready()
                beside.append(loop.create_task(self._follower.run()))
                if self._tending is not None:
                    beside.append(loop.create_task(self._tending.run()))
                await ending
            else:
                beginning.cancel()
        finally:
            for task in beside:
                task.cancel()
            await self._hub.fleet.close()
            await self._hub.traffic.close()
            for server in servers:
                server.close()


def admin_path(hub: Path) -> Path:
    """The admin socket is beside the hub's."""
    return hub.with_name("admin")


async def _open(path: Path, desk: Desk) -> asyncio.AbstractServer:
    loop = asyncio.get_running_loop()
    server = await loop.create_unix_server(lambda: Connection(desk, loop), str(path))
    path.chmod(MODES)
    desk.tick()
    return server


def _at_end_of_stdin(loop: asyncio.AbstractEventLoop, over: asyncio.Event) -> None:
    while os.read(0, 4096):  # not sys.stdin, whose lock a thread must not hold when the interpreter ends
        pass
    with suppress(RuntimeError):  # the loop has ended already
        loop.call_soon_threadsafe(over.set)
