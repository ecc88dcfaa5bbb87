"""A log that refuses is told of once, and tried again until it takes answers, though nobody asks."""

from __future__ import annotations

import asyncio
from typing import Any

from hurried import hurried
from noria.adapters.log_writer import LogRefused
from noria.ports.serving import Layout
from noria.serving.outage import Outage
from noria.serving.outbox import Outbox
from unit.serving.test_outbox import LAYOUT, Log

REFUSED = LogRefused(reason="ENOSPC")


class _Full(Log):
    """Takes no new segment for so many tries."""

    def __init__(self, tries: int) -> None:
        super().__init__()
        self.tries = tries

    def place(self, layout: Layout, rows: int) -> tuple[str, int]:
        self.tries -= 1
        if self.tries >= 0:
            raise REFUSED
        return "segment", 0


def test_an_outage_is_told_as_it_begins_and_as_it_is_over_and_ends_by_itself() -> None:
    told: list[tuple[str, Any]] = []
    works: list[tuple[float, bool]] = []

    async def play() -> None:
        loop, log = asyncio.get_running_loop(), _Full(3)
        outage = Outage(
            Outbox(log, "async", loop, lambda count: None),
            LAYOUT,
            lambda event, /, **facts: told.append((event, facts.get("refused"))),
            version="delay:1",
            works=lambda well: works.append((loop.time(), well)),
        )
        assert outage.writable
        for _ in range(1000):
            outage.refused(REFUSED)
        assert not outage.writable
        await asyncio.sleep(3.5)
        assert not outage.writable
        await asyncio.sleep(1.0)
        assert outage.writable

    hurried(play())
    assert told == [("log.refused", None), ("log.restored", 1000)]
    assert works == [(0.0, False), (4.0, True)]


def test_a_disk_that_fails_at_the_flush_is_tried_again_as_well() -> None:
    async def play() -> None:
        loop, log = asyncio.get_running_loop(), _Full(0)
        log.full = True  # what was taken cannot be handed over
        outbox = Outbox(log, "async", loop, lambda count: None)
        outage = Outage(outbox, LAYOUT, lambda event, /, **facts: None, version="delay:1")
        outage.refused(REFUSED)
        await asyncio.sleep(5.5)
        assert not outage.writable
        log.full = False
        await asyncio.sleep(1.0)
        assert outage.writable

    hurried(play())
