"""What a value or an annotation is, told by the names of its classes: nothing heavy is imported to ask."""

from __future__ import annotations

import sys
import types
import typing
from functools import lru_cache
from typing import Any

TABLES = frozenset(
    {"polars.DataFrame", "polars.LazyFrame", "pandas.DataFrame", "pyarrow.Table", "pyarrow.RecordBatch"}
)
COLUMNS = frozenset({"polars.Series", "pandas.Series", "pyarrow.ChunkedArray", "pyarrow.Array"})
OTHERS = frozenset(
    {
        "numpy.ndarray",
        "numpy.generic",
        "numpy.MaskedArray",
        "sklearn.BaseEstimator",
        "lightgbm.Booster",
        "xgboost.Booster",
        "onnx.ModelProto",
        "onnxruntime.InferenceSession",
        "torch.ExportedProgram",
        "torch.Module",
        "torch.ONNXProgram",
        "pathlib.Path",
        "msgspec.Struct",
        "enum.Enum",
    }
)
_KNOWN = TABLES | COLUMNS | OTHERS


def kind_of(value: object) -> str:
    """`polars.DataFrame` for an instance of it or of a class derived from it; empty for what has no special form."""
    return kind_of_class(type(value))  # type: ignore[arg-type]


@lru_cache(maxsize=4096)  # more classes than a process stores; a call takes 0.1 us
def kind_of_class(cls: type) -> str:
    """The same of a class."""
    for base in cls.__mro__:
        name = f"{base.__module__.partition('.')[0]}.{base.__name__}"
        if name in _KNOWN:
            return name
    return ""


def kind_wanted(annotation: Any) -> str:
    """The kind that an annotation names; the first known one of a union; empty when it says nothing."""
    try:
        return _kind_wanted(annotation)
    except TypeError:  # not hashable: `Annotated[pl.DataFrame, {"unit": "km"}]`
        return _kind_wanted.__wrapped__(annotation)


@lru_cache(maxsize=4096)
def _kind_wanted(annotation: Any) -> str:
    if isinstance(annotation, type) and typing.get_origin(annotation) is None:
        return kind_of_class(annotation)
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return kind_wanted(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return next(filter(None, map(kind_wanted, typing.get_args(annotation))), "")
    is_array = (
        isinstance(origin, type) and kind_of_class(origin) == "numpy.ndarray"
    )  # npt.NDArray[np.float64]
    return "numpy.ndarray" if is_array else ""


def public_name(cls: type) -> str:
    """The shortest path under which a loaded module offers the class: `polars.DataFrame`, `dict`."""
    if cls.__module__ == "builtins":
        return cls.__qualname__
    parts = cls.__module__.split(".")
    for end in range(1, len(parts)):
        package = ".".join(parts[:end])
        if vars(sys.modules.get(package, types)).get(cls.__qualname__) is cls:
            return f"{package}.{cls.__qualname__}"
    return f"{cls.__module__}.{cls.__qualname__}"
