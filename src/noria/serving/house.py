"""The models of one service, under one address; and the door, where there are several.

One model alone accepts at the address itself. Several share it: the door accepts, each model's workers know where those of the
others listen, and everybody is told when that changes. Nobody leaves before all others have said that they ask him no more.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import suppress
from functools import partial

import msgspec

from noria.errors import NoriaError
from noria.serving import wire
from noria.serving.cause import reference
from noria.serving.errors import NoSuchModel
from noria.serving.fleet import Fleet
from noria.serving.follow import RETRY
from noria.serving.hosted import Hosted
from noria.serving.lasting import lasting
from noria.serving.log import Narrator, ToldOnce, stack
from noria.serving.metrics import Metrics
from noria.serving.tally import Place, added
from noria.serving.worker_process import Plan

LOOKS = 4  # at a model in the time after which it is unloaded unasked: it stays a quarter longer at most
LONGEST = 5.0  # s between two such looks; each reads a small file a worker


class House:
    """For one event loop."""

    def __init__(
        self, metrics: Metrics, narrate: Narrator, *, idle: float | None = None, at_start: bool = False
    ) -> None:
        """`idle`: seconds after which a model is unloaded that nobody asks; `at_start`: all are loaded before the service is
        ready, and stay loaded."""
        self.models: Mapping[str, Hosted] = {}
        self._door: Fleet | None = None
        self._entrance: Plan | None = None
        self._metrics = metrics
        self._narrate = narrate
        self._idle = idle
        self._at_start = at_start
        self.serial = 0
        """Of what was said last of who answers."""

    def move_in(self, *models: Hosted, door: Fleet | None = None, entrance: Plan | None = None) -> None:
        """Those who live here; `entrance`: what the door is told."""
        self.models = {each.model: each for each in models}
        self._door, self._entrance = door, entrance
        if door is not None:
            for each in models:
                each.fleet.changed = self.changed

    @property
    def several(self) -> bool:
        return self._door is not None

    def of(self, name: str) -> Hosted:
        """A model, by what a path calls it. Raises `NoSuchModel`."""
        model = reference(name).model
        if model not in self.models:
            raise NoSuchModel(asked=model[:200], models=tuple(self.models))
        return self.models[model]

    def __iter__(self) -> Iterator[Hosted]:
        return iter(self.models.values())

    def counts(self) -> dict[Place, float]:
        """What all processes have counted, by model where there are several."""
        if self._door is None:
            return added(each.counts() for each in self)
        self._door.account.tell(self._metrics.tally)
        parts = [_labelled(each.counts(), each.model) for each in self]
        own = [_labelled(counts, "") for counts in (self._door.counts(), self._metrics.tally.read())]
        return added(iter([*parts, *own]))

    # -- from the beginning to the end

    async def begin(self) -> None:
        """Raises a `NoriaError` where nobody can answer."""
        if self._door is None or self._entrance is None:
            for only in self:
                await only.begin()
            return
        if self._at_start:
            await asyncio.gather(*(self._loaded(each) for each in self))
        await self._door.go(self._entrance)
        self._tell()

    async def live(self) -> None:
        """Until it is cancelled."""
        works = [
            self._lasting(work, task, model=each.model)
            for each in self
            for task, work in (("follow", each.follower.run), ("tend", each.tending.run))
        ]
        if self.several and self._at_start:
            works.append(self._lasting(self._keep_loaded, "load"))
        elif self.several and self._idle is not None:
            works.append(self._lasting(partial(self._unload_the_idle, self._idle), "unload"))
        await asyncio.gather(*works)

    def _lasting(
        self, work: Callable[[], Awaitable[None]], task: str, **facts: str
    ) -> Coroutine[object, object, None]:
        told = ToldOnce(self._narrate, failed="service.limps", worked="service.recovered", task=task, **facts)
        return lasting(work, told)

    async def close(self) -> None:
        if self._door is not None:
            await self._door.close()
        await asyncio.gather(*(each.close() for each in self))

    # -- what is for all of its processes

    def tell(self, message: wire.AnyMessage) -> None:
        """Tell the door, and every worker that accepts from callers, those that will be started too."""
        for fleet in self._fleets():
            fleet.tell(message)

    def guard(self) -> None:
        """Let nobody answer any more who knows neither tokens nor TLS."""
        for fleet in self._fleets():
            fleet.guard()

    # -- what the fleets need of one another

    def changed(self) -> None:
        """Others answer than before."""
        self._tell()

    async def known(self) -> None:
        """Let everybody know who answers now, and wait until they go by it."""
        serial = self._tell()
        await asyncio.gather(*(fleet.all_know(serial) for fleet in self._fleets()))

    def moved(self, model: str, connections: list[socket.socket], moves: int) -> None:
        """Connections go on with another model; at the door, where that has nobody now."""
        hosted = self.models.get(model)
        if hosted is not None and hosted.fleet.house(connections, moves):
            return
        if self._door is None or not self._door.house(connections, moves):
            for one in connections:
                one.close()  # the door is down as well: a client that is between two requests connects again

    def _tell(self) -> int:
        self.serial += 1
        models = {each.model: wire.Neighbour(sockets=each.sockets) for each in self}
        loaded = not self._at_start or all(each.loaded for each in self)
        ready = loaded and all(each.fleet.logs for each in self)
        self.tell(wire.Neighbours(serial=self.serial, models=models, ready=ready))
        return self.serial

    def _fleets(self) -> list[Fleet]:
        own = [each.fleet for each in self]
        return own if self._door is None else [self._door, *own]

    # -- who is loaded

    async def _loaded(self, hosted: Hosted) -> None:
        """Why it is not is told by itself, and to whoever asks it."""
        with suppress(NoriaError):
            await hosted.here(again=True)

    async def _keep_loaded(self) -> None:
        """Try again what could not be loaded at the start."""
        while not all(each.loaded for each in self):
            await asyncio.sleep(RETRY)
            for each in self:
                if not each.loaded:
                    await self._loaded(each)
        self._tell()

    async def _unload_the_idle(self, idle: float) -> None:
        while True:
            await asyncio.sleep(min(idle / LOOKS, LONGEST))
            for each in self:
                await self._unloaded(each, idle)

    async def _unloaded(self, hosted: Hosted, idle: float) -> None:
        try:
            await hosted.unload_unasked(idle)
        except Exception as error:  # the loop must outlive it; it is told
            self._narrate("model.kept", model=hosted.model, stack=stack(error))


def _labelled(counts: Mapping[Place, float], model: str) -> dict[Place, float]:
    """The same counts, each with its model: a metric's series must have the same labels."""
    found: dict[Place, float] = {}
    for place, value in counts.items():
        if "model" not in dict(place.labels):
            labels = tuple(sorted((*place.labels, ("model", model))))
            place = msgspec.structs.replace(place, labels=labels)
        found[place] = value
    return found
