"""`noria doctor` on projects that are well, and on some that are not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from e2e.project import Project


def found(project: Project, code: int) -> dict[str, dict[str, str]]:
    done = project.noria("doctor", "--json", exit=code)
    return {one["part"]: one for one in json.loads(done.stdout)}


def test_a_sound_project_is_well_but_for_its_missing_lock(project: Project) -> None:
    parts = found(project, 0)
    assert {name for name, one in parts.items() if one["state"] == "ill"} == set()
    assert parts["pipeline demand"]["what"].endswith("5 steps")
    assert parts["environment"]["state"] == "weak" and "uv lock" in parts["environment"]["next"]


def test_it_leaves_nothing_that_changes_the_next_run(project: Project) -> None:
    found(project, 0)
    assert project.json("runs") == []


@pytest.mark.parametrize(
    ("part", "file", "text"),
    [
        ("project", "noria.toml", "[model.demand\n"),
        ("pipeline pipeline:demand", "pipeline.py", "import nothing_of_that_name\n"),
    ],
    ids=["policy", "pipeline"],
)
def test_a_broken_file_is_named_with_what_to_do(project: Project, part: str, file: str, text: str) -> None:
    project.write(file, text)
    parts = found(project, 1)
    ill = next(one for one in parts.values() if one["state"] == "ill")
    assert ill["part"].split()[0] == part.split()[0]
    assert ill["next"]


def test_no_repository(project: Project) -> None:
    shutil.rmtree(project.folder / ".git")
    assert found(project, 1)["repository"]["state"] == "ill"


def test_records_that_are_no_database(project: Project) -> None:
    state = project.folder / ".noria"
    state.mkdir()
    (state / "noria.db").write_bytes(b"these are no records" * 500)
    assert "damaged" in found(project, 1)["records"]["what"]


def test_outside_of_a_project_the_machine_is_still_looked_at(tmp_path: Path) -> None:
    parts = found(Project(tmp_path), 1)
    assert parts["git"]["state"] == "well"
    assert "noria init" in parts["project"]["next"]
