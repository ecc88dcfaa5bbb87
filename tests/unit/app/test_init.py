"""A new project runs as it is."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from noria.app.config import load_policy
from noria.app.init import AlreadyThere, BadName, CannotWrite, init
from noria.declare import resolve

NOW = datetime(2025, 3, 3, 12, tzinfo=UTC)


def imported(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("written", folder / "pipeline.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_four_files_that_fit_together(tmp_path: Path) -> None:
    made = init(tmp_path / "new", name="parcel")
    assert made.written == ("noria.toml", "pipeline.py", "pyproject.toml", ".gitignore")
    policy = load_policy(tmp_path / "new" / "noria.toml").models[0]
    assert (policy.name, policy.pipeline) == ("parcel", "pipeline:parcel")
    pipeline = resolve(imported(tmp_path / "new").parcel)
    assert pipeline.loss_spec
    named = {gate.metric for gate in policy.gates}
    assert named == {"auc", pipeline.loss.name}


def test_its_steps_work_as_plain_functions(tmp_path: Path) -> None:
    init(tmp_path)
    module = imported(tmp_path)
    parcels = module.parcels(NOW)
    assert parcels.equals(module.parcels(NOW.replace(hour=20))), (
        "a day's data change only when the day is over"
    )
    rows = parcels.filter(pl.col("reported") <= NOW)
    beside = rows.select("parcel", "sent", "late", "hours")
    made = module.features(rows.drop("late", "hours", "reported"))
    train, holdout = module.split(pl.concat([made, beside], how="horizontal"))
    classifier = module.classifier(train)
    assert module.quality(classifier, holdout)["auc"] > 0.75
    answers = module.late(classifier, made.head(3))
    assert answers.shape == (3,)
    assert module.log_loss(rows["late"].head(3).to_numpy(), answers).max() < 5


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "pipeline.py").write_text("mine = 1\n")
    with pytest.raises(AlreadyThere, match=r"pipeline\.py"):
        init(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["pipeline.py"]


def test_what_an_existing_project_has_stays(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'mine'\n")
    made = init(tmp_path)
    assert made.kept == ("pyproject.toml",)
    assert "mine" in (tmp_path / "pyproject.toml").read_text()
    assert (tmp_path / ".gitignore").exists()


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    assert len(init(tmp_path / "new", dry_run=True).written) == 4
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["", "1st", "de-lay", "class", "np", "parcels", "late", "x" * 65])
def test_a_name_that_python_or_the_example_cannot_take(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadName):
        init(tmp_path, name=name)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite):
        init(tmp_path / "file" / "deep")
