"""Kills, interrupts and two at once: nothing acknowledged is lost, and the next command goes on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.project import Project

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


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
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


def test_a_worker_that_is_killed_fails_the_run_and_the_next_goes_on(slow: Project) -> None:
    driver, worker = begin(slow)
    os.kill(worker, signal.SIGKILL)
    assert driver.wait(WAITING) == 1  # type: ignore[attr-defined]
    error = driver.stderr.read()  # type: ignore[attr-defined]
    assert "SIGKILL" in error and "second" in error
    slow.write("go", "")
    slow.noria("run")
    assert (slow.folder / "first.count").read_text() == "x"


def test_a_kill_at_any_moment_of_gating_and_promotion_leaves_all_or_nothing(project: Project) -> None:
    project.noria("run", "--as-of", "2024-02-10T00:00:00Z")
    whole = time.monotonic()
    project.noria("run", "--as-of", "2024-02-20T00:00:00Z", exit=None)
    whole = time.monotonic() - whole
    for turn in range(6):
        day = 21 + turn
        driver = project.start(
            "run", "--as-of", f"2024-02-{day}T00:00:00Z", "--set", f"model.recent_days={20 + turn}"
        )
        try:
            driver.wait(whole * (0.5 + turn / 10))  # from the middle of the steps to the very end
        except Exception:
            os.kill(driver.pid, signal.SIGKILL)
        driver.communicate()
        project.noria("audit")
        card = project.json("models")[0]
        numbers = [version["version"]["number"] for version in card["versions"]]
        assert card["aliases"]["champion"] in numbers
        for number in numbers:
            shown = project.json("show", f"demand:{number}")
            assert shown["judgements"], "a version never stands without its verdicts"
    project.noria("run", "--as-of", "2024-02-28T00:00:00Z", exit=None)
    states = [line["state"] for line in project.json("runs")]
    assert set(states) <= {"succeeded", "abandoned"}


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
