"""Fitted models of every kind that people use, made alike in each process: `python zoo.py STORE NAME ...`.

Prints for each model its digest, whether the loaded model answers bit for bit as the fitted one, and the digest of
the loaded model when it is stored again.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from noria.adapters.folder import FolderStore
from noria.artifacts import Artifacts

ROWS = 300


def numbers() -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    rows = random.normal(size=(ROWS, 4))
    rows[:, 3] = random.integers(0, 5, ROWS)
    return rows, (rows[:, 0] + random.normal(size=ROWS) > 0).astype(int)


def frame() -> tuple[Any, Any]:
    random = np.random.default_rng(1)
    rows, label = numbers()
    carrier = pd.Categorical.from_codes(random.integers(0, 3, ROWS), categories=["AA", "UA", "DL"])
    origin = random.choice(["JFK", "LGA"], ROWS)
    return pd.DataFrame({"a": rows[:, 0], "b": rows[:, 1], "carrier": carrier, "origin": origin}), label


def texts() -> tuple[Any, Any]:
    return ["good film", "bad film, very bad", "ugly thing", "a good thing"] * 5, [1, 0, 0, 1] * 5


def pipeline(encoder: Any, model: Any) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    columns = ColumnTransformer(
        [
            ("scale", StandardScaler(), ["a", "b"]),
            ("code", encoder, ["carrier", "origin"]),
            ("size", FunctionTransformer(np.abs), ["a"]),
        ]
    )
    return make_pipeline(columns, SimpleImputer(), model)


def boosting() -> dict[str, Callable[[], Any]]:
    from sklearn import ensemble as e

    return {
        "HGB classifier, categories, early stopping": lambda: e.HistGradientBoostingClassifier(
            categorical_features=[3], early_stopping=True, max_iter=20, random_state=0
        ).fit(*numbers()),
        "HGB regressor, categories, early stopping": lambda: e.HistGradientBoostingRegressor(
            categorical_features=[3], early_stopping=True, max_iter=20, random_state=0, loss="poisson"
        ).fit(*numbers()),
        "HGB quantile": lambda: e.HistGradientBoostingRegressor(
            loss="quantile", quantile=0.3, max_iter=5, random_state=0
        ).fit(*numbers()),
        "HGB on a frame": lambda: _on_frame(e.HistGradientBoostingClassifier(max_iter=5, random_state=0)),
        "gradient boosting": lambda: e.GradientBoostingClassifier(n_estimators=5, random_state=0).fit(
            *numbers()
        ),
        "gradient boosting, Huber": lambda: e.GradientBoostingRegressor(
            n_estimators=5, loss="huber", random_state=0
        ).fit(*numbers()),
        "random forest": lambda: e.RandomForestClassifier(10, random_state=0).fit(*numbers()),
        "random forest regressor": lambda: e.RandomForestRegressor(10, random_state=0).fit(*numbers()),
        "extra trees": lambda: e.ExtraTreesClassifier(10, random_state=0).fit(*numbers()),
        "isolation forest": lambda: e.IsolationForest(n_estimators=10, random_state=0).fit(numbers()[0]),
        "AdaBoost": lambda: e.AdaBoostClassifier(n_estimators=3, random_state=0).fit(*numbers()),
        "bagging": lambda: e.BaggingClassifier(n_estimators=3, random_state=0).fit(*numbers()),
    }


def _on_frame(model: Any) -> Any:
    rows, label = frame()
    return model.set_params(categorical_features="from_dtype").fit(rows[["a", "b", "carrier"]], label)


def linear() -> dict[str, Callable[[], Any]]:
    from sklearn import linear_model as lm
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

    one_hot, ordinal = OneHotEncoder(handle_unknown="ignore"), OrdinalEncoder()
    return {
        "logistic pipeline, one-hot": lambda: pipeline(one_hot, lm.LogisticRegression()).fit(*frame()),
        "logistic pipeline, ordinal": lambda: pipeline(ordinal, lm.LogisticRegression()).fit(*frame()),
        "logistic pipeline, target": lambda: pipeline(
            TargetEncoder(random_state=0), lm.LogisticRegression()
        ).fit(*frame()),
        "SGD": lambda: lm.SGDClassifier(loss="log_loss", random_state=0).fit(*numbers()),
        "SGD regressor": lambda: lm.SGDRegressor(loss="huber", random_state=0).fit(*numbers()),
        "ridge": lambda: lm.RidgeCV().fit(*numbers()),
        "Poisson": lambda: lm.PoissonRegressor().fit(*numbers()),
        "Tweedie": lambda: lm.TweedieRegressor(power=1.5).fit(numbers()[0], numbers()[1] + 1),
    }


def others() -> dict[str, Callable[[], Any]]:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.cluster import KMeans
    from sklearn.ensemble import StackingClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    return {
        "nearest neighbours": lambda: KNeighborsClassifier(algorithm="kd_tree").fit(*numbers()),
        "nearest neighbours, balls": lambda: KNeighborsRegressor(algorithm="ball_tree").fit(*numbers()),
        "support vectors": lambda: SVC(random_state=0).fit(*numbers()),
        "neural network": lambda: MLPClassifier((8,), random_state=0, max_iter=20).fit(*numbers()),
        "k-means": lambda: KMeans(3, random_state=0, n_init=1).fit(numbers()[0]),
        "calibrated": lambda: CalibratedClassifierCV(GaussianNB(), cv=3).fit(*numbers()),
        "calibrated, isotonic": lambda: CalibratedClassifierCV(GaussianNB(), method="isotonic", cv=3).fit(
            *numbers()
        ),
        "stacked": lambda: StackingClassifier(
            [("a", GaussianNB()), ("b", DecisionTreeClassifier(random_state=0))], cv=3
        ).fit(*numbers()),
        "text": lambda: make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(*texts()),
    }


def within() -> dict[str, Callable[[], Any]]:
    """Models that keep the one they copied, unfitted, and those that are made of scikit-learn's private parts."""
    from sklearn import ensemble as e
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.cluster import BisectingKMeans, FeatureAgglomeration
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.gaussian_process import GaussianProcessClassifier
    from sklearn.impute import IterativeImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import TunedThresholdClassifierCV
    from sklearn.multiclass import OutputCodeClassifier
    from sklearn.naive_bayes import GaussianNB
    from sklearn.pipeline import make_pipeline

    boosted = e.HistGradientBoostingClassifier(max_iter=3, random_state=0)
    both = [("a", GaussianNB()), ("b", boosted)]
    return {
        "stacked boosting": lambda: e.StackingClassifier(both, cv=3).fit(*numbers()),
        "voting boosting": lambda: e.VotingClassifier(both, voting="soft").fit(*numbers()),
        "calibrated boosting": lambda: CalibratedClassifierCV(boosted, cv=3).fit(*numbers()),
        "Gaussian process": lambda: GaussianProcessClassifier(random_state=0).fit(*_few(*numbers())),
        "threshold tuned": lambda: TunedThresholdClassifierCV(GaussianNB(), cv=3).fit(*numbers()),
        "codes": lambda: OutputCodeClassifier(GaussianNB(), random_state=0).fit(*numbers()),
        "imputed by regressions": lambda: make_pipeline(
            IterativeImputer(random_state=0), LogisticRegression()
        ).fit(*numbers()),
        "k-means by halves": lambda: BisectingKMeans(3, random_state=0).fit(numbers()[0]),
        "agglomerated": lambda: make_pipeline(FeatureAgglomeration(), LogisticRegression()).fit(*numbers()),
    }


