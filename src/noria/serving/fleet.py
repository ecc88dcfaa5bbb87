"""The workers of a service: who of them answers, who comes for whom, and what becomes of those that die.

The keeper owns the listening socket, so that it outlives every worker: who connects while nobody accepts waits in the
kernel's queue. A new version's workers accept before the old ones are told to leave; these give back each connection that is
between two requests, and it goes on in a new worker: no keep-alive connection is closed by a swap.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from noria.serving import wire
from noria.serving.account import Lost
from noria.serving.homes import Homes
from noria.serving.log import Narrator
from noria.serving.replacing import Replacing
from noria.serving.roster import ROUTING, Roster
from noria.serving.service_errors import WorkerFailed
from noria.serving.worker_process import Plan, State, Worker

OPENING = 10.0  # s for a worker to open its ports once it is told to accept; it takes milliseconds
LEAVING = 60.0  # s for what is in flight in a worker that leaves; then it is ended
TOO_OLD = "the noria of its environment is too old to share a service with other models"
UNGUARDED = "the noria of its environment knows neither tokens nor TLS, and would answer anybody"
RESTING = 900.0  # s; a quarter of an hour, in which most of what is bad at once shows
IDLE = ("starting", "spare", "resting")  # states of workers that answer nobody


class Sharing(Protocol):
    """What the fleets of one service's models need of one another."""

    async def known(self) -> None:
        """Let everybody know who answers now, and wait until they go by it."""

    def moved(self, model: str, connections: list[socket.socket], moves: int) -> None:
        """Connections go on with another model; with whoever has none for an empty name."""


