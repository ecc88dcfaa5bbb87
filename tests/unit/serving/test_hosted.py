"""One of several models: nobody unloads it while it is still coming."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from noria.serving.hosted import Hosted


class _Told(list[str]):
    def __call__(self, event: str, **facts: Any) -> None:
        self.append(event)


class _Fleet:
    """Has a version from when its workers are ready: the rest of a swap comes after that."""

    version: int | None = None

    def counts(self) -> dict[Any, float]:
        return {}

    async def dismiss(self) -> None:
        self.version = None


class _Follower:
    def __init__(self, fleet: _Fleet) -> None:
        self.fleet, self.known = fleet, asyncio.Event()

    async def begin(self) -> None:
        self.fleet.version = 1
        await self.known.wait()

    async def rest(self) -> None:
        pass


class _Traffic:
    async def restore(self) -> None:
        pass

    async def rest(self) -> None:
        pass


def _hosted(fleet: _Fleet, follower: _Follower, told: _Told) -> Hosted:
    others = dict.fromkeys(("labels", "repository", "tending", "metrics"), cast(Any, None))
    hosted = Hosted(
        model="fares",
        follows="champion",
        fleet=cast(Any, fleet),
        traffic=cast(Any, _Traffic()),
        follower=cast(Any, follower),
        narrate=cast(Any, told),
        **others,
    )
    hosted.counts = dict  # type: ignore[method-assign]  # nobody asks it anything
    return hosted


def test_a_model_that_is_being_loaded_is_not_unloaded_as_one_that_nobody_asks() -> None:
    async def walk() -> None:
        fleet, told = _Fleet(), _Told()
        follower = _Follower(fleet)
        hosted = _hosted(fleet, follower, told)
        begun = asyncio.create_task(hosted.begin())
        while not hosted.loaded:
            await asyncio.sleep(0)
        looked = asyncio.create_task(hosted.unload_unasked(5.0))
        await asyncio.sleep(0)
        follower.known.set()
        await asyncio.gather(begun, looked)
        await hosted.unload_unasked(5.0)
        assert hosted.loaded and not told
        await hosted.unload_unasked(0.0)
        assert not hosted.loaded and told == ["model.unloaded"]

    asyncio.run(walk())
