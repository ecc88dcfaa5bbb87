"""From declared functions to a graph: who makes what, in which order, and what the service recomputes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from noria.declare.errors import Cycle, EmptyPipeline, MissingAnnotation, UnknownInput, WrongRole
from noria.declare.expectations import check_expectations
from noria.declare.fanout import NONE, FanOut, fan_out
from noria.declare.pipeline import Pipeline
from noria.declare.rows import check_row_function
from noria.declare.steps import AS_OF, DataSpec, LossSpec, Step

LABEL, ANSWER = "label", "answer"  # what a loss reads


@dataclass(frozen=True)
class Resolved:
    """A pipeline whose every input is known to be made by a step."""

    name: str
    order: tuple[Step, ...]
    """Every step that a run executes, each after what it reads: all but predict and loss."""
    maker: dict[str, Step]
    """Output name to its step."""
    request: Step | None
    """The data step whose rows are the question: the one with a label, or the only one."""
    rows: frozenset[str]
    """The request's name and the transforms above it: one row each a row of the request."""
    predict: Step | None
    loss: Step | None
    fan_out: FanOut = NONE
    row_functions: Mapping[str, Step] = field(default_factory=dict)
    """Transform name to the function that does the same to a single row."""
    expectations: Mapping[str, Step] = field(default_factory=dict)
    """Functions that change rows on purpose, by name: what gates ask beside all else. No version is made of them."""

    @property
    def data(self) -> DataSpec:
        """What the request's columns mean; an empty spec for a pipeline without a request."""
        return self.request.spec if self.request and isinstance(self.request.spec, DataSpec) else DataSpec()

    @property
    def loss_spec(self) -> LossSpec | None:
        return self.loss.spec if self.loss and isinstance(self.loss.spec, LossSpec) else None

    def served(self) -> tuple[Step, ...]:
        """The transforms that predict needs, in order."""
        needed: set[str] = set(self.predict.inputs) if self.predict else set()
        for step in reversed(self.order):
            if step.role == "transform" and step.name in needed:
                needed |= set(step.inputs)
        return tuple(step for step in self.order if step.role == "transform" and step.name in needed)

    def frozen(self) -> tuple[str, ...]:
        """The outputs that the service takes as they were at training."""
        steps = (*self.served(), *((self.predict,) if self.predict else ()))
        return tuple(dict.fromkeys(name for step in steps for name in step.inputs if name not in self.rows))


def resolve(pipeline: Pipeline) -> Resolved:
    """Check a pipeline as a whole. Raises a `ConfigError` that names the function, its file and line."""
    if not pipeline.steps:
        raise EmptyPipeline(name=pipeline.name)
    steps = tuple(pipeline.steps.values())
    predict = _only(steps, "predict")
    loss = _only(steps, "loss")
    executed = [step for step in steps if step.role not in ("predict", "loss")]
    maker = {output: step for step in executed for output in step.outputs}
    for step in (*executed, *((predict,) if predict else ())):
        _check_inputs(step, maker, predict)
    order = _ordered(executed, maker)
    request = _request(steps)
    rows = _rows(order, request)
    resolved = Resolved(
        name=pipeline.name,
        order=order,
        maker=maker,
        request=request,
        rows=rows,
        predict=predict,
        loss=loss,
        fan_out=fan_out(order, maker),
        row_functions=dict(pipeline.row_functions),
        expectations=dict(pipeline.expectations),
    )
    for transform, function in pipeline.row_functions.items():
        check_row_function(function, transform, pipeline.steps.get(transform))
    _check_served(resolved)
    _check_loss(resolved)
    check_expectations(resolved.expectations, request, predict)
    return resolved


def _only(steps: tuple[Step, ...], role: str) -> Step | None:
    found = [step for step in steps if step.role == role]
    if len(found) > 1:
        raise WrongRole(
            where=found[1].where,
            role=role,
            problem=f"is the second one: {found[0].where} is there already",
            fix=f"a pipeline has one {role}; remove one",
        )
    return found[0] if found else None


