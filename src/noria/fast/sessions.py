"""An ONNX model's own answers: through onnxruntime, which computes in the model's types."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from noria.fast.compiled import Onnx, Tensor
from noria.fast.errors import NativeFailure, NoSuchLibrary

if TYPE_CHECKING:
    import numpy as np

ERRORS = 3  # onnxruntime's level for what went wrong; below are remarks about graphs
EXACT = 2**53  # up to here every whole number is a double
CODES = {"float32": ("f", 4), "float64": ("d", 8)}  # of `struct`, and bytes


class SessionScores:
    """Answers of a model in ONNX. A row is written to memory that the session has been told of once: asked by name, with
    an array made for it, onnxruntime takes twice as long."""

    def __init__(self, model: Onnx) -> None:
        self.outputs = model.outputs
        self._model = model
        self._once = frozenset(model.once)
        self._session = open_session(model.model)
        self._local = _Row(self._session, model)

    def one(self, values: Sequence[float]) -> Any:
        row = self._local
        if self._once:
            values = [rounded(value) if at in self._once else value for at, value in enumerate(values)]
        try:
            row.pack(row.memory, 0, *values)
        except OverflowError:
            row.write(values)  # beyond 32 bits a number is infinite, as numpy has it
        try:
            self._session.run_with_iobinding(row.binding)
        except Exception as error:  # onnxruntime's own have no class in common
            raise NativeFailure(package="onnxruntime", said=str(error)) from error
        return row.answer.tolist()[0]

    def many(self, matrix: np.ndarray) -> np.ndarray:
        import numpy as np

        if not len(matrix):
            return np.empty((0, self.outputs), self._model.kind)
        try:
            made = self._session.run([self._model.output], feeds_of(self._model.inputs, matrix))[0]
        except Exception as error:  # onnxruntime's own have no class in common
            raise NativeFailure(package="onnxruntime", said=str(error)) from error
        answer: np.ndarray = made.reshape(len(matrix), self.outputs)
        return answer


def open_session(model: bytes) -> Any:
    """A session on the processor, with as many threads as the process has been given: the order of sums depends on them.
    Raises `NoSuchLibrary`, `NativeFailure`."""
    if find_spec("onnxruntime") is None:
        raise NoSuchLibrary(package="onnxruntime", problem="the package is not installed")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "1").partition(",")[0])
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a core that waits is another's
    options.log_severity_level = ERRORS
    only = ["CPUExecutionProvider"]
    try:
        return onnxruntime.InferenceSession(model, options, providers=only, enable_fallback=0)
    except Exception as error:  # onnxruntime's own have no class in common
        raise NativeFailure(package="onnxruntime", said=str(error)) from error


def rounded(value: Any) -> Any:
    """A whole number that a double cannot hold as the 32-bit float next to it; all else as it is."""
    if not isinstance(value, int) or -EXACT <= value <= EXACT:
        return value
    import numpy as np

    return float(np.array(value).astype(np.float32))


def rounded_columns(columns: Sequence[Any], once: Sequence[int]) -> Sequence[Any]:
    """The same for columns of a batch."""
    import numpy as np

    made = list(columns)
    for at in once:
        column = made[at]
        if not isinstance(column, np.ndarray):
            made[at] = list(map(rounded, column))
        elif column.dtype.kind in "iu":
            made[at] = column.astype(np.float32)
    return made


def feeds_of(inputs: Sequence[Tensor], matrix: np.ndarray) -> Mapping[str, np.ndarray]:
    """The columns of a matrix as the model's inputs; what is beyond 32 bits is infinite there."""
    import numpy as np

    made, at = {}, 0
    with np.errstate(over="ignore"):
        for each in inputs:
            made[each.name] = np.ascontiguousarray(matrix[:, at : at + each.columns], each.kind)
            at += each.columns
    return made


class _Row(threading.local):
    """A thread's own memory for one row and its answer, and how the session was told of it."""

    def __init__(self, session: Any, model: Onnx) -> None:
        import numpy as np

        layout, places = _layout(model.inputs)
        packed = struct.Struct(layout)
        self.pack = packed.pack_into
        memory = np.zeros(packed.size, np.uint8)
        self.memory = memoryview(memory)  # type: ignore[arg-type]
        self.answer = np.zeros((1, *model.shape), model.kind)
        self.binding = session.io_binding()
        self._parts = []
        for each, place in zip(model.inputs, places, strict=True):
            size = each.columns * CODES[each.kind][1]
            part = memory[place : place + size].view(each.kind).reshape(1, each.columns)
            self.binding.bind_input(each.name, "cpu", 0, part.dtype, part.shape, part.ctypes.data)
            self._parts.append(part)
        out = self.answer
        self.binding.bind_output(model.output, "cpu", 0, out.dtype, out.shape, out.ctypes.data)

    def write(self, values: Sequence[float]) -> None:
        import numpy as np

        at = 0
        with np.errstate(over="ignore"):
            for part in self._parts:
                part[0] = values[at : at + part.shape[1]]
                at += part.shape[1]


def _layout(inputs: Sequence[Tensor]) -> tuple[str, list[int]]:
    """Of a row's numbers in memory, as `struct` has it, and where each input begins: at a multiple of its numbers' size."""
    layout, places, at = "=", [], 0
    for each in inputs:
        code, size = CODES[each.kind]
        gap = -at % size
        layout += f"{gap}x{each.columns}{code}"
        places.append(at + gap)
        at += gap + each.columns * size
    return layout, places
