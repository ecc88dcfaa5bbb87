"""Fitted estimators of every kind that has a compiled form, small enough to train in a moment."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, RobustScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

WIDTH = 6
NAMES = ["carrier", "origin"]
NUMBERS = ["distance", "wind", "zero"]


def numbers(classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """A matrix with a column whose splits fall on zero, and the classes of its rows."""
    matrix, label = make_classification(
        200, WIDTH, n_informative=4, n_redundant=0, n_classes=classes, random_state=3
    )
    odd = np.random.default_rng(2).random(200) < 0.3
    matrix[:, 5] = np.where((label == 1) ^ odd, 1.0, -1.0)
    return matrix, label


def with_gaps() -> tuple[np.ndarray, np.ndarray]:
    """The same with missing values, some of which say something about the class."""
    matrix, label = numbers()
    random = np.random.default_rng(4)
    matrix[random.random(200) < np.where(label == 1, 0.8, 0.02), 2] = np.nan
    matrix[random.random(200) < 0.2, 1] = np.nan
    return matrix, label


def frame() -> tuple[pl.DataFrame, np.ndarray]:
    """A frame as a pipeline's step gets it: texts with nulls among them, numbers with nulls."""
    random = np.random.default_rng(5)
    rows = 300
    made = pl.DataFrame(
        {
            "carrier": random.choice(["AA", "B6", "UA", None, ""], rows).tolist(),
            "origin": random.choice(["EWR", "JFK"], rows).tolist(),
            "distance": random.integers(90, 5000, rows),
            "wind": [None if value > 1.5 else float(value) for value in random.normal(size=rows)],
            "zero": random.choice([-1.0, 0.0, 1.0], rows),
        }
    )
    late = (made["distance"].to_numpy() > 2500) ^ (made["origin"].to_numpy() == "JFK")
    return made, late.astype(int)


Fit = Callable[[], tuple[Any, Any]]


def on(
    model: Any, data: Callable[[], tuple[Any, np.ndarray]], label: Callable[[np.ndarray], Any] = np.asarray
) -> Fit:
    """A model fitted on some data, and the rows."""

    def fit() -> tuple[Any, Any]:
        rows, found = data()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return model.fit(rows, label(found)), rows

    return fit


def three() -> tuple[np.ndarray, np.ndarray]:
    return numbers(3)


def texts(found: np.ndarray) -> np.ndarray:
    return np.array(["low", "high", "middle"])[found]


def amounts(found: np.ndarray) -> np.ndarray:
    return found * 3.5 + np.arange(len(found)) % 5 + 0.5


def encoded(model: Any, *, scale: bool = False) -> Any:
    """Texts as numbers, the rest as it is."""
    number: Any = StandardScaler() if scale else "passthrough"
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_pipeline(make_column_transformer((encoder, NAMES), (number, NUMBERS)), model)


def spread(model: Any) -> Any:
    """Texts one-hot, numbers filled in and scaled."""
    return make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMBERS),
            (OneHotEncoder(handle_unknown="ignore"), ["origin"]),
        ),
        model,
    )


def codes() -> tuple[np.ndarray, np.ndarray]:
    """A categorical column whose codes are not 0..k-1, and has gaps."""
    matrix, label = with_gaps()
    random = np.random.default_rng(1)
    matrix[:, 0] = random.choice([3.0, 7.0, 200.0, np.nan, -4.0], len(matrix))
    return matrix, (label ^ (matrix[:, 0] == 7.0)).astype(int)


def many_codes() -> tuple[np.ndarray, np.ndarray]:
    matrix, label = numbers()
    matrix[:, 0] = np.arange(len(matrix)) % 180
    return matrix, (label ^ (matrix[:, 0] % 3 == 0)).astype(int)


