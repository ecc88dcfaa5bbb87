"""Predict, watched while it answers: which estimator it asks, what with, and what becomes of the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from noria.fast.compiled import Compiled, Uncompiled
from noria.fast.discovery.probe import origins, probe_of
from noria.fast.discovery.source import ANSWERING, not_straight
from noria.records.fast import Plan

if TYPE_CHECKING:
    import polars as pl

NOTED = ANSWERING | {"run"}  # of a session on an ONNX model


@dataclass(frozen=True)
class Called:
    """One call of an estimator's method."""

    method: str
    given: tuple[Any, ...]
    more: Mapping[str, Any]
    answer: Any


@dataclass
class Watched:
    """An estimator whose calls are noted; everything else goes through."""

    original: Any
    calls: list[Called] = field(default_factory=list)


def watched(original: Any) -> tuple[Any, Watched]:
    """What to hand to predict, and where its calls will be."""
    notes = Watched(original)
    return _Stand(notes), notes


class _Stand:
    def __init__(self, notes: Watched) -> None:
        vars(self)["_notes"] = notes

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(vars(self)["_notes"].original)

    def __getattr__(self, name: str) -> Any:
        notes: Watched = vars(self)["_notes"]
        found = getattr(notes.original, name)
        return _noted(notes, name, found) if name in NOTED else found

    def __getitem__(self, key: Any) -> Any:
        return vars(self)["_notes"].original[key]

    def __len__(self) -> int:
        return len(vars(self)["_notes"].original)


def _noted(notes: Watched, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    def answer(*given: Any, **more: Any) -> Any:
        made = method(*given, **more)
        notes.calls.append(Called(name, given, more, made))
        return made

    return answer


@dataclass(frozen=True)
class Predicting:
    """Predict and what it reads."""

    function: Callable[..., Any]
    table: str
    """The name of the one table."""
    frozen: Mapping[str, Any]
    parameters: Mapping[str, Any]
    as_wanted: Callable[[Any], Any]
    """A polars frame as the table's annotation wants it."""


@dataclass(frozen=True)
class Direction:
    """The way from a table's columns to a model's answer, and the model."""

    plan: Plan
    compiled: Compiled


@dataclass(frozen=True)
class Seen:
    """One call that predict made, and what it answered."""

    name: str
    call: Called
    answer: Any


def discover(
    predict: Predicting, compiled: Mapping[str, Compiled], sample: pl.DataFrame
) -> Plan | Uncompiled:
    """The plan of a direct path, or why there is none. `sample`: rows of the table that predict reads."""
    if problem := not_straight(predict.function, list(predict.frozen)):
        return Uncompiled(reason=f"predict is no single call: {problem}")
    probe = probe_of(sample)
    seen = only_call(predict, probe)
    if isinstance(seen, Uncompiled):
        return seen
    if seen.name not in compiled:
        return Uncompiled(reason=f"{seen.name} is not compiled")
    return _planned(predict.table, seen.name, compiled[seen.name], seen.call, seen.answer, probe)


def only_call(predict: Predicting, probe: pl.DataFrame) -> Seen | Uncompiled:
    """Let predict answer the probe, and tell of the one call that it made."""
    stands = {name: watched(value) for name, value in predict.frozen.items()}
    try:
        answer = predict.function(
            **{predict.table: predict.as_wanted(probe)},
            **{name: stand for name, (stand, _) in stands.items()},
            **predict.parameters,
        )
    except Exception as error:  # the user's own code, on rows that it may rightly refuse
        return Uncompiled(
            reason=f"predict raised {type(error).__name__} on rows made to look into it: {error}"
        )
    asked = {name: notes.calls for name, (_, notes) in stands.items() if notes.calls}
    if len(asked) != 1 or len(calls := next(iter(asked.values()))) != 1:
        return Uncompiled(reason="predict asks more than one estimator, or one more than once")
    return Seen(next(iter(asked)), calls[0], answer)


def _planned(
    table: str, name: str, compiled: Compiled, call: Called, answer: Any, probe: pl.DataFrame
) -> Plan | Uncompiled:
    if len(call.given) != 1 or call.more or call.method not in compiled.methods:
        return Uncompiled(reason=f"predict calls {call.method} with more than a table")
    columns = origins(call.given[0], probe)
    if isinstance(columns, str):
        return Uncompiled(reason=f"predict is no single call on columns of {table}: {columns}")
    columns = list(compiled.inputs) if compiled.picks else columns
    if len(columns) != compiled.width:
        return Uncompiled(reason=f"{name} takes {compiled.width} columns and is called with {len(columns)}")
    chosen = selection(answer, call.answer)
    if isinstance(chosen, str):
        return Uncompiled(reason=chosen)
    return Plan(table=table, estimator=name, columns=tuple(columns), method=call.method, column=chosen)


def selection(answer: Any, of: Any) -> int | str | None:
    """Which column of the method's answer predict gives back; None: all of it; else why neither."""
    import numpy as np

    if not isinstance(answer, np.ndarray):
        return f"predict answers with a {type(answer).__name__}, not with an array"
    of = np.asarray(of)
    if _equal(answer, of):
        return None
    if of.ndim != 2:
        return "predict changes what the estimator answers"
    same = [at for at in range(of.shape[1]) if _equal(answer, of[:, at])]
    if len(same) == 1:
        return same[0]
    return "predict changes what the estimator answers" if not same else "two columns of the answer are alike"


def _equal(one: Any, other: Any) -> bool:
    return bool(one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes())


def called_with(calls: Iterable[Called]) -> Sequence[str]:
    """The methods that were called, each once."""
    return tuple(dict.fromkeys(call.method for call in calls))
