"""Environments through the command line: built from locks, shared, verified, rebuilt from records alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.locked import Locked, locked
from e2e.project import FIRST, POLICY
from noria.app.asking import Wish
from noria.app.environments.wanted import LockMoved
from noria.app.train import train
from noria.app.wiring import open_app
from noria.pipeline.listen import Silent
from packages import Index, index


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    with index(tmp_path_factory.mktemp("index")) as made:
        made.add("scale", "1.0", "FACTOR = 1.0\n")
        made.add("scale", "2.0", "FACTOR = 2.0\n")
        made.add("boost", "1.0", "EXTRA = 3.0\n")
        made.add("spare", "1.0")
        yield made


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built environments, shared by the tests of this file as they are by a user's projects."""
    return tmp_path_factory.mktemp("environments")


@pytest.fixture
def project(packages: Index, shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Locked:
    monkeypatch.setenv("NORIA_ENVIRONMENTS", str(shelf))
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)  # else each build compiles everything
    return locked(tmp_path / "project", packages)


def environment(project: Locked, run: str) -> Any:
    return project.json("show", run)["view"]["run"]["asked"]["provenance"]["environment"]


def test_a_run_goes_on_in_what_the_lock_says(project: Locked) -> None:
    said = project.trained()
    assert "scale 1.0 is not installed" in said and "goes on in its environment" in said
    place = environment(project, "demand/1")
    assert place["lock"] == "uv.lock" and place["beside"]["noria"]
    view = project.json("env")
    assert view["environment"] == place, "the same seen from outside as recorded inside"
    assert not view["here"] and Path(view["built"]).is_dir()
    again = project.trained()
    assert "building" not in again
    assert project.json("show", "demand/2")["steps"][1]["reason"]["run"] == "demand/1"


