"""Keeping up with an alias: when it moves, the new version is made ready beside the old, and one pointer changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from noria.errors import NoriaError
from noria.ports.clock import Clock
from noria.ports.records import ServiceRecords, VersionRecords
from noria.records.service import Service
from noria.records.versions import Version
from noria.serving.errors import NothingToServe
from noria.serving.log import Narrator, stack
from noria.serving.metrics import Metrics
from noria.serving.routes import Front
from noria.serving.served import Loader

POLL = 0.25  # s; one small read, and a promotion is live before anybody has looked it up
HEARTBEAT = 5.0  # s; a service not seen for a few of them is dead
RETRY = 30.0  # s before a version that could not be loaded is tried again, unless the alias moves first


@dataclass(frozen=True)
class Identity:
    """What of a service's record never changes."""

    id: str
    url: str
    pid: int


class Follower:
    """Follows an alias, or stays with a number, for one service."""

    def __init__(
        self,
        identity: Identity,
        front: Front,
        loader: Loader,
        *,
        versions: VersionRecords,
        services: ServiceRecords,
        metrics: Metrics,
        clock: Clock,
        narrate: Narrator,
    ) -> None:
        self._identity = identity
        self._front = front
        self._loader = loader
        self._versions = versions
        self._services = services
        self._metrics = metrics
        self._clock = clock
        self._narrate = narrate
        self._failed: tuple[int, float] | None = None
        self._reason = ""

    @property
    def _serving(self) -> Version:
        return self._front.answering.served.version

    async def run(self) -> None:
        """Poll, swap and announce until cancelled. The store being away stops nothing: the version stays."""
        announced = 0.0
        while True:
            before = (self._serving.number, self._front.problem)
            await self._safely(self._poll)
            now = asyncio.get_running_loop().time()
            if now - announced >= HEARTBEAT or before != (self._serving.number, self._front.problem):
                await self._safely(self._announce)
                announced = now
            await asyncio.sleep(POLL)

    async def _safely(self, work: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(work)
        except Exception as error:  # the loop must outlive a busy store and a bug; both are told
            self._narrate("follow.failed", step=work.__name__.strip("_"), stack=stack(error))

    def _poll(self) -> None:
        model, follows = self._serving.model, self._front.answering.follows
        if follows.isdigit():
            return
        wanted = self._versions.aliases(model).get(follows)
        if wanted is None:
            self._tell(f"there is no {model}@{follows} any more")
        elif wanted == self._serving.number:
            self._tell("")
            self._failed = None
        elif self._due(wanted):
            self._swap(wanted)

    def _due(self, number: int) -> bool:
        return (
            self._failed is None or self._failed[0] != number or self._monotonic() - self._failed[1] >= RETRY
        )

    def _swap(self, number: int) -> None:
        """Load and point; what is at work on the old version ends there. On failure the old one stays."""
        old = self._front.answering.served
        try:
            version = find(self._versions, old.version.model, str(number))
            self._narrate("swap.begun", old=old.version.name, new=version.name)
            new = self._loader.load(version, old)
        except (
            BaseException
        ) as error:  # a user's module may raise anything, SystemExit too, while it is imported
            self._failed = (number, self._monotonic())
            told = str(error) if isinstance(error, NoriaError) else f"{type(error).__name__}: {error}"
            self._tell(f"{old.version.model}:{number} cannot be loaded", f": {told}")
            self._metrics.swap("failed")
            self._narrate(
                "swap.failed", old=old.version.name, new=f"{old.version.model}:{number}", stack=stack(error)
            )
            return
        self._front.answering.served = new
        self._tell("")
        self._failed = None
        self._metrics.serving(version.model, version.number, self._front.answering.follows)
        self._metrics.swap("done")
        self._narrate("swap.done", old=old.version.name, new=version.name)

    def _announce(self) -> None:
        self._services.announce(self.record())

    def record(self) -> Service:
        """The service as it is now."""
        return Service(
            id=self._identity.id,
            model=self._serving.model,
            follows=self._front.answering.follows,
            url=self._identity.url,
            pid=self._identity.pid,
            version=self._serving.number,
            seen=self._clock.now(),
            problem=self._front.problem + self._reason,
        )

    def _tell(self, problem: str, reason: str = "") -> None:
        """The problem is for everybody; the reason names paths, so it is for the project's own records alone."""
        self._front.problem, self._reason = problem, reason

    def _monotonic(self) -> float:
        return self._clock.now().timestamp()


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
