"""`Pipeline` and `Part`: decorators that note a function and return it unchanged."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from noria.declare.errors import BadOption, DuplicateName
from noria.declare.expectations import expect_spec
from noria.declare.running import Resources, Running, running
from noria.declare.steps import (
    DataSpec,
    Function,
    LossSpec,
    PredictSpec,
    Role,
    Spec,
    Step,
    StepSpec,
    declared,
)
from noria.declare.where import where_of

if TYPE_CHECKING:
    from noria.records.needs import Retry

F = TypeVar("F", bound=Callable[..., Any])
Decorator = Callable[[F], F]


class Part:
    """Steps of a pipeline in a file of their own; `pipeline.include(part)` takes them in."""

    def __init__(self) -> None:
        self.steps: dict[str, Step] = {}
        self.row_functions: dict[str, Step] = {}
        """Transform name to the function that does the same to a single row."""
        self.expectations: dict[str, Step] = {}
        """Functions that change rows on purpose, by name."""
        self._made: dict[str, Step] = {}

    def data(
        self,
        function: F | None = None,
        *,
        key: str | Sequence[str] = (),
        time: str | None = None,
        known: str | None = None,
        label: str | None = None,
        outcomes: Sequence[str] = (),
        unit: str | None = None,
        unknown: Literal["accept", "refuse"] = "accept",
        resources: Resources | None = None,
        retries: int | Retry | None = None,
        timeout: float | str | None = None,
        environment: str | None = None,
    ) -> Any:
        """A table read from the outside world, always anew; its content decides what is cached below it.

        The function may take `as_of`, and may return rows from after it: Noria keeps those with `known <= as_of`.
        `key` names one column or several, together unique; `time` is when the question is asked, `known` when the
        label became known (both aware timestamps); `outcomes` are further columns from after the question; `unit`
        is what counts as one trial. Label, known and outcomes are hidden from transforms and from predict.
        """

        def decorate(function: F) -> F:
            if unknown not in ("accept", "refuse"):
                raise BadOption(
                    where=where_of(function),
                    option="unknown",
                    problem=f"is {unknown!r}",
                    fix="accept or refuse",
                )
            spec = DataSpec(
                key=(key,) if isinstance(key, str) else tuple(key),
                time=time,
                known=known,
                label=label,
                outcomes=(outcomes,) if isinstance(outcomes, str) else tuple(outcomes),
                unit=unit,
                unknown=unknown,
            )
            how = running(where_of(function), resources, retries, timeout, environment)
            return self._note(function, "data", spec, running=how)

        return decorate if function is None else decorate(function)

    def transform(self, function: F) -> F:
        """Row by row: runs in training and on each request. Same rows, same order; each run checks it."""
        return self._note(function, "transform", StepSpec())

    def row(self, transform: Callable[..., Any]) -> Decorator[F]:
        """The same as `transform` for one row: a dict of Python values in, a dict of the output's columns out.

        It reads what the transform reads, tables as dicts, and may take the transform's hyperparameters. Training never
        calls it; a service answers single rows by it, once it was found to give what the transform gives.
        """

        def decorate(function: F) -> F:
            if not hasattr(transform, "__name__"):
                raise BadOption(
                    where=where_of(function),
                    option="transform",
                    problem=f"is {transform!r}",
                    fix="name the function itself: @pipeline.row(features)",
                )
            self._add_row(transform.__name__, declared(function, "row", StepSpec()))
            return function

        return decorate

    @overload
    def step(self, function: F) -> F: ...
    @overload
    def step(
        self,
        *,
        outputs: Sequence[str] = (),
        codec: str | None = None,
        resources: Resources | None = None,
        retries: int | Retry | None = None,
        timeout: float | str | None = None,
        environment: str | None = None,
    ) -> Decorator[F]: ...
    def step(
        self,
        function: F | None = None,
        *,
        outputs: Sequence[str] = (),
        codec: str | None = None,
        resources: Resources | None = None,
        retries: int | Retry | None = None,
        timeout: float | str | None = None,
        environment: str | None = None,
    ) -> Any:
        """Any work. With `outputs`, the function returns a tuple in that order. `codec="pickle"`, or
        `"torch-export"` for a program of torch.export, is recorded as unsafe.

        `resources` are what one attempt takes for itself, `retries` how often it is tried again (a number, or a
        `Retry` by kind of fault), `timeout` the seconds of one attempt or `"30m"`, `environment` the dependency group
        that it runs in.
        """

        def decorate(function: F) -> F:
            how = running(where_of(function), resources, retries, timeout, environment)
            return self._note(function, "step", StepSpec(codec=codec), outputs, how)

        return decorate if function is None else decorate(function)

    def check(
        self,
        function: F | None = None,
        *,
        resources: Resources | None = None,
        retries: int | Retry | None = None,
        timeout: float | str | None = None,
        environment: str | None = None,
    ) -> Any:
        """Fails the run with a finding: returns None when all is well, else what it found (a string or several)."""
        how = (resources, retries, timeout, environment)
        return self._simple("check", function, how)

    @overload
    def predict(self, function: F) -> F: ...
    @overload
    def predict(self, *, classes: Sequence[str] = ()) -> Decorator[F]: ...
    def predict(self, function: F | None = None, *, classes: Sequence[str] = ()) -> Any:
        """The answer: (n,), (n, k), a dict of arrays or a frame. `classes` names the columns of an (n, k) answer."""

        def decorate(function: F) -> F:
            return self._note(function, "predict", PredictSpec(classes=tuple(classes)))

        return decorate if function is None else decorate(function)

    def loss(self, *, on: str, range: tuple[float, float]) -> Decorator[F]:
        """One loss a row from `label` and `answer`, on the keys of output `on`; values outside `range` are clipped
        and counted."""

        def decorate(function: F) -> F:
            low, high = range
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise BadOption(
                    where=where_of(function),
                    option="range",
                    problem=f"is {range}",
                    fix="give the lowest and the highest loss, both finite: range=(0, 5)",
                )
            return self._note(function, "loss", LossSpec(on=on, range=(float(low), float(high))))

        return decorate

    def expect(
        self,
        holds: Literal["invariant", "not lower", "not higher"],
        *,
        within: float = 0.0,
        share: float = 1.0,
        answer: str | None = None,
    ) -> Decorator[F]:
        """What must hold of the answers to rows that are changed on purpose. The function takes the data step's rows,
        without label and outcomes, and returns them changed: the same rows in the same order, or some of them.

        Each judgement asks the holdout's rows as they are and as they were changed: answers stay within `within`, or are
        no lower or higher by more than that, for `share` of those that were changed. `answer` names one column of several.
        """

        def decorate(function: F) -> F:
            spec = expect_spec(where_of(function), holds, within, share, answer)
            self._add_expectation(declared(function, "expect", spec))
            return function

        return decorate

    def metrics(
        self,
        function: F | None = None,
        *,
        resources: Resources | None = None,
        retries: int | Retry | None = None,
        timeout: float | str | None = None,
        environment: str | None = None,
    ) -> Any:
        """Figures for the card and for threshold gates: a dict of name to number."""
        how = (resources, retries, timeout, environment)
        return self._simple("metrics", function, how)

    def report(
        self,
        function: F | None = None,
        *,
        resources: Resources | None = None,
        retries: int | Retry | None = None,
        timeout: float | str | None = None,
        environment: str | None = None,
    ) -> Any:
        """A figure, a table or a page for the card."""
        how = (resources, retries, timeout, environment)
        return self._simple("report", function, how)

    def _simple(self, role: Role, function: F | None, how: tuple[Any, Any, Any, Any]) -> Any:
        def decorate(function: F) -> F:
            return self._note(function, role, StepSpec(), running=running(where_of(function), *how))

        return decorate if function is None else decorate(function)

    def _note(
        self,
        function: F,
        role: Role,
        spec: Spec,
        outputs: Sequence[str] = (),
        running: Running = Running(),
    ) -> F:
        self._add(declared(function, role, spec, outputs, running))
        return function

    def _add(self, step: Step) -> None:
        names = (step.name, *step.outputs)
        for name in names:
            if name in self._made:
                raise DuplicateName(name=name, first=self._made[name].where, second=step.where)
        self.steps[step.name] = step
        self._made |= dict.fromkeys(names, step)

    def _add_expectation(self, function: Step) -> None:
        if function.name in self.expectations:
            first = self.expectations[function.name].where
            raise DuplicateName(name=function.name, first=first, second=function.where)
        self.expectations[function.name] = function

    def _add_row(self, transform: str, function: Step) -> None:
        if transform in self.row_functions:
            first = self.row_functions[transform].where
            raise DuplicateName(name=f"the row function of {transform}", first=first, second=function.where)
        self.row_functions[transform] = function


class Pipeline(Part):
    """A named graph of plain functions: a function's name is its output, a positional parameter names what it
    reads, a keyword-only parameter with a default is a hyperparameter."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def include(self, part: Part) -> None:
        """Take in another file's steps; raises `DuplicateName`."""
        for step in part.steps.values():
            self._add(step)
        for name, function in part.row_functions.items():
            self._add_row(name, function)
        for function in part.expectations.values():
            self._add_expectation(function)

    def __repr__(self) -> str:
        return f"<Pipeline {self.name}: {', '.join(self.steps)}>"


__all__ = ["Function", "Part", "Pipeline"]
