"""What a run tells while it goes on."""

from __future__ import annotations

from typing import Protocol

from noria.errors import NoriaError
from noria.pipeline.plan import Plan
from noria.records.runs import Run, StepResult


class Listener(Protocol):
    """Hears of a run while it goes on; can neither stop nor change it. Called on the driver's own thread. `step` is a
    step's name, or an item's of a fan-out: `score[3]`."""

    def began(self, run: Run, plan: Plan, resumed: bool) -> None:
        """`resumed`: an interrupted run goes on."""
        ...

    def items(self, step: str, count: int) -> None:
        """A step runs once for each of so many items, each of which is heard of on its own."""
        ...

    def started(self, step: str, why: str) -> None:
        """A step begins to be executed: it has waited for its turn."""
        ...

    def output(self, step: str, line: str) -> None:
        """A line that it printed, while it runs."""
        ...

    def again(self, step: str, attempt: int, error: NoriaError, pause: float) -> None:
        """An attempt failed, and after so many seconds there is another."""
        ...

    def finished(self, result: StepResult) -> None:
        """It was executed, and its result is durable."""
        ...

    def reused(self, result: StepResult) -> None:
        """It was not executed: another run's result serves, or this run's own from before it was interrupted."""
        ...

    def judging(self) -> None:
        """All steps are done; signature, quality and gates follow."""
        ...


class Silent:
    """A listener that says nothing."""

    def began(self, run: Run, plan: Plan, resumed: bool) -> None: ...
    def items(self, step: str, count: int) -> None: ...
    def started(self, step: str, why: str) -> None: ...
    def output(self, step: str, line: str) -> None: ...
    def again(self, step: str, attempt: int, error: NoriaError, pause: float) -> None: ...
    def finished(self, result: StepResult) -> None: ...
    def reused(self, result: StepResult) -> None: ...
    def judging(self) -> None: ...
