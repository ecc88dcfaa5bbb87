"""One process that answers with one version, in that version's environment: `python -m noria.serving.worker`.

It is started by the keeper with a bundle and its end of a channel, and ends when the channel does.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import resource
import socket
import sys
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from noria.errors import NoriaError
from noria.ports.clock import RealClock
from noria.ports.serving import Layout, PredictionLog
from noria.ports.surroundings import THREADS
from noria.records.base import parse
from noria.records.policy import Durability
from noria.serving import wire
from noria.serving.answering import Answering
from noria.serving.batching import Batcher
from noria.serving.bundle import Bundle
from noria.serving.connection import Connection, Desk
from noria.serving.dispatch import Dispatch
from noria.serving.gate import Gate, written
from noria.serving.inside import Inside
from noria.serving.journal import Journal
from noria.serving.loading import load, log_of, veil_of
from noria.serving.log import Narrator, narrator, stack
from noria.serving.metrics import VersionMetrics
from noria.serving.neighbours import Neighbours
from noria.serving.outbox import Outbox
from noria.serving.routes import Front
from noria.serving.tally import Tally
from noria.serving.tls import Certificates, renew
from noria.serving.traces import Answer, Traces, traces_of

if TYPE_CHECKING:
    from noria.serving.grpc_door import GrpcDoor
    from noria.serving.served import Served

BACKLOG = 2048  # connections that wait to be accepted
EVERY = 0.25  # s between two looks at what is counted only when it is asked for
FLUSH = 1.0  # s between two flushes of the log to the disk with `durability = "async"`: the bound of what power's loss takes
HANDSHAKE = 10.0  # s for a client to agree on TLS
LAST = 45.0  # s in which a TLS connection's next answer may still be its last; the keeper waits for 60 in all
MODES = 0o600  # of the socket for siblings, who ask for no token: whoever may act as this user may reach it
LATE = 0.05  # s between two looks at whether the last connection has gone


def main() -> int:
    """Answer until told to leave; the exit code."""
    options = _parser().parse_args()
    os.environ.update(dict.fromkeys(THREADS, str(options.threads)))  # the libraries are imported below
    channel = socket.socket(fileno=options.channel)
    narrate = narrator(RealClock(), sys.stderr.fileno())
    try:
        bundle = parse(Path(options.bundle).read_bytes(), Bundle)
        served = load(bundle, narrate)
    except BaseException as error:  # a user's module may raise anything, SystemExit too, while it is imported
        _tell_failure(error, channel, narrate)
        return 1
    open_many_files()
    gc.collect()
    gc.freeze()  # what was imported lives as long as the process: beside scikit-learn a walk through it takes 0.1 s
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Worker(bundle, served, channel, Path(options.counts), narrate).live())
    return 0


def _tell_failure(error: BaseException, channel: socket.socket, narrate: Narrator) -> None:
    code, told = "", f"{type(error).__name__}: {error}"
    if isinstance(error, NoriaError):
        code, told = error.code, str(error)
    else:
        narrate("worker.failed", pid=os.getpid(), stack=stack(error))
    with suppress(OSError):  # the keeper is gone, and with it whoever wanted to know
        wire.say(channel, wire.Failed(code=code, reason=told[:2000]))


class Worker:
    """A version that answers, and what the keeper says to it."""

    def __init__(
        self,
        bundle: Bundle,
        served: Served,
        channel: socket.socket,
        counts: Path,
        narrate: Narrator,
    ) -> None:
        self._bundle = bundle
        self._served = served
        self._channel = channel
        self._counts = counts
        self._narrate = narrate
        self._adopting = 0
        """Connections that have come from elsewhere, and are not open here yet."""
        self._servers: list[asyncio.AbstractServer] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._over = asyncio.Event()
        self._closing: asyncio.Task[None] | None = None
        self._certificates = Certificates(bundle.tls) if bundle.tls else None

    async def live(self) -> None:
        """Until the keeper says that it is over, or is gone."""
        loop, bundle, version = asyncio.get_running_loop(), self._bundle, self._served.version
        log = log_of(bundle)
        self._traces = traces_of(version, bundle.traces, self._narrate)
        metrics = VersionMetrics(Tally(self._counts), model=version.model, version=version.number)
        batcher = Batcher(self._served.answer_rows, loop, told=metrics.batch)
        await self._open_doors(self._answering(log, metrics, batcher), metrics)
        beside = [
            *(loop.create_task(desk.sweep()) for desk in (self._desk, self._inside)),
            loop.create_task(_gauge(metrics, log, batcher, self._desk, self._traces)),
            loop.create_task(_flush(log, bundle.durability, self._narrate)),
            *([loop.create_task(renew(self._certificates, self._narrate))] if self._certificates else []),
        ]
        wire.say(self._channel, wire.Ready(protocol=wire.PROTOCOL, pid=os.getpid()))
        await self._over.wait()
        self._side.close()  # not before: what waits there to be accepted has been sent
        for task in beside:
            task.cancel()
        if self._closing is not None:
            await self._closing
        batcher.close()
        log.close()
        if self._traces is not None:
            await asyncio.to_thread(self._traces.queue.close)
            metrics.spans(self._traces.queue.counts)
        with suppress(NoriaError):  # each answer that had to wait for the disk has been told already
            log.sync()
        metrics.tally.close()

    def _answering(self, log: PredictionLog, metrics: VersionMetrics, batcher: Batcher) -> Answering:
        loop, bundle, version = asyncio.get_running_loop(), self._bundle, self._served.version
        self._dispatch = Dispatch(
            version=version.number,
            patience=bundle.patience,
            deadline=bundle.deadline,
            metrics=metrics,
            narrate=self._narrate,
            loop=loop,
        )
        journal = Journal(
            version,
            Layout(version.number, len(version.signature.request), bundle.log_schema),
            Outbox(log, bundle.durability, loop, metrics.ended),
            metrics,
            self._narrate,
            veil=veil_of(bundle),
            sample=bundle.log.sample,
            traced=bool(bundle.traces),
        )
        return Answering(
            self._served,
            journal,
            batcher,
            self._dispatch,
            follows=bundle.follows,
            clock=RealClock(),
            deadline=bundle.deadline,
            loop=loop,
        )

    async def _open_doors(self, answering: Answering, metrics: VersionMetrics) -> None:
        """For callers, who come when the keeper says so; for siblings, and for the keeper's messages."""
        loop, bundle = asyncio.get_running_loop(), self._bundle
        self._gate = Gate(self._served.version.model, RealClock(), beside=bundle.shares)
        self._neighbours = self._beside(metrics) if bundle.shares else None
        self._front = Front(
            answering,
            metrics,
            self._narrate,
            hub=bundle.hub,
            gate=self._gate,
            neighbours=self._neighbours,
        )
        self._door = _door(
            bundle, answering, metrics, self._narrate, self._gate, self._certificates, self._traces
        )
        inside, traces = Inside(answering, metrics, self._narrate, self._front.inside), self._traces
        self._desk = Desk(
            self._traced(self._front.answer),
            self._front.routes.refused,
            max_body=bundle.max_body,
            body_seconds=bundle.body_seconds,
        )
        self._admit()
        self._inside = Desk(
            traces.over(inside.answer, inside=True) if traces else inside.answer,
            inside.routes.refused,
            max_body=bundle.max_body,
        )
        for desk in (self._desk, self._inside):
            desk.tick()
        path = socket_of(self._counts)
        self._side = await loop.create_unix_server(
            lambda: Connection(self._inside, loop), str(path), backlog=BACKLOG
        )
        path.chmod(MODES)
        self._channel.setblocking(False)
        loop.add_reader(self._channel, self._hear)

    def _beside(self, metrics: VersionMetrics) -> Neighbours:
        bundle = self._bundle
        return Neighbours(
            bundle.version.model,
            hub=bundle.hub,
            deadline=bundle.deadline,
            metrics=metrics,
            narrate=self._narrate,
            channel=self._channel,
            gate=self._gate,
        )

    def _hear(self) -> None:
        while True:
            try:
                heard = wire.hear(self._channel)
            except BlockingIOError:
                return
            if heard is None:  # the keeper is gone: nobody could be told of anything any more
                asyncio.get_running_loop().remove_reader(self._channel)
                self._drain()
                return
            self._act(*heard)

    def _act(self, message: wire.AnyMessage | None, sockets: list[socket.socket]) -> None:
        match message:
            case wire.Accept():
                if self._door is not None:
                    self._begin(self._open(self._door))
                for one in sockets:
                    self._begin(self._accept(one))
            case wire.Take(moves=moves):
                self._adopting += len(sockets)
                for one in sockets:
                    self._begin(self._adopt(one, moves))
            case wire.Leave():
                self._leave()
            case wire.Drain():
                self._drain()
            case wire.Route():
                self._dispatch.follow(message)
                with suppress(OSError):  # the keeper is gone, and the channel's end says so
                    wire.say(self._channel, wire.Routed(serial=message.serial))
            case wire.Neighbours() if self._neighbours is not None:
                with suppress(OSError):  # as above
                    self._neighbours.follow(message)
            case wire.Tokens():
                self._admit()
            case wire.Part(share=share):
                self._share(share)
            case wire.Told(problem=problem):
                self._front.problem = problem
            case _:
                self._narrate("worker.puzzled", message=str(message))
                for one in sockets:
                    one.close()

    def _admit(self) -> None:
        """Go by the tokens that are written down now; where none was ever made, a request pays nothing for them."""
        if not self._bundle.access:
            return
        self._gate.follow(written(Path(self._bundle.access), self._narrate))
        required = self._gate.required
        self._desk.answer = self._traced(self._front.guarded if required else self._front.answer)
        self._desk.stranger = self._gate.stranger if required else None

    def _traced(self, answer: Answer) -> Answer:
        """Where there are several models, whoever answers with another one begins its span."""
        own = self._served.version.model if self._bundle.shares else None
        return self._traces.over(answer, own=own) if self._traces else answer

    def _begin(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self, door: GrpcDoor) -> None:
        await door.open()
        wire.say(self._channel, wire.Listening())

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        more = secured(self._certificates)
        self._servers.append(
            await loop.create_server(self._connection, sock=listening, backlog=BACKLOG, **more)
        )

    async def _adopt(self, one: socket.socket, moves: int) -> None:
        """Go on with a connection; while this worker leaves, give it back at once, for nobody else would."""
        one.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            _, made = await loop.connect_accepted_socket(partial(self._connection, moves), one)
        finally:
            self._adopting -= 1
        if self._desk.parting is not None:
            self._desk.parting(made)
        elif self._desk.closing and made.between:
            made.transport.close()

    def _connection(self, moves: int = 0) -> Connection:
        return Connection(self._desk, asyncio.get_running_loop(), moves)

    def _leave(self) -> None:
        """Give back each connection as soon as it is between two requests, and end with the last."""
        self._stop_accepting()
        self._let_go(self._inside)
        if self._certificates is not None:
            self._leave_slowly()
            return
        self._desk.parting = self._part
        for connection in list(self._desk.connections):
            self._part(connection)
        self._end_with_the_last()

    def _leave_slowly(self) -> None:
        """The keys of a TLS connection live in this process, so nobody else can go on with it: its next answer says that
        it is the last. What is idle waits for that, since a request may be on its way; so does who is still agreeing."""
        loop = asyncio.get_running_loop()
        self._desk.closing = True
        loop.call_later(HANDSHAKE, self._end_with_the_last)
        loop.call_later(LAST, self._let_go, self._desk)

    def _share(self, share: float) -> None:
        """Give back some connections, for others to go on with; this worker goes on."""
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

    def _part(self, connection: Connection) -> bool:
        taken = connection.part()
        if taken is None:
            return False
        try:
            wire.give(self._channel, [taken])
        except OSError:
            taken.close()
        return True

    def _drain(self) -> None:
        """Let each answer be the last of its connection; who asks nothing is let go."""
        self._stop_accepting()
        self._desk.parting = None
        for desk in (self._desk, self._inside):
            self._let_go(desk)
        self._end_with_the_last()

    def _let_go(self, desk: Desk) -> None:
        desk.closing = True
        for connection in list(desk.connections):
            if connection.silent:
                connection.transport.close()

    def _stop_accepting(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()
        if self._door is not None and self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._door.close())

    def _end_with_the_last(self, empty: int = 0) -> None:
        """End once two looks, one after the other, find nobody: a sibling's request may wait to be accepted still."""
        busy = self._adopting or self._desk.connections or self._inside.connections
        if not busy and empty == 2:
            self._over.set()
            return
        asyncio.get_running_loop().call_later(LATE, self._end_with_the_last, 0 if busy else empty + 1)