def _few(rows: Any, label: Any) -> tuple[Any, Any]:
    return rows[:60], label[:60]


def lightgbm() -> dict[str, Callable[[], Any]]:
    import lightgbm as lgb

    facts: dict[str, Any] = {
        "n_estimators": 8,
        "verbose": -1,
        "random_state": 0,
        "deterministic": True,
        "force_row_wise": True,
    }
    return {
        "LightGBM classifier": lambda: lgb.LGBMClassifier(**facts).fit(*numbers()),
        "LightGBM regressor, categories": lambda: lgb.LGBMRegressor(**facts).fit(
            frame()[0][["a", "b", "carrier"]], frame()[1]
        ),
        "LightGBM booster": lambda: lgb.LGBMClassifier(**facts).fit(*numbers()).booster_,
        "LightGBM booster, categories": lambda: (
            lgb.LGBMRegressor(**facts).fit(frame()[0][["a", "b", "carrier"]], frame()[1]).booster_
        ),
    }


def xgboost() -> dict[str, Callable[[], Any]]:
    import xgboost as xgb
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    facts: dict[str, Any] = {"n_estimators": 8, "random_state": 0, "n_jobs": 1}
    return {
        "XGBoost classifier": lambda: xgb.XGBClassifier(**facts).fit(*numbers()),
        "XGBoost forest": lambda: xgb.XGBRFRegressor(**facts).fit(*numbers()),
        "XGBoost regressor, categories": lambda: xgb.XGBRegressor(**facts, enable_categorical=True).fit(
            frame()[0][["a", "b", "carrier"]], frame()[1]
        ),
        "XGBoost, scaled": lambda: make_pipeline(StandardScaler(), xgb.XGBClassifier(**facts)).fit(
            *numbers()
        ),
    }


def zoo() -> dict[str, Callable[[], Any]]:
    return {**boosting(), **linear(), **others(), **within(), **lightgbm(), **xgboost()}


def answers(name: str, model: Any) -> Any:
    rows = texts()[0] if name == "text" else frame()[0] if "pipeline" in name else numbers()[0]
    if "frame" in name or name.endswith(", categories"):
        rows = frame()[0][["a", "b", "carrier"]]
    return np.asarray(getattr(model, "predict_proba" if hasattr(model, "predict_proba") else "predict")(rows))


def look(artifacts: Artifacts, name: str, make: Callable[[], Any]) -> dict[str, Any]:
    model = make()
    artifact = artifacts.save(model)
    loaded = artifacts.load(artifact)
    again = artifacts.save(loaded).digest
    same = answers(name, model).tobytes() == answers(name, loaded).tobytes()
    return {
        "digest": artifact.digest,
        "same": same,
        "again": again,
        "type": artifact.type,
        "unsafe": artifact.unsafe,
    }


def main(store: str) -> None:
    warnings.simplefilter("ignore")
    artifacts = Artifacts(FolderStore(Path(store), durable=False))
    print(json.dumps({name: look(artifacts, name, make) for name, make in zoo().items()}))


if __name__ == "__main__":
    main(sys.argv[1])
