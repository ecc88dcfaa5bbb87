"""Predict, watched while it asks a session on an ONNX model: which column goes to which input, which output is the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from noria.fast.compiled import FORMAT, Compiled, Onnx, Tensor, Uncompiled
from noria.fast.discovery.probe import probe_of
from noria.fast.discovery.source import SESSIONS, not_straight
from noria.fast.discovery.watching import Called, Direction, Predicting, only_call, selection
from noria.records.fast import Plan

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

BEYOND = 2**60 + 2**36 + 1
"""A whole number that is rounded up on its way to 32 bits, but down if it is made a double first."""
FLOATS, ANSWERS = ("float32", "float64"), ("float32", "float64", "int64", "int32")


def discover_session(
    predict: Predicting, name: str, model: bytes, sample: pl.DataFrame
) -> Direction | Uncompiled:
    """The same as `discover`, for the session called `name` on this model; what it is fed becomes part of the document."""
    if problem := not_straight(predict.function, [name], SESSIONS):
        return Uncompiled(reason=f"predict is no single call: {problem}")
    probe = _rounding(probe_of(sample))
    seen = only_call(predict, probe)
    if isinstance(seen, Uncompiled):
        return seen
    if len(seen.call.given) != 2 or seen.call.more or not isinstance(seen.call.given[1], dict):
        return Uncompiled(reason="predict calls run with more than names of outputs and a dict of inputs")
    fed = _fed(seen.call.given[1], probe)
    if isinstance(fed, str):
        return Uncompiled(reason=f"predict is no single call on columns of {predict.table}: {fed}")
    found = _answered(_named(seen.call, predict.frozen[name]), seen.answer, len(probe))
    if isinstance(found, str):
        return Uncompiled(reason=found)
    onnx = Onnx(
        model=model,
        inputs=fed.inputs,
        output=found.output,
        kind=found.kind,
        shape=found.shape,
        once=tuple(at for at, each in enumerate(fed.columns) if each.once),
    )
    plan = Plan(
        table=predict.table,
        estimator=name,
        columns=tuple(each.name for each in fed.columns),
        method="run",
        column=found.column,
    )
    return Direction(plan, _document(onnx))


def _document(onnx: Onnx) -> Compiled:
    return Compiled(
        format=FORMAT,
        estimator="InferenceSession",
        library="onnxruntime",
        width=sum(each.columns for each in onnx.inputs),
        model=onnx,
        methods={"run": onnx.outputs if onnx.shape else 0},
    )


def _rounding(probe: pl.DataFrame) -> pl.DataFrame:
    """With a number in the first row of each column of large whole numbers that tells how it is rounded."""
    import polars as pl

    wide = [name for name, kind in probe.schema.items() if kind in (pl.Int64, pl.UInt64)]
    first = pl.int_range(pl.len()) == 0
    return probe.with_columns(
        pl.when(first).then(pl.lit(BEYOND, probe.schema[name])).otherwise(pl.col(name)).alias(name)
        for name in wide
    )


@dataclass(frozen=True)
class _Column:
    """A column of the table; `once`: rounded once on its way to 32 bits."""

    name: str
    once: bool


@dataclass(frozen=True)
class _Fed:
    """The model's inputs and the columns that they are made of, in one order."""

    inputs: tuple[Tensor, ...]
    columns: tuple[_Column, ...]


def _fed(feeds: Mapping[str, Any], probe: pl.DataFrame) -> _Fed | str:
    inputs: list[Tensor] = []
    columns: list[_Column] = []
    for name, given in feeds.items():
        kind, shape = str(getattr(given, "dtype", type(given).__name__)), tuple(getattr(given, "shape", ()))
        if kind not in FLOATS:
            return f"input {name} takes {kind}; {' and '.join(FLOATS)} have a fast form"
        if len(shape) != 2 or shape[0] != len(probe):
            return f"input {name} is of shape {shape} for {len(probe)} rows"
        origins = _origins(given, probe)
        if isinstance(origins, str):
            return f"{origins} of input {name}"
        inputs.append(Tensor(name=name, columns=shape[1], kind=cast("Any", kind)))
        columns += origins
    return _Fed(tuple(inputs), tuple(columns))


def _origins(given: np.ndarray, probe: pl.DataFrame) -> Sequence[_Column] | str:
    """Which column each one of a matrix is, in the matrix' own type."""
    found: list[_Column] = []
    known = _known(probe, given.dtype)
    for at in range(given.shape[1]):
        values = given[:, at].tolist()
        same = [column for column, made in known.items() if made == values]
        if not same or len({column.name for column in same}) > 1:
            return f"column {at} {'may be several' if same else 'is computed'}"
        found.append(same[0])
    return found


def _known(probe: pl.DataFrame, kind: Any) -> Mapping[_Column, list[Any]]:
    """The columns of numbers in the type of a matrix, by way of 64-bit floats and, where that is another one, at once."""
    made: dict[_Column, list[Any]] = {}
    for series in probe.get_columns():
        if series.dtype.is_numeric() or series.dtype == bool:
            made[_Column(series.name, False)] = series.cast(float).to_numpy().astype(kind).tolist()
        if series.dtype.is_integer() and kind == "float32":
            made[_Column(series.name, True)] = series.to_numpy().astype(kind).tolist()
    return made


def _named(call: Called, session: Any) -> Mapping[str, Any]:
    """What `run` answered, by the outputs' names; None for the names asks for all."""
    names = call.given[0] or [each.name for each in session.get_outputs()]
    return dict(zip(names, call.answer, strict=True))


@dataclass(frozen=True)
class _Answer:
    output: str
    kind: Any
    shape: tuple[int, ...]
    column: int | None


def _answered(outputs: Mapping[str, Any], answer: Any, count: int) -> _Answer | str:
    """Which output, and which column of it, predict gives back."""
    import numpy as np

    told: list[_Answer] = []
    reasons: list[str] = []
    for name, made in outputs.items():
        if not isinstance(made, np.ndarray) or str(made.dtype) not in ANSWERS or made.ndim not in (1, 2):
            reasons.append(f"output {name} is no array of numbers")
            continue
        chosen = selection(answer, made)
        if isinstance(chosen, str):
            reasons.append(chosen)
        elif len(made) == count:
            told.append(_Answer(name, str(made.dtype), made.shape[1:], chosen))
    if len(told) == 1:
        return told[0]
    return (
        "predict's answer may be several outputs of the model" if told else "; ".join(dict.fromkeys(reasons))
    )
