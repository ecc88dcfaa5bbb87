"""The processes of one model's workers: started, told, heard, waited for and buried. Who of them answers is the fleet's."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from noria.serving import wire
from noria.serving.account import Account, Lost
from noria.serving.chores import Chores
from noria.serving.log import Narrator
from noria.serving.tally import Place
from noria.serving.worker_process import Plan, State, Worker, start

KNOWING = 10.0  # s for everybody to ask a leaving worker no more; a lost request costs more than a worker that stays
ROUTING = 2.0  # s for a worker to go by a new table; it takes a turn of its event loop


class Roster:
    """For one event loop. Who has one is told what it does not understand itself (`_told`), and whom it has lost (`_lost`)."""

    def __init__(self, folder: Path, narrate: Narrator, name: str) -> None:
        self.account = Account()
        self._name = name
        self._folder = folder
        self._narrate = narrate
        self._numbers = itertools.count(1)
        self._workers: list[Worker] = []
        self._standing: dict[type[wire.Message], wire.AnyMessage] = {}
        self._heard = asyncio.Event()
        self._chores = Chores(lambda error: narrate("fleet.broke", why=repr(error)))

    def _told(self, worker: Worker, message: wire.AnyMessage | None, sockets: list[socket.socket]) -> None:
        """A worker says something that is not only of itself; None: what nobody here knows."""
        raise NotImplementedError

    async def _lost(self, worker: Worker, was: State, code: int, lost: Lost) -> None:
        """A worker has ended in this state, and with what was in it."""
        raise NotImplementedError

    @property
    def workers(self) -> Sequence[Worker]:
        return tuple(self._workers)

    @property
    def accepting(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.state == "accepting"]

    def _answering(self) -> list[Worker]:
        return [each for each in self._workers if each.state in ("accepting", "leaving")]

    def sockets(self) -> tuple[str, ...]:
        """Where its workers listen for their siblings."""
        return tuple(str(each.door) for each in self.accepting if each.protocol >= wire.ROUTING)

    def counts(self) -> dict[Place, float]:
        """The counts of all workers, those that are gone among them; gauges only of those that live."""
        return self.account.now(worker.counts for worker in self._workers)

    # -- what they are told, and say

    def start(self, plan: Plan) -> Worker:
        """Let one more process begin; it answers nobody yet. Raises `WorkerFailed`."""
        worker = start(plan, f"{self._name}-{next(self._numbers)}", self._folder)
        self._workers.append(worker)
        asyncio.get_running_loop().add_reader(worker.channel, self._hear, worker)
        self._narrate("worker.started", worker=worker.name, pid=worker.process.pid, version=worker.version)
        return worker

    def tell(self, message: wire.AnyMessage) -> None:
        """Tell every worker something, those that will be started too."""
        self._standing[type(message)] = message
        for worker in self._workers:
            if worker.state != "starting":
                worker.tell(message)

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
                case wire.Listening():
                    worker.listening.set()
                case wire.Failed(reason=reason, code=code):
                    worker.failed(reason, code)
                case wire.Knows(serial=serial):
                    worker.knows = serial
                    self._heard.set()
                case _:
                    self._told(worker, message, sockets)

    # -- what is waited for

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

    async def _until(self, holds: Callable[[], bool]) -> None:
        """Wait for what the workers say, or for their ends, to make something true."""
        while not holds():
            self._heard.clear()
            await self._heard.wait()

    def _routed(self, serial: int) -> int:
        return sum(each.routed >= serial for each in self._answering())

    # -- their ends

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
        if was not in ("leaving", "starting", "resting"):
            await self._lost(worker, was, code, lost)

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
