"""One of a service's models: loaded when it is asked for, unloaded when nobody asks; its versions' workers beside it.

A load that somebody waits for goes on when they give up, and all who ask meanwhile wait for the same one. One that failed is
told at once to whoever asks in the next half minute, for it may have taken minutes to fail.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from noria.errors import NoriaError
from noria.serving.fleet import Fleet
from noria.serving.follow import RETRY, Follower
from noria.serving.labels import Labels
from noria.serving.log import Narrator, stack
from noria.serving.metrics import Metrics
from noria.serving.neighbours import LOAD_SECONDS
from noria.serving.repository import READY, UNAVAILABLE, Repository
from noria.serving.service_errors import ModelFailed, ModelLoading
from noria.serving.tally import Place, added
from noria.serving.tending import Tending
from noria.serving.traffic import Traffic

QUESTIONS = frozenset({"predict", "infer", "inside"})
"""Routes that keep a model loaded; probes and scrapes do not."""


@dataclass(frozen=True)
class Failed:
    """A load that came to nothing."""

    error: ModelFailed
    at: float
    """By the loop's clock."""


@dataclass(eq=False)
class Hosted:
    """For one event loop."""

    model: str
    follows: str
    fleet: Fleet
    traffic: Traffic
    follower: Follower
    labels: Labels
    repository: Repository
    tending: Tending
    metrics: Metrics
    narrate: Narrator
    failed: Failed | None = None
    _loading: asyncio.Task[ModelFailed | None] | None = None
    _restoring: asyncio.Task[None] | None = None
    _asked: float = 0.0
    _since: float = 0.0
    _lane: asyncio.Lock = field(default_factory=asyncio.Lock)

    # -- how it stands

    @property
    def loaded(self) -> bool:
        return self.fleet.version is not None

    @property
    def sockets(self) -> tuple[str, ...]:
        """Where those listen who answer with it."""
        return self.fleet.sockets()

    @property
    def state(self) -> str:
        return READY if self.loaded and self.fleet.accepting else UNAVAILABLE

    @property
    def reason(self) -> str:
        """Why it is not ready, for everybody; empty when it is."""
        if self.state == READY:
            return ""
        if self.loaded:
            return "its workers are gone, and others are started"
        if self._loading is not None:
            return "it is being loaded"
        return str(self.failed.error) if self.failed else "it is loaded when it is first asked for"

    def counts(self) -> dict[Place, float]:
        """What its workers, and the keeper for it, have counted."""
        tally = self.metrics.tally
        workers = sum(len(fleet.accepting) for fleet in self.traffic.fleets())
        tally.put(tally.counter("noria_workers"), workers)
        self.fleet.account.tell(tally, lost_beside=self.traffic.lost)
        return added(iter([self.fleet.counts(), self.traffic.counts(), tally.read()]))

    # -- how it comes and goes

    async def here(self, *, again: bool = False) -> tuple[str, ...]:
        """The sockets of those who answer with it, once there are some. `again`: try although it has just failed. Raises
        `ModelFailed`, `ModelLoading`."""
        if not self.loaded:
            await self._load(again)
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                await self.fleet.until_accepting()
        except TimeoutError:
            raise ModelLoading(model=self.model) from None
        return self.sockets

    async def begin(self) -> None:
        """Load it. Raises what keeps it from being loaded."""
        async with self._lane:
            if self.loaded:
                return
            await self.follower.begin()
            self.failed = None
            self._since = asyncio.get_running_loop().time()
            self._restoring = asyncio.get_running_loop().create_task(self.traffic.restore())

    async def unload(self, why: str) -> None:
        """Let nobody answer with it until it is asked for again. Nothing in flight is lost by it."""
        async with self._lane:
            await self._unload(why)

    async def unload_unasked(self, idle: float) -> None:
        """The same once nobody has asked it for so many seconds; looked at again and again."""
        if self._lane.locked():  # it comes, or goes
            return
        async with self._lane:
            if self.loaded and self._unasked(asyncio.get_running_loop().time()) >= idle:
                await self._unload(f"nobody has asked it for {idle:g} s")

    async def _unload(self, why: str) -> None:
        if not self.loaded:
            return
        await self.follower.rest()
        if self._restoring is not None:
            await asyncio.wait({self._restoring})
        await self.fleet.dismiss()
        await self.traffic.rest()
        self.narrate("model.unloaded", model=self.model, why=why)

    def _unasked(self, now: float) -> float:
        """Seconds for which nobody has asked it anything."""
        counts = self.counts()
        asked = sum(value for place, value in counts.items() if _is_question(place))
        busy = any(value > 0 for place, value in counts.items() if place.name == "noria_in_flight")
        if asked != self._asked or busy:
            self._asked, self._since = asked, now
        return now - self._since

    async def close(self) -> None:
        for task in (self._loading, self._restoring):
            if task is not None:
                task.cancel()
        await self.fleet.close()
        await self.traffic.close()

    async def _load(self, again: bool) -> None:
        now = asyncio.get_running_loop().time()
        if self.failed is not None and not again and now - self.failed.at < RETRY:
            raise self.failed.error
        if self._loading is None:
            self._loading = asyncio.get_running_loop().create_task(self._tried())
        failed = await asyncio.shield(self._loading)
        if failed is not None:
            raise failed

    async def _tried(self) -> ModelFailed | None:
        self.narrate("model.loading", model=self.model)
        try:
            await self.begin()
        except Exception as error:  # whatever keeps a model from being loaded: others go on
            return self._has_failed(error)
        finally:
            self._loading = None
        self.narrate("model.loaded", model=self.model, version=self.fleet.version)
        return None

    def _has_failed(self, error: Exception) -> ModelFailed:
        reason = error.code if isinstance(error, NoriaError) else type(error).__name__
        failed = ModelFailed(model=self.model, reason=reason)
        self.failed = Failed(failed, asyncio.get_running_loop().time())
        told = str(error) if isinstance(error, NoriaError) else f"{type(error).__name__}: {error}"
        self.follower.fail(told)
        self.narrate("model.failed", model=self.model, why=told, stack=stack(error))
        return failed


def _is_question(place: Place) -> bool:
    return place.name == "noria_requests" and dict(place.labels).get("route", "") in QUESTIONS
