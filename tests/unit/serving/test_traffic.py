"""What is told of a routing table, and what may change it, while a service takes up the one of before."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from noria.records.routing import Challenger, Routing
from noria.serving.change import Wanted, WantedChallenger
from noria.serving.kept import Kept
from noria.serving.service_errors import RoutingStale
from noria.serving.traffic import Traffic

BEFORE = Routing(
    model="delay",
    champion=1,
    generation=4,
    challengers=(Challenger(version=2, start=0.0, share=0.25),),
    salt="2",
)


class Stub:
    """A version's workers, as far as a table needs to know of them."""

    def __init__(self, version: int | None = None) -> None:
        self.version = version
        self.accepting: list[Any] = []

    def sockets(self) -> tuple[str, ...]:
        return (f"{self.version}.sock",)

    def tell(self, message: Any) -> None: ...

    async def all_routed(self, serial: int) -> tuple[int, int]:
        return 1, 1

    async def dismiss(self) -> None: ...


class Slow(Traffic):
    """Whose challengers take until `loads` is set."""

    async def _load(self, fleet: Any, version: int) -> None:
        await self.loads.wait()
        fleet.version = version

    loads: asyncio.Event


def traffic_of(folder: Path) -> Slow:
    kept = Kept(folder / "table.json")
    kept.write(BEFORE)
    ground: Any = None
    champion: Any = Stub(1)
    fleet: Any = lambda name: Stub()  # noqa: E731
    made = Slow("delay", champion, fleet, ground, ground, kept, ground, lambda *_, **__: None)
    made.loads = asyncio.Event()
    return made


async def _changes_meanwhile(folder: Path) -> None:
    traffic = traffic_of(folder)
    restoring = asyncio.create_task(traffic.restore())
    while not traffic.restoring:
        await asyncio.sleep(0.001)
    seen = traffic.table
    assert (traffic.restoring, seen.challengers) == ((2,), ())
    wanted = Wanted(generation=seen.generation, challengers=(WantedChallenger(version=3, share=0.05),))
    change = asyncio.create_task(traffic.put(wanted))
    await asyncio.sleep(0)
    traffic.loads.set()
    await restoring
    with pytest.raises(RoutingStale):
        await change
    assert (traffic.table, traffic.restoring) == (BEFORE, ())


def test_who_has_not_seen_the_table_of_before_does_not_replace_it(tmp_path: Path) -> None:
    """A canary that is asked for as the service begins must not end the one that was there."""
    asyncio.run(_changes_meanwhile(tmp_path))
