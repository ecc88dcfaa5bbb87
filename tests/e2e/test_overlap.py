"""A holdout that the model was trained on never judges it."""

from __future__ import annotations

import pytest

from e2e.project import FIRST, Project

SPLIT = 'return features.filter(pl.col("asked") <= last), features.filter(pl.col("asked") > last)'
LEAKY = 'return features.filter(pl.col("asked") <= last + timedelta(days=2)), features.filter(pl.col("asked") > last)'


def test_rows_in_both_parts_are_refused_unless_they_are_accepted(project: Project) -> None:
    project.replace("pipeline.py", SPLIT, LEAKY)
    said = project.noria("run", "--as-of", FIRST, exit=1).stderr
    assert "error[DATA-OVERLAP]: holdout is no holdout of demand" in said
    assert "rows of holdout are among those of train" in said and "mend step split" in said
    assert project.json("models")[0].get("newest") is None
    run = project.json("show", "demand/1")
    assert run["view"]["outcome"]["step"] == "split" and run["view"]["outcome"]["code"] == "DATA-OVERLAP"
    accepted = project.noria("run", "--as-of", FIRST, "--accept-data")
    assert "data: 40 of the" in accepted.stderr and "demand:1" in accepted.stdout
    again = project.noria("run", "--as-of", FIRST)  # the same version: it was accepted
    assert "data:" not in again.stderr


@pytest.mark.parametrize(
    ("settings", "exit", "words"),
    [
        ('overlap = false\ntime_order = "refuse"', 1, "learns from what comes after"),
        ('canary = "warn"', 0, "are among those of train"),
        ('canary = "off"', 0, None),
    ],
)
def test_a_project_sets_its_limits(project: Project, settings: str, exit: int, words: str | None) -> None:
    project.replace("pipeline.py", SPLIT, LEAKY)
    project.write(
        "noria.toml", (project.folder / "noria.toml").read_text() + f"\n[model.demand.data]\n{settings}\n"
    )
    said = project.noria("run", "--as-of", FIRST, exit=exit).stderr
    assert ("data:" in said or exit) if words else "data:" not in said
    assert words is None or words in said


def test_a_step_that_is_fitted_on_all_rows_is_told(project: Project) -> None:
    project.replace(
        "pipeline.py",
        "@demand.predict",
        "@demand.step\ndef scale(features: pl.DataFrame) -> float:\n    return float(features['warm'].std())\n\n\n@demand.predict",
    )
    project.replace("pipeline.py", "def sold(model: np.ndarray,", "def sold(scale: float, model: np.ndarray,")
    project.replace("pipeline.py", "sold(model, holdout)", "sold(1.0, model, holdout)")
    said = project.noria("run", "--as-of", FIRST).stderr
    assert "scale is given all rows of features, and so those of holdout, too" in said


def test_a_faulty_setting_is_told_with_its_line(project: Project) -> None:
    text = (project.folder / "noria.toml").read_text()
    project.write("noria.toml", text + '\n[model.demand.data]\noverlap = 2\ntime_order = "perhaps"\n')
    said = project.noria("run", exit=2).stderr
    line = text.count("\n") + 3
    assert f"line {line}: model.demand.data.overlap" in said
    assert f"line {line + 1}: model.demand.data.time_order" in said
