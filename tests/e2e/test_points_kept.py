"""What a step logs is kept, whatever becomes of its process."""

from __future__ import annotations

from pathlib import Path

import pytest

import noria
from e2e.project import Project

POINTS = 5000
PIPELINE = f"""
import os
import signal

import noria

logged = noria.Pipeline("logged")


@logged.step
def training(*, dies: bool = False):
    for step in range({POINTS}):
        noria.log({{"train/loss": 1.0 / (step + 1), "valid/loss": 2.0}}, step=step)
    if dies:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("dies", "code"), [("false", 0), ("true", 1)], ids=["ends", "is killed"])
def test_not_one_point_is_lost(tmp_path: Path, dies: str, code: int) -> None:
    """With the very last point the process is killed, so nothing but the call itself can have kept it."""
    project = Project(tmp_path / "logged")
    project.folder.mkdir()
    project.write("pipeline.py", PIPELINE)
    project.write("noria.toml", '[model.logged]\npipeline = "pipeline:logged"\n')
    project.git("init", "--quiet", "--initial-branch=main")
    project.commit("First")
    project.noria("run", "--set", f"training.dies={dies}", exit=code)
    series = next(iter(noria.runs("logged", project=project.folder))).series
    assert series["train/loss"]["at_step"].to_list() == list(range(POINTS))
    assert series["train/loss"]["value"].to_list() == [1.0 / (step + 1) for step in range(POINTS)]
    assert series["valid/loss"]["value"].to_list() == [2.0] * POINTS
