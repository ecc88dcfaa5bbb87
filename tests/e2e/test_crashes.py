"""Kills, interrupts and two at once: nothing acknowledged is lost, and the next command goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.project import FIRST, Project

WAITING = 60.0  # s; the longest that a test waits for another process to get somewhere

# The second step waits for a file named `go`; it says that it has begun by writing its process id.
PIPELINE = """
import os
import time
from pathlib import Path

import noria

slow = noria.Pipeline("slow")


@slow.step
def first():
    with open("first.count", "a") as file:
        file.write("x")
    return 1


@slow.step
def second(first):
    Path("begun.tmp").write_text(str(os.getpid()))
    os.replace("begun.tmp", "begun")
    while not Path("go").exists():
        time.sleep(0.01)
    return first + 1


@slow.step
def third(second):
    return second + 1
"""
POLICY = '[model.slow]\npipeline = "pipeline:slow"\n'


@pytest.fixture
def slow(make_project: Callable[..., Project]) -> Iterator[Project]:
    project = make_project(PIPELINE, POLICY)
    project.write(".gitignore", "begun*\ngo\n*.count\n__pycache__/\n")
    project.commit()
    yield project
    project.write("go", "")


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for another process, at most WAITING seconds."""
    deadline = time.monotonic() + WAITING
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.01)


def gone(pid: int) -> bool:
    """Whether no live process has this id; a zombie is no live process."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state in "ZX"


def begin(project: Project) -> tuple[object, int]:
    """A run that stands in its second step; the driver and the worker's process id."""
    driver = project.start("run")
    until((project.folder / "begun").exists, "the second step began")
    return driver, int((project.folder / "begun").read_text())


def finish(project: Project) -> dict[str, object]:
    project.write("go", "")
    project.noria("run")
    return project.json("show", "slow/1")


@pytest.mark.parametrize(
    "how",
    [
        signal.SIGKILL,
        *(pytest.param(rare, marks=pytest.mark.soak) for rare in (signal.SIGINT, signal.SIGTERM)),
    ],
)
def test_a_stopped_run_is_finished_by_the_next(slow: Project, how: signal.Signals) -> None:
    driver, worker = begin(slow)
    os.kill(driver.pid, how)  # type: ignore[attr-defined]
    code = driver.wait(WAITING)  # type: ignore[attr-defined]
    assert code == {signal.SIGKILL: -9, signal.SIGINT: 130}.get(how, code)
    until(lambda: gone(worker), "the worker is gone with its driver")
    card = finish(slow)
    assert card["view"]["state"] == "succeeded"  # type: ignore[index]
    assert [step["step"] for step in card["steps"]] == ["first", "second", "third"]  # type: ignore[attr-defined, index]
    assert (slow.folder / "first.count").read_text() == "x", "the finished step was not run again"
    assert len(slow.json("runs")) == 1
    slow.noria("audit")


def test_after_a_change_of_code_the_stopped_run_is_closed_and_a_new_one_begins(slow: Project) -> None:
    driver, _ = begin(slow)
    os.kill(driver.pid, signal.SIGKILL)  # type: ignore[attr-defined]
    driver.wait(WAITING)  # type: ignore[attr-defined]
    slow.replace("pipeline.py", "return second + 1", "return second + 2")
    slow.write("go", "")
    slow.noria("run")
    outcomes = {line["name"]: line["state"] for line in slow.json("runs")}
    assert outcomes == {"slow/1": "abandoned", "slow/2": "succeeded"}
    assert (slow.folder / "first.count").read_text() == "x"


def test_two_runs_at_once(slow: Project) -> None:
    driver, _ = begin(slow)
    second = slow.noria("run", exit=3)
    assert "RUN-BUSY" in second.stderr and str(driver.pid) in second.stderr  # type: ignore[attr-defined]
    slow.write("go", "")
    assert driver.wait(WAITING) == 0  # type: ignore[attr-defined]
    assert len(slow.json("runs")) == 1


def kill_worker(project: Project, worker: int) -> int:
    """Kill it; the process id of the one that takes its place."""
    os.kill(worker, signal.SIGKILL)
    begun = project.folder / "begun"
    until(lambda: int(begun.read_text()) != worker, "another worker took its place")
    return int(begun.read_text())


def test_a_worker_that_is_killed_is_replaced(slow: Project) -> None:
    driver, worker = begin(slow)
    kill_worker(slow, worker)
    slow.write("go", "")
    assert driver.wait(WAITING) == 0  # type: ignore[attr-defined]
    second = slow.json("show", "slow/1")["steps"][1]
    assert "attempt 1 failed" in second["notes"][0] and "SIGKILL" in second["notes"][0]
    assert (slow.folder / "first.count").read_text() == "x"


