"""Real worker processes: what they print, how they die, and that none outlives its driver."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import polars as pl
import pytest

from noria.adapters.folder import FolderStore
from noria.adapters.local_engine import LocalEngine
from noria.artifacts import Artifacts
from noria.errors import NoriaError, StepFailed, Unavailable
from noria.ports.engine import perform
from noria.records.artifacts import Artifact
from noria.records.base import Digest
from noria.records.tasks import Answer, Answered, Done, RunStep, Score, Scored, Sign, Signed, StepDone
from noria.records.versions import ServingGraph
from noria.testing.engine_pipeline import FILES
from noria.testing.engine_site import Opened, alive, driver, wait_gone

PATIENCE = 20.0  # s until a process must be gone or a word said; a busy machine takes its time
NOW = datetime(2013, 1, 1, tzinfo=UTC)
PIPELINE = """
import ctypes, os, signal, subprocess, sys, time
import noria
import helpers

p = noria.Pipeline("p")

@p.step
def noop(): return 0

@p.step
def pid(): return os.getpid()

@p.step
def says():
    print("from Python")
    sys.stdout.flush()
    ctypes.CDLL(None).puts(b"from C")
    ctypes.CDLL(None).fflush(None)
    subprocess.run(["echo", "from a child"], check=True)
    os.write(2, b"from descriptor 2\\n")
    print("to stderr \\u00e9\\u2603", file=sys.stderr)
    print("progress 1\\rprogress 2")
    print("no end", end="")

@p.step
def writes():
    import numpy as np
    given = np.arange(3)
    given.flags.writeable = False
    given[0] = 7

@p.step
def away():
    from noria.adapters.bucket_errors import BucketUnavailable
    print("waiting")
    raise BucketUnavailable(bucket="s3://lake", op="write", why="the connection was refused")

@p.step
def vandal():
    os.chdir("/")
    sys.stdout.close()
    sys.stderr = None
    os.close(1)
    open(os.devnull)
    ctypes.CDLL(None).puts(b"lost")

@p.step
def where(): return os.getcwd()

@p.step
def killed():
    print("my last words")
    os.kill(os.getpid(), signal.SIGKILL)

@p.step
def crashed(): ctypes.string_at(0)

@p.step
def left(): os._exit(7)

@p.step
def forks():
    os.fork()
    return 0

@p.step
def leaves_child():
    child = subprocess.Popen(["sleep", "600"])
    print("child", child.pid)
    return child.pid

@p.step
def draws():
    import numpy as np
    return [float(np.random.rand()), "numpy" in loaded]

loaded = set(sys.modules)

