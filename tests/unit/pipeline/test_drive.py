"""Runs of a plan one after another: what is executed, what is reused, and what an interrupted run keeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest

from noria.adapters.folder import FolderStore
from noria.adapters.sql import open_records
from noria.artifacts import Artifacts
from noria.declare import Resolved, resolve
from noria.errors import StepFailed
from noria.graph.load import forget, load_pipeline
from noria.pipeline.drive import Silent, drive
from noria.pipeline.perform import perform
from noria.pipeline.plan import plan
from noria.ports.clock import VirtualClock
from noria.ports.engine import Broke, Ended, Happening, Job, Said, Started
from noria.records.base import Digest, Json
from noria.records.events import RunFinished
from noria.records.runs import NewRun, Ran, Reused, Run, StepResult, Succeeded, Trigger
from noria.records.sources import Environment, Machine, Provenance, Source
from noria.records.tasks import RunStep

NOW = datetime(2013, 6, 1, tzinfo=UTC)
PIPELINE = """
import noria
import polars as pl

p = noria.Pipeline("p")
ROWS = 5
CALLS = []

@p.data(key="id", label="y")
def rows():
    return pl.DataFrame({"id": range(ROWS), "y": [1] * ROWS, "x": range(ROWS)})

@p.transform
def features(rows: pl.DataFrame):
    return rows.select(double=pl.col("x") * 2)

@p.step(outputs=("train", "rest"))
def split(features, *, share: float = 0.5):
    count = int(len(features) * share)
    return features.head(count), features.tail(len(features) - count)

@p.step
def model(train):
    return train["double"].sum()

@p.metrics
def quality(model, rest):
    return {"size": model + len(rest)}
"""


@dataclass(eq=False)
class Unfit(StepFailed):
    code: ClassVar[str] = "TEST-UNFIT"
    what: ClassVar[str] = "unfit"
    next: ClassVar[str] = "none"


class Inline:
    """An engine that performs in this process, one job each time it is waited for."""

    def __init__(self, resolved: Resolved, store: FolderStore) -> None:
        self._resolved = resolved
        self._artifacts = Artifacts(store)
        self._jobs: list[Job] = []
        self._begun: list[Job] = []
        self.dies_at = ""
        self.breaks_at = ""

    def submit(self, job: Job) -> None:
        self._jobs.append(job)

    def wait(self, seconds: float | None = None) -> list[Happening]:
        if not self._jobs:
            return []
        broken = [job for job in self._jobs if job.id == self.breaks_at]
        if broken:  # before those that were submitted earlier
            self._jobs.remove(broken[0])
            return [Started(broken[0].id), Broke(broken[0].id, Unfit(), "code")]
        job = self._jobs.pop(0)
        assert isinstance(job.task, RunStep)
        if job.task.step == self.dies_at:  # while it runs: its start has been heard
            if job in self._begun:
                raise KeyboardInterrupt
            self._jobs.insert(0, job)
            self._begun.append(job)
            return [Started(job.id)]
        done = perform(job.task, self._resolved, self._artifacts)
        return [Started(job.id), Said(job.id, f"in {job.id}"), Ended(job.id, done)]

    def cancel(self, id: str) -> None:
        self._jobs = [job for job in self._jobs if job.id != id]

    def warm(self, pipeline: str = "") -> None: ...
    def close(self) -> None: ...


class Told(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def started(self, step: str, why: str) -> None:
        self.lines.append(f"{step}: {why}")

    def output(self, step: str, line: str) -> None:
        assert line == f"in {step}"

    def finished(self, result: StepResult) -> None:
        self.lines.append(f"{result.step} done")

    def reused(self, result: StepResult) -> None:
        reason = result.reason
        self.lines.append(
            f"{result.step} kept" if isinstance(reason, Ran) else f"{result.step} from {reason.run}"
        )


class Wheel:
    """A project with its store, driven run after run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "pipeline.py").write_text(PIPELINE)
        self.store = FolderStore(root / ".noria", durable=False)
        self.records = open_records(root / ".noria" / "noria.db")
        self.clock = VirtualClock(NOW)
        self.environment = "1"
        self.finished: list[StepResult] = []

    def edit(self, old: str, new: str) -> None:
        text = (self.root / "pipeline.py").read_text()
        assert old in text
        (self.root / "pipeline.py").write_text(text.replace(old, new))
        forget(self.root)

    def begin(self, parameters: dict[str, dict[str, Json]], seed: int) -> Run:
        digest = Digest("blake3:" + "0" * 64)
        where = Provenance(
            source=Source(commit="c", tree=digest),
            environment=Environment(
                python=self.environment, implementation="cpython", platform="l", packages=digest
            ),
            machine=Machine(host="h", cpu="c", cores=1, memory=1, threads=1),
        )
        asked = NewRun(
            model="m", as_of=NOW, trigger=Trigger(), parameters=parameters, seed=seed, provenance=where
        )
        return self.records.ledger.begin(asked, at=self.clock.now())

    def run(
        self,
        *,
        dies_at: str = "",
        breaks_at: str = "",
        resume: Run | None = None,
        seed: int = 0,
        **share: Any,
    ) -> tuple[Run, list[str]]:
        resolved = resolve(load_pipeline(self.root, "pipeline:p"))
        planned = plan(resolved, {}, {"split": share} if share else {})
        run = resume or self.begin(planned.parameters, seed)
        engine, told = Inline(resolved, self.store), Told()
        engine.dies_at, engine.breaks_at = dies_at, breaks_at
        self.finished = []
        options: dict[str, Any] = {"store": self.store, "records": self.records, "clock": self.clock}
        try:
            drive(
                planned, run, pipeline="pipeline:p", project=self.root, engine=engine, listener=told,
                finished=self.finished, **options,
            )  # fmt: skip
        except KeyboardInterrupt:
            told.lines.append("interrupted")
        else:
            self.end(run)
        return run, told.lines

    def end(self, run: Run) -> None:
        change = RunFinished(
            model="m", run=run.number, finished=NOW, outcome=Succeeded(), steps=tuple(self.finished)
        )
        self.records.ledger.append("m", [change], at=NOW)


