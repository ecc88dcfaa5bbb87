"""`compile_model`: which kind an estimator is, and what a document says of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from noria.fast.compiled import FORMAT, Compiled, MethodName, Number, Uncompiled
from noria.fast.compiling.boosters import lightgbm_parts, xgboost_parts
from noria.fast.compiling.columns import Blocks, finished, inputs, transformed, width_of
from noria.fast.compiling.levels import ordinal, with_codes_for_missing
from noria.fast.compiling.linear import CLASSIFIERS, LOGARITHMIC, REGRESSORS, coefficients, linear_link
from noria.fast.compiling.refusal import NoForm, named
from noria.fast.compiling.trees import (
    boosted_trees,
    forest_trees,
    histogram_trees,
    link_of,
    tolerance_of,
)
from noria.fast.native import has_library

Parts = dict[str, Any]


def compile_model(estimator: Any, *, own: bool = False) -> Compiled | Uncompiled:
    """A fitted estimator as a document, or why not. The same estimator gives the same bytes. `own`: answered by its
    own library's code and no other's, where there is a choice."""
    try:
        compiled = _compiled(estimator, own)
    except NoForm as reason:
        return Uncompiled(reason=str(reason))
    if compiled.library != "numpy" and not has_library(compiled.library):
        return Uncompiled(
            reason=f"{compiled.estimator} is answered through {compiled.library}, which is not installed"
        )
    return compiled


def _compiled(estimator: Any, own: bool) -> Compiled:
    steps, final = _steps(estimator)
    names = _names(estimator)
    width = _width(estimator)
    blocks = inputs(width)
    for step in steps:
        blocks = transformed(step, blocks, names)
    parts, blocks = _parts(final, blocks, own)
    if any(isinstance(block, Number) and block.changes for block in blocks):
        parts = {"finite": "no infinity"} | parts  # scalers and imputers refuse what is infinite
    return Compiled(
        format=FORMAT,
        estimator=named(final),
        inputs=names,
        width=width,
        picks=bool(names and steps and named(steps[0]) == "ColumnTransformer"),
        blocks=finished(blocks, width),
        **_classes(final),
        **parts,
    )


def _steps(estimator: Any) -> tuple[list[Any], Any]:
    """What comes before the model, and the model; pipelines in pipelines are one."""
    steps: list[Any] = []
    while named(estimator) == "Pipeline":
        steps += [step for _, step in estimator.steps[:-1]]
        estimator = estimator.steps[-1][1]
    return steps, estimator


def _names(estimator: Any) -> tuple[str, ...]:
    found = getattr(estimator, "feature_names_in_", None) if named(estimator) != "Booster" else None
    if found is None or type(estimator).__module__.startswith("lightgbm"):
        return ()  # LightGBM makes up names where it was given a matrix
    return tuple(map(str, found))


def _width(estimator: Any) -> int:
    if named(estimator) == "Booster":
        count = getattr(estimator, "num_feature", None) or estimator.num_features
        return int(count())
    if not hasattr(estimator, "n_features_in_"):
        first = next(iter(_steps(estimator)[0]), estimator)  # whom a pipeline asks
        raise NoForm(f"{named(first)} is not fitted, or does not say how many columns it takes")
    return int(estimator.n_features_in_)


def _parts(model: Any, blocks: Blocks, own: bool) -> tuple[Parts, Blocks]:
    package, kind = type(model).__module__.partition(".")[0], named(model)
    if package == "lightgbm":
        return lightgbm_parts(model), blocks
    if package == "xgboost":
        return xgboost_parts(model, _columns(blocks), own=own), blocks
    if package == "sklearn" and kind in KINDS:
        return KINDS[kind](model, blocks)
    if package == "sklearn" and kind in CLASSIFIERS | REGRESSORS:
        return _linear(model), blocks
    raise NoForm(f"{kind} has no fast form")


def _histogram(model: Any, blocks: Blocks) -> tuple[Parts, Blocks]:
    counts: list[int] = []
    if model.is_categorical_ is not None:
        encoder = model._preprocessor.named_transformers_["encoder"]
        counts = [
            sum(level == level for level in levels.tolist() if level is not None)
            for levels in encoder.categories_
        ]
        blocks = _categories_first(model.is_categorical_, encoder, counts, blocks)
    trees = histogram_trees(model, _columns(blocks), dict(enumerate(counts)))
    return {"model": trees, **_boosted(model, trees.outputs, above=">")}, blocks


def _categories_first(chosen: Any, encoder: Any, counts: list[int], blocks: Blocks) -> Blocks:
    """The order of the model's own matrix; its categories as codes, with one for what is missing or unknown."""
    if _columns(blocks) != len(blocks):
        raise NoForm("it takes categories beside columns of a OneHotEncoder")
    categories = [block for block, yes in zip(blocks, chosen, strict=True) if yes]
    coded: Blocks = [
        with_codes_for_missing(ordinal(block, levels.tolist(), missing=None, other=None), float(count))
        for block, levels, count in zip(categories, encoder.categories_, counts, strict=True)
    ]
    return [*coded, *(block for block, yes in zip(blocks, chosen, strict=True) if not yes)]


