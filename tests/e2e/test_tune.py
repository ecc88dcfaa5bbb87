"""`noria tune`: trials are runs, share what they can, are given up early, and go on after a kill."""

from __future__ import annotations

import json
import os
import shlex
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

@hill.report
def drawn(climbed):
    noria.show("high", title="How high")
"""
POLICY = '[model.hill]\npipeline = "pipeline:hill"\n'
TRY = ("--metric", "height", "--minimize", "--try", "climbed.x=0:1", "--try", "climbed.steps=1:4")


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
    found = tuned(project, *TRY, "--trials", "8", "--set", "climbed.kind=good")
    assert [trial["state"] for trial in found["trials"]] == ["complete"] * 8
    assert found["best"]["value"] == min(trial["value"] for trial in found["trials"])
    assert abs(found["best"]["parameters"]["climbed.x"] - 0.3) < 0.2
    assert isinstance(found["best"]["parameters"]["climbed.steps"], int)
    assert (project.folder / "slow.count").read_text() == "x", "the step before was run once for all"
    runs = {run["name"]: run for run in project.json("runs")}
    best = runs[found["best"]["run"]]
    assert best["outcome"]["metrics"]["height"] == found["best"]["value"]
    assert best["run"]["asked"]["trigger"]["kind"] == "trial"
    assert project.json("models")[0]["versions"] == [], "nothing is registered"
    steps = {step["step"] for step in project.json("show", found["best"]["run"])["steps"]}
    assert steps == {"slow", "climbed", "measured"}, "nobody looks at the reports of all trials"


def test_a_second_call_goes_on_with_the_study(hill: Callable[..., Project]) -> None:
    project = hill()
    first = tuned(project, *TRY, "--trials", "3", "--study", "s")
    again = tuned(project, *TRY, "--trials", "5", "--study", "s")
    assert again["trials"][:3] == first["trials"]
    tried = [trial["parameters"]["climbed.x"] for trial in again["trials"]]
    assert len(set(tried)) == 5, "what was tried is not drawn again"
    assert len({run["run"]["asked"]["as_of"] for run in project.json("runs")}) == 1
    for other, told in (
        (("--metric", "height", "--maximize", "--try", "climbed.x=0:1"), "direction minimize, not maximize"),
        (("--metric", "depth", "--minimize", "--try", "climbed.x=0:1"), "metric height, not depth"),
        ((*TRY, "--set", "climbed.kind=bad"), "settings"),
        ((*TRY, "--as-of", "2020-01-01"), "as of"),
        (
            ("--metric", "height", "--minimize", "--try", "climbed.x=0.1,0.2"),
            "climbed.x 0.0:1.0, not 0.1,0.2",
        ),
    ):
        error = project.noria("tune", *other, "--study", "s", exit=3).stderr
        assert "TUNE-STUDY" in error and told in error
    wider = ("--metric", "height", "--minimize", "--try", "climbed.x=-1:2")
    assert len(tuned(project, *wider, "--trials", "6", "--study", "s")["trials"]) == 6


def test_several_at_once_and_one_that_fails(hill: Callable[..., Project]) -> None:
    project = hill()
    done = project.noria(
        "tune", *TRY, "--try", "climbed.kind=good,bad,broken", "--trials", "10", "--jobs", "2"
    )
    lines = done.stderr.splitlines()
    assert len([line for line in lines if "begins with" in line]) == 10
    found = tuned(project, *TRY, "--try", "climbed.kind=good,bad,broken", "--trials", "10")
    failed = [trial for trial in found["trials"] if trial["state"] == "failed"]
    assert {trial["parameters"]["climbed.kind"] for trial in failed} == {"broken"}
    assert all("this kind never works" in trial["why"] for trial in failed)
    for trial in failed:
        assert f"trial {trial['number']} ({trial['run']}): failed: " in done.stderr
    assert found["best"]["parameters"]["climbed.kind"] == "good"
    *_, look, following = done.stdout.splitlines()
    project.noria(*shlex.split(following)[2:])
    assert project.json("runs")[0]["outcome"]["metrics"] == {"height": found["best"]["value"]}
    page = shlex.split(look)[2:]
    project.noria(*page)
    assert "All parameters" in (project.folder / page[-1]).read_text()


def test_a_search_whose_trials_all_fail_ends_soon(hill: Callable[..., Project]) -> None:
    project = hill()
    done = project.noria("tune", *TRY, "--set", "climbed.kind=broken", "--trials", "9", exit=1)
    assert "TUNE-FAILING" in done.stderr and "this kind never works" in done.stderr
    assert len(project.json("runs")) == 3
    project.replace("pipeline.py", "raise RuntimeError", "RuntimeError")
    found = tuned(project, *TRY, "--set", "climbed.kind=broken", "--trials", "4")
    assert [trial["state"] for trial in found["trials"]] == ["failed"] * 3 + ["complete"]


@pytest.mark.slow
def test_weak_trials_are_given_up_early(hill: Callable[..., Project]) -> None:
    project = hill(epochs=30, pause=0.05)
    search = (
        *("--metric", "height", "--minimize", "--try", "climbed.kind=good,bad", "--try", "climbed.x=0:1"),
        *("--trials", "10"),
    )
    found = tuned(project, *search, "--prune", "height")
    pruned = [trial for trial in found["trials"] if trial["state"] == "pruned"]
    assert pruned and all(
        trial["parameters"]["climbed.kind"] == "bad" or trial["parameters"]["climbed.x"] > 0.5
        for trial in pruned
    )
    runs = {run["name"]: run["state"] for run in project.json("runs")}
    assert {runs[trial["run"]] for trial in pruned} == {"pruned"}
    assert "given up early" in project.noria("show", pruned[0]["run"]).stdout
    assert "given up early" in project.noria("card", pruned[0]["run"], "--output", "-").stdout
    assert "given up early" in project.noria("runs").stdout
    assert "goes on" not in project.noria("status").stdout, "no run waits to be gone on with"


def test_figures_that_nobody_logs_are_told(hill: Callable[..., Project]) -> None:
    found = tuned(hill(), *TRY, "--trials", "2", "--prune", "hieght")
    assert len(found["notes"]) == 1 and "'hieght'" in found["notes"][0]


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.soak)])
def test_a_search_that_is_broken_off_goes_on(hill: Callable[..., Project], how: signal.Signals) -> None:
    project = hill(epochs=600, pause=0.1)
    search = project.start("tune", *TRY, "--trials", "2", "--jobs", "2", "--quiet")
    until(lambda: [run["state"] for run in project.json("runs")] == ["running"] * 2, "both trials run")
    assert "RUN-BUSY" in project.noria("tune", *TRY, "--trials", "2", exit=3).stderr
    nothing = ("gc", "--dry-run", "--runs", "0", "--younger", "0d")
    assert set(project.json(*nothing)["shares"][0]["kept_runs"].values()) == {"not finished"}
    os.killpg(search.pid, how)
    _, error = search.communicate()
    if how == signal.SIGINT:
        assert search.returncode == 130
        assert "goes on from there" in error
    left = {run["state"] for run in project.json("runs")}
    assert left == {"interrupted" if how == signal.SIGINT else "killed"}
    assert "tries it again" in project.noria("runs").stdout
    assert project.json(*nothing)["shares"][0]["given_up"] == [1, 2], (
        "nobody is bound to take the search up again"
    )
    project.replace("pipeline.py", "range(600)", "range(1)")
    found = tuned(project, *TRY, "--trials", "2")
    states = [trial["state"] for trial in found["trials"]]
    assert states == ["interrupted"] * 2 + ["complete"] * 2
    values = [trial["parameters"] for trial in found["trials"]]
    assert sorted(map(str, values[:2])) == sorted(map(str, values[2:])), (
        "the same values, in runs of their own"
    )
    assert {run["state"] for run in project.json("runs")} == {"abandoned", "succeeded"}
    project.noria("run")
    assert project.json("runs")[0]["state"] == "succeeded", "trials stand in no run's way"


def test_a_gate_says_which_direction_is_better(hill: Callable[..., Project]) -> None:
    project = hill()
    project.write("noria.toml", POLICY + "[model.hill.gates]\nheight = { at_least = 0.0 }\n")
    found = tuned(project, "--metric", "height", "--try", "climbed.kind=good,bad", "--trials", "4")
    assert found["direction"] == "maximize"
    assert found["best"]["parameters"] == {"climbed.kind": "bad"}


@pytest.mark.parametrize(
    ("words", "code", "exit"),
    [
        (("--metric", "height", "--minimize"), "TUNE-SPACE", 2),
        (("--metric", "height", "--try", "climbed.x=0:1"), "TUNE-DIRECTION", 2),
        (("--metric", "depth", "--minimize", "--try", "climbed.x=0:1", "--trials", "1"), "TUNE-METRIC", 1),
        (("--metric", "height", "--minimize", "--try", "climbed.y=0:1"), "PARAMETER-UNKNOWN", 2),
        (("--metric", "height", "--minimize", "--try", "climbed.kind=0:1"), "PARAMETER-TYPE", 2),
        (("--metric", "height", "--minimize", "--try", "climbed.steps=2,many"), "PARAMETER-TYPE", 2),
        (("--metric", "height", "--minimize", "--try", "climbed.steps=0.5:3"), "PARAMETER-TYPE", 2),
        ((*TRY, "--set", "climbed.x=0.5"), "TUNE-TWICE", 2),
        ((*TRY, "--try", "climbed.x=2:3"), "USAGE", 2),
        ((*TRY, "--maximize"), "USAGE", 2),
        ((*TRY, "--study", "../other"), "USAGE", 2),
        (("--metric", "height", "--try", "climbed.x=1:0"), "USAGE", 2),
        (("--metric", "height", "--try", "climbed.x=0:1:log"), "USAGE", 2),
    ],
)
def test_what_cannot_be_searched(
    hill: Callable[..., Project], words: tuple[str, ...], code: str, exit: int
) -> None:
    assert code in hill().noria("tune", *words, "--quiet", exit=exit).stderr
