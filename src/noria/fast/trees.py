"""Trees through LightGBM's C interface: one row buffer a thread for single rows, none for matrices; large ones by tables
of its leaves, where those are quicker."""

from __future__ import annotations

import ctypes
import re
import struct
import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from noria.fast.compiled import Link, Trees
from noria.fast.errors import NativeFailure
from noria.fast.leaf_masks import FEWEST, leaf_masks
from noria.fast.links import linked
from noria.fast.native import native_library

if TYPE_CHECKING:
    import numpy as np

NORMAL, RAW = 0, 1  # C_API_PREDICT_NORMAL and _RAW_SCORE
FLOAT, DOUBLE = 0, 1  # C_API_DTYPE_FLOAT32 and _FLOAT64
ALL = -1  # iterations
ALONE = b"num_threads=1 verbosity=-1"  # a request's worker has the core for itself; more threads wait for each other
NEAR_ZERO = 1.1e-35  # LightGBM takes |x| <= 1e-35 as zero; its constant is a 32-bit float, so a little more
BESIDE_ZERO = 1.2e-35  # the same side of every threshold as what lies nearer to zero; no split is between
LARGEST = 1.7976931348623157e308
OBJECTIVES: dict[str, Link] = {"": "identity", "regression": "identity", "binary sigmoid:1": "expit"}
"""What LightGBM makes of raw scores, where that is known to the bit."""


class TreeScores:
    """Scores of a model in LightGBM's text: raw ones, or with its own objective's link.

    `lent`: a row's scores are given in the calling thread's own buffer, good until its next row.
    """

    def __init__(self, trees: Trees, width: int, *, kind: int = RAW, lent: bool = False) -> None:
        self.outputs = trees.outputs
        self._kind = kind
        self._trees = trees
        self._width = width
        self._library = native_library("lightgbm")
        self._booster = self._loaded(trees.text)
        self.one = self._single_row(lent)

    def many(self, matrix: np.ndarray) -> np.ndarray:
        import numpy as np

        matrix = np.ascontiguousarray(self._beside(matrix), np.float32 if self._trees.single else np.float64)
        if len(matrix) >= FEWEST and self._by_tables is not None:
            return self._by_tables(matrix)
        return self._walked(matrix)

    @cached_property
    def _by_tables(self) -> Callable[[np.ndarray], np.ndarray] | None:
        """The same of many rows; None where the walk has to do, or is as quick. Made for the first of them."""
        found = (
            re.search(r"^objective=(.*)$", self._trees.text, re.MULTILINE) if self._kind == NORMAL else None
        )
        link = OBJECTIVES.get(found[1].strip() if found else "")
        masks = None if link is None else leaf_masks(self._trees.text, self.outputs)
        if masks is None or link is None:
            return None
        return masks.scores if link == "identity" else lambda matrix: linked(link, masks.scores(matrix))

    def _walked(self, matrix: np.ndarray) -> np.ndarray:
        import numpy as np

        out = np.empty((len(matrix), self.outputs))
        self._check(
            self._library.LGBM_BoosterPredictForMat(
                self._booster,
                ctypes.c_void_p(matrix.ctypes.data),
                FLOAT if self._trees.single else DOUBLE,
                ctypes.c_int32(len(matrix)),
                ctypes.c_int32(self._width),
                1,
                self._kind,
                0,
                ALL,
                ALONE,
                ctypes.byref(ctypes.c_int64()),
                ctypes.c_void_p(out.ctypes.data),
            )
        )
        return out

    def _single_row(self, lent: bool) -> Callable[[Sequence[float]], Any]:
        """The function for one row, its look-ups done before: each costs as much as three trees."""
        call = self._library.LGBM_BoosterPredictForMatSingleRowFast
        local, single, several = _Rows(self._row), self._trees.single, self.outputs > 1
        beside = self._beside_in if self._trees.tiny or self._trees.infinite else None

        def one(values: Sequence[float]) -> Any:
            pack, data, config, length, out = local.row
            try:
                pack(data, 0, *values)
            except OverflowError:
                if not single:
                    raise
                data[:] = list(values)  # beyond 32 bits a number is infinite, as numpy has it
            if beside is not None:
                beside(data)
            if call(config, data, length, out):
                raise self._failure()
            if lent:
                return out
            return out[:] if several else out[0]

        return one

    def _row(self) -> tuple[Any, ...]:
        """A thread's own buffers."""
        width, single = self._width, self._trees.single
        config = ctypes.c_void_p()
        self._check(
            self._library.LGBM_BoosterPredictForMatSingleRowFastInit(
                self._booster,
                self._kind,
                0,
                ALL,
                FLOAT if single else DOUBLE,
                ctypes.c_int32(width),
                ALONE,
                ctypes.byref(config),
            )
        )
        data = ((ctypes.c_float if single else ctypes.c_double) * width)()
        pack = struct.Struct(f"{width}{'f' if single else 'd'}").pack_into
        out = (ctypes.c_double * self.outputs)()
        return pack, data, config, ctypes.byref(ctypes.c_int64()), out

    def _beside_in(self, data: Any) -> None:
        for position in self._trees.tiny:
            value = data[position]
            if value and -NEAR_ZERO < value < NEAR_ZERO:
                data[position] = BESIDE_ZERO if value > 0 else -BESIDE_ZERO
        for position in self._trees.infinite:
            data[position] = (
                min(data[position], LARGEST) if data[position] == data[position] else data[position]
            )

    def _beside(self, matrix: np.ndarray) -> np.ndarray:
        import numpy as np

        trees = self._trees
        if not (trees.tiny or trees.infinite):
            return matrix
        matrix = matrix.astype(np.float32).astype(np.float64) if trees.single else matrix.copy()
        for position in trees.tiny:
            column = matrix[:, position]
            near = (np.abs(column) < NEAR_ZERO) & (column != 0)
            column[near] = np.copysign(BESIDE_ZERO, column[near])
        for position in trees.infinite:
            column = matrix[:, position]
            column[column == np.inf] = LARGEST
        return matrix

    def _loaded(self, text: str) -> ctypes.c_void_p:
        booster = ctypes.c_void_p()
        self._check(
            self._library.LGBM_BoosterLoadModelFromString(
                text.encode(), ctypes.byref(ctypes.c_int()), ctypes.byref(booster)
            )
        )
        return booster

    def _check(self, code: int) -> None:
        if code:
            raise self._failure()

    def _failure(self) -> NativeFailure:
        self._library.LGBM_GetLastError.restype = ctypes.c_char_p
        return NativeFailure(package="lightgbm", said=self._library.LGBM_GetLastError().decode())


class _Rows(threading.local):
    """The calling thread's buffers, made when it first asks."""

    def __init__(self, make: Callable[[], tuple[Any, ...]]) -> None:
        self.row = make()
