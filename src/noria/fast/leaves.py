"""Single rows of XGBoost's trees through LightGBM's C interface, which says the leaf of each; matrices are XGBoost's own."""

from __future__ import annotations

import ctypes
import struct
import threading
from collections.abc import Callable, Sequence
from ctypes import c_float
from ctypes.util import find_library
from typing import TYPE_CHECKING, Any

from noria.fast.compiled import Leaves, Trees
from noria.fast.trees import TreeScores
from noria.fast.xgboosted import XgBoostScores

if TYPE_CHECKING:
    import numpy as np

_single_float = struct.Struct("f")
MOST = 88.7  # XGBoost takes no larger power of e: beyond it 32 bits are infinite
_C = ctypes.CDLL(find_library("m"))
expf, logf = _C.expf, _C.logf
One = Callable[[Sequence[float]], Any]
for _function in (expf, logf):
    _function.restype, _function.argtypes = c_float, [c_float]


class LeafScores:
    """Answers or margins of a model, in 32-bit floats."""

    def __init__(self, model: Leaves, width: int, *, margin: bool = False) -> None:
        self.outputs = model.own.outputs
        self.many = XgBoostScores(model.own, width, margin=margin).many
        terms = model.text.count("\nTree=")
        trees = TreeScores(
            Trees(text=model.text, outputs=terms, single=True, tiny=model.tiny), width, lent=True
        )
        sums = _Sums(self.outputs, terms)
        link = "identity" if margin else model.link
        self.one = _several(trees.one, sums, link) if self.outputs > 1 else _single(trees.one, sums, link)


def _single(terms: One, sums: _Sums, link: str) -> One:
    linked = LINKS[link]
    return lambda values: linked(sums.of(terms(values)).item())


def _several(terms: One, sums: _Sums, link: str) -> One:
    if link == "softmax":
        return lambda values: _softmax(sums.of(terms(values)).tolist())
    linked = LINKS[link]
    return lambda values: list(map(linked, sums.of(terms(values)).tolist()))


class _Sums(threading.local):
    """The calling thread's running sums: each term is added to those before it, rounded to 32 bits."""

    def __init__(self, outputs: int, terms: int) -> None:
        import numpy as np

        self._given: Any = None
        self._terms = np.empty((outputs, terms // outputs), np.float32)
        self._running = np.empty_like(self._terms)
        self._last = self._running[:, -1]
        self._copy, self._accumulate = np.copyto, np.add.accumulate

    def of(self, buffer: Any) -> np.ndarray:
        """The sums of the terms in `buffer`, which is the same at each call of a thread."""
        if self._given is None:
            import numpy as np

            self._given = np.frombuffer(buffer).reshape(self._terms.shape)
        self._copy(self._terms, self._given, "same_kind")
        self._accumulate(self._terms, 1, None, self._running)
        return self._last


def _expit(margin: float) -> float:
    return rounded(1.0 / rounded(expf(min(-margin, MOST)) + 1.0))


def rounded(number: float) -> float:
    """To 32 bits."""
    return float(_single_float.unpack(_single_float.pack(number))[0])


def _softmax(margins: list[float]) -> list[float]:
    """The powers are summed in 64 bits."""
    most = max(margins)
    powers = [expf(rounded(margin - most)) for margin in margins]
    total = rounded(sum(powers))
    return [rounded(power / total) for power in powers]


LINKS: dict[str, Callable[[float], float]] = {"identity": float, "exp": expf, "expit": _expit}
