"""What a run will do: the steps in order, and every hyperparameter with its value."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from noria.declare import Resolved, Step
from noria.pipeline.errors import UnknownParameter, WrongParameterType
from noria.records.base import Json

Parameters = Mapping[str, Mapping[str, Json]]

SET, FILE = "--set", "noria.toml"  # where a value comes from, as errors say it


@dataclass(frozen=True)
class Plan:
    """A pipeline whose every value is settled."""

    resolved: Resolved
    parameters: dict[str, dict[str, Json]]
    """Step name to hyperparameters, defaults filled in; steps without any are left out."""

    @property
    def order(self) -> tuple[Step, ...]:
        return self.resolved.order


def plan(resolved: Resolved, policy: Parameters, overrides: Parameters) -> Plan:
    """Defaults, then `[model.x.parameters]`, then `--set step.name=value`.

    A value has the type of its default: an int may stand for a float, nothing else for another; a default of None
    takes anything. Raises `UnknownParameter` and `WrongParameterType`.
    """
    steps = {step.name: step for step in _with_parameters(resolved)}
    merged = {name: dict(step.parameters) for name, step in steps.items() if step.parameters}
    for place, values in ((FILE, policy), (SET, overrides)):
        for step_name, name, value in _flat(values):
            default = _default(steps, merged, step_name, name, place)
            merged[step_name][name] = _typed(value, default, f"{step_name}.{name}", place)
    return Plan(resolved=resolved, parameters=merged)


def _with_parameters(resolved: Resolved) -> Iterator[Step]:
    """A loss is none of them: it is the definition of quality, and no version may move it."""
    yield from resolved.order
    if resolved.predict:
        yield resolved.predict


def _flat(values: Parameters) -> Iterator[tuple[str, str, Json]]:
    for step, named in values.items():
        for name, value in named.items():
            yield step, name, value


def _default(steps: Mapping[str, Step], merged: Parameters, step_name: str, name: str, place: str) -> Json:
    """The declared default. Raises `UnknownParameter` with what was perhaps meant."""
    full = f"{step_name}.{name}"
    everything = [f"{step}.{parameter}" for step, named in merged.items() for parameter in named]
    step = steps.get(step_name)
    if step is None:
        raise UnknownParameter(
            place=place,
            name=full,
            problem=f"the pipeline has no step {step_name!r}",
            known=everything,
            near=_near(full, everything),
        )
    if name not in step.parameters:
        own = [f"{step_name}.{parameter}" for parameter in step.parameters]
        raise UnknownParameter(
            place=place,
            name=full,
            problem=f"{step.where} has no hyperparameter {name!r}",
            known=own,
            near=_near(full, own) or _near(full, everything),
        )
    default: Json = step.parameters[name]
    return default


def _near(name: str, known: list[str]) -> list[str]:
    return difflib.get_close_matches(name, known, n=2, cutoff=0.6)


def _typed(value: Json, default: Json, name: str, place: str) -> Json:
    if default is None or type(value) is type(default):
        return value
    if type(default) is float and type(value) is int:
        return float(value)
    raise WrongParameterType(
        place=place,
        name=name,
        value=repr(value),
        given=_kind(value),
        default=repr(default),
        wanted=_kind(default),
    )


def _kind(value: Json) -> str:
    names = {
        bool: "a boolean",
        int: "an integer",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "a table",
    }
    return "nothing" if value is None else names[type(value)]