def test_a_version_is_rebuilt_in_its_own_environment_and_another_one_is_named_as_the_cause(
    project: Locked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.trained()
    project.wants("scale==2.0")
    project.commit()
    project.trained()
    changed = project.json("env", "diff", "demand/1", "demand/2")
    assert changed["packages"] == [{"name": "scale", "a": "1.0", "b": "2.0"}]
    assert project.json("diff", "demand/1", "demand/2")["packages"] == [
        {"name": "scale", "a": "1.0", "b": "2.0"}
    ]

    python = Path(project.json("env")["built"]) / "bin" / "python"
    proof = project.json("reproduce", "demand:1", "--here", "--quiet", python=python, exit=1)
    assert proof["same"] == "different" and proof["diverged"] == "model"
    assert proof["causes"] == ["environment"] and "scale 2.0 instead of 1.0" in proof["why"]

    monkeypatch.setenv("NORIA_ENVIRONMENTS", str(tmp_path / "another machine"))
    proof = project.json("reproduce", "demand:1", "--quiet")
    assert proof["same"] == "bit" and "environment is another" not in proof["why"]
    assert proof["environment"] == environment(project, "demand/1")


def test_a_step_runs_in_the_environment_of_its_group(project: Locked) -> None:
    project.replace("pipeline.py", "@demand.step\ndef model", '@demand.step(environment="gpu")\ndef model')
    project.replace(
        "pipeline.py",
        "    return weights *",
        "    import boost\n    print('boost', boost.EXTRA)\n    return weights *",
    )
    project.wants("scale==1.0", groups='gpu = ["boost"]\nother = ["spare"]')
    project.commit()
    assert "gates: judging" in project.trained()
    assert "boost 3.0" in project.noria("logs", "demand/1").stdout
    pinned = project.json("show", "demand/1")["view"]["run"]["asked"]["provenance"]
    assert list(pinned["groups"]) == ["gpu"]
    assert pinned["groups"]["gpu"]["group"] == "gpu" and "group" not in pinned["environment"]
    assert {one["name"]: "built" in one for one in project.json("env")["groups"]} == {
        "gpu": True,
        "other": False,
    }
    assert project.json("reproduce", "demand:1", "--quiet")["same"] == "bit"

    assert "the same to the last bit" in project.noria("run", "--only", "model").stdout

    project.replace("pipeline.py", 'environment="gpu"', 'environment="tpu"')
    failed = project.noria("run", "--quiet", exit=2).stderr
    assert "GROUP-UNKNOWN" in failed and "gpu, other" in failed


@pytest.mark.soak
def test_verify_names_the_package_of_which_a_file_was_changed(project: Locked) -> None:
    project.wants("scale==2.0", "boost")
    project.noria("env", "build")
    assert project.json("env", "verify").get("differs", []) == []
    site = next(Path(project.json("env")["built"]).glob("lib/python*/site-packages"))
    (site / "scale.py").unlink()
    (site / "scale.py").write_text("FACTOR = 7.0\n")
    found = project.json("env", "verify", exit=1)["differs"]
    assert found == [{"name": "scale", "kind": "files", "wanted": "2.0", "found": "scale.py"}]
    assert "scale 2.0: scale.py is not what was installed" in project.noria("env", "verify", exit=1).stdout


def test_without_a_lock_it_works_and_says_what_that_costs(project: Locked) -> None:
    project.noria("env", "build")
    built = Path(project.json("env")["built"]) / "bin" / "python"
    (project.folder / "uv.lock").unlink()
    without_scale(project)
    assert "no lock file" in project.trained()
    assert "lock" not in environment(project, "demand/1")
    view = project.json("env", "demand/1")
    assert view["here"] and view["packages"]["pytest"], "what was installed is kept, name by name"
    assert "lock" not in view["environment"]

    assert "LOCK-MISSING" in project.noria("env", "build", "demand/1", exit=2, python=built).stderr
    proof = project.noria("reproduce", "demand:1", python=built)
    assert "bit-identical" in proof.stdout and "cannot be rebuilt" in proof.stderr
    assert "recorded by what was installed" in proof.stdout and " is gone, " in proof.stdout


@pytest.mark.parametrize(("build", "lock"), [("current", None), ("locked", "uv.lock")])
def test_the_policy_says_which_interpreter_counts(build: str, lock: str | None, project: Locked) -> None:
    without_scale(project)
    project.noria("env", "build")
    project.write("noria.toml", f'[environment]\nbuild = "{build}"\n{POLICY}')
    found = project.json("run", "--dry-run", "--as-of", FIRST)["asked"]["provenance"]["environment"]
    assert found.get("lock") == lock


def test_what_nobody_uses_can_be_removed(
    project: Locked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NORIA_ENVIRONMENTS", str(tmp_path / "shelf"))
    project.noria("env", "build")
    (one,) = project.json("env", "list")
    assert one["lock"] == "uv.lock" and one["size"] > 1e6
    assert project.json("env", "prune") == [], "used within a month"
    assert len(project.json("env", "prune", "--unused", "0d", "--dry-run")) == 1
    assert Path(one["folder"]).is_dir()
    assert len(project.json("env", "prune", "--unused", "0d")) == 1
    assert not Path(one["folder"]).exists() and project.json("env", "list") == []


def test_a_dry_run_builds_nothing(project: Locked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORIA_ENVIRONMENTS", str(tmp_path / "shelf"))
    without_scale(project)
    said = project.noria("run", "--dry-run", "--as-of", FIRST)
    assert "not built yet" in said.stderr and not list((tmp_path / "shelf").glob("*"))


def test_a_process_that_does_not_stand_in_what_the_lock_says_refuses_to_train(project: Locked) -> None:
    """As a service does after a commit that moved the lock."""
    without_scale(project)
    with open_app(project.folder) as app, pytest.raises(LockMoved, match=r"scale 1\.0 is not installed"):
        train(app, None, Wish(), Silent())
    assert project.json("runs") == []


def test_runs_and_groups_that_are_not_there(project: Locked) -> None:
    assert "RUN-UNKNOWN" in project.noria("env", "demand/9", exit=3).stderr
    assert "GROUP-UNKNOWN" in project.noria("env", "build", "gpu", exit=2).stderr


def without_scale(project: Locked) -> None:
    """So that the pipeline runs in any interpreter."""
    project.replace("pipeline.py", "import scale\n", "")
    project.replace("pipeline.py", " * scale.FACTOR", "")
