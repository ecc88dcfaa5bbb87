"""What a service does without end goes on, whatever once went wrong in it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from hurried import hurried
from noria.serving.house import House

WELL = 100.0  # s; more than a task has to go on to be called well


class _Task:
    """Raises what it is told, one after the other, and then goes on and on."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.begun: list[float] = []

    async def run(self) -> None:
        self.begun.append(asyncio.get_running_loop().time())
        await asyncio.sleep(1.0)
        if self.faults:
            raise self.faults.pop(0)
        await asyncio.Event().wait()

    @property
    def pauses(self) -> list[int]:
        return [round(after - before) for before, after in zip(self.begun, self.begun[1:], strict=False)]


def _lived(follow: _Task, tend: _Task, seconds: float) -> list[tuple[str, Any]]:
    """What a service of one model tells in so many seconds."""
    told: list[tuple[str, Any]] = []

    def narrate(event: str, /, **facts: object) -> None:
        assert {"model": "fares", "task": "tend"}.items() <= facts.items()
        told.append((event, str(facts.get("stack", "")).strip().rpartition("\n")[2]))

    async def live() -> None:
        house = House(SimpleNamespace(), narrate)  # type: ignore[arg-type]
        house.move_in(SimpleNamespace(model="fares", follower=follow, tending=tend))  # type: ignore[arg-type]
        task = asyncio.create_task(house.live())
        await asyncio.sleep(seconds)
        task.cancel()

    hurried(live())
    return told


def test_a_task_that_raises_is_begun_again_after_a_growing_pause_and_told_when_it_is_well() -> None:
    follow = _Task()
    tend = _Task(*(FileNotFoundError("python") for _ in range(7)), ZeroDivisionError("other"))
    assert _lived(follow, tend, 400.0) == [
        ("service.limps", "FileNotFoundError: python"),
        ("service.limps", "ZeroDivisionError: other"),
        ("service.recovered", ""),
    ]
    assert tend.pauses == [3, 5, 9, 17, 33, 61, 61, 61]
    assert len(follow.begun) == 1


def test_what_goes_wrong_once_more_is_told_once_more() -> None:
    class Later(_Task):
        async def run(self) -> None:
            self.begun.append(asyncio.get_running_loop().time())
            await asyncio.sleep(WELL)
            raise OSError("away")

    tend = Later()
    limps, recovered = ("service.limps", "OSError: away"), ("service.recovered", "")
    assert _lived(_Task(), tend, 3.5 * WELL) == [limps, recovered, limps, recovered, limps]
    assert tend.pauses == [102, 102, 102]
