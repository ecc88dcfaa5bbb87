"""The workers of a service: started, told, replaced, and taken account of when they die.

The keeper owns the listening socket, so that it outlives every worker: who connects while nobody accepts waits in the
kernel's queue. A new version's workers accept before the old ones are told to leave; these give back each connection that is
between two requests, and it goes on in a new worker: no keep-alive connection is closed by a swap.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from noria.serving import wire
from noria.serving.account import Account, Lost
from noria.serving.chores import Chores
from noria.serving.homes import Homes
from noria.serving.log import Narrator
from noria.serving.replacing import Replacing
from noria.serving.service_errors import WorkerFailed
from noria.serving.tally import Place
from noria.serving.worker_process import Plan, Worker, start

OPENING = 10.0  # s for a worker to open its ports once it is told to accept; it takes milliseconds
LEAVING = 60.0  # s for what is in flight in a worker that leaves; then it is ended
KNOWING = 10.0  # s for everybody to ask a leaving worker no more; a lost request costs more than a worker that stays
TOO_OLD = "the noria of its environment is too old to share a service with other models"
UNGUARDED = "the noria of its environment knows neither tokens nor TLS, and would answer anybody"
RESTING = 900.0  # s; a quarter of an hour, in which most of what is bad at once shows
ROUTING = 2.0  # s for a worker to go by a new table; it takes a turn of its event loop


IDLE = ("starting", "spare", "resting")  # states of workers that answer nobody


class Sharing(Protocol):
    """What the fleets of one service's models need of one another."""

    async def known(self) -> None:
        """Let everybody know who answers now, and wait until they go by it."""

    def moved(self, model: str, connections: list[socket.socket], moves: int) -> None:
        """Connections go on with another model; with whoever has none for an empty name."""


