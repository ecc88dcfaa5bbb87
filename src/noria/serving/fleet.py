"""The workers of a service: started, told, replaced, and taken account of when they die.

The keeper owns the listening socket, so that it outlives every worker: who connects while nobody accepts waits in the
kernel's queue. A new version's workers accept before the old ones are told to leave; these give back each connection that is
between two requests, and it goes on in a new worker: no keep-alive connection is closed by a swap.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import subprocess
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from noria.records.base import canonical
from noria.serving import wire
from noria.serving.bundle import Bundle
from noria.serving.errors import WorkerFailed
from noria.serving.log import Narrator
from noria.serving.tally import Place, added, read_tally

READY = 300.0  # s for a worker to load its version: a large model over a network takes a minute or two
OPENING = 10.0  # s for a worker to open its ports once it is told to accept; it takes milliseconds
LEAVING = 60.0  # s for what is in flight in a worker that leaves; then it is ended
PAUSE, LONGEST = (
    0.5,
    30.0,
)  # s before a lost worker is replaced: at first, and when its successors die as well

State = Literal["starting", "spare", "accepting", "leaving"]


@dataclass(eq=False)
class Worker:
    """A worker process, as the keeper sees it."""

    name: str
    bundle: Bundle
    process: subprocess.Popen[bytes]
    channel: socket.socket
    counts: Path
    ready: asyncio.Future[None]
    state: State = "starting"
    listening: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it says that its own ports are open."""

    def tell(self, message: wire.AnyMessage, sockets: Sequence[socket.socket] = ()) -> bool:
        """False when it is gone."""
        try:
            wire.say(self.channel, message, sockets)
        except OSError:
            return False
        return True


@dataclass
class Plan:
    """How a version's workers are to be run."""

    bundle: Bundle
    python: str
    variables: Mapping[str, str]
    workers: int = 1
    threads: int = 1
    spare: bool = True
    """Whether one more worker is kept loaded, where there is but one that accepts."""


@dataclass
class Lost:
    """What was lost with workers that nobody told to end."""

    workers: int = 0
    requests: int = 0