"""
HELPERS = "def divide(x):\n    return 1 / x\n"


class Project:
    """A source tree with an engine."""

    def __init__(self, root: Path, files: Mapping[str, str]) -> None:
        self.root = root
        for name, text in files.items():
            (root / name).write_text(dedent(text))
        self.store = FolderStore(root / ".noria")
        self.engine = LocalEngine(root=root, project=root, state=root / ".noria", threads=2)

    def run(
        self, step: str, *, on_output: Callable[[str], None] | None = None, **parameters: str
    ) -> StepDone:
        done = perform(self.engine, task(step, **parameters), on_output=on_output)
        assert isinstance(done, StepDone)
        return done

    def value(self, step: str) -> object:
        return Artifacts(self.store).load(self.run(step).outputs[step])

    def log(self, digest: Digest | None) -> str:
        assert digest is not None
        return self.store.get(digest).decode()

    def error(self, step: str) -> NoriaError:
        with pytest.raises(NoriaError) as caught:
            self.run(step)
        return caught.value


def local(folder: Path) -> Opened:
    engine = LocalEngine(root=folder, project=folder, state=folder / ".noria", threads=1)
    return Opened(engine, FolderStore(folder / ".noria"), folder / ".noria")


def task(step: str, **parameters: str) -> RunStep:
    return RunStep(pipeline="pipeline:p", step=step, inputs={}, parameters=dict(parameters), as_of=NOW)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path, {"pipeline.py": PIPELINE, "helpers.py": HELPERS})
    yield made
    made.engine.close()


def test_a_step_that_closes_its_streams_harms_itself_alone(project: Project) -> None:
    before = project.value("pid")
    project.run("vandal")
    lines: list[str] = []
    project.run("says", on_output=lines.append)
    assert lines[0] == "from Python"
    assert "to stderr é☃" in lines
    assert project.value("where") == str(project.root)
    assert project.value("pid") == before


def test_one_worker_serves_a_thousand_tasks(project: Project) -> None:
    before = project.value("pid")
    for _ in range(1000):
        project.run("noop")
    assert project.value("pid") == before == project.engine.pids[0]


LOST = {
    "killed": ("signal 9 (SIGKILL)\nits last lines were:\n  my last words", "memory"),
    "crashed": ("signal 11 (SIGSEGV), and had printed nothing", "a library crashed"),
    "left": ("exit code 7, and had printed nothing", "os._exit()"),
}


@pytest.mark.parametrize("step", LOST)
def test_a_lost_worker_is_told_and_replaced(project: Project, step: str) -> None:
    said, advice = LOST[step]
    before = project.value("pid")
    error = project.error(step)
    assert isinstance(error, StepFailed)
    assert str(error) == f"step {step} ended its process with {said}"
    assert advice in error.advice()
    wait_gone(int(str(before)))
    assert project.value("pid") != before


def test_who_writes_into_an_input_is_told_to_copy_it(project: Project) -> None:
    error = project.error("writes")
    assert "read-only" in str(error) and "change a copy" in error.advice()


def test_what_a_step_without_its_store_printed_is_handed_on_and_not_stored(project: Project) -> None:
    """To store it would wait for the same service, once more as long."""
    lines: list[str] = []
    with pytest.raises(Unavailable) as caught:
        project.run("away", on_output=lines.append)
    assert lines == ["waiting"] and caught.value.facts()["log"] is None
    assert project.value("noop") == 0


def test_a_worker_that_dies_idle_costs_nothing(project: Project) -> None:
    project.run("noop")
    pid = project.engine.pids[0]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    os.waitid(
        os.P_PID, pid, os.WEXITED | os.WNOWAIT
    )  # /proc says Z before the last thread has let go of the pipes
    assert project.value("noop") == 0
    assert project.engine.pids[0] != pid


def test_a_fork_that_returns_answers_once(project: Project) -> None:
    assert project.value("noop") == 0
    assert project.value("forks") == 0
    assert [project.value("noop") for _ in range(20)] == [0] * 20


def test_numbers_are_the_same_though_numpy_comes_late(project: Project) -> None:
    first, again = project.value("draws"), project.value("draws")
    project.engine.close()
    assert first == again == project.value("draws")
    assert isinstance(first, list) and first[1] is False


@pytest.mark.parametrize("warm", [True, False])
def test_a_pipeline_that_cannot_be_imported_is_told_each_time(tmp_path: Path, warm: bool) -> None:
    broken = Project(tmp_path, {"pipeline.py": "import noria\nprint('importing')\nimport nowhere\n"})
    with broken.engine as engine:
        if warm:
            engine.warm("pipeline:p")
        first, second = broken.error("noop"), broken.error("noop")
        assert (first.code, str(first)) == ("PIPELINE-IMPORT", str(second))
        assert "No module named 'nowhere'" in str(first)
        assert broken.log(first.facts()["log"]) == "importing\n"  # type: ignore[arg-type]


def test_a_warm_worker_has_the_pipeline(project: Project) -> None:
    project.engine.warm("pipeline:p")
    pid = project.engine.pids[0]
    assert project.value("pid") == pid


def test_closing_leaves_no_process(project: Project) -> None:
    child = int(str(project.value("leaves_child")))
    worker = project.engine.pids[0]
    assert worker and alive(child)
    started = time.monotonic()
    project.engine.close()
    wait_gone(worker, child)
    assert time.monotonic() - started < PATIENCE
    project.engine.close()  # twice is harmless


def test_a_dead_worker_takes_its_children_along(project: Project) -> None:
    child = int(str(project.value("leaves_child")))
    project.error("killed")
    wait_gone(child)


def test_a_driver_that_is_asked_to_end_leaves_nothing_behind(tmp_path: Path) -> None:
    """SIGTERM, which Python does not turn into an exception; the contract has the others."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    with driver(local, tmp_path) as (process, pids):
        process.terminate()
        process.wait(PATIENCE)
        wait_gone(*pids)
        assert process.returncode == -signal.SIGTERM


MODEL = """
import numpy as np
import polars as pl
import noria

p = noria.Pipeline("p")

@p.data(key="id", label="y")
def rows(): return pl.DataFrame({"id": [1, 2, 3], "x": [0.5, 1.5, 2.5], "y": [1.0, 1.0, 2.0]})

@p.step
def slope(rows): return 2.0

@p.predict
def answer(slope, rows: pl.DataFrame): return rows["x"].to_numpy() * slope

@p.loss(on="rows", range=(0, 10))
def error(label: np.ndarray, answer: np.ndarray): return abs(label - answer)
"""


def test_a_worker_signs_answers_and_scores(tmp_path: Path) -> None:
    project = Project(tmp_path, {"pipeline.py": MODEL})
    outputs: dict[str, Artifact] = {}
    with project.engine as engine:
        outputs |= project.run("rows").outputs
        done: Done = perform(
            engine, RunStep(pipeline="pipeline:p", step="slope", inputs={"rows": outputs["rows"]}, as_of=NOW)
        )
        assert isinstance(done, StepDone)
        graph = ServingGraph(
            pipeline="pipeline:p", data="rows", transforms=(), predict="answer", frozen=done.outputs
        )
        signed = perform(engine, Sign(graph=graph, rows=outputs["rows"]))
        answered = perform(engine, Answer(graph=graph, rows=outputs["rows"]))
        assert isinstance(signed, Signed) and isinstance(answered, Answered)
        task = Score(pipeline="pipeline:p", rows=answered.rows, answers=answered.answers, kind=answered.kind)
        scored = perform(engine, task)
    assert isinstance(scored, Scored)
    assert [column.name for column in signed.signature.request] == ["id", "x"]
    assert pl.DataFrame(Artifacts(project.store).table(answered.answers))["answer"].to_list() == [
        1.0,
        3.0,
        5.0,
    ]
    assert scored.quality.mean == pytest.approx((0 + 2 + 3) / 3)
