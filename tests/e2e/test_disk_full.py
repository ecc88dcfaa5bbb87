"""A disk that is full while an artifact is written, on a real small one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import blake3
import pytest

from e2e.project import Project

SMALL, LARGE = "8m", "128m"
PIPELINE = """
import noria
import numpy as np

wide = noria.Pipeline("wide")


@wide.step
def first():
    with open("first.count", "a") as file:
        file.write("x")
    return np.arange(1000.0)


@wide.step
def large(first: np.ndarray):
    return np.random.default_rng(1).random(4_000_000)  # 32 MB


@wide.step
def last(large: np.ndarray):
    return float(large.sum())
"""
POLICY = '[model.wide]\npipeline = "pipeline:wide"\n'


@pytest.fixture
def wide(make_project: Callable[..., Project]) -> Iterator[Project]:
    """A project whose `.noria` is a file system of 8 MB."""
    project = make_project(PIPELINE, POLICY)
    project.write(".gitignore", "*.count\n__pycache__/\n.noria/\n")
    project.commit()
    state = project.folder / ".noria"
    state.mkdir()
    mount(state, f"size={SMALL}")
    yield project
    subprocess.run(["umount", "--lazy", str(state)], check=True)


def mount(folder: Path, options: str) -> None:
    if sys.platform != "linux":
        pytest.skip("a small disk is made with tmpfs, which Linux alone has")
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}; run the tests as root")


def objects(project: Project) -> list[Path]:
    return [path for path in (project.folder / ".noria" / "objects").rglob("*") if path.is_file()]


def test_an_artifact_larger_than_the_disk(wide: Project) -> None:
    full = wide.noria("run", exit=4)
    assert "error[NO-SPACE]" in full.stderr
    assert "the disk is full" in full.stderr
    assert "32,000" in full.stderr, "how much was needed"
    assert "free some space" in full.stderr
    assert "Traceback" not in full.stderr
    assert not list((wide.folder / ".noria" / "tmp").iterdir()), "no half-written file is left"
    for path in objects(wide):
        assert blake3.blake3(path.read_bytes()).hexdigest() == path.parent.name + path.name
    assert wide.json("show", "wide/1")["view"]["state"] == "failed"
    wide.noria("audit")

    mount(wide.folder / ".noria", f"remount,size={LARGE}")
    done = wide.noria("run")
    assert "2 steps ran, 1 reused" in done.stdout
    assert (wide.folder / "first.count").read_text() == "x", "the finished step was not run again"
    assert [line["state"] for line in wide.json("runs")] == ["succeeded", "failed"]
    assert any(path.stat().st_size > 32_000_000 for path in objects(wide))
    wide.noria("audit")
