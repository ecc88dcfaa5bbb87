"""A service from its socket to its end: the process that owns the address, keeps the workers and takes the labels.

It imports no user's code and answers no rows, so that nothing of what it keeps can take it down.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from noria.errors import BackendError, Corrupt, Unavailable
from noria.serving.access import Access
from noria.serving.admin import Admin
from noria.serving.connection import Connection, Desk
from noria.serving.exposition import page
from noria.serving.hosted import Hosted
from noria.serving.house import House
from noria.serving.log import Narrator
from noria.serving.messages import TEXT, Request, Response, reply
from noria.serving.metrics import Metrics
from noria.serving.paths import INDEX, LOAD, MODELS, UNLOAD, V1
from noria.serving.raw import Raw
from noria.serving.routes import Act, Route, Routes
from noria.serving.service_errors import ModelFailed, ModelLoading, NotLoadable, OutsideFailed

MODES = 0o600  # of the hub's socket: whoever may act as this user may reach it


@dataclass
class Hub:
    """What workers, and the door, pass on to the keeper: labels, metrics, models that are to be loaded."""

    house: House
    metrics: Metrics
    narrate: Narrator

    def __post_init__(self) -> None:
        self._lane = asyncio.Lock()
        table = (
            ("feedback", "POST", V1 + "/feedback", self.feedback),
            ("metrics", "GET", "/metrics", self.page),
            ("models", "GET", MODELS, self.models),
            ("need", "POST", V1 + "/need", self.need),
            ("repository", "POST", INDEX, self.index),
            ("repository", "POST", LOAD, self.load),
            ("repository", "POST", UNLOAD, self.unload),
        )
        self.routes = Routes(
            tuple(
                Route(name, method, re.compile(path), partial(self._for_callers, act))
                for name, method, path, act in table
            ),
            self.metrics,
            self.narrate,
            about="",
        )

    async def _for_callers(
        self, act: Act, raw: Raw, request: Request, named: dict[str, str | None]
    ) -> Response:
        """What `act` answers. Raises what it raises, and of records and objects that fail the code alone."""
        try:
            return await act(raw, request, named)
        except (ModelFailed, ModelLoading):  # which have no words of theirs
            raise
        except (BackendError, Corrupt, Unavailable) as error:
            incident = secrets.token_hex(4)
            self.narrate("request.failed", incident=incident, path=request.path, why=str(error))
            raise OutsideFailed(incident, error.code, error.status) from error

    async def feedback(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        labels = self.house.of(named["model"] or "").labels
        async with self._lane:  # labels are checked against one another, one request at a time
            return await asyncio.to_thread(labels.take, request)

    async def models(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        return reply(
            [
                {
                    "model": each.model,
                    "follows": each.follows,
                    "version": each.fleet.version,
                    "state": each.state,
                    "reason": each.reason,
                }
                for each in self.house
            ]
        )

    async def need(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        sockets = await self.house.of(named["model"] or "").here()
        return reply({"sockets": sockets, "serial": self.house.serial})

    async def index(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        found = [
            await each.repository.index(request, "" if each.loaded else each.reason) for each in self.house
        ]
        return reply([entry for entries in found for entry in entries])

    async def load(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        asked = named["model"] or ""
        hosted = self._meant(asked)
        if hosted.loaded:
            await hosted.repository.load(asked)
        else:
            await self._load(hosted, asked)
        return reply({})

    def _meant(self, asked: str) -> Hosted:
        """Raises `NoSuchModel`; a service of one model says itself what it does with other names."""
        return self.house.of(asked) if self.house.several else next(iter(self.house))

    async def _load(self, hosted: Hosted, asked: str) -> None:
        hosted.repository.check(asked, "loaded")
        try:
            await hosted.here(again=True)
        except ModelFailed as error:
            raise NotLoadable(problem=str(error)) from error

    async def unload(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        asked = named["model"] or ""
        hosted = self._meant(asked)
        if not self.house.several:
            await hosted.repository.unload(asked)
        hosted.repository.check(asked, "unloaded")
        await hosted.unload("asked for")
        return reply({})

    async def page(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        counts = self.house.counts()
        return Response(200, await asyncio.to_thread(page, counts), TEXT)


class Keeper:
    """Runs a service until it is told to end."""

    def __init__(
        self,
        listening: socket.socket,
        hub: Hub,
        admin: Admin,
        *,
        hub_path: Path,
        max_body: int,
        access: Access | None = None,
    ) -> None:
        self._listening = listening
        self._house = hub.house
        self._hub_path = hub_path
        self._access = access
        self._admin = Desk(admin.routes.answer, admin.routes.refused, max_body=max_body)
        self._desk = Desk(hub.routes.answer, hub.routes.refused, max_body=max_body)
        self._over = asyncio.Event()

    async def live(self, ready: Callable[[], Awaitable[None]], *, until_stdin_closes: bool) -> None:
        """Raises a `NoriaError` when nobody comes up who could answer."""
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
            beginning = loop.create_task(self._house.begin())
            ending = loop.create_task(self._over.wait())
            await asyncio.wait({beginning, ending}, return_when=asyncio.FIRST_COMPLETED)
            if beginning.done():
                beginning.result()
                await ready()
                beside.append(loop.create_task(self._house.live()))
                await ending
            else:
                beginning.cancel()
        finally:
            for task in beside:
                task.cancel()
            await self._house.close()
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
