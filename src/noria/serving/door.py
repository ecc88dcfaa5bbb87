"""The door of a service with several models: `python -m noria.serving.door`.

It accepts every connection, answers what is about no model, and passes a connection's first request on to a worker of the model
that it names; then the connection goes there itself. It has no model, so it is there before any is loaded, and stays when all
are unloaded. It is started by the keeper, as workers are, and ends when its channel does.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from noria.errors import NoriaError
from noria.ports.clock import RealClock
from noria.records.base import parse
from noria.serving import pages, wire
from noria.serving.bundle import Entrance
from noria.serving.callers import Callers, open_many_files
from noria.serving.chores import Chores
from noria.serving.connection import Desk
from noria.serving.gate import Gate, written
from noria.serving.hub import pass_on
from noria.serving.log import Narrator, narrator
from noria.serving.messages import Request, Response, reply
from noria.serving.metrics import VersionMetrics
from noria.serving.neighbours import LOAD_SECONDS, Neighbours
from noria.serving.paths import DOCS, INDEX, LOAD, MODELS, OPENAPI, UNLOAD
from noria.serving.post import Post
from noria.serving.raw import Raw
from noria.serving.routes import (
    HUB_SECONDS,
    Entry,
    Route,
    Routes,
    of_one_model,
    readiness,
)
from noria.serving.tally import Tally
from noria.serving.tls import Certificates, renew

if TYPE_CHECKING:
    from noria.serving.grpc_door import GrpcDoor

Send = Callable[[bytes | Response], None]
EVERY = 0.25  # s between two looks at what is counted only when it is asked for


def main() -> int:
    """Stand open until told to close; the exit code."""
    options = _parser().parse_args()
    channel = socket.socket(fileno=options.channel)
    narrate = narrator(RealClock(), sys.stderr.fileno())
    entrance = parse(Path(options.bundle).read_bytes(), Entrance)
    open_many_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_live(entrance, channel, Path(options.counts), narrate))
        except NoriaError as error:  # such as gRPC that is asked for, and is not installed
            with suppress(OSError):  # the keeper is gone, and with it whoever wanted to know
                wire.say(channel, wire.Failed(code=error.code, reason=str(error)))
            return 1
    return 0


async def _live(entrance: Entrance, channel: socket.socket, counts: Path, narrate: Narrator) -> None:
    metrics = VersionMetrics(Tally(counts), model="", version=0)
    gate = Gate("", RealClock(), beside=entrance.models)
    neighbours = Neighbours(
        "",
        hub=entrance.hub,
        deadline=entrance.deadline,
        metrics=metrics,
        narrate=narrate,
        channel=channel,
        gate=gate,
    )
    await Door(entrance, neighbours, metrics, channel, narrate, gate).live()


class Hall:
    """What the door answers itself, and what it passes on."""

    def __init__(
        self, neighbours: Neighbours, metrics: VersionMetrics, narrate: Narrator, gate: Gate, hub: str
    ) -> None:
        self._neighbours = neighbours
        self._metrics = metrics
        self._hub = hub
        table: tuple[Entry, ...] = (
            ("live", "GET", "/v2/health/live", self.live, None),
            ("ready", "GET", "/v2/health/ready", self.ready, None),
            ("server", "GET", "/v2", self.server, "infer"),
            ("metrics", "GET", "/metrics", self.keeper, "metrics"),
            ("models", "GET", MODELS, self.keeper, "infer"),
            ("openapi", "GET", OPENAPI, of_one_model, "infer"),
            ("docs", "GET", DOCS, of_one_model, "infer"),
            ("repository", "POST", INDEX, self.keeper, "infer"),
            ("repository", "POST", LOAD, self.load, "admin"),
            ("repository", "POST", UNLOAD, self.load, "admin"),
        )
        self.routes = Routes(
            tuple(
                Route(name, method, re.compile(path), partial(act), scope)
                for name, method, path, act, scope in table
            ),
            metrics,
            narrate,
            about="{model}",
            gate=gate,
        )

    def answer(self, raw: Raw, send: Send) -> None:
        """Answer a request, sometime."""
        self._metrics.began()

        def sent(answer: bytes | Response) -> None:
            self._metrics.ended()
            send(answer)

        if not self._neighbours.takes(raw, sent):
            self.routes.answer(raw, sent)

    async def live(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        return reply({"live": True})

    async def ready(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        return readiness(self._neighbours.ready)

    async def server(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        return reply(pages.server_metadata())

    async def keeper(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        self._metrics.tally.settle()
        return await pass_on(raw, self._hub, seconds=HUB_SECONDS)

    async def load(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        return await pass_on(raw, self._hub, seconds=LOAD_SECONDS)


class Door:
    """Who comes in, and what the keeper says about it."""

    def __init__(
        self,
        entrance: Entrance,
        neighbours: Neighbours,
        metrics: VersionMetrics,
        channel: socket.socket,
        narrate: Narrator,
        gate: Gate,
    ) -> None:
        """Raises `BadCertificate`, `NoGrpc`."""
        hall = Hall(neighbours, metrics, narrate, gate, entrance.hub)
        self._access = entrance.access
        self._gate = gate
        self._certificates = Certificates(entrance.tls) if entrance.tls else None
        self._desk = Desk(
            hall.answer,
            hall.routes.refused,
            max_body=entrance.max_body,
            body_seconds=entrance.body_seconds,
        )
        self._neighbours = neighbours
        self._metrics = metrics
        self._narrate = narrate
        self._calls = _calls(entrance, neighbours, metrics, narrate, gate, self._certificates)
        self._chores = Chores()
        self._post = Post(channel, self._act, lambda: self._callers.drain())
        self._callers = Callers(self._desk, self._post, self._certificates, narrate)
        self._admit()

    async def live(self) -> None:
        """Until the keeper says that it is over, or is gone."""
        loop = asyncio.get_running_loop()
        self._desk.tick()
        self._post.open()
        beside = [loop.create_task(self._desk.sweep()), loop.create_task(self._gauge())]
        if self._certificates is not None:
            beside.append(loop.create_task(renew(self._certificates, self._narrate)))
        self._post.say(wire.Ready(protocol=wire.PROTOCOL, pid=os.getpid()))
        await self._callers.over.wait()
        for task in beside:
            task.cancel()
        if self._calls is not None:
            await self._calls.close()
        self._metrics.tally.close()

    def _act(self, message: wire.AnyMessage | None, sockets: list[socket.socket]) -> bool:
        match message:
            case wire.Accept():
                self._chores.begin(self._open(sockets))
            case wire.Take(moves=moves):
                self._callers.adopt(sockets, moves)
            case wire.Neighbours():
                with suppress(OSError):  # the keeper is gone, and the channel's end says so
                    self._neighbours.follow(message)
            case wire.Tokens():
                self._admit()
            case wire.Leave() | wire.Drain():
                self._callers.drain()
            case _:
                self._narrate("door.puzzled", message=str(message))
                return False
        return True

    def _admit(self) -> None:
        """Go by the tokens that are written down now."""
        if self._access:
            self._gate.follow(written(Path(self._access), self._narrate))
        self._desk.stranger = self._gate.stranger if self._gate.required else None

    async def _open(self, sockets: list[socket.socket]) -> None:
        for one in sockets:
            self._callers.accept(one)
        if self._calls is not None:
            await self._calls.open()
        self._post.say(wire.Listening())

    async def _gauge(self) -> None:
        tally = self._metrics.tally
        while True:
            tally.put(self._metrics.connections, len(self._desk.connections))
            tally.settle()
            await asyncio.sleep(EVERY)


def _calls(
    entrance: Entrance,
    neighbours: Neighbours,
    metrics: VersionMetrics,
    narrate: Narrator,
    gate: Gate,
    certificates: Certificates | None,
) -> GrpcDoor | None:
    """The door for calls over gRPC. Raises `NoGrpc`."""
    if not entrance.grpc:
        return None
    from noria.serving.loading import require_grpc

    require_grpc(entrance.version.name)
    from noria.serving.grpc_door import AllModels, GrpcDoor

    return GrpcDoor(
        AllModels(neighbours),
        metrics,
        narrate,
        gate,
        address=entrance.grpc,
        hub=entrance.hub,
        max_body=entrance.max_body,
        certificates=certificates,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m noria.serving.door", description=__doc__)
    parser.add_argument("--bundle", required=True, help="what to stand open for")
    parser.add_argument("--channel", required=True, type=int, help="this door's end of the channel")
    parser.add_argument("--counts", required=True, help="where to count")
    parser.add_argument("--threads", type=int, default=1, help="of no matter here")
    return parser


if __name__ == "__main__":
    sys.exit(main())
