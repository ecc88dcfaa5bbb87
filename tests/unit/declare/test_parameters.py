"""What a function's code says of its parameters is what Python's own reading of its signature says."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from noria.declare.errors import BadParameter
from noria.declare.steps import StepSpec, _parameters, declared


def nothing() -> None: ...
def inputs(a: int, b: int) -> None: ...
def hyper(a: int, *, b: int = 1, c: str) -> None: ...
def only_hyper(*, b: float = 0.5) -> None: ...
def with_default(a: int, b: int, c: int = 2, d: int = 3, *, e: int = 4) -> None: ...
def positional(a: int, /, b: int, *, c: int = 1) -> None: ...
def many(a: int, *rest: int, b: int = 1) -> None: ...
def any_named(a: int, **rest: int) -> None: ...


def local_names(a: int, *, b: int = 1) -> int:
    c = a + b
    return c


async def awaited(a: int, *, b: int = 1) -> None: ...


@functools.wraps(hyper)
def wrapped(*given: Any, **named: Any) -> None: ...


def signed(*given: Any) -> None: ...


signed.__signature__ = inspect.signature(inputs)  # type: ignore[attr-defined]
partial = functools.partial(inputs, 1)


class Called:
    def __call__(self, a: int, *, b: int = 1) -> None: ...

    def method(self, a: int, *, b: int = 1) -> None: ...


@pytest.mark.parametrize(
    "function",
    [
        *(nothing, inputs, hyper, only_hyper, with_default, positional, many, any_named, local_names),
        *(awaited, wrapped, signed, partial, Called(), Called().method, lambda a, *, b=2: a),
    ],
)
def test_parameters_are_those_of_the_signature(function: Callable[..., Any]) -> None:
    expected = inspect.signature(function).parameters.values()
    as_input = {inspect.Parameter.POSITIONAL_ONLY: inspect.Parameter.POSITIONAL_OR_KEYWORD}
    found = [(name, as_input.get(kind, kind), default) for name, kind, default in _parameters(function)]
    assert found == [(one.name, as_input.get(one.kind, one.kind), one.default) for one in expected]


def test_inputs_and_hyperparameters() -> None:
    step = declared(only_hyper, "step", StepSpec())
    assert (step.inputs, step.parameters) == ((), {"b": 0.5})
    step = declared(local_names, "step", StepSpec())
    assert (step.inputs, step.parameters) == (("a",), {"b": 1})


@pytest.mark.parametrize(
    ("function", "name", "problem"),
    [
        (hyper, "c", "without a default"),
        (with_default, "c", "has a default"),
        (many, "rest", "any number"),
        (any_named, "rest", "any number"),
    ],
)
def test_what_is_neither_is_refused(function: Callable[..., Any], name: str, problem: str) -> None:
    with pytest.raises(BadParameter) as caught:
        declared(function, "step", StepSpec())
    assert caught.value.name == name
    assert problem in str(caught.value)
