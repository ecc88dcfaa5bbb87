"""LightGBM's and XGBoost's models in the formats of their own libraries, which answer them."""

from __future__ import annotations

import re
from typing import Any

from noria.fast.compiled import Leaves, MethodName, Trees, XgBoost
from noria.fast.compiling.leaves import leaves_of
from noria.fast.compiling.refusal import NoForm, named
from noria.fast.native import has_library

THREADS = re.compile(r"^\[num_threads: -?\d+\]$", re.MULTILINE)
END = "end of trees\n"


def lightgbm_parts(model: Any) -> dict[str, Any]:
    """What a `Compiled` says of a Booster or of a model under scikit-learn's interface."""
    booster = model if named(model) == "Booster" else model.booster_
    if booster.pandas_categorical:
        raise NoForm("it learned on categories of pandas, whose codes only the package knows")
    text = booster.model_to_string()
    text = text[: text.index(END) + len(END)]  # importances and parameters of the training follow
    if named(model) != "Booster" and callable(model.objective):
        raise NoForm("its objective is a function, so its link is unknown")
    outputs = _lightgbm_outputs(text)
    trees = Trees(text=text, outputs=outputs, applies=True)
    return {"model": trees, "library": "lightgbm", **_methods(model, outputs)}


def _lightgbm_outputs(text: str) -> int:
    found = re.search(r"^num_class=(\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else 1


def xgboost_parts(model: Any, width: int, *, own: bool = False) -> dict[str, Any]:
    """The same for XGBoost: a single row through LightGBM's code where it is here and can, at a tenth of the cost."""
    booster = model if named(model) == "Booster" else model.get_booster()
    if "c" in (booster.feature_types or ()):
        raise NoForm("it learned on categories of a frame, whose codes only the package knows")
    outputs = _xgboost_outputs(model, booster)
    best = 0 if named(model) == "Booster" else model._get_iteration_range(None)[1]
    missing = getattr(model, "missing", None)
    missing = None if missing is None or missing != missing else float(missing)
    made = XgBoost(model=bytes(booster.save_raw("ubj")), outputs=outputs, best=best, missing=missing)
    beside = None if own else _as_leaves(booster, made, width)
    library = "lightgbm" if beside else "xgboost"
    parts = {"model": beside or made, "library": library, **_methods(model, outputs)}
    if named(model) == "Booster":
        parts["methods"] = {"inplace_predict": outputs if outputs > 1 else 0}
    return parts


def _as_leaves(booster: Any, own: XgBoost, width: int) -> Leaves | None:
    if not has_library("lightgbm"):
        return None
    try:
        return leaves_of(booster, own, width)
    except NoForm:  # XGBoost's own interface takes any of its models
        return None


def _xgboost_outputs(model: Any, booster: Any) -> int:
    import json

    learner = json.loads(booster.save_config())["learner"]
    objective = learner["objective"]["name"]
    targets = int(learner["learner_model_param"].get("num_target", 1))
    if targets > 1:
        raise NoForm(f"it answers {targets} targets at once")
    if hasattr(model, "classes_") and objective not in ("binary:logistic", "multi:softprob"):
        raise NoForm(f"a classifier with objective {objective} has no probabilities that Noria knows")
    if objective == "multi:softmax":
        raise NoForm("objective multi:softmax gives classes; use multi:softprob")
    return max(1, int(learner["learner_model_param"]["num_class"]))


def _methods(model: Any, outputs: int) -> dict[str, Any]:
    columns = outputs if outputs > 1 else 0
    if not hasattr(model, "classes_"):
        return {"methods": {"predict": columns}}
    methods: dict[MethodName, int] = {"predict_proba": max(2, outputs), "predict": 0}
    return {"methods": methods, "decides": "likeliest"}