def _check_inputs(step: Step, maker: dict[str, Step], predict: Step | None) -> None:
    for name in step.inputs:
        if name == AS_OF and step.role == "data":
            continue
        if step.role == "data":
            raise WrongRole(
                where=step.where,
                role="data",
                problem=f"reads {name!r}, but a data step reads the outside world alone",
                fix="make it a @step, or take `as_of` only",
            )
        if predict is not None and name == predict.name:
            raise WrongRole(
                where=step.where,
                role=step.role,
                problem=f"reads {name!r}, which is computed on each request",
                fix=f"call the function: {name}({', '.join(predict.inputs)})",
            )
        if name not in maker:
            near = difflib.get_close_matches(name, maker, n=3, cutoff=0.5)
            raise UnknownInput(where=step.where, name=name, known=near or sorted(maker))


def _ordered(steps: list[Step], maker: dict[str, Step]) -> tuple[Step, ...]:
    done: dict[str, Step] = {}
    path: list[str] = []

    def visit(step: Step) -> None:
        if step.name in done:
            return
        if step.name in path:
            loop = [*path[path.index(step.name) :], step.name]
            raise Cycle(where=step.where, path=" -> ".join(loop))
        path.append(step.name)
        for name in step.inputs:
            if name in maker:
                visit(maker[name])
        path.pop()
        done[step.name] = step

    for step in steps:
        visit(step)
    return tuple(done.values())


def _request(steps: tuple[Step, ...]) -> Step | None:
    data = [step for step in steps if step.role == "data"]
    labelled = [step for step in data if isinstance(step.spec, DataSpec) and step.spec.label]
    if len(labelled) > 1:
        raise WrongRole(
            where=labelled[1].where,
            role="data",
            problem=f"has a label, and so has {labelled[0].where}",
            fix="one data step holds the questions and their labels; the others are tables without `label`",
        )
    if labelled:
        return labelled[0]
    return data[0] if len(data) == 1 else None


def _rows(order: tuple[Step, ...], request: Step | None) -> frozenset[str]:
    rows = {request.name} if request else set()
    for step in order:
        if step.role != "transform":
            continue
        if not rows & set(step.inputs):
            raise WrongRole(
                where=step.where,
                role="transform",
                problem="reads no rows of the request",
                fix="let it read the data step with the label or another transform, or make it a @step",
            )
        rows.add(step.name)
    return frozenset(rows)


def _check_served(resolved: Resolved) -> None:
    if resolved.predict is None:
        return
    if not set(resolved.predict.inputs) & resolved.rows:
        raise WrongRole(
            where=resolved.predict.where,
            role="predict",
            problem="reads no rows of the request",
            fix="let it read a transform or the data step with the label",
        )
    for step in (*resolved.served(), resolved.predict):
        for name in step.inputs:
            if step.depth(name):
                raise WrongRole(
                    where=step.where,
                    role=step.role,
                    problem=f"takes {name!r} item by item, and answers all rows at once",
                    fix="let a @step map over the items, and read its list of results here",
                )
            if name in resolved.rows and step.wanted(name) is None:
                raise MissingAnnotation(where=step.where, name=name)


def _check_loss(resolved: Resolved) -> None:
    loss, spec = resolved.loss, resolved.loss_spec
    if loss is None or spec is None:
        return
    faults = [
        (
            set(loss.inputs) != {LABEL, ANSWER},
            "does not read `label` and `answer`",
            "def f(label, answer): ...",
        ),
        (resolved.predict is None, "has no predict to judge", "add a @predict"),
        (not resolved.data.label, "has no label to compare with", "name it: @data(label=...)"),
        (not resolved.data.key, "has no key to find the holdout's rows by", "name it: @data(key=...)"),
        (
            spec.on not in resolved.maker,
            f"is on {spec.on!r}, which no step makes",
            f"one of: {', '.join(resolved.maker)}",
        ),
    ]
    for wrong, problem, fix in faults:
        if wrong:
            raise WrongRole(where=loss.where, role="loss", problem=problem, fix=fix)
