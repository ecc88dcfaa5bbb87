"""A service whose records are away for long: it goes on, and its log does not grow by it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from noria.adapters.sql.errors import StoreLost
from noria.ports.clock import RealClock
from noria.serving import follow
from noria.serving.follow import Follower, Identity

LONG = 50  # questions that nobody answers


class Records:
    """What the follower asks, away until somebody says otherwise."""

    def __init__(self) -> None:
        self.away = True
        self.asked = 0

    def aliases(self, model: str) -> dict[str, int]:
        self.asked += 1
        self._answer("aliases")
        return {"champion": 3}

    def announce(self, service: object) -> None:
        self._answer("services")

    def _answer(self, op: str) -> None:
        if self.away:
            raise StoreLost(store="records", op=op, reason="Connection refused")


def test_records_that_are_away_are_told_once_and_so_is_that_they_are_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(follow, "POLL", 0.0)
    monkeypatch.setattr(follow, "HEARTBEAT", 0.0)
    events: list[tuple[str, object]] = []
    records = Records()
    follower = Follower(
        Identity("delay-1", "http://127.0.0.1:8117", 1),
        "delay",
        "champion",
        cast(Any, SimpleNamespace(version=3)),
        cast(Any, None),
        versions=cast(Any, records),
        services=cast(Any, records),
        metrics=cast(Any, None),
        clock=RealClock(),
        narrate=lambda event, /, **facts: events.append((event, facts.get("step"))),
        crowned=lambda number: None,
        named=lambda aliases: None,
    )
    follower.serving = cast(Any, SimpleNamespace(number=3))

    async def walk() -> None:
        following = asyncio.create_task(follower.run())
        while records.asked < LONG:
            await asyncio.sleep(0)
        assert events == [("follow.failed", "poll"), ("follow.failed", "announce")]
        events.clear()
        records.away = False
        while len(events) < 2:
            await asyncio.sleep(0)
        following.cancel()

    asyncio.run(walk())
    assert sorted(events) == [("follow.recovered", "announce"), ("follow.recovered", "poll")]
