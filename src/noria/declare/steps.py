"""A declared step: a plain function, its role, what it reads and what it makes."""

from __future__ import annotations

import inspect
import math
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from inspect import Parameter
from types import FunctionType
from typing import Any, Literal

from noria.declare.errors import BadOption, BadParameter, UnreadableAnnotation
from noria.declare.running import Partition, Running, marks
from noria.declare.where import Where, where_of

Role = Literal["data", "transform", "step", "check", "predict", "loss", "metrics", "report", "row", "expect"]
Function = Callable[..., Any]

UNMARKED: tuple[Any, int, Partition | None] = (None, 0, None)  # of what has no annotation
OPEN_ENDED = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
AS_OF = "as_of"  # the one reserved parameter name: a data step's time


@dataclass(frozen=True)
class DataSpec:
    """Which columns of a data step's table mean what."""

    key: tuple[str, ...] = ()
    time: str | None = None
    known: str | None = None
    label: str | None = None
    outcomes: tuple[str, ...] = ()
    unit: str | None = None
    unknown: Literal["accept", "refuse"] = "accept"

    @property
    def hidden(self) -> tuple[str, ...]:
        """What nobody knows when the question is asked: hidden from transforms and from predict."""
        return tuple(name for name in (self.label, self.known) if name) + self.outcomes

    @property
    def attached(self) -> tuple[str, ...]:
        """What other steps see beside a transform's own output."""
        return (*self.key, *(name for name in (self.time, self.label) if name), *self.outcomes)


@dataclass(frozen=True)
class PredictSpec:
    """`classes` names the columns of an (n, k) answer."""

    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LossSpec:
    """The one definition of quality: a loss a row in `range`, on the keys of output `on`."""

    on: str
    range: tuple[float, float]


@dataclass(frozen=True)
class StepSpec:
    """`codec` forces a codec, `pickle` among them, on everything that the step makes."""

    codec: str | None = None


@dataclass(frozen=True)
class ExpectSpec:
    """What must hold of the answers to changed rows: see `Part.expect`."""

    holds: Literal["invariant", "not lower", "not higher"]
    within: float = 0.0
    share: float = 1.0
    answer: str | None = None


Spec = DataSpec | PredictSpec | LossSpec | StepSpec | ExpectSpec


@dataclass(frozen=True)
class Step:
    """One declared function."""

    name: str
    role: Role
    function: Function
    inputs: tuple[str, ...]
    parameters: dict[str, Any]
    outputs: tuple[str, ...]
    spec: Spec
    where: Where = field(compare=False)
    running: Running = Running()

    def wanted(self, name: str) -> Any:
        """The annotation of an input without `Each`, or None. Raises `UnreadableAnnotation` where it names what is
        not there."""
        return self._marked.get(name, UNMARKED)[0]

    def depth(self, name: str) -> int:
        """How many lists deep the step takes an input item by item; 0: as a whole."""
        _, depth, partition = self._marked.get(name, UNMARKED)
        return depth + (partition is not None)

    def partition(self, name: str) -> Partition | None:
        """The columns by which the step takes a table part by part."""
        return self._marked.get(name, UNMARKED)[2]

    @cached_property
    def _marked(self) -> dict[str, tuple[Any, int, Partition | None]]:
        """The annotations, taken apart once: a run asks for each a dozen times."""
        return {name: marks(hint) for name, hint in self._hints().items()}

    def _hints(self) -> dict[str, Any]:
        raw = getattr(self.function, "__annotations__", {})
        if not any(isinstance(value, str) for value in raw.values()):
            return dict(raw)
        try:
            return typing.get_type_hints(self.function, include_extras=True)
        except (NameError, AttributeError, TypeError) as error:
            raise UnreadableAnnotation(where=self.where, problem=str(error)) from error


def declared(
    function: Function, role: Role, spec: Spec, outputs: Sequence[str] = (), running: Running = Running()
) -> Step:
    """A function as a step; raises `BadParameter` for a signature that says neither input nor hyperparameter."""
    where = where_of(function)
    inputs, parameters = _signature(function, where)
    return Step(
        name=function.__name__,
        role=role,
        function=function,
        inputs=inputs,
        parameters=parameters,
        outputs=_outputs(function.__name__, outputs, where),
        spec=spec,
        where=where,
        running=running,
    )


def _signature(function: Function, where: Where) -> tuple[tuple[str, ...], dict[str, Any]]:
    inputs: list[str] = []
    parameters: dict[str, Any] = {}
    for name, kind, default in _parameters(function):
        if kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            raise BadParameter(
                where=where, name=name, problem="takes any number of values", fix="name each input"
            )
        if kind is Parameter.KEYWORD_ONLY:
            if default is Parameter.empty:
                raise BadParameter(
                    where=where,
                    name=name,
                    problem="is a hyperparameter without a default",
                    fix=f"write {name}=...",
                )
            parameters[name] = _plain(default, name, where)
        elif default is not Parameter.empty:
            raise BadParameter(
                where=where,
                name=name,
                problem="is positional, so an input, and has a default",
                fix=f"put `*,` before {name} to make it a hyperparameter",
            )
        else:
            inputs.append(name)
    return tuple(inputs), parameters


def _parameters(function: Function) -> list[tuple[str, Any, Any]]:
    """Name, kind and default of each parameter. What most functions are, their code says in a tenth of the time."""
    if type(function) is not FunctionType or function.__dict__ or function.__code__.co_flags & OPEN_ENDED:
        found = inspect.signature(function).parameters.values()
        return [(one.name, one.kind, one.default) for one in found]
    code, named = function.__code__, function.__kwdefaults__ or {}
    defaults = function.__defaults__ or ()
    missing = (Parameter.empty,) * (code.co_argcount - len(defaults))
    inputs = zip(code.co_varnames, missing + defaults, strict=False)
    only = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    return [
        *((name, Parameter.POSITIONAL_OR_KEYWORD, default) for name, default in inputs),
        *((name, Parameter.KEYWORD_ONLY, named.get(name, Parameter.empty)) for name in only),
    ]


def _plain(value: Any, name: str, where: Where) -> Any:
    if isinstance(value, tuple):
        value = list(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise BadParameter(
            where=where, name=name, problem=f"has the default {value}", fix="use a finite number, or None"
        )
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [_plain(item, name, where) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(item, name, where) for key, item in value.items()}
    raise BadParameter(
        where=where,
        name=name,
        problem=f"has a default of type {type(value).__name__}",
        fix="use a number, a string, a boolean, None, or lists and dicts of them",
    )


def _outputs(name: str, outputs: Sequence[str], where: Where) -> tuple[str, ...]:
    if isinstance(outputs, str):
        raise BadOption(where=where, option="outputs", problem="is one string", fix=f'outputs=("{outputs}",)')
    if len(set(outputs)) != len(outputs):
        raise BadOption(
            where=where, option="outputs", problem="names an output twice", fix="give each its own name"
        )
    given: list[object] = list(outputs)  # users' files are not type-checked
    bad = [item for item in given if not (isinstance(item, str) and item.isidentifier())]
    if bad:
        raise BadOption(
            where=where, option="outputs", problem=f"holds {bad[0]!r}", fix="use names as Python has them"
        )
    return tuple(outputs) or (name,)
