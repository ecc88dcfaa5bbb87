"""Linear models of scikit-learn: their coefficients, and the link that stands behind them."""

from __future__ import annotations

from typing import Any

from noria.fast.compiled import Linear, Link
from noria.fast.compiling.refusal import NoForm, named

PROBABLE: dict[str, Link] = {"LogisticRegression": "expit", "LogisticRegressionCV": "expit"}
CLASSIFIERS = frozenset(
    {
        *PROBABLE,
        "SGDClassifier",
        "RidgeClassifier",
        "RidgeClassifierCV",
        "LinearSVC",
        "Perceptron",
        "PassiveAggressiveClassifier",
    }
)
LOGARITHMIC = frozenset({"PoissonRegressor", "GammaRegressor"})
REGRESSORS = frozenset(
    {
        *LOGARITHMIC,
        "LinearRegression",
        "Ridge",
        "RidgeCV",
        "Lasso",
        "LassoCV",
        "ElasticNet",
        "ElasticNetCV",
        "Lars",
        "LassoLars",
        "HuberRegressor",
        "SGDRegressor",
        "LinearSVR",
        "QuantileRegressor",
    }
)


def coefficients(model: Any) -> Linear:
    """The model's numbers. Raises `NoForm`."""
    import numpy as np

    found = np.atleast_2d(np.asarray(model.coef_, np.float64))
    if named(model) in REGRESSORS and len(found) != 1:
        raise NoForm(f"{named(model)} answers {len(found)} targets at once")
    intercept = np.broadcast_to(np.asarray(model.intercept_, np.float64).ravel(), (len(found),))
    if not (np.isfinite(found).all() and np.isfinite(intercept).all()):
        raise NoForm(f"{named(model)} has coefficients that are not finite")
    return Linear(
        coefficients=tuple(map(tuple, found.tolist())), intercepts=tuple(map(float, intercept.tolist()))
    )


def linear_link(model: Any, outputs: int) -> Link | None:
    """From scores to probabilities; None where the model has none."""
    kind = named(model)
    if kind in PROBABLE:
        return "expit" if outputs == 1 else "softmax"
    if kind == "SGDClassifier" and model.loss == "log_loss":
        return "expit" if outputs == 1 else "normal"
    return None
