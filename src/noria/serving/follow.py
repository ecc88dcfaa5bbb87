"""Keeping up with an alias: when it moves, workers of the new version take over from those of the old one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from noria.errors import NoriaError
from noria.ports.clock import Clock
from noria.ports.records import ServiceRecords, VersionRecords
from noria.records.service import Service
from noria.records.versions import Version
from noria.serving import wire
from noria.serving.fleet import Fleet
from noria.serving.log import Narrator, ToldOnce, stack
from noria.serving.metrics import Metrics
from noria.serving.service_errors import NothingToServe
from noria.serving.worker_process import Plan

POLL = 0.25  # s; one small read, and a promotion is live before anybody has looked it up
HEARTBEAT = 5.0  # s; a service not seen for a few of them is dead
RETRY = 30.0  # s before a version that could not be loaded is tried again, unless the alias moves first


@dataclass(frozen=True)
class Identity:
    """What of a service's record never changes."""

    id: str
    url: str
    pid: int
    admin: str = ""


class Follower:
    """Follows an alias, or stays with a number, for one service."""

    def __init__(
        self,
        identity: Identity,
        model: str,
        follows: str,
        fleet: Fleet,
        planned: Callable[[Version], Plan],
        *,
        versions: VersionRecords,
        services: ServiceRecords,
        metrics: Metrics,
        clock: Clock,
        narrate: Narrator,
        crowned: Callable[[int], None],
        named: Callable[[Mapping[str, int]], None],
    ) -> None:
        """`crowned` is told of each version that comes to answer, `named` what the aliases name."""
        self._crowned = crowned
        self._named = named
        self._identity = identity
        self._model = model
        self._follows = follows
        self._fleet = fleet
        self._planned = planned
        self._versions = versions
        self._services = services
        self._metrics = metrics
        self._clock = clock
        self._narrate = narrate
        self._failed: tuple[int, float] | None = None
        self._reason = ""
        self._lane = asyncio.Lock()
        self.problem = ""
        """Why the version that is followed is not the one that answers, for everybody."""
        self.serving: Version | None = None

    async def begin(self) -> None:
        """Let the first version answer. Raises `NothingToServe`, `WorkerFailed`."""
        async with self._lane:
            version = await asyncio.to_thread(find, self._versions, self._model, self._follows)
            await self._fleet.go(await asyncio.to_thread(self._planned, version))
            self._now_serving(version)
            self._tell("")

    async def rest(self) -> None:
        """Follow nothing until it begins again: nobody answers any more."""
        async with self._lane:
            if self.serving is not None:
                self._metrics.tally.put(self._place(self.serving.number), 0.0)
            self.serving = None

    def fail(self, reason: str) -> None:
        """Let it be known why it has not begun; the reason may name paths."""
        self._tell(f"{self._model}@{self._follows} cannot be loaded", f": {reason}")

    async def run(self) -> None:
        """Poll, swap and announce until cancelled. The store being away stops nothing: the version stays."""
        announced = 0.0
        poll, announcement = (ToldOnce(self._narrate, step=step) for step in ("poll", "announce"))
        while True:
            before = (self._fleet.version, self.problem)
            await _safely(self._poll, poll)
            now = asyncio.get_running_loop().time()
            if now - announced >= HEARTBEAT or before != (self._fleet.version, self.problem):
                await _safely(self.announce, announcement)
                announced = now
            await asyncio.sleep(POLL)

    async def try_now(self) -> None:
        """Look where the alias stands, and try again what could not be loaded, without waiting for its time."""
        self._failed = None
        await self._poll()

    async def announce(self) -> None:
        """Let the records know of the service as it is now."""
        await asyncio.to_thread(self._services.announce, self.record())

    def record(self) -> Service:
        return Service(
            id=self._identity.id,
            model=self._model,
            follows=self._follows,
            url=self._identity.url,
            pid=self._identity.pid,
            version=self._fleet.version or 0,
            seen=self._clock.now(),
            problem=self.problem + self._reason,
            admin=self._identity.admin,
        )

    async def _poll(self) -> None:
        async with self._lane:  # one swap at a time, whoever asked for it
            await self._look()

    async def _look(self) -> None:
        if self.serving is None:  # whoever loads it looks where the alias stands
            return
        aliases = await asyncio.to_thread(self._versions.aliases, self._model)
        self._named(aliases)
        if self._follows.isdigit():
            return
        wanted = aliases.get(self._follows)
        if wanted is None:
            self._tell(f"there is no {self._model}@{self._follows} any more")
        elif wanted == self._fleet.version:
            self._tell("")
            self._failed = None
        elif self._due(wanted):
            await self._swap(wanted)

    def _due(self, number: int) -> bool:
        if self._failed is None or self._failed[0] != number:
            return True
        return asyncio.get_running_loop().time() - self._failed[1] >= RETRY

    async def _swap(self, number: int) -> None:
        """Start the new version's workers, and let the old ones leave. On failure the old ones stay."""
        old, new = f"{self._model}:{self._fleet.version}", f"{self._model}:{number}"
        try:
            version = await asyncio.to_thread(find, self._versions, self._model, str(number))
            self._narrate("swap.begun", old=old, new=new)
            await self._fleet.go(await asyncio.to_thread(self._planned, version))
        except Exception as error:  # whatever keeps a version from being loaded: the old one goes on
            self._failed = (number, asyncio.get_running_loop().time())
            told = str(error) if isinstance(error, NoriaError) else f"{type(error).__name__}: {error}"
            self._tell(f"{new} cannot be loaded", f": {told}")
            self._metrics.swap("failed")
            self._narrate("swap.failed", old=old, new=new, stack=stack(error))
            return
        self._now_serving(version)
        self._tell("")
        self._failed = None
        self._metrics.swap("done")
        self._narrate("swap.done", old=old, new=new)

    def _now_serving(self, version: Version) -> None:
        for number in {self.serving.number if self.serving else version.number, version.number}:
            self._metrics.tally.put(self._place(number), float(number == version.number))
        self.serving = version
        self._crowned(version.number)

    def _place(self, number: int) -> int:
        return self._metrics.tally.counter(
            "noria_serving", model=self._model, version=str(number), follows=self._follows
        )

    def _tell(self, problem: str, reason: str = "") -> None:
        """The problem is for everybody; the reason names paths, so it is for the project's own records alone."""
        if problem != self.problem:
            self._fleet.tell(wire.Told(problem=problem))
        self.problem, self._reason = problem, reason


async def _safely(work: Callable[[], Awaitable[None]], told: ToldOnce) -> None:
    try:
        await work()
    except Exception as error:  # the loop must outlive a busy store and a bug; both are told
        told.failed(error)
    else:
        told.worked()


def find(versions: VersionRecords, model: str, follows: str) -> Version:
    """The version that a number or an alias means now. Raises `NothingToServe`."""
    aliases = versions.aliases(model)
    number = int(follows) if follows.isdigit() else aliases.get(follows)
    version = versions.version(model, number) if number is not None else None
    if version is None:
        have = [*aliases, *(str(each.number) for each in versions.versions(model)[:5])]
        raise NothingToServe(
            model=model, follows=follows, known=f"there is {', '.join(have)}" if have else "no version yet"
        )
    return version
