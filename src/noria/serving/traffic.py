"""A model's routing table, kept: its versions' workers are started before it holds, and let go after it did.

A change is: check it, start what it needs, write it down, tell every worker of the champion, wait until they go by it, and only
then let those go whom nobody asks any more. What goes wrong before it is told changes nothing.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from noria.errors import NoriaError
from noria.ports.records import VersionRecords
from noria.records.routing import Routing
from noria.records.versions import Version
from noria.serving import wire
from noria.serving.change import Wanted, without, worked_out
from noria.serving.chores import Chores
from noria.serving.fleet import Fleet
from noria.serving.follow import find
from noria.serving.kept import Kept
from noria.serving.log import Narrator, stack
from noria.serving.metrics import Metrics
from noria.serving.service_errors import NotLoaded, RoutingStale, WorkerFailed
from noria.serving.tally import Place, added
from noria.serving.worker_process import Plan

TOO_OLD = "the noria of its environment is too old to share a service with other versions"


@dataclass(frozen=True)
class Outcome:
    """What came of a change."""

    table: Routing
    changed: bool
    """False where everything was as wanted already."""
    told: int
    """Workers of the champion that go by it; with fewer than `workers`, some are busy and will in a moment."""
    workers: int


@dataclass
class Traffic:
    """One model's routing. For one event loop; changes wait for one another."""

    model: str
    champion: Fleet
    fleet: Callable[[str], Fleet]
    """A new fleet of workers that answer their siblings alone, by the name that they get."""
    planned: Callable[[Version], Plan]
    versions: VersionRecords
    kept: Kept
    """Where the table is kept, for the service that comes after this one."""
    metrics: Metrics
    narrate: Narrator
    table: Routing = field(init=False)
    problems: dict[int, str] = field(default_factory=dict)
    """Why versions that the table named are not in it any more."""
    restoring: tuple[int, ...] = ()
    """Versions of the table of before, whose workers are being started still; until then no other table can take its place."""

    def __post_init__(self) -> None:
        self.table = Routing(model=self.model, champion=0)
        self._fleets: dict[int, Fleet] = {}
        self._past: dict[Place, float] = {}
        self._lost = 0
        self._aliases: Mapping[str, int] = {}
        self._serial = 0
        self._numbers = itertools.count(
            1
        )  # a fleet may start while the one before, of the same version, still ends
        self._restored = False
        self._lane = asyncio.Lock()
        self._chores = Chores(lambda error: self.narrate("routing.broke", why=stack(error)))

    # -- what is asked for

    async def put(self, wanted: Wanted) -> Outcome:
        """Let a table hold. Idempotent. Raises `BadRouting`, `RoutingStale`, `NothingToServe`, `WorkerFailed`; then nothing
        has changed."""
        async with self._lane:
            new = worked_out(wanted, self.table)
            if new.same(self.table):
                return Outcome(self.table, False, *await self.champion.all_routed(self._serial))
            if wanted.generation != self.table.generation:
                raise RoutingStale(self.model, wanted.generation, self.table.generation)
            await self._start(new)
            for version in new.beside():
                self.problems.pop(version, None)
            return await self._hold(new, "asked for")

    async def scale(self, workers: int, version: int | None) -> Outcome:
        """Let so many workers answer with a version; the champion's for None. Idempotent. Raises `NotLoaded`,
        `WorkerFailed`."""
        async with self._lane:
            fleet = self.of(version)
            before = len(fleet.accepting), fleet.size
            await fleet.scale(workers)
            told = await self.champion.all_routed(self._serial)
            changed = before != (workers, workers)
            if changed:
                self.narrate("workers.scaled", version=fleet.version, before=before[0], workers=workers)
            return Outcome(self.table, changed, *told)

    def of(self, version: int | None) -> Fleet:
        """A version's workers. Raises `NotLoaded`."""
        if version is None or version == self.champion.version:
            return self.champion
        if version not in self._fleets:
            loaded = [self.champion.version or 0, *self._fleets]
            raise NotLoaded(model=self.model, version=version, loaded=loaded)
        return self._fleets[version]

    def fleets(self) -> tuple[Fleet, ...]:
        return (self.champion, *self._fleets.values())

    def loaded(self) -> frozenset[int]:
        """The versions that somebody answers with."""
        return frozenset(fleet.version for fleet in self.fleets() if fleet.version is not None)

    # -- what happens

    def crowned(self, version: int) -> None:
        """The champion has changed: it is nobody's challenger any more."""
        self._chores.begin(self._crown(version))

    async def _crown(self, version: int) -> None:
        async with self._lane:
            if self._restored:
                await self._hold(without(self.table, version), "the champion has changed")

    def named(self, aliases: Mapping[str, int]) -> None:
        """What the model's aliases name now."""
        loaded = {name: number for name, number in aliases.items() if number in self._fleets}
        if loaded != self._aliases:
            self._aliases = loaded
            self._tell()

    async def restore(self) -> None:
        """Take up the table of the service before this one. What cannot be loaded any more is left out, and told."""
        async with self._lane:
            now = self.champion.version or 0
            before = await asyncio.to_thread(self._read) or Routing(model=self.model, champion=now)
            self.table = Routing(
                model=self.model, champion=now
            )  # of no generation: who goes by this one is told that it is stale
            table = without(before, now)
            self.restoring = table.beside()
            for version in self.restoring:
                alone = Routing(model=self.model, champion=now, shadows=(version,))
                try:
                    await self._start(alone)
                except Exception as error:  # whatever keeps it from being loaded; the champion answers
                    self._put_down(version, error)
                    table = without(table, version)
            self.table, self.restoring, self._restored = before, (), True
            await self._hold(table, "as before")

    def _read(self) -> Routing | None:
        try:
            return self.kept.read()
        except (OSError, msgspec.MsgspecError) as error:
            self.narrate("routing.unreadable", model=self.model, why=str(error))
            return None

    async def rest(self) -> None:
        """The champion has left: let the others go too. The table is kept, and taken up by `restore`."""
        async with self._lane:
            self._restored = False
            fleets, self._fleets = self._fleets, {}
            for version, fleet in fleets.items():
                await self._dismiss(version, fleet)

    async def close(self) -> None:
        self._chores.cancel()
        await asyncio.gather(*(fleet.close() for fleet in self._fleets.values()))

    def counts(self) -> dict[Place, float]:
        """The counts of all workers but the champion's."""
        return added(iter([self._past, *(fleet.counts() for fleet in self._fleets.values())]))

    @property
    def lost(self) -> int:
        """Workers of these versions that ended without being told to."""
        return self._lost + sum(fleet.account.workers_lost for fleet in self._fleets.values())

    # -- how a table comes to hold

    async def _start(self, table: Routing) -> None:
        """Start the workers that a table needs and that are not there. Raises what keeps one from it."""
        started: dict[int, Fleet] = {}
        try:
            for version in table.beside():
                if version not in self._fleets:
                    started[version] = self.fleet(f"version-{version}-{next(self._numbers)}")
                    await self._load(started[version], version)
        except BaseException:
            for fleet in started.values():
                await fleet.close()
            raise
        for version, fleet in started.items():
            fleet.changed = self._tell
            fleet.given_up = self._giving_up(version)
        self._fleets |= started

    async def _load(self, fleet: Fleet, version: int) -> None:
        found = await asyncio.to_thread(find, self.versions, self.model, str(version))
        plan = await asyncio.to_thread(self.planned, found)
        plan.workers, plan.spare = 1, False  # the champion stands in for it; `scale` gives it more
        await fleet.go(plan)
        old = not fleet.sockets() or any(one.protocol < wire.ROUTING for one in self.champion.accepting)
        if old:
            name = found.name if not fleet.sockets() else f"{self.model}:{self.champion.version}"
            raise WorkerFailed(version=name, reason=TOO_OLD)

    async def _hold(self, new: Routing, why: str) -> Outcome:
        """Let a table hold whose workers are there."""
        now = self.champion.version or 0
        new = msgspec.structs.replace(without(new, now), champion=now)  # it may have changed meanwhile
        changed = not new.same(self.table)
        if changed:
            generation = max(new.generation, self.table.generation) + 1
            new = msgspec.structs.replace(new, generation=generation)
            await asyncio.to_thread(self.kept.write, new)
            self.narrate("routing.changed", why=why, **msgspec.to_builtins(new))
            self.metrics.tally.add(self.metrics.tally.counter("noria_routing_changes", model=self.model))
        self.table = new
        self._tell()
        told = await self.champion.all_routed(self._serial)
        for version in self._fleets.keys() - set(new.beside()):
            self._chores.begin(self._dismiss(version, self._fleets.pop(version)))
        return Outcome(new, changed, *told)

    def _tell(self) -> None:
        self._serial += 1
        beside = self.table.beside()
        sockets = {str(each): self._fleets[each].sockets() for each in beside if each in self._fleets}
        message = wire.Route(
            serial=self._serial, table=self.table, sockets=sockets, aliases=dict(self._aliases)
        )
        self.champion.tell(message)

    async def _dismiss(self, version: int, fleet: Fleet) -> None:
        fleet.changed, fleet.given_up = _nothing, None
        await fleet.close()
        self._past = added(iter([self._past, fleet.counts()]))
        self._lost += fleet.account.workers_lost
        self.narrate("version.unloaded", version=f"{self.model}:{version}")

    def _giving_up(self, version: int) -> Callable[[str], None]:
        def give_up(why: str) -> None:
            self._chores.begin(self._take_out(version, why))

        return give_up

    async def _take_out(self, version: int, why: str) -> None:
        async with self._lane:
            if version in self.table.beside():
                self._put_down(version, WorkerFailed(version=f"{self.model}:{version}", reason=why))
                await self._hold(without(self.table, version), why)

    def _put_down(self, version: int, error: Exception) -> None:
        told = str(error) if isinstance(error, NoriaError) else f"{type(error).__name__}: {error}"
        self.problems[version] = told
        self.narrate("version.taken-out", version=f"{self.model}:{version}", why=told, stack=stack(error))


def _nothing() -> None:
    pass
