"""Nothing grows for ever: old artifacts are given up, also beside running runs, and whenever it is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import blake3
import pytest

from e2e.project import PIPELINE, Project, committed, copied
from e2e.test_crashes import begin, finish
from e2e.test_crashes import slow as slow
from e2e.test_wheel import ask, served
from servers_s3 import S3Server, environment
from shared import made

POLICY = """
[model.demand]
pipeline = "pipeline:demand"
promotion = "manual"

[keep]
runs = 1
younger = "1s"
"""
DAYS = ("2024-02-10", "2024-02-14", "2024-02-18")


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Project:
    """Three versions; the second is champion."""
    there = made(
        "three-versions", tmp_path_factory, lambda folder: trained(committed(folder, PIPELINE, POLICY))
    )
    return copied(there, tmp_path / "project")


def trained(project: Project) -> Project:
    for day in DAYS:
        project.noria("run", "--as-of", day)
    project.noria("promote", "demand:2")
    time.sleep(1.1)  # so that they are older than what the policy calls young
    return project


def objects(project: Project) -> dict[str, Path]:
    root = project.folder / ".noria" / "objects"
    return {path.parent.name + path.name: path for path in root.rglob("*") if path.is_file()}


def age(project: Project, seconds: float = 200_000) -> None:
    for path in objects(project).values():
        os.utime(path, (time.time() - seconds,) * 2)


def works(project: Project, name: str) -> None:
    """A version can be served and rebuilt."""
    row = {"id": "a", "asked": "2024-03-01T00:00:00Z", "warm": 20.0, "shop": "north"}
    with served(project, "--no-watch") as (connection, _):
        status, body = ask(connection, "/v1/models/demand/predict", {"rows": [row]})
        assert status == 200, body
    project.noria("reproduce", name)


def test_old_runs_go_and_what_is_needed_works(project: Project) -> None:
    young = project.noria("gc")
    assert "freed 0 B" in young.stdout and "too young" in young.stderr
    age(project)
    before = objects(project)
    dry = project.json("gc", "--dry-run")
    assert dry["objects"] > 3 and "done" not in dry
    assert objects(project) == before
    said = project.noria("gc")
    assert f"in {dry['objects']} objects" in said.stdout
    assert len(before) - len(objects(project)) == dry["objects"]
    for name, path in objects(project).items():
        assert blake3.blake3(path.read_bytes()).hexdigest() == name
    works(project, "demand:2")
    assert "its artifacts are gone: noria gc" in project.noria("show", "demand:1").stdout
    assert project.json("show", "demand:1")["gone"]["missing"] > 0
    assert "gone" not in project.json("show", "demand:3")
    for words in (("promote", "demand:1"), ("serve", "demand:1", "--port", "0")):
        assert "error[VERSION-GONE]" in project.noria(*words, exit=3).stderr
    project.noria("audit")
    assert "garbage.collected" in project.noria("audit", "--events").stdout


def test_steps_whose_results_were_given_up_run_again(project: Project) -> None:
    age(project)
    project.noria("gc")
    project.noria("run", "--as-of", DAYS[0])
    steps = project.json("show", "demand/4")["steps"]
    assert {step["step"] for step in steps if step["reason"]["type"] == "ran"} >= {
        "features",
        "split",
        "model",
    }
    project.noria("promote", "demand:4")
    works(project, "demand:4")


def test_now_leaves_nothing_that_nobody_needs(project: Project) -> None:
    found = project.json("gc", "--now")
    assert found["objects"] > 3 and "waiting" not in found
    assert project.json("gc", "--now")["objects"] == 0
    works(project, "demand:2")


def test_now_waits_for_no_run_and_takes_nothing_from_it(slow: Project) -> None:
    driver, _ = begin(slow)
    refused = slow.noria("gc", "--now", exit=3)
    assert "is being worked on by process" in refused.stderr or "GC-DRIVERS" in refused.stderr
    slow.noria("gc", "--runs", "0", "--younger", "0s")
    os.kill(driver.pid, signal.SIGKILL)  # type: ignore[attr-defined]
    driver.wait(60)  # type: ignore[attr-defined]
    slow.noria("gc", "--now", "--runs", "0", "--younger", "0s")  # the run is not finished, so it is kept
    card = finish(slow)
    assert card["view"]["state"] == "succeeded"  # type: ignore[index]
    assert (slow.folder / "first.count").read_text() == "x", "the finished step was not run again"


@pytest.mark.parametrize(
    "moment",
    [*(pytest.param(rare, marks=pytest.mark.soak) for rare in ("before", "after")), "removing", "beside"],
)
def test_a_killed_collection_has_harmed_nothing_and_the_next_ends_it(project: Project, moment: str) -> None:
    stray = project.folder / ".noria" / "code" / ("0" * 64)
    stray.mkdir(parents=True)
    os.utime(stray, (0, 0))
    before = set(objects(project))
    script = Path(__file__).with_name("gc_killed.py")
    words = [sys.executable, str(script), str(project.folder), moment]
    killed = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = set(objects(project))
    assert (left == before) is (moment in ("before", "after"))
    project.noria("audit")
    told = "garbage.collected" in project.noria("audit", "--events").stdout
    assert told is (moment != "before"), "nothing goes without a word"

    project.noria("gc", "--now", "--runs", "1", "--younger", "0s")
    assert project.json("gc", "--now", "--runs", "1", "--younger", "0s")["objects"] == 0
    assert not stray.exists()
    events = project.noria("audit", "--events").stdout
    assert events.count("garbage.collected") == 1, "told once"
    project.noria("audit")
    works(project, "demand:2")


def test_drivers_and_collections_at_once(make_project: Callable[..., Project]) -> None:
    """Three drivers that make and reuse each other's results, beside two collectors that give up all but two runs."""
    policy = "".join(f'[model.{name}]\npipeline = "pipeline:demand"\n' for name in ("a", "b", "c"))
    project = make_project(PIPELINE, policy)
    script = Path(__file__).with_name("collected.py")
    kinds = ("a", "b", "c", "collect", "collect")
    running = [
        subprocess.Popen(
            [sys.executable, str(script), str(project.folder), what, str(seed), "9"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed, what in enumerate(kinds)
    ]
    said = [process.communicate(timeout=120) for process in running]
    for process, (_, errors) in zip(running, said, strict=True):
        assert process.returncode == 0, errors
    reused = sum(int(line.split()[1]) for out, _ in said[:3] for line in out.splitlines())
    removed = sum(int(line.split()[1]) for out, _ in said[3:] for line in out.splitlines())
    assert reused > 0 and removed > 0, "else this test has shown nothing"
    stored = set(objects(project))
    for model in ("a", "b", "c"):
        for view in project.json("runs", model)[:2]:
            assert needs(project, view["name"]) <= stored
    project.noria("audit")


def needs(project: Project, run: str) -> set[str]:
    steps: list[dict[str, Any]] = project.json("show", run)["steps"]
    return {made["digest"].removeprefix("blake3:") for step in steps for made in step["outputs"].values()}


def test_one_s_bucket(make_project: Callable[..., Project], s3: S3Server) -> None:
    url = s3.url()
    with environment(s3.variables()):
        project = trained(make_project(PIPELINE, f'{POLICY}\n[store]\nobjects = "{url}"\n'))
        assert project.json("gc")["objects"] == 0, "too young"
        found = project.json("gc", "--now")
        assert found["objects"] > 3
        assert project.json("gc", "--now")["objects"] == 0
        works(project, "demand:2")
        assert "error[VERSION-GONE]" in project.noria("promote", "demand:1", exit=3).stderr
        other = make_project(PIPELINE, f'{POLICY}\n[store]\nobjects = "{url}"\n', "other")
        other.noria("run", "--as-of", DAYS[0])
        refused = project.noria("gc", exit=3)
        assert "error[GC-SHARED]" in refused.stderr and str(other.folder) in refused.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("gc", "snow"), 3),
        (("gc", "--runs", "-1"), 2),
        (("gc", "--younger", "soon"), 2),
        (("gc", "--younger", "1.5d"), 2),
    ],
    ids=["model", "count", "span", "fraction"],
)
def test_what_makes_no_sense(make_project: Callable[..., Project], words: tuple[str, ...], code: int) -> None:
    project = make_project(PIPELINE, POLICY)
    said = project.noria(*words, exit=code)
    assert "error[" in said.stderr and "Traceback" not in said.stderr


def test_a_project_without_a_past(make_project: Callable[..., Project]) -> None:
    project = make_project(PIPELINE, POLICY)
    assert "freed 0 B in 0 objects" in project.noria("gc").stdout
    assert json.loads(project.noria("gc", "--json", "--dry-run").stdout)["objects"] == 0