@pytest.fixture
def wheel(tmp_path: Path) -> Iterator[Wheel]:
    made = Wheel(tmp_path)
    yield made
    made.records.close()
    forget(tmp_path)


STEPS = ("rows", "features", "split", "model", "quality")
READ = ["rows: data is always read", "rows done"]


def ran(step: str, why: str) -> list[str]:
    return [f"{step}: {why}", f"{step} done"]


def test_a_first_run_executes_all_and_a_second_one_reads_the_data_alone(wheel: Wheel) -> None:
    _, first = wheel.run()
    assert first == READ + [line for step in STEPS[1:] for line in ran(step, "first run")]
    _, second = wheel.run()
    assert second == READ + [f"{step} from m/1" for step in STEPS[1:]]
    _, third = wheel.run()
    assert third == second  # the run that executed it is named, not the one that reused it
    assert [result.step for result in wheel.finished] == list(STEPS)
    assert all(isinstance(result.reason, Reused) for result in wheel.finished[1:])


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("* 2", "* 3", [*ran("features", "code changed"), *ran("split", "input features changed"),
                        *ran("model", "input train changed"),
                        *ran("quality", "input model changed, input rest changed")]),
        ('train["double"].sum()', 'train["double"].sum() * 1',
         ["features from m/1", "split from m/1", *ran("model", "code changed"), "quality from m/1"]),
        ("ROWS = 5", "ROWS = 6", [*ran("features", "input rows changed"),
                                  *ran("split", "input features changed, input rows changed"),
                                  *ran("model", "input train changed"),
                                  *ran("quality", "input model changed, input rest changed")]),
        ('[1] * ROWS', '[2] * ROWS', [*ran("features", "input rows changed"), *ran("split", "input rows changed"),
                                      *ran("model", "input train changed"), *ran("quality", "input rest changed")]),
        ("CALLS = []", "CALLS = [1]", [f"{step} from m/1" for step in STEPS[1:]]),
        ('label="y"', 'label="y", outcomes="x"', None),
    ],
)  # fmt: skip
def test_what_changed_runs_again_and_says_why(
    wheel: Wheel, old: str, new: str, expected: list[str] | None
) -> None:
    wheel.run()
    wheel.edit(old, new)
    if expected is None:  # the transform no longer sees `x`, so its code is another
        with pytest.raises(Exception, match="x"):
            wheel.run()
    else:
        assert wheel.run()[1] == READ + expected


