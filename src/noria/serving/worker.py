"""One process that answers with one version, in that version's environment: `python -m noria.serving.worker`.

It is started by the keeper with a bundle and its end of a channel, and ends when the channel does.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

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
from noria.serving.callers import BACKLOG, Callers, open_many_files
from noria.serving.chores import Chores
from noria.serving.connection import Connection, Desk
from noria.serving.dispatch import Dispatch
from noria.serving.failures import Failures
from noria.serving.gate import Gate, written
from noria.serving.inside import Inside
from noria.serving.journal import Journal
from noria.serving.loading import (
    Loaded,
    failure_counts_of,
    failures_of,
    has_fast_form,
    load,
    log_of,
    veil_of,
)
from noria.serving.log import Narrator, narrator, stack
from noria.serving.metrics import VersionMetrics
from noria.serving.neighbours import Neighbours
from noria.serving.outbox import Outbox
from noria.serving.post import Post
from noria.serving.routes import Front
from noria.serving.tally import Tally
from noria.serving.tls import Certificates, renew
from noria.serving.traces import Answer, Traces, traces_of

if TYPE_CHECKING:
    from noria.serving.grpc_door import GrpcDoor

EVERY = 0.25  # s between two looks at what is counted only when it is asked for
FLUSH = 1.0  # s between two flushes of the log to the disk with `durability = "async"`: the bound of what power's loss takes
SOON = 2.0  # s until a fast form that could not be had is asked for again; each time twice as long
RARELY = 300.0  # s; the longest such pause
MODES = 0o600  # of the socket for siblings, who ask for no token: whoever may act as this user may reach it


def main() -> int:
    """Answer until told to leave; the exit code."""
    options = _parser().parse_args()
    os.environ.update(dict.fromkeys(THREADS, str(options.threads)))  # the libraries are imported below
    channel = socket.socket(fileno=options.channel)
    narrate = narrator(RealClock(), sys.stderr.fileno())
    try:
        bundle = parse(Path(options.bundle).read_bytes(), Bundle)
        loaded = load(bundle, narrate)
    except BaseException as error:  # a user's module may raise anything, SystemExit too, while it is imported
        _tell_failure(error, channel, narrate)
        return 1
    open_many_files()
    gc.collect()
    gc.freeze()  # what was imported lives as long as the process: beside scikit-learn a walk through it takes 0.1 s
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Worker(bundle, loaded, channel, Path(options.counts), narrate).live())
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
        loaded: Loaded,
        channel: socket.socket,
        counts: Path,
        narrate: Narrator,
    ) -> None:
        self._bundle = bundle
        self._served = loaded.served
        self._lacks = loaded.lacks
        self._channel = channel
        self._counts = counts
        self._narrate = narrate
        self._chores = Chores()
        self._post = Post(channel, self._act, self._gone)
        self._closing: asyncio.Task[None] | None = None
        self._certificates = Certificates(bundle.tls) if bundle.tls else None

    async def live(self) -> None:
        """Until the keeper says that it is over, or is gone."""
        loop, bundle, version = asyncio.get_running_loop(), self._bundle, self._served.version
        log = log_of(bundle)
        self._traces = traces_of(version, bundle.traces, self._narrate)
        metrics = VersionMetrics(Tally(self._counts), model=version.model, version=version.number)
        batcher = Batcher(self._served.answer_rows, loop, told=metrics.batch)
        self._failures = self._failing()
        await self._open_doors(self._answering(log, metrics, batcher), metrics)
        beside = [
            *(loop.create_task(desk.sweep()) for desk in (self._desk, self._inside)),
            loop.create_task(_gauge(metrics, log, batcher, self._desk, self._traces, self._failures)),
            loop.create_task(_flush(log, bundle.durability, self._narrate)),
            *([loop.create_task(_hope(bundle, self._post))] if self._lacks else []),
            *([loop.create_task(renew(self._certificates, self._narrate))] if self._certificates else []),
        ]
        self._post.say(wire.Ready(protocol=wire.PROTOCOL, pid=os.getpid()))
        await self._callers.over.wait()
        self._side.close()  # not before: what waits there to be accepted has been sent
        for task in beside:
            task.cancel()
        if self._closing is not None:
            await self._closing
        batcher.close()
        self._failures.flush()
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
            by_column=bundle.by_column,
            failures=self._failures,
            works=lambda works: self._post.say(wire.Logs(works=works)),
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

    def _failing(self) -> Failures:
        bundle = self._bundle
        return Failures(
            failures_of(bundle),
            failure_counts_of(bundle),
            bundle.version.number,
            lambda: self._dispatch.paths is not None,
            self._narrate,
            sample=bundle.log.sample,
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
        self._callers = Callers(
            self._desk, self._post, self._certificates, self._narrate, inside=self._inside
        )
        self._post.open()

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

    def _gone(self) -> None:
        """Without a keeper nobody could be told of anything any more."""
        self._close_door()
        self._callers.drain()

    def _act(self, message: wire.AnyMessage | None, sockets: list[socket.socket]) -> bool:
        match message:
            case wire.Accept():
                if self._door is not None:
                    self._chores.begin(self._open(self._door))
                for one in sockets:
                    self._callers.accept(one)
            case wire.Take(moves=moves):
                self._callers.adopt(sockets, moves)
            case wire.Leave():
                self._close_door()
                self._callers.leave()
            case wire.Drain():
                self._close_door()
                self._callers.drain()
            case wire.Route():
                self._dispatch.follow(message)
                self._post.say(wire.Routed(serial=message.serial))
            case wire.Neighbours() if self._neighbours is not None:
                with suppress(OSError):  # the keeper is gone, and the channel's end says so
                    self._neighbours.follow(message)
            case wire.Tokens():
                self._admit()
            case wire.Part(share=share):
                self._callers.share(share)
            case wire.Told(problem=problem):
                self._front.problem = problem
            case _:
                self._narrate("worker.puzzled", message=str(message))
                return False
        return True

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

    async def _open(self, door: GrpcDoor) -> None:
        await door.open()
        self._post.say(wire.Listening())

    def _close_door(self) -> None:
        if self._door is not None and self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._door.close())


def socket_of(counts: Path) -> Path:
    """Where a worker listens for its siblings: beside its counts, in the keeper's own folder."""
    return counts.with_suffix(".sock")


async def _gauge(
    metrics: VersionMetrics,
    log: PredictionLog,
    batcher: Batcher,
    desk: Desk,
    traces: Traces | None,
    failures: Failures,
) -> None:
    tally = metrics.tally
    while True:
        if traces is not None:
            metrics.spans(traces.queue.counts)
        tally.put(metrics.waiting, batcher.waiting)
        tally.put(metrics.connections, len(desk.connections))
        tally.put(metrics.log_bytes, log.size)
        tally.settle()
        failures.flush()
        await asyncio.sleep(EVERY)


async def _hope(bundle: Bundle, post: Post) -> None:
    """Say again and again that a fresh worker would be faster, from when that is so."""
    pause = SOON
    while True:
        await asyncio.sleep(pause)
        pause = min(RARELY, 2 * pause)
        if await asyncio.to_thread(has_fast_form, bundle):
            post.say(wire.Outdone())


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m noria.serving.worker", description=__doc__)
    parser.add_argument("--bundle", required=True, help="what to answer with")
    parser.add_argument("--channel", required=True, type=int, help="this worker's end of the channel")
    parser.add_argument("--counts", required=True, help="where to count")
    parser.add_argument("--threads", type=int, default=1, help="threads of the model's libraries")
    return parser


if __name__ == "__main__":
    sys.exit(main())
