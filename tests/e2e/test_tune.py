"""`noria tune`: trials are runs, share what they can, are given up early, and go on after a kill."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from e2e.project import Project
from e2e.test_crashes import until

pytest.importorskip("optuna", reason="pip install 'noria[tune]'")

PIPELINE = """
import time

import noria

hill = noria.Pipeline("hill")

@hill.step
def slow():
    with open("slow.count", "a") as file:
        file.write("x")
    return 3.0

@hill.step
def climbed(slow, *, x: float = 0.0, kind: str = "good", steps: int = 1):
    height = (x - 0.3) ** 2 + (0 if kind == "good" else 5) + 0.001 * steps
    for epoch in range(EPOCHS):
        noria.log(height=height, step=epoch)
        time.sleep(PAUSE)
    if kind == "broken":
        raise RuntimeError("this kind never works")
    return height

@hill.metrics
def measured(climbed):
    return {"height": climbed}
"""
POLICY = '[model.hill]\npipeline = "pipeline:hill"\n'
TRY = ("--metric", "height", "--try", "climbed.x=0:1", "--try", "climbed.steps=1:4")


@pytest.fixture
def hill(make_project: Callable[..., Project]) -> Callable[..., Project]:
    def make(epochs: int = 1, pause: float = 0.0) -> Project:
        project = make_project(PIPELINE.replace("EPOCHS", str(epochs)).replace("PAUSE", str(pause)), POLICY)
        project.write(".gitignore", "*.count\n__pycache__/\n")
        project.commit()
        return project

    return make


def tuned(project: Project, *words: str, exit: int = 0) -> Any:
    return json.loads(project.noria("tune", *words, "--json", "--quiet", exit=exit).stdout)


def test_trials_are_runs_that_share_what_is_not_tried(hill: Callable[..., Project]) -> None:
    project = hill()
    found = tuned(project, *TRY, "--trials", "12")
    assert [trial["state"] for trial in found["trials"]] == ["complete"] * 12
    assert found["best"]["value"] == min(trial["value"] for trial in found["trials"])
    assert abs(found["best"]["parameters"]["climbed.x"] - 0.3) < 0.2
    assert isinstance(found["best"]["parameters"]["climbed.steps"], int)
    assert (project.folder / "slow.count").read_text() == "x", "the step before was run once for all"
    runs = {run["name"]: run for run in project.json("runs")}
    best = runs[found["best"]["run"]]
    assert best["outcome"]["metrics"]["height"] == found["best"]["value"]
    assert best["run"]["asked"]["trigger"]["kind"] == "trial"
    assert project.json("models")[0]["versions"] == []


def test_a_second_call_goes_on_with_the_study(hill: Callable[..., Project]) -> None:
    project = hill()
    first = tuned(project, *TRY, "--trials", "3", "--study", "s")
    again = tuned(project, *TRY, "--trials", "5", "--study", "s")
    assert again["trials"][:3] == first["trials"]
    assert len(again["trials"]) == 5
    assert len({run["run"]["asked"]["as_of"] for run in project.json("runs")}) == 1


def test_several_at_once_and_one_that_fails(hill: Callable[..., Project]) -> None:
    found = tuned(hill(), *TRY, "--try", "climbed.kind=good,bad,broken", "--trials", "10", "--jobs", "2")
    states = {trial["parameters"]["climbed.kind"]: trial["state"] for trial in found["trials"]}
    assert states.get("broken", "failed") == "failed"
    assert found["best"]["parameters"]["climbed.kind"] == "good"


@pytest.mark.slow
def test_weak_trials_are_given_up_early(hill: Callable[..., Project]) -> None:
    project = hill(epochs=30, pause=0.1)
    found = tuned(
        project, "--metric", "height", "--try", "climbed.kind=good,bad", "--try", "climbed.x=0:1",
        "--trials", "8", "--prune", "height",
    )  # fmt: skip
    pruned = [trial for trial in found["trials"] if trial["state"] == "pruned"]
    assert pruned and all(
        trial["parameters"]["climbed.kind"] == "bad" or trial["parameters"]["climbed.x"] > 0.5
        for trial in pruned
    )
    states = {run["name"]: run["state"] for run in project.json("runs")}
    assert {states[trial["run"]] for trial in pruned} == {"interrupted"}


def test_a_killed_search_goes_on(hill: Callable[..., Project]) -> None:
    project = hill(epochs=20, pause=0.1)
    search = project.start("tune", *TRY, "--trials", "2", "--quiet")
    until(lambda: (project.folder / "slow.count").exists(), "the first trial began")
    os.killpg(search.pid, signal.SIGKILL)
    search.communicate()
    project.replace("pipeline.py", "range(20)", "range(1)")
    found = tuned(project, *TRY, "--trials", "2")
    assert [trial["state"] for trial in found["trials"]].count("complete") >= 1
    assert "running" not in {run["state"] for run in project.json("runs")}
    project.noria("run")
    assert project.json("runs")[0]["state"] == "succeeded", "trials stand in no run's way"


@pytest.mark.parametrize(
    ("words", "code", "exit"),
    [
        (("--metric", "height"), "TUNE-SPACE", 2),
        (("--metric", "depth", "--try", "climbed.x=0:1", "--trials", "1"), "TUNE-METRIC", 1),
        (("--metric", "height", "--try", "climbed.y=0:1"), "PARAMETER-UNKNOWN", 2),
        (("--metric", "height", "--try", "climbed.kind=0:1"), "PARAMETER-TYPE", 2),
        (("--metric", "height", "--try", "climbed.x=1:0"), "USAGE", 2),
        (("--metric", "height", "--try", "climbed.x=0:1:log"), "USAGE", 2),
    ],
)
def test_what_cannot_be_searched(
    hill: Callable[..., Project], words: tuple[str, ...], code: str, exit: int
) -> None:
    assert code in hill().noria("tune", *words, "--quiet", exit=exit).stderr
