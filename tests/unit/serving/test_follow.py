"""A version that could not be loaded is tried again in its time, whatever the clock on the wall does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from hurried import hurried
from noria.serving.follow import RETRY, Follower, Identity

NOON = datetime(2024, 3, 31, 12, tzinfo=UTC)


class _Wall:
    def __init__(self) -> None:
        self.behind = timedelta()

    def now(self) -> datetime:
        return NOON + timedelta(seconds=asyncio.get_running_loop().time()) - self.behind


class _Fleet:
    """Has a version; cannot load another one, while which the clock goes back an hour."""

    version = 1

    def __init__(self, wall: _Wall) -> None:
        self.wall, self.tried = wall, list[float]()

    def tell(self, message: Any) -> None: ...

    async def go(self, plan: Any) -> None:
        self.tried.append(asyncio.get_running_loop().time())
        if len(self.tried) == 3:
            raise asyncio.CancelledError
        if plan.number == 2:
            asyncio.get_running_loop().call_soon(self._back)
            raise OSError("away")

    def _back(self) -> None:
        self.wall.behind += timedelta(hours=1)


class _Versions:
    """Where version 2 has just become the champion."""

    def __init__(self) -> None:
        self.champions = iter([1])

    def aliases(self, model: str) -> dict[str, int]:
        return {"champion": next(self.champions, 2)}

    def version(self, model: str, number: int) -> Any:
        return SimpleNamespace(number=number)


def test_a_clock_that_goes_back_puts_off_no_second_try() -> None:
    wall = _Wall()
    fleet = _Fleet(wall)
    follower = Follower(
        Identity(id="fares-1", url="", pid=1),
        "fares",
        "champion",
        fleet,  # type: ignore[arg-type]
        lambda version: version,  # type: ignore[arg-type,return-value]
        versions=_Versions(),  # type: ignore[arg-type]
        services=SimpleNamespace(announce=lambda record: None),  # type: ignore[arg-type]
        metrics=SimpleNamespace(  # type: ignore[arg-type]
            tally=SimpleNamespace(counter=lambda *_, **__: 0, put=lambda *_: None), swap=lambda how: None
        ),
        clock=wall,
        narrate=lambda *_, **__: None,
        crowned=lambda number: None,
        named=lambda aliases: None,
    )

    async def follow() -> None:
        await follower.begin()
        await asyncio.gather(follower.run(), return_exceptions=True)

    hurried(follow())
    _, first, second = fleet.tried
    assert RETRY <= second - first < RETRY + 1
