"""`noria reproduce`: the same bytes from the record alone, and the reason where they are not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from e2e.project import FIRST, Project


def proof(project: Project, name: str = "demand:1", *, exit: int = 0, more: tuple[str, ...] = ()) -> Any:
    import json

    return json.loads(project.noria("reproduce", name, "--json", "--quiet", *more, exit=exit).stdout)


def train(project: Project, old: str = "", new: str = "") -> None:
    if old:
        project.replace("pipeline.py", old, new)
        project.commit()
    project.noria("run", "--as-of", FIRST, "--quiet", exit=None)  # gates may refuse it: it is a version


def test_a_version_is_bit_identical_whatever_the_working_tree_has_become(trained: Project) -> None:
    trained.write("pipeline.py", "raise RuntimeError('another world')\n")
    found = proof(trained)
    assert found["same"] == "bit"
    assert {one["output"] for one in found["compared"]} == {
        "features",
        "train",
        "holdout",
        "model",
        "quality",
    }
    assert all(one["recorded"] == one["rebuilt"] for one in found["compared"])
    assert "days" in found["why"] and "digest" in found["why"]
    kinds = [entry["kind"] for entry in trained.json("audit", "--events")[0]["entries"]]
    assert kinds[-1] == "version.proved"
    assert len(trained.json("runs")) == 1, "a rebuild is no run"


def test_uncommitted_work_is_in_the_record_too(project: Project) -> None:
    project.replace("pipeline.py", "return weights", "return weights * 1.5")
    project.noria("run", "--as-of", FIRST, "--quiet", exit=None)  # gates may refuse it: it is a version
    project.git("checkout", "--", "pipeline.py")
    assert proof(project)["same"] == "bit"


def test_in_a_fresh_clone_on_another_folder(trained: Project, tmp_path: Path) -> None:
    clone = tmp_path / "elsewhere" / "clone"
    subprocess.run(["git", "clone", "--quiet", str(trained.folder), str(clone)], check=True)
    shutil.copytree(trained.folder / ".noria", clone / ".noria")
    assert proof(Project(clone))["same"] == "bit"


@pytest.mark.parametrize(
    ("old", "new", "step", "cause", "words"),
    [
        (
            "    return weights",
            "    return weights + np.random.default_rng().normal(size=3)",
            "model",
            "unseeded",
            "default_rng() without a seed",
        ),
        (
            "    return weights",
            "    import time\n    return weights + time.time() % 10",
            "model",
            "clock",
            "asks time.time",
        ),
        (
            "    recent = train",
            "    import os\n    noise = int.from_bytes(os.urandom(2), 'big')\n    recent = train",
            None,
            None,
            "recorded bytes",
        ),
    ],
    ids=["unseeded", "clock", "drawn and not used"],
)
def test_a_step_that_is_not_determined_is_named_with_the_reason(
    project: Project, old: str, new: str, step: str | None, cause: str | None, words: str
) -> None:
    train(project, old, new)
    found = proof(project, exit=1 if step else 0)
    assert found.get("diverged") == step
    assert found.get("causes", []) == ([cause] if cause else [])
    assert words in found["why"]
    if step:
        assert found["same"] == "different"
        same = {one["output"]: one["same"] for one in found["compared"]}
        assert same["train"] == "bit" and same["model"] == "different"


def test_a_difference_in_the_last_digits_is_within_tolerance(project: Project) -> None:
    train(project, "    return weights", "    return weights * (1 + 1e-9 * np.random.default_rng().random())")
    found = proof(project)
    assert (found["same"], found["diverged"], found["causes"]) == ("tolerance", "model", ["unseeded"])
    assert proof(project, exit=1, more=("--tolerance", "0"))["same"] == "different"


def test_a_step_that_changes_what_it_reads_is_found_out(project: Project) -> None:
    train(
        project,
        "    missed = np.square",
        "    holdout.insert_column(0, pl.Series('new', np.zeros(holdout.height)))\n    missed = np.square",
    )
    found = proof(project)
    assert found["same"] == "bit"
    assert "quality: it changes what it reads: holdout" in found["why"]


def test_what_is_gone_is_named(trained: Project) -> None:
    version = trained.version("demand:1")
    for digest, code in (
        (version["rows"]["digest"], "PROOF-DATA-GONE"),
        (version["source"]["tree"], "PROOF-CODE-GONE"),
    ):
        hexes = digest.removeprefix("blake3:")
        (path,) = [
            one
            for one in (trained.folder / ".noria" / "objects").rglob("*")
            if hexes.endswith(one.name[-20:])
        ]
        path.chmod(0o644)
        path.unlink()
        error = trained.noria("reproduce", "demand:1", "--quiet", exit=3).stderr
        assert code in error and "backup" in error


def test_a_commit_that_is_gone_does_not_matter(trained: Project) -> None:
    shutil.rmtree(trained.folder / ".git")
    trained.git("init", "--quiet")
    trained.commit("Another history")
    assert proof(trained)["same"] == "bit"


def test_a_version_that_was_never_made(trained: Project) -> None:
    assert "VERSION-UNKNOWN" in trained.noria("reproduce", "demand:7", exit=3).stderr
    assert (
        "error[REFERENCE]: 'demand/1' names no version"
        in trained.noria("reproduce", "demand/1", exit=2).stderr
    )


@pytest.mark.soak
def test_as_a_gate_it_lets_only_repeatable_candidates_pass(project: Project) -> None:
    project.replace("noria.toml", "[model.demand.gates]\n", '[model.demand.gates]\nreproducible = "bit"\n')
    train(project)
    assert project.version("demand@champion")["number"] == 1
    verdicts = project.json("show", "demand:1")["judgements"][0]["verdicts"]
    assert [(one["gate"], one["outcome"]) for one in verdicts][-1] == ("reproducible", "pass")
    train(project, "    return weights", "    return weights * (1 + 1e-9 * np.random.default_rng().random())")
    assert project.version("demand@champion")["number"] == 1
    (judged,) = project.json("show", "demand:2")["judgements"]
    failed = judged["verdicts"][-1]
    assert failed["outcome"] == "fail" and "default_rng() without a seed" in failed["why"]
    assert project.json("audit")[0].get("faults", []) == []


def test_a_gate_that_asks_for_something_else(project: Project) -> None:
    project.replace("noria.toml", "[model.demand.gates]\n", '[model.demand.gates]\nreproducible = "often"\n')
    error = project.noria("run", exit=2).stderr
    assert '"bit" or "tolerance"' in error
