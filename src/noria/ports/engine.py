"""Where tasks run: processes that hold the user's code and serve many tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from noria.records.tasks import Done, Task

D = TypeVar("D", bound=Done)


class Engine(Protocol):
    """Runs tasks in isolated workers, each bound to one source tree. Closing it leaves no process behind.

    Errors: `WorkerLost` when the process died (signal, exit code, last lines of its log), `StepFailed` when the
    user's code raised. A task may be sent again: its outputs are content-addressed.
    """

    def perform(self, task: Task, *, on_output: Callable[[str], None] | None = None) -> Done:
        """Run a task to its end. `on_output` gets captured lines while it runs."""
        ...

    def warm(self, pipeline: str = "") -> None:
        """Start a worker now, so that its imports overlap with the driver's own work: the user's pipeline
        (`module:name`) among them, where it is named."""
        ...

    def close(self) -> None: ...


def ask(engine: Engine, task: Task, expect: type[D]) -> D:
    """Perform a task whose answer is known to be of one kind."""
    done = engine.perform(task)
    if not isinstance(done, expect):
        raise TypeError(f"a worker answered {type(done).__name__} to {type(task).__name__}")
    return done
