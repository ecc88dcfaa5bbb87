"""Single rows of XGBoost's trees through LightGBM's C interface, which says the leaf of each; matrices are XGBoost's own."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from ctypes import c_float
from ctypes.util import find_library
from typing import TYPE_CHECKING, Any

from noria.fast.compiled import Leaves, Trees
from noria.fast.trees import LEAF, TreeScores
from noria.fast.xgboosted import XgBoostScores

if TYPE_CHECKING:
    import numpy as np

MOST = 88.7  # XGBoost takes no larger power of e: beyond it 32 bits are infinite
_C = ctypes.CDLL(find_library("m"))
expf, logf = _C.expf, _C.logf
for _function in (expf, logf):
    _function.restype, _function.argtypes = c_float, [c_float]


class LeafScores:
    """Answers or margins of a model, in 32-bit floats."""

    def __init__(self, model: Leaves, width: int, *, margin: bool = False) -> None:
        self.outputs = model.outputs
        self.many = XgBoostScores(model.own, width, margin=margin).many
        trees = Trees(text=model.text, outputs=len(model.output), single=True, tiny=model.tiny)
        leaves, row = TreeScores(trees, width, kind=LEAF).one, _Row(_Values(model))
        link = LINKS["identity" if margin else model.link]
        self.one = _several(leaves, row, link) if self.outputs > 1 else _single(leaves, row, link)


One = Callable[[Sequence[float]], Any]


def _single(leaves: One, row: _Row, link: Callable[[list[float]], list[float]]) -> One:
    return lambda values: link(row.sums(leaves(values)).tolist())[0]


def _several(leaves: One, row: _Row, link: Callable[[list[float]], list[float]]) -> One:
    return lambda values: link(row.sums(leaves(values)).tolist())


class _Values:
    """Where each leaf's value stands, trees in the order of their outputs: a running sum over them then adds in
    XGBoost's own order."""

    def __init__(self, model: Leaves) -> None:
        import numpy as np

        lines = [line for line in model.text.split("\n") if line.startswith("leaf_value=")]
        each = [np.array(line.removeprefix("leaf_value=").split(), np.float64) for line in lines]
        order = np.argsort(np.array(model.output), kind="stable")
        self.order = None if (order == np.arange(len(each))).all() else order
        self.begins = np.cumsum([0, *map(len, each[:-1])])[order].astype(np.float64)
        self.values = np.concatenate(each).astype(np.float32)
        self.base = np.array(model.base, np.float32)


class _Row(threading.local):
    """The calling thread's arrays for one row."""

    def __init__(self, values: _Values) -> None:
        import numpy as np

        self._of = values
        self._leaves: Any = None
        self._places = np.empty(len(values.begins), np.intp)
        self._terms = np.empty((len(values.base), len(values.begins) // len(values.base) + 1), np.float32)
        self._terms[:, 0] = values.base
        self._running = np.empty_like(self._terms)
        self._last = self._running[:, -1]

    def sums(self, buffer: Any) -> np.ndarray:
        """The margins of the row whose leaves are in `buffer`, which is the same for each call of a thread."""
        import numpy as np

        of, terms = self._of, self._terms
        if self._leaves is None:
            self._leaves = np.frombuffer(buffer)
        leaves = self._leaves if of.order is None else self._leaves[of.order]
        np.add(leaves, of.begins, out=self._places, casting="unsafe")
        terms[:, 1:] = of.values[self._places].reshape(len(terms), -1)
        np.add.accumulate(terms, axis=1, out=self._running)
        return self._last


def _expit(margins: list[float]) -> list[float]:
    return [c_float(1.0 / c_float(expf(min(-margin, MOST)) + 1.0).value).value for margin in margins]


def _softmax(margins: list[float]) -> list[float]:
    """The powers are summed in 64 bits."""
    most = max(margins)
    powers = [expf(margin - most) for margin in margins]
    total = c_float(sum(powers)).value
    return [c_float(power / total).value for power in powers]


LINKS: dict[str, Callable[[list[float]], list[float]]] = {
    "identity": list,
    "exp": lambda margins: list(map(expf, margins)),
    "expit": _expit,
    "softmax": _softmax,
}
