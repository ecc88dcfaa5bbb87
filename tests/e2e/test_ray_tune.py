"""`noria tune` on a Ray cluster: trials are runs on its nodes, side by side; one that is broken off goes on."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.project import Project
from e2e.test_crashes import until
from servers_ray import RayServer
from servers_s3 import environment

pytest.importorskip("optuna", reason="pip install 'noria[tune]'")
pytestmark = [pytest.mark.slow, pytest.mark.soak]

PIPELINE = """
import os, time
from pathlib import Path
import noria

HERE = Path("@here@")
hill = noria.Pipeline("hill")

@hill.step
def slow():
    with open(HERE / "slow.count", "a") as file:
        file.write("x")
    return 3.0

@hill.step
def climbed(slow, *, x: float = 0.0):
    (HERE / f"begun.{os.getpid()}").touch()
    for epoch in range(3):
        noria.log(height=(x - 0.3) ** 2, step=epoch)
    while not (HERE / "go").exists():
        time.sleep(0.05)
    return (x - 0.3) ** 2

@hill.metrics
def measured(climbed):
    return {"height": climbed}
"""
POLICY = '[model.hill]\npipeline = "pipeline:hill"\n[engine]\nkind = "ray"\n[store]\nobjects = "file://@objects@"\n'
SEARCH = ("tune", "--metric", "height", "--minimize", "--try", "climbed.x=0:1", "--jobs", "2")


def test_a_search_on_two_nodes_that_is_broken_off_goes_on(
    make_project: Callable[..., Project], ray_cluster: RayServer, tmp_path: Path
) -> None:
    pipeline = PIPELINE.replace("@here@", str(tmp_path / "project"))
    project = make_project(pipeline, POLICY.replace("@objects@", str(tmp_path / "objects")))
    project.write(".gitignore", "begun.*\ngo\n*.count\n")
    project.commit()
    with environment(ray_cluster.variables()):
        search = project.start(*SEARCH, "--trials", "2")
        begun = lambda: list(project.folder.glob("begun.*"))  # noqa: E731
        until(lambda: len(begun()) == 2 or search.poll() is not None, "both trials run at once")
        os.killpg(search.pid, signal.SIGINT)
        _, error = search.communicate(timeout=120)
        assert search.returncode == 130 and "goes on from there" in error, error
        project.write("go", "")
        done = project.noria(*SEARCH, "--trials", "3", "--json")
    found = json.loads(done.stdout)
    assert [one["state"] for one in found["trials"]] == ["interrupted"] * 2 + ["complete"] * 3
    values = [str(one["parameters"]) for one in found["trials"]]
    assert sorted(values[:2]) == sorted(values[2:4]), "the same values, in runs of their own"
    assert len((project.folder / "slow.count").read_text()) <= 2, "what trials share is kept"
    runs = {run["name"]: run["outcome"] for run in project.json("runs")}
    best = found["best"]
    assert (
        runs[best["run"]]["metrics"]["height"]
        == best["value"]
        == min(one["value"] for one in found["trials"] if one["state"] == "complete")
    )
