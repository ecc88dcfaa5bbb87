"""An engine that tries again, over one that fails as it is told."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from noria.errors import ConfigError, NoriaError, StepFailed
from noria.pipeline.retrying import Retrying
from noria.ports.engine import Again, Broke, Ended, Happening, Job
from noria.records.needs import Fault, Retry
from noria.records.tasks import RunStep, StepDone


class Failing:
    """Ends each job as the next word of its script says: a fault, or `done`."""

    def __init__(self, scripts: dict[str, list[str]], *, alone: bool = False) -> None:
        self.scripts = scripts
        self.alone = alone
        self.jobs: list[Job] = []
        self.seen: list[Job] = []
        self.cancelled: list[str] = []

    def submit(self, job: Job) -> None:
        self.jobs.append(job)
        self.seen.append(job)

    def wait(self, seconds: float | None = None) -> list[Happening]:
        if not self.jobs:
            return []
        job = self.jobs.pop(0)
        word = self.scripts[job.id].pop(0)
        if word == "done":
            return [Ended(job.id, StepDone(outputs={}, seconds=0.0))]
        fault: Fault = word  # type: ignore[assignment]  # the scripts hold nothing else
        return [Broke(job.id, failure(), fault, alone=self.alone or job.alone)]

    def cancel(self, id: str) -> None:
        self.cancelled.append(id)
        self.jobs = [job for job in self.jobs if job.id != id]

    def warm(self, pipeline: str = "") -> None: ...
    def close(self) -> None: ...


def failure() -> NoriaError:
    return type("Failure", (StepFailed,), {"code": "X", "what": "no", "next": "-"})()


def job(id: str, retry: Retry) -> Job:
    task = RunStep(pipeline="p:p", step=id, inputs={}, as_of=datetime(2024, 1, 1, tzinfo=UTC))
    return Job(id=id, task=task, retry=retry)


def played(engine: Failing, *jobs: Job) -> list[str]:
    """What is heard until nothing is left: `a again`, `a done`, `a lost`."""
    retrying, told = Retrying(engine), []
    for one in jobs:
        retrying.submit(one)
    while happened := retrying.wait():
        for one in happened:
            word = "again" if isinstance(one, Again) else one.fault if isinstance(one, Broke) else "done"
            told.append(f"{one.id} {word}")
    return told


QUICK = {"wait": 0.001}


@pytest.mark.parametrize(
    ("script", "retry", "told"),
    [
        (["done"], Retry(**QUICK), ["a done"]),
        (["code"], Retry(**QUICK), ["a code"]),
        (["code", "done"], Retry(code=1, **QUICK), ["a again", "a done"]),
        (["code", "code", "done"], Retry(code=1, **QUICK), ["a again", "a code"]),
        (["lost", "done"], Retry(**QUICK), ["a again", "a done"]),
        (["lost", "lost"], Retry(**QUICK), ["a again", "a lost"]),
        (["timeout"], Retry(**QUICK), ["a timeout"]),
        (["changed"], Retry(code=9, lost=9, memory=9, timeout=9, **QUICK), ["a changed"]),
        (
            ["lost", "code", "timeout", "done"],
            Retry(code=1, timeout=1, **QUICK),
            ["a again"] * 3 + ["a done"],
        ),
    ],
)
def test_each_kind_of_fault_has_its_own_patience(script: list[str], retry: Retry, told: list[str]) -> None:
    assert played(Failing({"a": script}), job("a", retry)) == told


def test_who_lacked_memory_beside_others_is_tried_alone_and_who_was_alone_is_not() -> None:
    crowded = Failing({"a": ["memory", "done"]})
    assert played(crowded, job("a", Retry(**QUICK))) == ["a again", "a done"]
    assert [one.alone for one in crowded.seen] == [False, True]
    assert played(Failing({"a": ["memory", "done"]}, alone=True), job("a", Retry(**QUICK))) == ["a memory"]


def test_a_pause_holds_up_nobody_else() -> None:
    engine = Failing({"a": ["code", "done"], "b": ["done"], "c": ["done"]})
    told = played(engine, job("a", Retry(code=1, wait=0.05)), job("b", Retry()), job("c", Retry()))
    assert told == ["a again", "b done", "c done", "a done"]


def test_a_job_that_is_cancelled_while_it_waits_never_comes_back() -> None:
    engine = Failing({"a": ["code", "done"]})
    retrying = Retrying(engine)
    retrying.submit(job("a", Retry(code=1, wait=0.01)))
    assert isinstance(retrying.wait()[0], Again)
    retrying.cancel("a")
    assert retrying.wait(0.05) == []
    assert len(engine.seen) == 1 and engine.cancelled == ["a"]


def test_pauses_double_up_to_the_longest() -> None:
    retry = Retry(wait=0.5, longest=3.0)
    assert [retry.pause(attempt) for attempt in range(1, 6)] == [0.5, 1.0, 2.0, 3.0, 3.0]


class Shrinking(Failing):
    """Has room for a job's first attempt alone."""

    def submit(self, job: Job) -> None:
        if job in self.seen:
            raise type("NoRoom", (ConfigError,), {"code": "NO-ROOM", "what": "no room", "next": "-"})()
        super().submit(job)


def test_a_job_for_which_there_is_no_room_any_more_fails_alone() -> None:
    engine = Shrinking({"a": ["lost"], "b": ["done"]})
    told = played(engine, job("a", Retry(**QUICK)), job("b", Retry(**QUICK)))
    assert told == ["a again", "b done", "a code"]
