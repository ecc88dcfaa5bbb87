"""The endless tasks of a service: what a fault of ours ends is begun again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from noria.serving.log import ToldOnce

SHORTEST = 2.0  # s before a task is begun again; each time twice as long
LONGEST = 60.0  # s; the longest such pause, and for how long a task has to go on to be called well


async def lasting(work: Callable[[], Awaitable[None]], told: ToldOnce) -> None:
    """Let a task go on until it is over, or is cancelled. It ends no other one by what it raises; that is told."""
    loop, pause = asyncio.get_running_loop(), SHORTEST
    while True:
        began = loop.time()
        well = loop.call_later(LONGEST, told.worked)
        try:
            await work()
        except Exception as error:  # a fault of ours in one of these must not end it for good
            told.failed(error)
        else:
            told.worked()
            return
        finally:
            well.cancel()
        if loop.time() - began >= LONGEST:
            pause = SHORTEST
        await asyncio.sleep(pause)
        pause = min(LONGEST, 2 * pause)
