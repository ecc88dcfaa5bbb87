"""Where tasks run: processes that hold the user's code and serve many tasks, side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol, TypeVar

from noria.errors import NoriaError, Unavailable
from noria.records.base import Digest
from noria.records.needs import Fault, Needs, Retry
from noria.records.tasks import Done, Task

D = TypeVar("D", bound=Done)
ONCE = Retry(lost=0, memory=0)


class EngineLost(Unavailable):
    """What an engine runs on is gone: no step's fault, and a run can go on as soon as it is back."""

    code: ClassVar[str] = "ENGINE-LOST"
    what: ClassVar[str] = "what the engine runs on is gone"
    next: ClassVar[str] = "start it again; the same command then goes on with what was finished"


@dataclass(frozen=True)
class Job:
    """A task that waits for its resources. `id` is the caller's own name for it, unique among those not yet over."""

    id: str
    task: Task
    needs: Needs = field(default_factory=Needs)
    python: Path | None = None
    """The interpreter of another environment; None: the engine's own."""
    timeout: float | None = None
    """Seconds from its start, after which its process is ended."""
    alone: bool = False
    """No other job runs beside it on its machine."""
    retry: Retry = ONCE
    """For `Retrying`, which wraps an engine; an engine itself tries once."""
    files: dict[str, Digest] = field(default_factory=dict)
    """The project's files that the worker's code must be, by their place; it is `Broke` with fault `changed` otherwise."""


@dataclass(frozen=True)
class Started:
    """A job got its resources and began."""

    id: str
    where: str = ""
    """The machine, where there are several."""


@dataclass(frozen=True)
class Said:
    """A job printed a line."""

    id: str
    line: str


@dataclass(frozen=True)
class Ended:
    """A job is done."""

    id: str
    done: Done


@dataclass(frozen=True)
class Broke:
    """A job failed; whatever it had started is gone. `error.log` is the digest of what it printed, if anything."""

    id: str
    error: NoriaError
    fault: Fault
    alone: bool = True
    """Whether no other job was running beside it, so that a lack of memory was its own."""


@dataclass(frozen=True)
class Again:
    """A job failed and will be tried again."""

    id: str
    attempt: int
    """The one that failed, from 1."""
    error: NoriaError
    pause: float
    """Seconds until the next."""


Happening = Started | Said | Ended | Broke | Again


class Engine(Protocol):
    """Runs jobs in isolated workers, each bound to one source tree, as many at once as its resources allow and in
    the order in which they were submitted. For one thread. Closing it leaves no process behind.

    A task may be sent again: its outputs are content-addressed. What a job raises is a `Broke`, never an exception
    here; exceptions are faults of the engine itself (`BackendError`, `Unavailable`; `EngineLost` when it can be used no
    more).
    """

    def submit(self, job: Job) -> None:
        """Queue a job. Raises `TooLarge` when the engine could never give it what it needs."""
        ...

    def wait(self, seconds: float | None = None) -> list[Happening]:
        """Block until something happens, `seconds` at most; in the order in which it happened. Empty when the time
        is over or when nothing is queued or running."""
        ...

    def cancel(self, id: str) -> None:
        """End a job, queued or running; nothing more is heard of it. Unknown ids are ignored."""
        ...

    def warm(self, pipeline: str = "") -> None:
        """Start a worker now, so that its imports overlap with the driver's own work: the user's pipeline
        (`module:name`) among them, where it is named."""
        ...

    def close(self) -> None:
        """End every job and every process."""
        ...


class Relay:
    """An engine in front of another: passes on whatever its subclass does not change."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def submit(self, job: Job) -> None:
        self._engine.submit(job)

    def wait(self, seconds: float | None = None) -> list[Happening]:
        return self._engine.wait(seconds)

    def cancel(self, id: str) -> None:
        self._engine.cancel(id)

    def warm(self, pipeline: str = "") -> None:
        self._engine.warm(pipeline)

    def close(self) -> None:
        self._engine.close()


def perform(
    engine: Engine,
    task: Task,
    *,
    needs: Needs | None = None,
    python: Path | None = None,
    on_output: Callable[[str], None] | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> Done:
    """Run one task on an engine that has nothing else to do, and do something here in the meantime. Raises what the
    task raised, or the other, which then ends the task."""
    engine.submit(Job(id="one", task=task, needs=needs or Needs(), python=python))
    happened = engine.wait(0.0) if meanwhile else []
    try:
        if meanwhile:
            meanwhile()
    except BaseException:
        engine.cancel("one")
        raise
    while True:
        for happening in happened or engine.wait():
            match happening:
                case Said(line=line) if on_output is not None:
                    on_output(line)
                case Ended(done=done):
                    return done
                case Broke(error=error):
                    raise error
        happened = []


def ask(
    engine: Engine,
    task: Task,
    expect: type[D],
    *,
    needs: Needs | None = None,
    python: Path | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> D:
    """Perform a task whose answer is known to be of one kind."""
    done = perform(engine, task, needs=needs, python=python, meanwhile=meanwhile)
    if not isinstance(done, expect):
        raise TypeError(f"a worker answered {type(done).__name__} to {type(task).__name__}")
    return done
