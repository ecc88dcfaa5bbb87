"""Progress of real boosted trees."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

import noria
from noria.artifacts import Artifacts
from noria.inside.series import collected
from unit.inside.conftest import Step

ROUNDS = 5


@pytest.fixture
def rows() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 3))
    return x, (x[:, 0] > 0).astype(float)


def logged(artifacts: Artifacts, inside: Any) -> dict[str, list[float]]:
    stored = collected(inside.spool, artifacts)
    assert stored is not None
    frame = pl.from_arrow(artifacts.table(stored))
    assert isinstance(frame, pl.DataFrame)
    assert frame["step"].to_list() == sorted(frame["step"].to_list())
    parts = frame.partition_by("name", as_dict=True, maintain_order=True)
    for part in parts.values():
        assert part["step"].to_list() == list(range(ROUNDS))
    return {str(name): part["value"].to_list() for (name,), part in parts.items()}


def test_lightgbm(step: Step, artifacts: Artifacts, rows: tuple[np.ndarray, np.ndarray]) -> None:
    lightgbm = pytest.importorskip("lightgbm", reason="pip install 'noria[lightgbm]'")
    train = lightgbm.Dataset(*rows)
    valid = train.create_valid(rows[0][:50], rows[1][:50])
    seen: dict[str, Any] = {}
    settings = {"objective": "binary", "metric": ["auc", "binary_logloss"], "verbose": -1, "num_threads": 1}
    with step() as inside:
        lightgbm.train(
            settings,
            train,
            ROUNDS,
            valid_sets=[train, valid],
            valid_names=["train", "valid"],
            callbacks=[noria.callbacks.lightgbm(), lightgbm.record_evaluation(seen)],
        )
        found = logged(artifacts, inside)
    assert found == {
        f"{data}/{metric}": values for data, metrics in seen.items() for metric, values in metrics.items()
    }
    assert set(found) == {"train/auc", "train/binary_logloss", "valid/auc", "valid/binary_logloss"}


def test_lightgbm_cross_validation(
    step: Step, artifacts: Artifacts, rows: tuple[np.ndarray, np.ndarray]
) -> None:
    lightgbm = pytest.importorskip("lightgbm", reason="pip install 'noria[lightgbm]'")
    settings = {"objective": "binary", "metric": "auc", "verbose": -1, "num_threads": 1}
    with step() as inside:
        means = lightgbm.cv(
            settings, lightgbm.Dataset(*rows), ROUNDS, nfold=3, callbacks=[noria.callbacks.lightgbm("cv/")]
        )
        found = logged(artifacts, inside)
    assert found == {"cv/valid/auc": pytest.approx(means["valid auc-mean"])}


@pytest.mark.filterwarnings("ignore:The argument .eval_set")  # the name that every version knows
def test_the_scikit_learn_interface(
    step: Step, artifacts: Artifacts, rows: tuple[np.ndarray, np.ndarray]
) -> None:
    lightgbm = pytest.importorskip("lightgbm", reason="pip install 'noria[lightgbm]'")
    model = lightgbm.LGBMClassifier(n_estimators=ROUNDS, verbose=-1, n_jobs=1)
    with step() as inside:
        model.fit(*rows, eval_set=[rows], eval_names=["valid"], callbacks=[noria.callbacks.lightgbm()])
        assert set(logged(artifacts, inside)) == {"valid/binary_logloss"}


def test_xgboost(step: Step, artifacts: Artifacts, rows: tuple[np.ndarray, np.ndarray]) -> None:
    xgboost = pytest.importorskip("xgboost", reason="pip install 'noria[xgboost]'")
    train = xgboost.DMatrix(*rows)
    seen: dict[str, Any] = {}
    settings = {"objective": "binary:logistic", "eval_metric": ["auc", "logloss"], "nthread": 1}
    with step() as inside:
        xgboost.train(
            settings,
            train,
            ROUNDS,
            evals=[(train, "train")],
            evals_result=seen,
            verbose_eval=False,
            callbacks=[noria.callbacks.xgboost(prefix="booster/")],
        )
        found = logged(artifacts, inside)
    assert found == {f"booster/train/{metric}": values for metric, values in seen["train"].items()}


def test_xgboost_cross_validation(
    step: Step, artifacts: Artifacts, rows: tuple[np.ndarray, np.ndarray]
) -> None:
    xgboost = pytest.importorskip("xgboost", reason="pip install 'noria[xgboost]'")
    settings = {"objective": "binary:logistic", "eval_metric": "auc", "nthread": 1}
    with step() as inside:
        means = xgboost.cv(
            settings, xgboost.DMatrix(*rows), ROUNDS, nfold=3, callbacks=[noria.callbacks.xgboost()]
        )
        found = logged(artifacts, inside)
    assert found["test/auc"] == pytest.approx(means["test-auc-mean"].to_list())


def test_outside_of_a_run_a_training_is_as_without_them(rows: tuple[np.ndarray, np.ndarray]) -> None:
    lightgbm = pytest.importorskip("lightgbm", reason="pip install 'noria[lightgbm]'")
    settings = {"objective": "binary", "verbose": -1, "num_threads": 1}
    train = lightgbm.Dataset(*rows)
    booster = lightgbm.train(settings, train, ROUNDS, callbacks=[noria.callbacks.lightgbm()])
    assert booster.current_iteration() == ROUNDS
