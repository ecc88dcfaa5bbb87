"""A user's project in a git repository of its own, and the command line on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PIPELINE = '''
"""Demand for a day that grows with the temperature; the world changes after day 60."""

from datetime import UTC, datetime, timedelta

import noria
import numpy as np
import polars as pl

demand = noria.Pipeline("demand")
START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS, A_DAY = 120, 20


@demand.data(key="id", time="asked", known="counted", label="sold", outcomes=("returned",))
def days(as_of: datetime) -> pl.DataFrame:
    random = np.random.default_rng(5)
    day = np.repeat(np.arange(DAYS), A_DAY)
    warm = random.normal(15, 5, len(day))
    slope = np.where(day < 60, 2.0, 5.0)
    asked = [START + timedelta(days=int(d), minutes=7 * (i % A_DAY)) for i, d in enumerate(day)]
    return pl.DataFrame(
        {
            "id": [f"row-{i}" for i in range(len(day))],
            "asked": asked,
            "warm": warm,
            "shop": np.where(random.random(len(day)) < 0.5, "north", "south"),
            "sold": slope * warm + random.normal(0, 1, len(day)),
            "returned": random.integers(0, 3, len(day)),
            "counted": [moment + timedelta(hours=3) for moment in asked],
        },
        schema_overrides={"asked": pl.Datetime("us", "UTC"), "counted": pl.Datetime("us", "UTC")},
    )


@demand.transform
def features(days: pl.DataFrame, *, scale: float = 1.0) -> pl.DataFrame:
    return days.select(warm=pl.col("warm") * scale, north=(pl.col("shop") == "north").cast(pl.Float64))


@demand.step(outputs=("train", "holdout"))
def split(features: pl.DataFrame, *, holdout_days: int = 8):
    print("splitting", features.height, "rows")
    last = features["asked"].max() - timedelta(days=holdout_days)
    return features.filter(pl.col("asked") <= last), features.filter(pl.col("asked") > last)


@demand.step
def model(train: pl.DataFrame, *, recent_days: int = 15) -> np.ndarray:
    recent = train.filter(pl.col("asked") > train["asked"].max() - timedelta(days=recent_days))
    inputs = np.column_stack([np.ones(recent.height), recent.select("warm", "north").to_numpy()])
    weights, *_ = np.linalg.lstsq(inputs, recent["sold"].to_numpy(), rcond=None)
    return weights


@demand.predict
def sold(model: np.ndarray, features: pl.DataFrame) -> np.ndarray:
    return model[0] + features.select("warm", "north").to_numpy() @ model[1:]


@demand.loss(on="holdout", range=(0, 200))
def error(label: np.ndarray, answer: np.ndarray) -> np.ndarray:
    return np.abs(label - answer)


@demand.metrics
def quality(model: np.ndarray, holdout: pl.DataFrame) -> dict[str, float]:
    missed = np.square(holdout["sold"].to_numpy() - sold(model, holdout))
    return {"r2": 1 - float(missed.mean() / holdout["sold"].var())}
'''

POLICY = """
[model.demand]
pipeline = "pipeline:demand"

[model.demand.gates]
error = { no_worse_than = "champion", margin = 0.5 }
r2 = { at_least = 0.1 }

[model.demand.monitor]
tolerance = 1.0
maturity = "6h"

[model.demand.retrain]
on = ["performance", "schedule"]
every = "60d"
cooldown = "5d"
"""

FIRST = "2024-02-10T00:00:00Z"  # by then 40 days are known


@dataclass(frozen=True)
class Project:
    """A folder with a noria.toml, and ways to act on it as its owner would."""

    folder: Path

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def replace(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def git(self, *words: str) -> str:
        command = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost", *words]
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout

    def commit(self, message: str = "A change") -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", message)

    def start(self, *words: str, python: str | Path = sys.executable, **more: Any) -> subprocess.Popen[str]:
        """A command in the background, in a session of its own."""
        return subprocess.Popen(
            [python, "-m", "noria", *words],
            cwd=self.folder,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **more,
        )

    def noria(
        self, *words: str, exit: int | None = 0, python: str | Path = sys.executable
    ) -> subprocess.CompletedProcess[str]:
        """A command to its end; fails unless it ends with the exit code (None: any)."""
        process = self.start(*words, python=python)
        out, err = process.communicate(timeout=180)
        done = subprocess.CompletedProcess(words, process.returncode, out, err)
        assert exit is None or process.returncode == exit, (
            f"{words} ended with {process.returncode}\n{out}\n{err}"
        )
        return done

    def version(self, name: str) -> Any:
        """A version's record, as `noria show` gives it."""
        return self.json("show", name)["view"]["version"]

    def json(self, *words: str, **more: Any) -> Any:
        return json.loads(self.noria(*words, "--json", **more).stdout)


def committed(folder: Path, pipeline: str, policy: str) -> Project:
    """A project in a fresh folder, with all of it in a first commit."""
    folder.mkdir()
    project = Project(folder)
    project.write("pipeline.py", pipeline)
    project.write("noria.toml", policy)
    project.git("init", "--quiet", "--initial-branch=main")
    project.commit("First")
    return project


def copied(folder: Path, to: Path) -> Project:
    """A project with its runs, elsewhere: nothing in its state says where it lies."""
    shutil.copytree(folder, to, symlinks=True)
    return Project(to)
