"""From raw scores to what a method answers, in the very operations of the original: bit for bit, with trees.

One number goes through the C library's `exp`, as scikit-learn's logistic function does; where the original takes
numpy's, which may differ from it in the last bit, so does this.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from ctypes import c_float
from typing import TYPE_CHECKING, Any

from noria.fast.compiled import Compiled, Leaves, Link, MethodName, XgBoost

if TYPE_CHECKING:
    import numpy as np

RAW = ("decision_function", "run")  # what the model itself says is the answer

exp = math.exp


def expit(raw: float) -> float:
    """The logistic function."""
    try:
        return 1.0 / (1.0 + exp(-raw))
    except OverflowError:
        return 0.0


def _expits(raw: list[float]) -> list[float]:
    """The logistic function of each."""
    try:
        return [1.0 / (1.0 + exp(-each)) for each in raw]
    except OverflowError:
        return list(map(expit, raw))


def link_one(compiled: Compiled, method: MethodName) -> Callable[[Any], Any]:
    """A raw score, or several, to the method's answer for one row: a number, a class, or a tuple."""
    columns = compiled.methods[method]
    if method in RAW or (method == "predict" and not compiled.classes):
        return _number(compiled.link if method == "predict" else "identity", columns)
    if method == "predict":
        return _class_of(compiled)
    return _probabilities(compiled)


def link_many(compiled: Compiled, method: MethodName) -> Callable[[np.ndarray], Any]:
    """`(n, outputs)` raw scores to the method's answer for n rows."""
    columns = compiled.methods[method]
    if method in RAW or (method == "predict" and not compiled.classes):
        link = compiled.link if method == "predict" else "identity"
        return lambda raw: linked(link, raw if columns else raw[:, 0])
    if method == "predict":
        return _classes_of(compiled)
    return lambda raw: _both(linked(compiled.link, raw))


def linked(link: Link, raw: np.ndarray) -> Any:
    """The inverse link of an array, as its original computes it."""
    import numpy as np

    if link == "exp":
        return np.exp(raw)
    if link in ("expit", "half-expit", "normal"):
        each = raw * 2 if link == "half-expit" else raw
        made = np.array(_expits(each.ravel().tolist()), np.float64).reshape(each.shape)
        return _normal(made) if link == "normal" else made
    return _softmax(raw) if link == "softmax" else raw


def _softmax(raw: np.ndarray) -> Any:
    """In columns, as the original's raw scores lie: the order of a sum follows from it."""
    import numpy as np

    made = np.asfortranarray(raw) - raw.max(axis=1).reshape(-1, 1)
    np.exp(made, out=made)
    made /= made.sum(axis=1).reshape(-1, 1)
    return made


def _normal(each: np.ndarray) -> Any:
    total = each.sum(axis=1)
    none = total == 0
    each[none, :] = 1
    total[none] = each.shape[1]
    return each / total.reshape(-1, 1)


def _both(found: np.ndarray) -> np.ndarray:
    """Of one class's probability, both classes'."""
    import numpy as np

    return np.column_stack([1 - found[:, 0], found[:, 0]]) if found.shape[1] == 1 else found


def _number(link: Link, columns: int) -> Callable[[Any], Any]:
    if columns:
        return tuple
    if link == "identity":
        return _same
    if link == "expit":
        return expit
    return lambda raw: _first(link, [raw])[0]


def _same(raw: Any) -> Any:
    return raw


def _probabilities(compiled: Compiled) -> Callable[[Any], Any]:
    link = compiled.link
    if len(compiled.classes) != 2 or link == "softmax":
        return lambda raw: tuple(_first(link, raw if isinstance(raw, list) else [raw]))
    if link == "expit":
        return _two
    if link == "half-expit":
        return lambda raw: _two(2 * raw)
    if isinstance(compiled.model, XgBoost | Leaves):
        return lambda raw: tuple(raw) if isinstance(raw, list) else (c_float(1 - raw).value, raw)
    return lambda raw: tuple(raw) if isinstance(raw, list) else (1 - raw, raw)


def _two(raw: float) -> tuple[float, float]:
    found = expit(raw)
    return 1 - found, found


def _first(link: Link, raw: Sequence[float]) -> list[float]:
    import numpy as np

    if link == "identity":
        return list(raw)
    found: list[float] = linked(link, np.array([raw], np.float64))[0].tolist()
    return found


def _class_of(compiled: Compiled) -> Callable[[Any], Any]:
    classes = compiled.classes
    if compiled.decides == "likeliest":
        likely = _probabilities(compiled)
        return lambda raw: classes[(each := likely(raw)).index(max(each))]
    if compiled.decides == "argmax":
        return lambda raw: classes[raw.index(max(raw))]
    if compiled.decides == ">":
        return lambda raw: classes[raw > 0]
    return lambda raw: classes[raw >= 0]


def _classes_of(compiled: Compiled) -> Callable[[np.ndarray], np.ndarray]:
    import numpy as np

    classes = np.array(compiled.classes, dtype=compiled.classes_type)
    if compiled.decides == "likeliest":
        return lambda raw: classes[np.argmax(_both(linked(compiled.link, raw)), axis=1)]
    if compiled.decides == "argmax":
        return lambda raw: classes[np.argmax(raw, axis=1)]
    if compiled.decides == ">":
        return lambda raw: classes[(raw[:, 0] > 0).astype(int)]
    return lambda raw: classes[(raw[:, 0] >= 0).astype(int)]
