"""Every role in one project, over two files, with pandas, LightGBM, a figure and an explicit pickle."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.project import Project, committed, copied

PARTS = '''
"""Steps that the main file includes."""

import lightgbm
import noria
import pandas as pd

part = noria.Part()


@part.check
def enough(rows: pd.DataFrame, *, least: int = 50):
    """A finding fails the run."""
    if len(rows) < least:
        return f"only {len(rows)} rows, {least} are needed"


@part.step
def booster(train: pd.DataFrame, *, rounds: int = 10):
    data = lightgbm.Dataset(train[["x", "z"]], label=train["y"])
    return lightgbm.train({"verbose": -1, "seed": 1, "num_threads": 1, "min_data_in_leaf": 5}, data, rounds)
'''

PIPELINE = """
from fractions import Fraction

import matplotlib
import noria
import numpy as np
import pandas as pd
from parts import part

matplotlib.use("Agg")
import matplotlib.pyplot as plt

every = noria.Pipeline("every")
every.include(part)


@every.data(key=("shop", "day"), label="y", unit="shop", unknown="refuse")
def rows() -> pd.DataFrame:
    random = np.random.default_rng(3)
    x = random.normal(size=120)
    return pd.DataFrame({"shop": ["a", "b"] * 60, "day": np.arange(120), "x": x, "y": 3 * x + random.normal(0, 0.1, 120)})


@every.transform
def features(rows: pd.DataFrame, offset) -> pd.DataFrame:
    return pd.DataFrame({"x": rows["x"], "z": rows["x"] + float(offset)})


@every.step(codec="pickle")
def offset():
    return Fraction(1, 3)


@every.step(outputs=("train", "test"))
def split(features: pd.DataFrame):
    return features[features["day"] < 90], features[features["day"] >= 90]


@every.predict
def guess(booster, features: pd.DataFrame) -> dict[str, np.ndarray]:
    mean = booster.predict(features[["x", "z"]])
    return {"low": mean - 1, "high": mean + 1}


@every.loss(on="test", range=(0, 10))
def width(label: pd.Series, answer: pd.DataFrame) -> np.ndarray:
    inside = (answer["low"] <= label) & (label <= answer["high"])
    return np.where(inside, 2.0, 10.0)


@every.metrics
def covered(booster, test: pd.DataFrame) -> dict[str, float]:
    answer = guess(booster, test)
    return {"covered": float(((answer["low"] <= test["y"]) & (test["y"] <= answer["high"])).mean())}


@every.report
def picture(test: pd.DataFrame):
    figure, axes = plt.subplots()
    axes.plot(test["x"], test["y"], ".")
    return figure


@every.report
def page(covered) -> str:
    return f"# Coverage\\n\\n{covered['covered']:.0%}"
"""

POLICY = """
[model.every]
pipeline = "pipeline:every"

[model.every.gates]
width = { no_worse_than = "champion", margin = 1 }
covered = { at_least = 0.5 }
"""


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """After a run; tests look at it, and change copies."""
    return ran(tmp_path_factory.mktemp("every") / "project")


def ran(folder: Path) -> Project:
    project = committed(folder, PIPELINE, POLICY)
    project.write("parts.py", PARTS)
    project.commit("Parts")
    assert "every:1" in project.noria("run").stdout
    return project


def test_every_role_runs_and_is_kept(every: Project) -> None:
    card = every.json("show", "every/1")
    steps = {step["step"]: step for step in card["steps"]}
    codecs = {name: output["codec"] for step in steps.values() for name, output in step["outputs"].items()}
    assert codecs["booster"].startswith("lightgbm")
    assert codecs["picture"].startswith("png")
    assert codecs["page"].startswith("json")
    assert codecs["rows"].startswith("arrow")
    assert steps["offset"]["outputs"]["offset"]["unsafe"] is True
    assert not any(output.get("unsafe") for output in steps["booster"]["outputs"].values())
    version = every.version("every:1")
    assert [column["name"] for column in version["signature"]["answer"]] == ["low", "high"]
    assert version["signature"]["key"] == ["shop", "day"]
    assert version["metrics"]["covered"] >= 0.5
    assert {"booster", "offset"} == set(version["graph"]["frozen"])


def test_the_same_bytes_in_another_folder(every: Project, tmp_path: Path) -> None:
    def digests(project: Project) -> dict[str, str]:
        steps = project.json("show", "every/1")["steps"]
        return {name: output["digest"] for step in steps for name, output in step["outputs"].items()}

    assert digests(every) == digests(ran(tmp_path / "elsewhere"))


def test_a_finding_fails_the_run_by_its_words(every: Project, tmp_path: Path) -> None:
    project = copied(every.folder, tmp_path / "project")
    done = project.noria("run", "--set", "enough.least=500", exit=1)
    assert "only 120 rows, 500 are needed" in done.stderr
    project.noria("run")