class Fleet(Roster):
    """The workers of one model's service. For one event loop."""

    def __init__(
        self,
        listening: socket.socket | None,
        folder: Path,
        narrate: Narrator,
        *,
        name: str = "worker",
        shares: Sharing | None = None,
    ) -> None:
        """Without a listening socket, its workers answer their siblings alone, and with `shares` whoever moves to them."""
        super().__init__(folder, narrate, name)
        self.changed: Callable[[], None] = lambda: None
        """Called when other workers answer than before."""
        self.given_up: Callable[[str], None] | None = None
        """Called, with what became of them, when its workers die one after the other; None: they are always replaced."""
        self._scaled: int | None = None
        self._listening = listening
        self._shares = shares
        self._answers_callers = listening is not None or shares is not None
        self._plan: Plan | None = None
        self._homes = Homes(lambda: self.accepting, self._elsewhere)
        self._replacing = Replacing(self, self._chores, narrate)
        self._renewing = asyncio.Lock()  # one worker at a time: a start takes a core
        self._closing = False
        self._guarded = False

    @property
    def version(self) -> int | None:
        return self._plan.bundle.version.number if self._plan else None

    @property
    def logs(self) -> bool:
        """Whether somebody who answers can log what he answers, where anybody does."""
        return not self.accepting or any(worker.logs for worker in self.accepting)

    @property
    def size(self) -> int:
        """How many workers it is meant to have."""
        return self._plan.workers if self._plan else 0

    @property
    def wanted(self) -> Plan | None:
        """What it is meant to answer with; None once it is to end."""
        return None if self._closing else self._plan

    async def go(self, plan: Plan) -> None:
        """Let a version answer in place of the one before. Raises `WorkerFailed`; then nothing has changed."""
        plan.workers = self._scaled or plan.workers
        started = await self._started(plan, plan.workers, self._rested(plan))
        before = [worker for worker in self._workers if worker not in started]
        last, self._plan = self._plan, plan
        self._replacing.forget()
        for worker in started:
            self.accept(worker)
        if plan.bundle.grpc and self._listening is not None:
            await self._until_listening(started)
        if self._shares is not None:
            _let_leave(before)
            await self._shares.known()
        rests = self._put_to_rest(before, last)
        for worker in before:
            if worker is not rests:
                self._leave(worker)
        self._replacing.keep_full(plan)

    def _rested(self, plan: Plan) -> list[Worker]:
        """A worker that is loaded with just this still: it need not be started."""
        return [each for each in self._workers if each.state == "resting" and each.bundle == plan.bundle][:1]

    def _put_to_rest(self, before: Sequence[Worker], last: Plan | None) -> Worker | None:
        """Let the spare of the version before stay for a while, so that a rollback takes no start."""
        if last is None or not last.spare or not self._answers_callers:
            return None
        spare = next((worker for worker in before if worker.state == "spare"), None)
        if spare is not None:
            spare.state = "resting"
            asyncio.get_running_loop().call_later(RESTING, self._let_go_of, spare)
        return spare

    def _let_go_of(self, worker: Worker) -> None:
        if worker in self._workers and worker.state == "resting":
            worker.end()

    async def scale(self, workers: int) -> None:
        """Let so many workers answer. Raises `WorkerFailed`; then there are as many as before.

        New ones take over their share of the open connections, those who leave give theirs back: none is closed.
        """
        plan = self._plan
        if plan is None:
            raise RuntimeError("a fleet is scaled before it answers")
        started = await self._started(plan, workers - len(self.accepting))
        plan.workers = self._scaled = workers
        before = self.accepting
        self._homes.prefer(started)
        for worker in started:
            self.accept(worker)
        for worker in before if started else ():
            worker.tell(wire.Part(share=len(started) / (len(before) + len(started))))
        await self._let_go(before[workers:])
        if workers > 1:
            for worker in self._workers:
                if worker.state == "spare":
                    worker.end()
        self._replacing.keep_full(plan)

    async def _started(self, plan: Plan, count: int, there: Sequence[Worker] = ()) -> list[Worker]:
        """So many more workers, all of them ready; none when one of them fails. `there`: those that need no start. One that
        is ready may end while others are waited for, and is left out."""
        started: list[Worker] = []
        try:
            for _ in range(count - len(there)):
                started.append(self.start(plan))
            for worker in started:
                await self.until_ready(worker)
        except BaseException:
            for worker in started:
                worker.end()
            raise
        living = [one for one in (*there, *started) if one in self._workers and one.state != "leaving"]
        if count > 0 and not living:
            raise WorkerFailed(plan.bundle.version.name, "it ended as soon as it was ready")
        return living

    async def until_ready(self, worker: Worker) -> None:
        """Raises `WorkerFailed`, for one too that would tell callers that the service has no other model."""
        await worker.until_ready()
        if self._shares is not None and worker.protocol < wire.SHARING:
            raise WorkerFailed(worker.version, TOO_OLD)

    async def _let_go(self, surplus: Sequence[Worker]) -> None:
        """Let workers leave once nobody is sent to them any more."""
        if not surplus:
            return
        for worker in surplus:
            worker.state = "leaving"
        self.changed()
        if self._shares is not None:
            await self._shares.known()
        elif self._listening is None:
            await asyncio.sleep(ROUTING)  # their siblings may still have been about to ask them
        for worker in surplus:
            self._send_off(worker)

    async def _renew(self, worker: Worker) -> None:
        """Let a fresh worker take the place of one; where none comes up, it stays."""
        async with self._renewing:
            plan = self._plan
            if plan is None or self._closing or worker.bundle != plan.bundle:
                return  # it leaves anyway
            if worker.state == "spare":
                worker.end()
            elif worker.state == "accepting":
                await self._give_way(worker, plan)
            self._replacing.keep_full(plan)

    async def _give_way(self, worker: Worker, plan: Plan) -> None:
        try:
            (fresh,) = await self._started(plan, 1)
        except WorkerFailed as error:
            self._narrate("renewal.failed", worker=worker.name, why=str(error))
            return
        if plan is not self.wanted or worker not in self.accepting:  # something else came about meanwhile
            fresh.end()
            return
        self.accept(fresh)
        if plan.bundle.grpc and self._listening is not None:
            await self._until_listening([fresh])
        await self._let_go([worker])

    def guard(self) -> None:
        """Let nobody answer any more who knows neither tokens nor TLS, and would answer anybody."""
        self._guarded = True
        for worker in self._workers:
            if 0 < worker.protocol < wire.GUARDED:
                worker.process.kill()  # at once: whoever asks it now may be a stranger

    def house(self, connections: list[socket.socket], moves: int) -> bool:
        """Let connections of another model go on here; False where nobody could take them."""
        if not self.accepting:
            return False
        self._homes.give(connections, moves)
        return True

    def _elsewhere(self, connection: socket.socket, moves: int) -> bool:
        """Let a connection go to another model, where there is one and this answers no more."""
        if self._plan is not None or self._shares is None:
            return False
        self._shares.moved("", [connection], moves)
        return True

    async def dismiss(self) -> None:
        """Let all workers leave, each when its last connection has gone; another version may come later."""
        self._plan = None
        leaving = list(self._workers)
        _let_leave(leaving)
        if self._shares is not None:
            await self._shares.known()
        for worker in leaving:
            self._leave(worker)
        await self._until(lambda: not any(worker in self._workers for worker in leaving))

    async def close(self) -> None:
        """Let every worker finish what is in flight, and wait for their ends."""
        self._closing = True
        self._chores.cancel()
        for worker in self._workers:
            if worker.state in IDLE:
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

    async def _until_listening(self, started: Sequence[Worker]) -> None:
        """Let nobody leave before others have opened the ports that the keeper does not own."""
        try:
            async with asyncio.timeout(OPENING):
                for worker in started:
                    await worker.listening.wait()
        except TimeoutError:  # it died, or its Noria is too old to say so
            self._narrate("worker.silent", versions=[worker.version for worker in started])

    def accept(self, worker: Worker) -> None:
        """Let one that is ready answer."""
        worker.state = "accepting"
        self._heard.set()
        for message in self._standing.values():
            worker.tell(message)
        if self._listening is not None:
            worker.tell(wire.Accept(), [self._listening])
        self._homes.settle()
        self._narrate("worker.accepts", worker=worker.name, version=worker.version)
        self.changed()

    def _leave(self, worker: Worker) -> None:
        if worker.state in IDLE:
            worker.end()
        else:
            worker.state = "leaving"
            self._send_off(worker)

    def _send_off(self, worker: Worker) -> None:
        worker.tell(wire.Leave())
        asyncio.get_running_loop().call_later(LEAVING, self._hurry, worker)

    def _hurry(self, worker: Worker) -> None:
        if worker in self._workers:
            worker.end()

    def _told(self, worker: Worker, message: wire.AnyMessage | None, sockets: list[socket.socket]) -> None:
        match message:
            case wire.Ready(protocol=protocol):
                if self._guarded and protocol < wire.GUARDED:
                    worker.failed(UNGUARDED)
                else:
                    worker.is_ready(protocol)
            case wire.Outdone():
                self._chores.begin(self._renew(worker))
            case wire.Logs(works=works):
                worker.logs = works
                self.changed()
            case wire.Take(to=model, moves=moves):
                self.account.handed_over += len(sockets)
                if model and self._shares is not None:
                    self._shares.moved(model, sockets, moves)
                else:
                    self._homes.give(sockets, moves)
            case _:
                self._narrate("worker.misunderstood", worker=worker.name, message=str(message))

    async def _lost(self, worker: Worker, was: State, code: int, lost: Lost) -> None:
        self.account.workers_lost += 1
        if self._answers_callers:  # else a sibling had passed them on, and has them answered otherwise
            self.account.lose(lost)
        self._narrate(
            "worker.lost",
            worker=worker.name,
            pid=worker.process.pid,
            code=code,
            state=was,
            in_flight=lost.requests,
            connections=lost.connections,
        )
        self.changed()
        await self._replacing.replace(worker, was)


def _let_leave(workers: Sequence[Worker]) -> None:
    """Those that answer are named to nobody any more, from now on."""
    for worker in workers:
        if worker.state == "accepting":
            worker.state = "leaving"