def _columns(blocks: Blocks) -> int:
    return sum(map(width_of, blocks))


def _boosted(model: Any, outputs: int, *, above: str) -> Parts:
    link = link_of(model)
    if not hasattr(model, "classes_"):
        return {"library": "lightgbm", "link": link, "methods": {"predict": 0}}
    methods: dict[MethodName, int] = {
        "predict_proba": max(2, outputs),
        "predict": 0,
        "decision_function": outputs if outputs > 1 else 0,
    }
    decides = above if outputs == 1 else "argmax"
    return {"library": "lightgbm", "link": link, "methods": methods, "decides": decides}


def _gradient(model: Any, blocks: Blocks) -> tuple[Parts, Blocks]:
    trees = boosted_trees(model, _columns(blocks))
    if not hasattr(model, "classes_"):
        return {
            "model": trees,
            "library": "lightgbm",
            "finite": tolerance_of(model),
            "methods": {"predict": 0},
        }, blocks
    return {
        "model": trees,
        "finite": tolerance_of(model),
        **_boosted(model, trees.outputs, above=">="),
    }, blocks


def _forest(model: Any, blocks: Blocks) -> tuple[Parts, Blocks]:
    trees = forest_trees(getattr(model, "estimators_", [model]), _columns(blocks))
    methods: dict[MethodName, int] = {"predict": 0}
    decides = ""
    if hasattr(model, "classes_"):
        methods, decides = {"predict_proba": trees.outputs, "predict": 0}, "argmax"
    parts = {"model": trees, "library": "lightgbm", "finite": tolerance_of(model)}
    return {**parts, "methods": methods, "decides": decides}, blocks


def _linear(model: Any) -> Parts:
    made = coefficients(model)
    parts: Parts = {"model": made, "library": "numpy", "finite": "finite"}
    if named(model) in REGRESSORS:
        link = "exp" if named(model) in LOGARITHMIC else "identity"
        return {**parts, "link": link, "methods": {"predict": 0}}
    outputs = len(made.coefficients)
    methods: dict[MethodName, int] = {"predict": 0, "decision_function": outputs if outputs > 1 else 0}
    found = linear_link(model, outputs)
    if found is not None:
        methods["predict_proba"] = max(2, outputs)
        parts["link"] = found
    return {**parts, "methods": methods, "decides": ">" if outputs == 1 else "argmax"}


def _classes(model: Any) -> Parts:
    classes = getattr(model, "classes_", None)
    if classes is None:
        return {}
    if getattr(classes, "ndim", 1) != 1 or isinstance(classes, list):
        raise NoForm(f"{named(model)} answers several targets at once")
    made = tuple(classes.tolist())
    if len(made) < 2 or not all(isinstance(one, bool | int | float | str) for one in made):
        raise NoForm(f"its classes are {made[:3]}")
    return {"classes": made, "classes_type": classes.dtype.str}


KINDS: dict[str, Callable[[Any, Blocks], tuple[Parts, Blocks]]] = {
    "HistGradientBoostingClassifier": _histogram,
    "HistGradientBoostingRegressor": _histogram,
    "GradientBoostingClassifier": _gradient,
    "GradientBoostingRegressor": _gradient,
    "RandomForestClassifier": _forest,
    "RandomForestRegressor": _forest,
    "ExtraTreesClassifier": _forest,
    "ExtraTreesRegressor": _forest,
    "DecisionTreeClassifier": _forest,
    "DecisionTreeRegressor": _forest,
    "ExtraTreeClassifier": _forest,
    "ExtraTreeRegressor": _forest,
}
