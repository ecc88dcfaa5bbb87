"""A service that has lost everybody who answers gets somebody again, whatever kept the next ones from coming up."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from noria.serving import replacing
from noria.serving.bundle import Entrance
from noria.serving.fleet import Fleet
from noria.serving.service_errors import WorkerFailed
from noria.serving.worker_process import Plan, start
from unit.serving.test_fleet import BUNDLE, Stub

ENTRANCE = Entrance(hub="", max_body=1, deadline=1.0, models=())
PLAN = cast(Plan, SimpleNamespace(workers=1, bundle=BUNDLE, spare=True))


class Sick(Fleet):
    """Whose next processes fail as `fails` says: `start`, as they are started, or `load`, when `failed` is set."""

    fails: list[str]

    def start(self, plan: Any) -> Any:
        if self.fails[:1] == ["start"]:
            self.fails.pop(0)
            raise WorkerFailed("delay:1", "no process could be started")
        worker: Any = Stub(f"worker-{next(self._numbers)}", began=asyncio.get_running_loop().time())
        self._workers.append(worker)
        return worker

    async def until_ready(self, worker: Any) -> None:
        if self.fails[:1] == ["load"]:
            self.fails.pop(0)
            await self.failed.wait()
            self._workers.remove(worker)
            raise WorkerFailed("delay:1", "it ended with -9")

    failed: asyncio.Event

    async def lose(self) -> None:
        (lost,) = self.accepting
        self._workers.remove(lost)
        await self._replacing.replace(lost, "accepting")

    async def until_somebody_answers(self) -> None:
        while not self.accepting:
            await asyncio.sleep(0)


def walk(tmp_path: Path, *fails: str) -> list[str]:
    """What is told while the one who answers is lost, and those who come after fail: a spare begins before that."""
    told: list[str] = []

    async def go() -> None:
        fleet = Sick(None, tmp_path, lambda event, /, **_: told.append(event))
        fleet.fails, fleet.failed, fleet._plan = list(fails), asyncio.Event(), PLAN
        fleet._workers = [cast(Any, Stub("worker-0", "accepting"))]
        fleet._replacing.keep_full(PLAN)
        while not told and len(fleet.workers) < 2:
            await asyncio.sleep(0)
        await fleet.lose()
        fleet.failed.set()
        await fleet.until_somebody_answers()

    asyncio.run(asyncio.wait_for(go(), 10))
    return told


def test_a_spare_that_fails_after_the_one_it_stood_by_for_is_replaced(tmp_path: Path) -> None:
    assert walk(tmp_path, "load")[0] == "spare.failed"


def test_one_that_cannot_even_be_started_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replacing, "PAUSE", 0.0)
    told = walk(tmp_path, "start", "start", "start")
    assert told[:3] == ["spare.failed", "worker.failed", "worker.failed"]


def test_an_interpreter_that_is_gone_fails_its_worker_and_not_its_fleet(tmp_path: Path) -> None:
    async def begin() -> None:
        plan = cast(
            Plan,
            SimpleNamespace(
                bundle=ENTRANCE, python=str(tmp_path / "gone"), module="m", threads=1, variables={}
            ),
        )
        start(plan, "worker-1", tmp_path)

    with pytest.raises(WorkerFailed, match="no process could be started"):
        asyncio.run(begin())