class Fleet:
    """The workers of one model's service. For one event loop."""

    def __init__(self, listening: socket.socket, folder: Path, narrate: Narrator) -> None:
        self.lost = Lost()
        self.handed_over = 0
        self._listening = listening
        self._folder = folder
        self._narrate = narrate
        self._workers: list[Worker] = []
        self._plan: Plan | None = None
        self._past: dict[Place, float] = {}
        self._numbers = itertools.count(1)
        self._turn = itertools.count()
        self._homeless: list[socket.socket] = []
        self._failures = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    @property
    def version(self) -> int | None:
        return self._plan.bundle.version.number if self._plan else None

    @property
    def accepting(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.state == "accepting"]

    def counts(self) -> dict[Place, float]:
        """The counts of all workers, those that are gone among them; gauges only of those that live."""
        return added(iter([self._past, *(read_tally(worker.counts) for worker in self._workers)]))

    async def go(self, plan: Plan) -> None:
        """Let a version answer in place of the one before. Raises `WorkerFailed`; then nothing has changed."""
        started = [self._start(plan) for _ in range(plan.workers)]
        try:
            for worker in started:
                await self._until_ready(worker)
        except BaseException:
            for worker in started:
                self._end(worker)
            raise
        before = list(self._workers)
        self._plan, self._failures = plan, 0
        for worker in started:
            self._accept(worker)
        if plan.bundle.grpc:
            await self._until_listening(started)
        for worker in before:
            if worker not in started:
                self._leave(worker)
        self._keep_a_spare()

    def tell(self, message: wire.AnyMessage) -> None:
        for worker in self._workers:
            worker.tell(message)

    async def close(self) -> None:
        """Let every worker finish what is in flight, and wait for their ends."""
        self._closing = True
        for task in list(self._tasks):
            task.cancel()
        for worker in self._workers:
            if worker.state in ("starting", "spare"):
                worker.process.kill()  # it has answered nobody
            worker.state = "leaving"
            worker.tell(wire.Drain())
        until = asyncio.get_running_loop().time() + LEAVING
        while self._workers and asyncio.get_running_loop().time() < until:
            for worker in list(self._workers):
                if worker.process.poll() is not None:
                    self._bury(worker)
            await asyncio.sleep(0.01)
        for worker in list(self._workers):
            worker.process.kill()
            worker.process.wait()
            self._bury(worker)

    def _start(self, plan: Plan) -> Worker:
        loop, name = asyncio.get_running_loop(), f"worker-{next(self._numbers)}"
        bundle = self._folder / f"{name}.bundle"
        bundle.write_bytes(canonical(plan.bundle))
        ours, theirs = wire.pair()
        counts = self._folder / name
        command = [plan.python, "-P", "-m", "noria.serving.worker", "--bundle", str(bundle)]
        command += [
            "--channel",
            str(theirs.fileno()),
            "--counts",
            str(counts),
            "--threads",
            str(plan.threads),
        ]
        process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            env=dict(plan.variables),
            stdin=subprocess.DEVNULL,
            stdout=2,  # what a pipeline prints is for people
            start_new_session=True,  # Ctrl-C reaches the keeper alone, which ends its workers in order
        )
        theirs.close()
        ours.setblocking(False)
        worker = Worker(name, plan.bundle, process, ours, counts, loop.create_future())
        self._workers.append(worker)
        loop.add_reader(ours, self._hear, worker)
        self._narrate("worker.started", worker=name, pid=process.pid, version=plan.bundle.version.name)
        return worker

    async def _until_ready(self, worker: Worker) -> None:
        try:
            async with asyncio.timeout(READY):
                await worker.ready
        except TimeoutError as error:
            raise WorkerFailed(
                version=worker.bundle.version.name, reason=f"it was not ready in {READY:g} s"
            ) from error

    async def _until_listening(self, started: Sequence[Worker]) -> None:
        """Let nobody leave before others have opened the ports that the keeper does not own."""
        try:
            async with asyncio.timeout(OPENING):
                for worker in started:
                    await worker.listening.wait()
        except TimeoutError:  # it died, or its Noria is too old to say so
            self._narrate("worker.silent", versions=[worker.bundle.version.name for worker in started])

    def _accept(self, worker: Worker) -> None:
        worker.state = "accepting"
        worker.tell(wire.Accept(), [self._listening])
        homeless, self._homeless = self._homeless, []
        self._rehouse(homeless)
        self._narrate("worker.accepts", worker=worker.name, version=worker.bundle.version.name)

    def _leave(self, worker: Worker) -> None:
        if worker.state in ("starting", "spare"):
            self._end(worker)
            return
        worker.state = "leaving"
        worker.tell(wire.Leave())
        asyncio.get_running_loop().call_later(LEAVING, self._end, worker)

    def _end(self, worker: Worker) -> None:
        if worker in self._workers:
            if worker.state != "leaving":
                worker.state = "leaving"
            worker.process.kill()

    def _keep_a_spare(self) -> None:
        plan = self._plan
        if plan is None or not plan.spare or plan.workers != 1 or self._closing:
            return
        if not any(worker.state in ("spare", "starting") for worker in self._workers):
            self._begin(self._spare(plan))

    async def _spare(self, plan: Plan) -> None:
        worker = self._start(plan)
        try:
            await self._until_ready(worker)
        except WorkerFailed as error:
            self._narrate("spare.failed", worker=worker.name, why=str(error))
            self._end(worker)
            return
        if worker.state == "starting":
            worker.state = "spare"
            if plan is self._plan and not self.accepting:
                self._accept(worker)

    def _hear(self, worker: Worker) -> None:
        while True:
            try:
                heard = wire.hear(worker.channel)
            except BlockingIOError:
                return
            if heard is None:
                self._gone(worker)
                return
            message, sockets = heard
            match message:
                case wire.Ready():
                    if not worker.ready.done():
                        worker.ready.set_result(None)
                case wire.Listening():
                    worker.listening.set()
                case wire.Failed(reason=reason, code=code):
                    self._fail(worker, reason, code)
                case wire.Take():
                    self.handed_over += len(sockets)
                    self._rehouse(sockets)
                case _:
                    self._narrate("worker.misunderstood", worker=worker.name, message=str(message))

    def _rehouse(self, connections: list[socket.socket]) -> None:
        """Let connections go on in the workers that accept, one after the other; they wait where there is none."""
        for one in connections:
            homes = self.accepting
            if not homes:
                self._homeless.append(one)
                continue
            home = homes[next(self._turn) % len(homes)]
            if home.tell(wire.Take(), [one]):
                one.close()
            else:
                self._homeless.append(one)

    def _fail(self, worker: Worker, reason: str, code: str = "") -> None:
        if not worker.ready.done():
            worker.ready.set_exception(WorkerFailed(worker.bundle.version.name, reason, code))

    def _gone(self, worker: Worker) -> None:
        """A worker's channel has ended: it has left, or was lost."""
        asyncio.get_running_loop().remove_reader(worker.channel)
        worker.process.kill()  # it may be ending in its own time, and answers nobody any more
        self._begin(self._reap(worker))

    async def _reap(self, worker: Worker) -> None:
        code = await asyncio.to_thread(worker.process.wait)
        was = worker.state
        in_flight = self._bury(worker)
        self._fail(worker, f"it ended with {code}")
        if was in ("leaving", "starting"):
            return
        self.lost.workers += 1
        self.lost.requests += in_flight
        self._narrate(
            "worker.lost",
            worker=worker.name,
            pid=worker.process.pid,
            code=code,
            state=was,
            in_flight=in_flight,
        )
        await self._replace(was)

    async def _replace(self, was: State) -> None:
        """Let the spare accept at once, and start another; with a pause that grows while they keep dying."""
        plan = self._plan
        if plan is None or self._closing:
            return
        if was == "accepting":
            spare = next((worker for worker in self._workers if worker.state == "spare"), None)
            if spare is not None:
                self._accept(spare)
        self._failures += 1
        if self._failures > 1:
            await asyncio.sleep(min(LONGEST, PAUSE * 2 ** (self._failures - 2)))
        if plan is not self._plan or self._closing:
            return
        if len(self.accepting) < plan.workers and not any(one.state == "starting" for one in self._workers):
            await self._again(plan)
        self._keep_a_spare()

    async def _again(self, plan: Plan) -> None:
        worker = self._start(plan)
        try:
            await self._until_ready(worker)
        except WorkerFailed as error:
            self._narrate("worker.failed", worker=worker.name, why=str(error))
            self._end(worker)
            self._begin(self._replace("accepting"))
            return
        if plan is self._plan and worker.state == "starting":
            self._accept(worker)

    def _bury(self, worker: Worker) -> int:
        """Take account of a worker that has ended; how many requests were in flight in it."""
        if worker not in self._workers:
            return 0
        self._workers.remove(worker)
        with_gauges = read_tally(worker.counts)
        in_flight = sum(value for place, value in with_gauges.items() if place.name == "noria_in_flight")
        counted = {place: value for place, value in with_gauges.items() if place.name not in PASSING}
        self._past = added(iter([self._past, counted]))
        worker.channel.close()
        for path in self._folder.glob(f"{worker.name}.*"):
            path.unlink(missing_ok=True)
        return int(in_flight)

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._narrate("fleet.broke", why=repr(error))


PASSING = frozenset(
    {"noria_in_flight", "noria_waiting_requests", "noria_connections", "noria_log_bytes", "noria_serving"}
)
"""Gauges: what a worker that is gone had of them is over."""