HISTOGRAM = {"max_iter": 12, "min_samples_leaf": 5, "early_stopping": False, "random_state": 0}
TREES: dict[str, Fit] = {
    "histogram": on(HistGradientBoostingClassifier(**HISTOGRAM), numbers),
    "histogram, gaps": on(HistGradientBoostingClassifier(**HISTOGRAM), with_gaps),
    "histogram, codes": on(HistGradientBoostingClassifier(categorical_features=[0], **HISTOGRAM), codes),
    "histogram, 180 codes": on(
        HistGradientBoostingClassifier(categorical_features=[0], **HISTOGRAM), many_codes
    ),
    "histogram, three": on(HistGradientBoostingClassifier(**HISTOGRAM), three, texts),
    "histogram, amounts": on(HistGradientBoostingRegressor(**HISTOGRAM), with_gaps, amounts),
    "histogram, poisson": on(HistGradientBoostingRegressor(loss="poisson", **HISTOGRAM), numbers, amounts),
    "histogram, gamma": on(HistGradientBoostingRegressor(loss="gamma", **HISTOGRAM), numbers, amounts),
    "histogram, quantile": on(
        HistGradientBoostingRegressor(loss="quantile", quantile=0.9, **HISTOGRAM), numbers, amounts
    ),
    "histogram, encoded": on(encoded(HistGradientBoostingClassifier(**HISTOGRAM)), frame),
    "forest": on(RandomForestClassifier(12, random_state=0), numbers),
    "forest, gaps": on(RandomForestClassifier(12, random_state=0), with_gaps),
    "forest, two jobs": on(RandomForestClassifier(12, random_state=0, n_jobs=2), numbers),
    "forest, three": on(RandomForestClassifier(12, random_state=0), three, texts),
    "forest, amounts": on(RandomForestRegressor(12, random_state=0), numbers, amounts),
    "extra trees": on(ExtraTreesClassifier(12, random_state=0), numbers),
    "extra trees, amounts": on(ExtraTreesRegressor(12, random_state=0), numbers, amounts),
    "tree": on(DecisionTreeClassifier(random_state=0), with_gaps),
    "tree, amounts": on(DecisionTreeRegressor(random_state=0), numbers, amounts),
    "gradient": on(GradientBoostingClassifier(n_estimators=12, random_state=0), numbers),
    "gradient, exponential": on(
        GradientBoostingClassifier(n_estimators=12, loss="exponential", random_state=0), numbers
    ),
    "gradient, three": on(GradientBoostingClassifier(n_estimators=12, random_state=0), three, texts),
    "gradient, amounts": on(GradientBoostingRegressor(n_estimators=12, random_state=0), numbers, amounts),
}
LINEAR: dict[str, Fit] = {
    "logistic": on(make_pipeline(StandardScaler(), LogisticRegression()), numbers),
    "logistic, three": on(LogisticRegression(), three, texts),
    "logistic, spread": on(spread(LogisticRegression()), frame),
    "linear": on(LinearRegression(), numbers, amounts),
    "ridge": on(make_pipeline(RobustScaler(), Ridge()), numbers, amounts),
    "lasso": on(make_pipeline(MinMaxScaler(clip=True), Lasso(0.01)), numbers, amounts),
    "elastic": on(ElasticNet(0.01), numbers, amounts),
    "poisson": on(PoissonRegressor(), numbers, amounts),
    "descent": on(SGDClassifier(loss="log_loss", random_state=0), numbers),
    "descent, three": on(SGDClassifier(loss="log_loss", random_state=0), three),
    "ridge classes": on(RidgeClassifier(), numbers, lambda found: found == 1),
}


def _lightgbm(kind: str, **more: Any) -> Any:
    import lightgbm

    return getattr(lightgbm, kind)(n_estimators=12, min_child_samples=5, verbose=-1, n_jobs=1, **more)


def _xgboost(kind: str, **more: Any) -> Any:
    import xgboost

    return getattr(xgboost, kind)(**{"n_estimators": 12, "n_jobs": 1, **more})


BOOSTERS: dict[str, Fit] = {
    "lightgbm": on(_lightgbm("LGBMClassifier"), with_gaps),
    "lightgbm, three": on(_lightgbm("LGBMClassifier"), three, texts),
    "lightgbm, amounts": on(_lightgbm("LGBMRegressor"), with_gaps, amounts),
    "lightgbm, encoded": on(encoded(_lightgbm("LGBMClassifier")), frame),
    "xgboost": on(_xgboost("XGBClassifier"), with_gaps),
    "xgboost, three": on(_xgboost("XGBClassifier"), three),
    "xgboost, amounts": on(_xgboost("XGBRegressor"), with_gaps, amounts),
    "xgboost, counts": on(_xgboost("XGBRegressor", objective="count:poisson"), with_gaps),
    "xgboost, forests": on(_xgboost("XGBClassifier", num_parallel_tree=3, subsample=0.5), three),
    "xgboost, one tree": on(_xgboost("XGBClassifier", n_estimators=1), with_gaps),
    "xgboost, dropped": on(_xgboost("XGBClassifier", booster="dart", rate_drop=0.3), with_gaps),
    "xgboost, marked": on(_xgboost("XGBClassifier", missing=1.0), numbers),
}
