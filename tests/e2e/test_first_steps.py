"""The first minutes with a project: what `noria init` calls things, and what `noria run` says about work in hand."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from e2e.project import FIRST, Project
from noria.app.init import name_after


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("x", "x"),
        ("My-Trips (2)", "my_trips_2"),
        ("2024-rides", "rides"),
        ("parcels", "parcels_model"),  # the example has parcels of its own
        ("class", "class_model"),
        ("float", "float_model"),  # the example uses the built-in one
        ("2024", "delay"),
        ("f" * 80, "f" * 64),
    ],
)
def test_a_model_is_named_after_its_folder(tmp_path: Path, folder: str, name: str) -> None:
    assert name_after(tmp_path / folder) == name


def test_init_then_the_very_commands_that_it_prints(tmp_path: Path) -> None:
    said = Project(tmp_path).noria("init", "Night-Trains").stdout
    project = Project(tmp_path / "Night-Trains")
    assert list(tomllib.loads((project.folder / "noria.toml").read_text())["model"]) == ["night_trains"]
    assert "noria serve night_trains@champion" in said
    assert "delay" not in said
    project.git("init", "--quiet")
    project.commit("Begin")
    done = project.noria("run")
    assert "night_trains@champion is now night_trains:1" in done.stdout
    assert "next: noria serve night_trains@champion" in done.stdout
    assert "uncommitted" not in done.stderr


def test_init_with_a_name_of_ones_own(tmp_path: Path) -> None:
    said = Project(tmp_path).noria("init", "parcels", "--name", "late_parcels").stdout
    assert "noria serve late_parcels@champion" in said
    assert "late_parcels = noria.Pipeline" in (tmp_path / "parcels" / "pipeline.py").read_text()


def test_a_run_says_what_is_not_committed(project: Project) -> None:
    project.replace("pipeline.py", "returned", "brought_back")
    project.write("notes.txt", "")
    project.write("more.txt", "")
    (project.folder / "__pycache__").mkdir()
    project.write("__pycache__/pipeline.cpython-311.pyc", "")  # which no record keeps
    done = project.noria("run", "--as-of", FIRST)
    assert "uncommitted: pipeline.py; 2 untracked files" in done.stderr.splitlines()
    (found,) = [one for one in project.json("lint", exit=None) if one["rule"] == "uncommitted"]
    assert found["where"] == "pipeline.py, more.txt, notes.txt"
    assert "uncommitted" not in done.stdout
    assert "uncommitted" not in project.noria("run", "--as-of", FIRST, "--quiet", exit=None).stderr


@pytest.mark.soak
def test_the_line_about_uncommitted_work_stays_short(project: Project) -> None:
    names = [f"part{number}.py" for number in range(9)]
    for name in names:
        project.write(name, "")
    project.commit()
    for name in names:
        project.write(name, "changed = True\n")
    done = project.noria("run", "--as-of", FIRST)
    assert "uncommitted: part0.py, part1.py, part2.py and 6 more" in done.stderr.splitlines()
