"""Workers that end while others are waited for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from noria.serving import wire
from noria.serving.fleet import Fleet
from noria.serving.service_errors import WorkerFailed

BUNDLE = SimpleNamespace(grpc=None, version=SimpleNamespace(name="delay:1", number=1))


@dataclass(eq=False)
class Stub:
    """A worker that is ready at once, and whose process nobody started."""

    name: str
    state: str = "starting"
    bundle: Any = field(default_factory=lambda: BUNDLE)
    version: str = "delay:1"
    protocol: int = 99
    told: list[Any] = field(default_factory=list)
    began: float = 0.0

    def tell(self, message: Any, sockets: Any = ()) -> bool:
        self.told.append(message)
        return True

    def end(self) -> None:
        self.state = "leaving"


class Stubs(Fleet):
    """Whose worker of the version before ends while the others are started."""

    dies = "rested"

    def start(self, plan: Any) -> Any:
        worker: Any = Stub(f"worker-{next(self._numbers)}")
        self._workers.append(worker)
        return worker

    async def until_ready(self, worker: Any) -> None:
        await asyncio.sleep(0)
        self._workers = [each for each in self._workers if each.name != self.dies]


def fleet_of(tmp_path: Path, *names: str) -> Stubs:
    fleet = Stubs(None, tmp_path, lambda *_, **__: None)  # type: ignore[arg-type]
    rested: list[Any] = [Stub(name, "resting") for name in names]
    fleet._workers = rested
    return fleet


def test_a_worker_that_ends_while_a_rollback_waits_is_replaced(tmp_path: Path) -> None:
    async def back() -> Stubs:
        fleet = fleet_of(tmp_path, "rested")
        await fleet.go(SimpleNamespace(workers=2, bundle=BUNDLE, spare=False))  # type: ignore[arg-type]
        while len(fleet.accepting) < 2:
            await asyncio.sleep(0)
        return fleet

    fleet = asyncio.run(asyncio.wait_for(back(), 5))
    assert sorted(worker.name for worker in fleet.workers) == ["worker-1", "worker-2"]


def test_the_one_before_goes_on_where_all_have_ended(tmp_path: Path) -> None:
    async def back() -> Stubs:
        fleet = fleet_of(tmp_path)
        fleet.dies = "worker-1"
        with pytest.raises(WorkerFailed, match="as soon as it was ready"):
            await fleet.go(SimpleNamespace(workers=1, bundle=BUNDLE, spare=False))  # type: ignore[arg-type]
        return fleet

    assert asyncio.run(back()).version is None


def plan_of(workers: int) -> Any:
    return SimpleNamespace(workers=workers, bundle=BUNDLE, spare=False)


async def outdone(fleet: Stubs, worker: Any) -> None:
    """What a worker says that came up without its version's fast form."""
    ours, theirs = wire.pair()
    ours.setblocking(False)
    worker.channel = ours
    with ours, theirs:
        wire.say(theirs, wire.Outdone())
        fleet._hear(worker)


def test_a_worker_gives_way_to_a_fresh_one_that_would_be_faster(tmp_path: Path) -> None:
    async def play() -> Stubs:
        fleet = fleet_of(tmp_path)
        await fleet.go(plan_of(1))
        (slow,) = fleet.accepting
        await outdone(fleet, slow)
        assert fleet.accepting == [slow]  # until the other one is ready
        while slow in fleet.accepting:
            await asyncio.sleep(0)
        return fleet

    fleet = asyncio.run(asyncio.wait_for(play(), 10))
    assert [worker.name for worker in fleet.accepting] == ["worker-2"]


def test_who_is_outdone_stays_where_no_other_one_comes_up(tmp_path: Path) -> None:
    told: list[str] = []

    async def play() -> Stubs:
        fleet = fleet_of(tmp_path)
        fleet._narrate = lambda event, /, **facts: told.append(event)
        await fleet.go(plan_of(1))
        fleet.dies = "worker-2"
        await outdone(fleet, fleet.accepting[0])
        while "renewal.failed" not in told:
            await asyncio.sleep(0)
        return fleet

    fleet = asyncio.run(asyncio.wait_for(play(), 10))
    assert [worker.name for worker in fleet.accepting] == ["worker-1"]