def test_parameters_environment_and_seed(wheel: Wheel) -> None:
    wheel.run()
    assert ran("split", "parameter share 0.5 -> 0.4")[0] in wheel.run(share=0.4)[1]
    assert ran("split", "seed 0 -> 1, parameter share 0.4 -> 0.5")[0] not in wheel.run(seed=1, share=0.4)[1]
    assert ran("split", "seed 1 -> 2")[0] in wheel.run(seed=2, share=0.4)[1]
    wheel.environment = "2"
    assert wheel.run()[1][2] == "features: environment changed"


def test_an_older_result_is_found_again(wheel: Wheel) -> None:
    wheel.run()
    wheel.run(share=0.4)
    assert wheel.run()[1] == READ + [f"{step} from m/1" for step in STEPS[1:]]


def test_a_result_whose_bytes_are_gone_is_made_again(wheel: Wheel) -> None:
    wheel.run()
    gone = wheel.finished[2].outputs["train"].digest
    (wheel.root / ".noria" / "objects" / gone[7:9] / gone[9:]).unlink()
    _, lines = wheel.run()
    assert lines == [*READ, "features from m/1", *ran("split", "its outputs are gone from the store"),
                     "model from m/1", "quality from m/1"]  # fmt: skip


def test_an_interrupted_run_goes_on_from_its_finished_steps(wheel: Wheel) -> None:
    run, lines = wheel.run(dies_at="model")
    assert lines[-2:] == ["model: first run", "interrupted"]
    before = [result.step for result in wheel.finished]
    assert before == ["rows", "features", "split"]
    assert [result.step for result in wheel.records.runs.steps("m", run.number)] == before
    _, lines = wheel.run(resume=run)
    assert lines == [
        "rows kept",
        "features kept",
        "split kept",
        *ran("model", "first run"),
        *ran("quality", "first run"),
    ]
    assert all(isinstance(result.reason, Ran) for result in wheel.finished)


def test_an_interrupted_run_repeats_what_no_longer_holds(wheel: Wheel) -> None:
    run, _ = wheel.run(dies_at="model")
    wheel.edit("* 2", "* 3")
    _, lines = wheel.run(resume=run)
    assert lines[:3] == ["rows kept", "features: code changed", "features done"]


def test_a_failing_step_leaves_what_finished(wheel: Wheel) -> None:
    wheel.edit("return train", "raise ValueError('no') or train")
    with pytest.raises(ValueError, match="no"):
        wheel.run()
    assert [result.step for result in wheel.finished] == ["rows", "features", "split"]


def test_a_failure_says_at_which_step_or_item_though_an_earlier_one_never_began(wheel: Wheel) -> None:
    wheel.edit("@p.metrics", "@p.step\ndef side(train):\n    return [1, 2]\n\n@p.metrics")
    with pytest.raises(Unfit) as raised:
        wheel.run(breaks_at="side")
    assert raised.value.at_step == "side"
    assert [result.step for result in wheel.finished] == ["rows", "features", "split"], "model never began"
    wheel.edit("@p.metrics", "@p.step\ndef each(side: noria.Each[int]):\n    return side\n\n@p.metrics")
    with pytest.raises(Unfit) as raised:
        wheel.run(breaks_at="each[1]")
    assert raised.value.at_step == "each[1]"


def test_a_step_that_waits_for_its_turn_is_not_told_to_have_started(wheel: Wheel) -> None:
    wheel.edit("@p.metrics", "@p.step\ndef side(train):\n    return 1\n\n@p.metrics")
    _, lines = wheel.run()
    assert [line for line in lines if line.startswith(("model", "side"))] == [
        "model: first run",
        "model done",
        "side: first run",
        "side done",
    ]