class Fleet:
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
        self.account = Account()
        self.changed: Callable[[], None] = lambda: None
        """Called when other workers answer than before."""
        self.given_up: Callable[[str], None] | None = None
        """Called, with what became of them, when its workers die one after the other; None: they are always replaced."""
        self._name = name
        self._scaled: int | None = None
        self._standing: dict[type[wire.Message], wire.AnyMessage] = {}
        self._heard = asyncio.Event()
        self._listening = listening
        self._shares = shares
        self._answers_callers = listening is not None or shares is not None
        self._folder = folder
        self._narrate = narrate
        self._workers: list[Worker] = []
        self._plan: Plan | None = None
        self._numbers = itertools.count(1)
        self._homes = Homes(lambda: self.accepting, self._elsewhere)
        self._chores = Chores(lambda error: narrate("fleet.broke", why=repr(error)))
        self._replacing = Replacing(self, self._chores, narrate)
        self._renewing = asyncio.Lock()  # one worker at a time: a start takes a core
        self._closing = False
        self._guarded = False

    @property
    def version(self) -> int | None:
        return self._plan.bundle.version.number if self._plan else None

    @property
    def accepting(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.state == "accepting"]

    @property
    def logs(self) -> bool:
        """Whether somebody who answers can log what he answers, where anybody does."""
        return not self.accepting or any(worker.logs for worker in self.accepting)

    @property
    def workers(self) -> Sequence[Worker]:
        return tuple(self._workers)

    @property
    def size(self) -> int:
        """How many workers it is meant to have."""
        return self._plan.workers if self._plan else 0

    @property
    def wanted(self) -> Plan | None:
        """What it is meant to answer with; None once it is to end."""
        return None if self._closing else self._plan

    def sockets(self) -> tuple[str, ...]:
        """Where its workers listen for their siblings."""
        return tuple(str(each.door) for each in self.accepting if each.protocol >= wire.ROUTING)

    def counts(self) -> dict[Place, float]:
        """The counts of all workers, those that are gone among them; gauges only of those that live."""
        return self.account.now(worker.counts for worker in self._workers)

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

    def tell(self, message: wire.AnyMessage) -> None:
        """Tell every worker something, those that will be started too."""
        self._standing[type(message)] = message
        for worker in self._workers:
            if worker.state != "starting":
                worker.tell(message)

    def guard(self) -> None:
        """Let nobody answer any more who knows neither tokens nor TLS, and would answer anybody."""
        self._guarded = True
        for worker in self._workers:
            if 0 < worker.protocol < wire.GUARDED:
                worker.process.kill()  # at once: whoever asks it now may be a stranger

    async def all_routed(self, serial: int) -> tuple[int, int]:
        """Wait until every worker that may still be asked goes by a table; how many of how many do."""
        with suppress(TimeoutError):
            async with asyncio.timeout(ROUTING):
                await self._until(lambda: self._routed(serial) >= len(self._answering()))
        return self._routed(serial), len(self._answering())

    async def all_know(self, serial: int) -> None:
        """Wait until every worker that may still ask others goes by what was said of them."""
        with suppress(TimeoutError):
            async with asyncio.timeout(KNOWING):
                await self._until(lambda: all(each.knows >= serial for each in self._answering()))

    async def until_accepting(self) -> None:
        """Wait until somebody answers."""
        await self._until(lambda: bool(self.accepting))

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

    async def _until(self, holds: Callable[[], bool]) -> None:
        """Wait for what the workers say, or for their ends, to make something true."""
        while not holds():
            self._heard.clear()
            await self._heard.wait()

    def _answering(self) -> list[Worker]:
        return [each for each in self._workers if each.state in ("accepting", "leaving")]

    def _routed(self, serial: int) -> int:
        return sum(each.routed >= serial for each in self._answering())

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

    def start(self, plan: Plan) -> Worker:
        """Let one more process begin; it answers nobody yet. Raises `WorkerFailed`."""
        worker = start(plan, f"{self._name}-{next(self._numbers)}", self._folder)
        self._workers.append(worker)
        asyncio.get_running_loop().add_reader(worker.channel, self._hear, worker)
        self._narrate("worker.started", worker=worker.name, pid=worker.process.pid, version=worker.version)
        return worker

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
                case wire.Routed(serial=serial):
                    worker.routed = serial
                    self._heard.set()
                case wire.Ready(protocol=protocol):
                    if self._guarded and protocol < wire.GUARDED:
                        worker.failed(UNGUARDED)
                    else:
                        worker.is_ready(protocol)
                case wire.Listening():
                    worker.listening.set()
                case wire.Outdone():
                    self._chores.begin(self._renew(worker))
                case wire.Logs(works=works):
                    worker.logs = works
                    self.changed()
                case wire.Failed(reason=reason, code=code):
                    worker.failed(reason, code)
                case wire.Take(to=model, moves=moves):
                    self.account.handed_over += len(sockets)
                    if model and self._shares is not None:
                        self._shares.moved(model, sockets, moves)
                    else:
                        self._homes.give(sockets, moves)
                case wire.Knows(serial=serial):
                    worker.knows = serial
                    self._heard.set()
                case _:
                    self._narrate("worker.misunderstood", worker=worker.name, message=str(message))

    def _gone(self, worker: Worker) -> None:
        """A worker's channel has ended: it has left, or was lost."""
        asyncio.get_running_loop().remove_reader(worker.channel)
        worker.process.kill()  # it may be ending in its own time, and answers nobody any more
        self._chores.begin(self._reap(worker))

    async def _reap(self, worker: Worker) -> None:
        code = await asyncio.to_thread(worker.process.wait)
        was = worker.state
        lost = self._bury(worker)
        worker.failed(f"it ended with {code}")
        if was in ("leaving", "starting", "resting"):
            return
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

    def _bury(self, worker: Worker) -> Lost:
        """Take account of a worker that has ended; what was in it."""
        if worker not in self._workers:
            return Lost()
        self._workers.remove(worker)
        self._heard.set()
        lost = self.account.close(worker.counts)
        worker.channel.close()
        for path in self._folder.glob(f"{worker.name}.*"):
            path.unlink(missing_ok=True)
        return lost


def _let_leave(workers: Sequence[Worker]) -> None:
    """Those that answer are named to nobody any more, from now on."""
    for worker in workers:
        if worker.state == "accepting":
            worker.state = "leaving"
