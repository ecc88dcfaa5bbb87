"""XGBoost's own answers through its C interface, link included: in 32-bit floats, as it gives them."""

from __future__ import annotations

import ctypes
import json
import struct
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from noria.fast.compiled import XgBoost
from noria.fast.errors import NativeFailure
from noria.fast.native import native_library

if TYPE_CHECKING:
    import numpy as np

VALUE, MARGIN = 0, 1


class XgBoostScores:
    """Answers or margins of a model in XGBoost's UBJSON."""

    def __init__(self, model: XgBoost, width: int, *, margin: bool = False) -> None:
        self.outputs = model.outputs
        self._width = width
        self._library = native_library("xgboost")
        self._library.XGBGetLastError.restype = ctypes.c_char_p
        self._booster = self._loaded(model.model)
        self._config = _config(model, MARGIN if margin else VALUE)
        self._local = _Row(width)

    def one(self, values: Sequence[float]) -> Any:
        row = self._local
        try:
            row.pack(row.data, 0, *values)
        except OverflowError:
            row.data[:] = list(values)  # beyond 32 bits a number is infinite, as numpy has it
        out = self._predict(row.interface)
        return out[0] if self.outputs == 1 else out[: self.outputs]

    def many(self, matrix: np.ndarray) -> np.ndarray:
        import numpy as np

        single = np.ascontiguousarray(matrix, np.float32)
        if not len(single):
            return np.empty((0, self.outputs), np.float32)
        out = self._predict(_interface(single.ctypes.data, *single.shape))
        count = len(single) * self.outputs
        return np.ctypeslib.as_array(out, shape=(count,)).copy().reshape(len(single), self.outputs)

    def _predict(self, interface: bytes) -> Any:
        shape, dim = ctypes.POINTER(ctypes.c_uint64)(), ctypes.c_uint64()
        out = ctypes.POINTER(ctypes.c_float)()
        self._check(
            self._library.XGBoosterPredictFromDense(
                self._booster,
                interface,
                self._config,
                None,
                ctypes.byref(shape),
                ctypes.byref(dim),
                ctypes.byref(out),
            )
        )
        return out

    def _loaded(self, model: bytes) -> ctypes.c_void_p:
        booster = ctypes.c_void_p()
        self._check(self._library.XGBoosterCreate(None, ctypes.c_uint64(0), ctypes.byref(booster)))
        self._check(self._library.XGBoosterLoadModelFromBuffer(booster, model, ctypes.c_uint64(len(model))))
        self._check(self._library.XGBoosterSetParam(booster, b"nthread", b"1"))
        return booster

    def _check(self, code: int) -> None:
        if code:
            raise NativeFailure(package="xgboost", said=self._library.XGBGetLastError().decode())


class _Row(threading.local):
    """A thread's own row, and how XGBoost is told where it lies."""

    def __init__(self, width: int) -> None:
        self.data = (ctypes.c_float * width)()
        self.pack = struct.Struct(f"{width}f").pack_into
        self.interface = _interface(ctypes.addressof(self.data), 1, width)


def _interface(address: int, rows: int, width: int) -> bytes:
    """numpy's array interface as JSON."""
    described = {"data": [address, True], "shape": [rows, width], "typestr": "<f4", "version": 3}
    return json.dumps(described).encode()


def _config(model: XgBoost, kind: int) -> bytes:
    asked = {
        "type": kind,
        "training": False,
        "iteration_begin": 0,
        "iteration_end": model.best,
        "missing": float("nan") if model.missing is None else model.missing,
        "strict_shape": False,
        "cache_id": 0,
    }
    return json.dumps(asked).encode()
