"""From a trained model to its registered version.

    python bench/register_model.py [--repeat 5] [--peers]

The model is a gradient boosting of scikit-learn with 100 trees on 30 columns. In Noria: from the moment at which the
training step has its model to the line in which `noria run` names its version; in between the model is stored in a safe
format and read back, its signature is read off the data, it is compiled and compared with its original, the holdout is
answered and scored, and the version with its provenance is durable. In MLflow, on SQLite and a folder: `log_model` with
signature and `registered_model_name`. Both have imported before what they store a model with (skops, mlflow.sklearn); a
second figure of Noria says what it takes when skops is not there yet, whose import walks through all of scikit-learn.
Ends with 1 when a limit is broken.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import peers
from measuring import NORIA, Figure, compiled, options, report, repository, versions_of

LIMIT = 0.3  # s
MLFLOW = {
    "MLflow": "asked",
    "MLflow, requirements given": "given",  # then it does not look for them in a process of its own
    "MLflow, second in its process": "second",
}
PIPELINE = """
import time
from pathlib import Path

import noria
import numpy as np
import polars as pl
import skops.io
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier

tumours = noria.Pipeline("tumours")
FEATURES = [f"f{n}" for n in range(30)]


@tumours.data(key="id", label="malignant")
def rows() -> pl.DataFrame:
    found = load_breast_cancer()
    frame = pl.DataFrame(found.data, schema=FEATURES)
    return frame.with_columns(id=pl.int_range(pl.len()), malignant=pl.Series(found.target))


@tumours.transform
def features(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(FEATURES)


@tumours.step(outputs=("train", "holdout"))
def split(features: pl.DataFrame):
    return features.head(400), features.tail(169)


@tumours.step
def classifier(train: pl.DataFrame, *, seed: int = 0):
    model = HistGradientBoostingClassifier(random_state=seed, early_stopping=False)
    model.fit(train.select(FEATURES).to_numpy(), train["malignant"].to_numpy())
    Path("trained.txt").write_text(repr(time.time()))
    return model


@tumours.predict
def malignant(classifier, features: pl.DataFrame) -> np.ndarray:
    return classifier.predict_proba(features.select(FEATURES).to_numpy())[:, 1]


@tumours.loss(on="holdout", range=(0, 1))
def brier(label: np.ndarray, answer: np.ndarray) -> np.ndarray:
    return (label - answer) ** 2
"""
THEIRS = """
import json, sys, time

import mlflow
import mlflow.sklearn
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier

mlflow.set_tracking_uri("sqlite:///mlflow.db")
found = load_breast_cancer()


def registered(seed, **more):
    model = HistGradientBoostingClassifier(random_state=seed, early_stopping=False)
    model.fit(found.data[:400], found.target[:400])
    trained = time.time()
    signature = mlflow.models.infer_signature(found.data[:400], model.predict_proba(found.data[:400]))
    mlflow.sklearn.log_model(
        model, name="model", signature=signature, registered_model_name="tumours", **MORE, **more
    )
    return time.time() - trained


with mlflow.start_run():
    given = {"pip_requirements": ["scikit-learn"]} if sys.argv[1] == "given" else {}
    times = [registered(seed, **given) for seed in range(2)]
print(json.dumps({"first": times[0], "second": times[1]}))
"""
# its own list of trusted types has no trees of scikit-learn, so it is told to take a pickle
MORE = '{"serialization_format": "cloudpickle"}'


def main() -> int:
    asked = options(__doc__, repeat=5, peers=True).parse_args()
    compiled()
    figure = Figure("from the trained model to the registered version", "s", limit=LIMIT)
    cold = Figure("the same, when skops is yet to be imported", "s")
    python = peers.python_of("MLflow") if asked.peers else None
    with tempfile.TemporaryDirectory() as folder:
        ours, bare = (repository(Path(folder, name), files(name)) for name in ("ours", "bare"))
        for turn in range(asked.repeat):
            figure.add(NORIA, registered(ours, turn))
            cold.add(NORIA, registered(bare, turn))
            if python is not None and turn < asked.peer_rounds:
                for who, seconds in theirs(python, Path(folder, "theirs")).items():
                    figure.add(who, seconds)
    found = versions_of(["scikit-learn"]) | (peers.versions(["MLflow"]) if python else {})
    return report("register_model", [figure, cold], asked, versions=found)


def files(name: str) -> Mapping[str, str]:
    """One thread: beside others, the threads of a training wait for each other more than they work."""
    toml = 'threads = 1\n\n[model.tumours]\npipeline = "pipeline:tumours"\n'
    pipeline = PIPELINE if name == "ours" else PIPELINE.replace("import skops.io\n", "")
    return {"pipeline.py": pipeline, "noria.toml": toml, ".gitignore": "trained.txt\n"}


def registered(project: Path, seed: int) -> float:
    """Each round trains another model, so each registers a version."""
    command = [sys.executable, "-m", "noria", "run", "--quiet", "--set", f"classifier.seed={seed}"]
    told = 0.0
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            told = time.time() if line.startswith("version ") else told
    if process.returncode or not told:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return told - float((project / "trained.txt").read_text())


def theirs(python: Path, folder: Path) -> dict[str, float]:
    """In fresh processes; the first of all makes the database, and does not count."""
    if not folder.exists():
        folder.mkdir()
        (folder / "register.py").write_text(THEIRS.replace("**MORE", f"**{MORE}"))
        ask(python, folder, "given")
    asked, given = ask(python, folder, "asked"), ask(python, folder, "given")
    return dict(zip(MLFLOW, (asked["first"], given["first"], asked["second"]), strict=True))


def ask(python: Path, folder: Path, how: str) -> dict[str, float]:
    found: dict[str, float] = json.loads(peers.said_by([python, "register.py", how], folder))
    return found


if __name__ == "__main__":
    raise SystemExit(main())