def test_a_worker_that_is_killed_again_fails_the_run_and_the_next_goes_on(slow: Project) -> None:
    driver, worker = begin(slow)
    os.kill(kill_worker(slow, worker), signal.SIGKILL)
    assert driver.wait(WAITING) == 1  # type: ignore[attr-defined]
    error = driver.stderr.read()  # type: ignore[attr-defined]
    assert "SIGKILL" in error and "second" in error
    slow.write("go", "")
    slow.noria("run")
    assert (slow.folder / "first.count").read_text() == "x"


def holding(project: Project) -> None:
    """Let the loss of the demand project wait while there is a file named `hold`; it says that it has begun."""
    project.replace(
        "pipeline.py",
        "    return np.abs(label - answer)",
        """    import os, time

    while os.path.exists("hold"):
        open("scoring", "w").close()
        time.sleep(0.01)
    return np.abs(label - answer)""",
    )
    project.write(".gitignore", "hold\nscoring\n__pycache__/\n")
    project.commit()


def numbers(project: Project) -> list[int]:
    return sorted(version["version"]["number"] for version in project.json("models")[0]["versions"])


def champion(project: Project) -> int:
    found: int = project.json("models")[0]["aliases"]["champion"]
    return found


SECOND = "2024-02-20T00:00:00Z"  # ten days more: as good, so it is promoted


def test_a_kill_while_the_gates_judge_leaves_nothing_and_the_next_run_promotes(project: Project) -> None:
    holding(project)
    project.noria("run", "--as-of", FIRST)
    project.write("hold", "")
    driver = project.start("run", "--as-of", SECOND)
    until((project.folder / "scoring").exists, "the gates score the candidate")
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()
    assert driver.returncode == -signal.SIGKILL
    assert numbers(project) == [1], "no version without its verdicts"
    assert champion(project) == 1
    assert project.json("show", "demand/2")["view"]["state"] != "succeeded"
    project.noria("audit")

    (project.folder / "hold").unlink()
    done = project.noria("run", "--as-of", SECOND)
    assert "resumed" in done.stdout
    assert (numbers(project), champion(project)) == ([1, 2], 2)
    assert len(project.json("runs")) == 2, "the same run was finished"
    assert project.json("show", "demand:2")["judgements"]
    project.noria("audit")


@pytest.mark.parametrize(
    "moment", ["within", *(pytest.param(rare, marks=pytest.mark.soak) for rare in ("before", "after"))]
)
def test_a_kill_around_the_last_transaction_leaves_all_or_nothing(trained: Project, moment: str) -> None:
    script = Path(__file__).with_name("killed.py")
    killed = subprocess.run(
        [sys.executable, str(script), str(trained.folder), moment, SECOND.replace("Z", "+00:00")],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    trained.noria("audit")
    all_of_it = moment == "after"
    assert (numbers(trained), champion(trained)) == (([1, 2], 2) if all_of_it else ([1], 1))
    assert (trained.json("show", "demand/2")["view"]["state"] == "succeeded") is all_of_it

    done = trained.noria("run", "--as-of", SECOND)
    assert ("resumed" in done.stdout) is not all_of_it
    assert (numbers(trained), champion(trained)) == ([1, 2], 2), "done once, and not a second time"
    judgements = trained.json("show", "demand:2")["judgements"]
    assert len(judgements) == 1
    assert {line["state"] for line in trained.json("runs")} == {"succeeded"}
    trained.noria("audit")


def test_a_corrupted_artifact_is_found_and_made_again(project: Project) -> None:
    project.noria("run", "--as-of", "2024-02-10T00:00:00Z")
    card = project.json("show", "demand/1")
    digest = next(step for step in card["steps"] if step["step"] == "split")["outputs"]["train"]["digest"]
    name = digest.removeprefix("blake3:")
    (path,) = [
        file
        for file in (project.folder / ".noria").rglob("*")
        if file.is_file() and (file.parent.name + file.name) == name
    ]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.chmod(0o644)
    path.write_bytes(content)
    broken = project.noria("run", "--as-of", "2024-02-10T00:00:00Z", "--set", "model.recent_days=10", exit=5)
    assert "error[" in broken.stderr and digest[:19] in broken.stderr
    mended = project.noria(
        "run", "--as-of", "2024-02-10T00:00:00Z", "--set", "model.recent_days=10", exit=None
    )
    assert mended.returncode in (0, 1)


def test_a_person_who_moves_the_champion_during_the_gates_is_not_overruled(project: Project) -> None:
    project.noria("run", "--as-of", "2024-02-10T00:00:00Z")
    project.noria("run", "--as-of", "2024-02-20T00:00:00Z", "--no-promote", exit=None)
    script = Path(__file__).with_name("raced.py")
    done = subprocess.run(
        [sys.executable, str(script), str(project.folder), "2024-02-25T00:00:00+00:00"],
        cwd=project.folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"version": 3, "passed": True, "moved": False}
    assert project.json("models")[0]["aliases"]["champion"] == 2
    assert project.json("show", "demand:3")["judgements"], "the candidate is kept with its verdicts"
    assert project.json("runs")[0]["state"] == "succeeded"
    project.noria("audit")
