"""One run, and its steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, overload

from noria.app.errors import UnknownStep
from noria.app.logs import logs
from noria.app.read import RunDetail, RunView, find_run, read_run
from noria.client.objects import Stored, find_output, loaded, outputs_of
from noria.client.place import Place
from noria.records.base import Json
from noria.records.runs import DataVersion, Failed, Fingerprint, Ran, StepResult, Succeeded

if TYPE_CHECKING:
    from noria.client.card import Card
    from noria.client.series import Series
    from noria.client.version import Version

OVER = frozenset({"succeeded", "failed", "abandoned", "pruned"})  # states that no run leaves any more


class Run:
    """A run: `run["classifier"]` gives a step's output back as the object that it was.

    Of a run that is over everything is read once; of one under way, anew at each look.
    """

    def __init__(self, place: Place, view: RunView) -> None:
        self._place = place
        self._view = view
        self._detail: RunDetail | None = None

    @property
    def name(self) -> str:
        """`delay/143`"""
        return self._view.name

    @property
    def model(self) -> str:
        return self._view.run.asked.model

    @property
    def number(self) -> int:
        return self._view.run.number

    @property
    def state(self) -> str:
        """`running`, `killed`, `succeeded`, `failed`, `interrupted` or `abandoned`."""
        return self._now().state

    @property
    def started(self) -> datetime:
        return self._view.run.started

    @property
    def finished(self) -> datetime | None:
        return self._now().finished

    @property
    def seconds(self) -> float | None:
        """From start to end; None for a run that is not over."""
        view = self._now()
        return (view.finished - view.run.started).total_seconds() if view.finished else None

    @property
    def parameters(self) -> dict[str, dict[str, Json]]:
        """Step name to hyperparameters, defaults filled in."""
        return {step: dict(part) for step, part in self._view.run.asked.parameters.items()}

    @property
    def metrics(self) -> dict[str, float]:
        """Empty for a run that has not succeeded."""
        outcome = self._now().outcome
        return dict(outcome.metrics) if isinstance(outcome, Succeeded) else {}

    @property
    def error(self) -> str | None:
        """Why it failed; None for one that did not."""
        outcome = self._now().outcome
        return outcome.error if isinstance(outcome, Failed) else None

    @property
    def commit(self) -> str:
        return self._view.run.asked.provenance.source.commit

    @property
    def dirty(self) -> bool:
        """Whether there were changes that were not committed."""
        source = self._view.run.asked.provenance.source
        return source.dirty or bool(source.untracked)

    @property
    def as_of(self) -> datetime:
        return self._view.run.asked.as_of

    @property
    def trigger(self) -> str:
        """What started it, and why: `schedule every 7 days`."""
        trigger = self._view.run.asked.trigger
        return f"{trigger.kind} {trigger.cause}".rstrip()

    @property
    def version(self) -> Version | None:
        """What came of it; None for a run that made none."""
        from noria.app.read import read_version
        from noria.client.version import Version

        outcome = self._now().outcome
        if not isinstance(outcome, Succeeded) or outcome.version is None:
            return None
        with self._place.look() as app:
            return Version(self._place, read_version(app, f"{self.model}:{outcome.version}").view)

    @property
    def steps(self) -> Steps:
        """In the order in which they finished: `run.steps["classifier"]`."""
        return Steps(self, self._read().steps)

    @property
    def outputs(self) -> list[str]:
        """The names that `run[...]` knows so far."""
        return list(dict(outputs_of(self._read().steps)))

    @property
    def logs(self) -> dict[str, str]:
        """What each step printed, by its name; those that printed nothing are left out. Of several attempts the last."""
        with self._place.look() as app:
            return {one.step: one.text for one in logs(app, self.name)}

    def log(self, step: str) -> str:
        """What a step printed, all attempts of it and of its items one after the other. Raises `UnknownStep`."""
        with self._place.look() as app:
            return "".join(one.text for one in logs(app, self.name, step))

    @property
    def series(self) -> Series:
        """What its steps logged; of a run under way, so far."""
        from noria.app.series import read_series
        from noria.client.series import Series

        with self._place.look() as app:
            steps = app.records.runs.steps(self.model, self.number)
            return Series(self.name, read_series(app, self._view.run, steps))

    @property
    def card(self) -> Card:
        """Everything on one page."""
        from noria.app.cards import make_card
        from noria.client.card import Card

        with self._place.look() as app:
            return Card(self.name, make_card(app, self.name))

    def __getitem__(self, name: str) -> Any:
        """An output as the object that was stored, of the same type: tables and large arrays are mapped, a fan-out is a
        list, `run["score[3]"]` one item of it. Raises `UnknownOutput`, `Unsafe` for what is pickled."""
        detail = self._read()
        with self._place.look() as app:
            artifact = find_output(detail.steps, name, self.name, app.store)
            return loaded(app, artifact, f"{self.name} {name}", unsafe=False)

    def artifact(self, name: str) -> Stored:
        """An output as it lies in the store: its record, a path to its bytes, `load(unsafe=True)`. Raises
        `UnknownOutput`."""
        detail = self._read()
        with self._place.look() as app:
            found = find_output(detail.steps, name, self.name, app.store)
        return Stored(f"{self.name} {name}", found, self._place)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and (self._place, self.name) == (other._place, other.name)

    def __hash__(self) -> int:
        return hash((self._place, self.name))

    def __repr__(self) -> str:
        from noria.client.display import run_text

        return run_text(self._now())

    def _repr_html_(self) -> str:
        from noria.client.display import run_html

        return run_html(self._read())

    def _ipython_key_completions_(self) -> list[str]:
        return self.outputs

    def _now(self) -> RunView:
        if self._view.state not in OVER:
            with self._place.look() as app:
                self._view = find_run(app, self.name)
        return self._view

    def _read(self) -> RunDetail:
        if self._detail is None or self._detail.view.state not in OVER:
            with self._place.look() as app:
                self._detail = read_run(app, self.name)
            self._view = self._detail.view
        return self._detail


class Steps(Sequence["Step"]):
    """Steps of a run, by position or by name."""

    def __init__(self, run: Run, results: Sequence[StepResult]) -> None:
        self._run = run
        self._steps = [Step(run, result) for result in results]

    @overload
    def __getitem__(self, key: int | str) -> Step: ...
    @overload
    def __getitem__(self, key: slice) -> Sequence[Step]: ...
    def __getitem__(self, key: int | str | slice) -> Step | Sequence[Step]:
        """Raises `UnknownStep`, and IndexError for a position."""
        if not isinstance(key, str):
            return self._steps[key]
        for step in self._steps:
            if step.name == key:
                return step
        error = UnknownStep(name=key, pipeline=self._run.name, known=[step.name for step in self._steps])
        error.add_note(f"next: {error.advice()}")
        raise error

    def __iter__(self) -> Iterator[Step]:
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)

    def __repr__(self) -> str:
        return "\n".join(map(repr, self._steps)) or "<no step has finished>"

    def _repr_html_(self) -> str:
        from noria.client.display import steps_html

        return steps_html([step.record for step in self._steps], began=self._run.started)

    def _ipython_key_completions_(self) -> list[str]:
        return [step.name for step in self._steps]


class Step:
    """A finished step of a run."""

    def __init__(self, run: Run, record: StepResult) -> None:
        self._run = run
        self.record = record
        """All that is recorded of it."""

    @property
    def name(self) -> str:
        """Of a fan-out's item with its number: `score[3]`."""
        return self.record.step

    @property
    def role(self) -> str:
        return self.record.role

    @property
    def fingerprint(self) -> Fingerprint:
        """What decided its result: code, inputs, parameters, environment, seed."""
        return self.record.fingerprint

    @property
    def reason(self) -> str:
        """`ran: code changed`, or `reused from delay/141`."""
        reason = self.record.reason
        return f"ran: {reason.why}" if isinstance(reason, Ran) else f"reused from {reason.run}"

    @property
    def started(self) -> datetime:
        return self.record.started

    @property
    def seconds(self) -> float:
        return self.record.seconds

    @property
    def notes(self) -> tuple[str, ...]:
        return self.record.notes

    @property
    def items(self) -> int | None:
        """Of a fan-out's gathered result, how many; else None."""
        return self.record.items

    @property
    def data(self) -> DataVersion | None:
        """Of a data step, the version of what it read."""
        return self.record.data

    @property
    def outputs(self) -> dict[str, Stored]:
        """By name; `.load()` gives the object."""
        return {
            name: Stored(f"{self._run.name} {name}", artifact, self._run._place)
            for name, artifact in self.record.outputs.items()
        }

    @property
    def log(self) -> str:
        """What it printed; empty for nothing."""
        return self._run.log(self.name)

    def __repr__(self) -> str:
        from noria.client.display import step_text

        return step_text(self.record)

    def _repr_html_(self) -> str:
        from noria.client.display import step_html

        return step_html(self._run.name, self.record)