def secured(certificates: Certificates | None) -> dict[str, Any]:
    """What a server is told of TLS."""
    return {"ssl": certificates.context, "ssl_handshake_timeout": HANDSHAKE} if certificates else {}


def socket_of(counts: Path) -> Path:
    """Where a worker listens for its siblings: beside its counts, in the keeper's own folder."""
    return counts.with_suffix(".sock")


async def _gauge(
    metrics: VersionMetrics, log: PredictionLog, batcher: Batcher, desk: Desk, traces: Traces | None
) -> None:
    tally = metrics.tally
    while True:
        if traces is not None:
            metrics.spans(traces.queue.counts)
        tally.put(metrics.waiting, batcher.waiting)
        tally.put(metrics.connections, len(desk.connections))
        tally.put(metrics.log_bytes, log.size)
        tally.settle()
        await asyncio.sleep(EVERY)


async def _flush(log: PredictionLog, durability: Durability, narrate: Narrator) -> None:
    """Put what was written on the disk, so that a loss of power takes the last second alone; in a thread. With `sync`
    the outbox does so, and must find every segment that ended: nobody else may take them."""
    if durability != "async":
        return
    flushed, told = 0, ""
    while True:
        await asyncio.sleep(FLUSH)
        if log.size == flushed:
            continue
        size, problem = log.size, ""
        try:
            await asyncio.to_thread(log.sync)
            flushed = size
        except NoriaError as error:
            problem = str(error)
        if problem and problem != told:
            narrate("log.unflushed", why=problem)
        told = problem


def _door(
    bundle: Bundle,
    answering: Answering,
    metrics: VersionMetrics,
    narrate: Narrator,
    gate: Gate,
    certificates: Certificates | None,
    traces: Traces | None,
) -> GrpcDoor | None:
    if not bundle.grpc or bundle.shares:
        return None
    from noria.serving.grpc_door import GrpcDoor, OwnModel

    return GrpcDoor(
        OwnModel(answering),
        metrics,
        narrate,
        gate,
        address=bundle.grpc,
        hub=bundle.hub,
        max_body=bundle.max_body,
        certificates=certificates,
        traces=traces,
    )


def open_many_files() -> None:
    """As many connections as the machine lets this user have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m noria.serving.worker", description=__doc__)
    parser.add_argument("--bundle", required=True, help="what to answer with")
    parser.add_argument("--channel", required=True, type=int, help="this worker's end of the channel")
    parser.add_argument("--counts", required=True, help="where to count")
    parser.add_argument("--threads", type=int, default=1, help="threads of the model's libraries")
    return parser


if __name__ == "__main__":
    sys.exit(main())
