"""Real worker processes: what they print, how they die, and that none outlives its driver."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
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
from noria.errors import ConfigError, NoriaError, StepFailed, render
from noria.ports.engine import perform
from noria.records.artifacts import Artifact
from noria.records.base import Digest
from noria.records.tasks import Answer, Answered, Done, RunStep, Score, Scored, Sign, Signed, StepDone
from noria.records.versions import ServingGraph

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
def asks(*, answer=""):
    print("go on")
    deadline = time.monotonic() + 20
    while not os.path.exists(answer):
        assert time.monotonic() < deadline
        time.sleep(0.01)

@p.step
def noise():
    for _ in range(200):
        os.write(1, bytes(range(256)) * 100)
    return 1

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
def big(): return {"numbers": [{"n": n, "text": "x" * 100} for n in range(100_000)]}

@p.step
def killed():
    print("my last words")
    os.kill(os.getpid(), signal.SIGKILL)

@p.step
def crashed(): ctypes.string_at(0)

@p.step
def left(): os._exit(7)

@p.step
def quits(): sys.exit("so long")

@p.step
def interrupted(): raise KeyboardInterrupt

@p.step
def raises(): return helpers.divide(0)

@p.step
def explains():
    try:
        helpers.divide(0)
    except ZeroDivisionError as error:
        raise RuntimeError("could not divide") from error

@p.step
def unstorable(): return object()

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
def hangs():
    child = subprocess.Popen(["sleep", "600"])
    print("pids", os.getpid(), child.pid, flush=True)
    sum(range(10**15))  # in C, and it never lets go of the interpreter

@p.step
def draws():
    import numpy as np
    return [float(np.random.rand()), "numpy" in loaded]

loaded = set(sys.modules)

@p.step
def settings():
    names = ["PYTHONHASHSEED", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"]
    return [os.environ.get(name) for name in names]
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


def task(step: str, **parameters: str) -> RunStep:
    return RunStep(pipeline="pipeline:p", step=step, inputs={}, parameters=dict(parameters), as_of=NOW)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path, {"pipeline.py": PIPELINE, "helpers.py": HELPERS})
    yield made
    made.engine.close()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(what: Callable[[], bool], why: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, why
        time.sleep(0.005)


def wait_gone(*pids: int) -> None:
    wait_for(lambda: not any(map(alive, pids)), f"one of {pids} is still there")


def test_everything_that_is_printed_is_captured(project: Project) -> None:
    lines: list[str] = []
    done = project.run("says", on_output=lines.append)
    said = ["from Python", "from C", "from a child", "from descriptor 2", "to stderr é☃"]
    assert lines == [*said, "progress 2", "no end"]
    assert project.log(done.log) == "\n".join([*said, "progress 1\rprogress 2", "no end"])
    assert project.run("noop").log is None


def test_lines_come_while_the_step_runs(project: Project) -> None:
    answer = project.root / "answer"
    project.run("asks", on_output=lambda line: answer.touch(), answer=str(answer))


def test_output_cannot_disturb_the_protocol(project: Project) -> None:
    done = project.run("noise")
    assert done.log is not None and len(project.store.get(done.log)) == 200 * 25_600
    assert project.value("noop") == 0


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


def test_large_results_and_large_logs_pass(project: Project) -> None:
    assert project.run("big").outputs["big"].size > 10_000_000


LOST = {
    "killed": ("signal 9 (SIGKILL); its last lines were:\n  my last words", "memory"),
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


def test_a_lost_workers_log_is_kept(project: Project) -> None:
    error = project.error("killed")
    assert project.log(error.facts()["log"]) == "my last words\n"  # type: ignore[arg-type]


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


def test_an_exception_shows_the_users_frames_alone(project: Project) -> None:
    error = project.error("raises")
    text = render(error)
    assert (error.code, isinstance(error, StepFailed)) == ("STEP-RAISED", True)
    assert text.startswith("error[STEP-RAISED]: step raises raised ZeroDivisionError: division by zero\n")
    assert 'File "pipeline.py", line' in text
    assert 'File "helpers.py", line 2, in divide' in text
    assert "noria/" not in text
    assert "caused by ZeroDivisionError" in str(project.error("explains"))


@pytest.mark.parametrize(
    ("step", "said"), [("quits", "SystemExit('so long')"), ("interrupted", "KeyboardInterrupt")]
)
def test_leaving_by_an_exception_is_a_failure_and_no_lost_worker(
    project: Project, step: str, said: str
) -> None:
    before = project.value("pid")
    error = project.error(step)
    assert (error.code, said in str(error)) == ("STEP-RAISED", True)
    assert project.value("pid") == before


def test_norias_own_errors_keep_their_family_and_advice(project: Project) -> None:
    error = project.error("unstorable")
    assert isinstance(error, ConfigError)
    assert (error.code, error.exit) == ("CANNOT-STORE", 2)
    assert "return a table" in error.advice()
    assert "unstorable (" in str(error)


def test_a_fork_that_returns_answers_once(project: Project) -> None:
    assert project.value("noop") == 0
    assert project.value("forks") == 0
    assert [project.value("noop") for _ in range(20)] == [0] * 20


def test_the_environment_is_fixed(project: Project) -> None:
    assert project.value("settings") == ["0", "2", "2", "2", "2"]


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


DRIVER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from noria.adapters.local_engine import LocalEngine
from noria.ports.engine import perform
from noria.records.tasks import RunStep

root = Path(sys.argv[1])
engine = LocalEngine(root=root, project=root, state=root / ".noria", threads=1)
task = RunStep(pipeline="pipeline:p", step="hangs", inputs={}, as_of=datetime(2013, 1, 1, tzinfo=UTC))
with engine:
    perform(engine, task, on_output=lambda line: print(line, flush=True))
"""


@contextlib.contextmanager
def driver(project: Project) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process that drives a step which never ends; the step's process and its child."""
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(project.root)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    pids = [int(word) for word in process.stdout.readline().split()[1:]]
    try:
        assert len(pids) == 2
        yield process, pids
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("with_signal", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_driver_that_dies_leaves_nothing_behind(project: Project, with_signal: signal.Signals) -> None:
    """Not even a worker in the middle of a loop in C, nor what it started."""
    with driver(project) as (process, pids):
        assert all(map(alive, pids))
        process.send_signal(with_signal)
        process.wait(PATIENCE)
        wait_gone(*pids)
        assert process.returncode in (-with_signal, 1)


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
