"""What can go wrong with a task beside what the user's code raises."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from noria import errors
from noria.errors import BackendError, Bug, ConfigError, NoriaError, StepFailed
from noria.ports.engine import Job
from noria.records.base import Digest
from noria.records.needs import Fault
from noria.records.tasks import Alter, Answer, Divide, Predict, Raised, RunStep, Score, Task

HINTS = {
    signal.SIGKILL: "was there enough memory? The system kills who takes too much of it: see `dmesg`",
    signal.SIGSEGV: "a library crashed, or wrote into an input, which nothing may change: give it a copy, another version or fewer threads; "
    "`python -X faulthandler` says where",
    signal.SIGABRT: "a library gave up: its reason is in the last lines above",
    signal.SIGBUS: "a mapped file was cut short, or the disk under it failed",
    signal.SIGTERM: "somebody ended it; run again: finished steps are reused",
}
_EXITED = (
    "let the step return, or raise an exception that says what is wrong: os._exit() ends the worker with it"
)
_NO_NORIA = "install noria in the environment of the step: its interpreter does not have it"
NEARLY = 0.8  # of the memory it was allowed: a process that aborts with so much taken lacked memory
LACKED = re.compile(
    r"memory allocation of \d+ bytes failed|bad_alloc|[Oo]ut of memory|Cannot allocate memory"
)
"""What Rust, C++ and C say before they abort."""


@dataclass(eq=False)
class WorkerLost(StepFailed):
    code: ClassVar[str] = "WORKER-LOST"
    what: ClassVar[str] = "{subject} ended its process with {ending}{said}"
    next: ClassVar[str] = "{hint}"
    subject: str
    signal: int | None
    exit_code: int | None
    tail: Sequence[str]
    log: Digest | None

    def facts(self) -> dict[str, object]:
        name = signal.Signals(self.signal).name if self.signal else ""
        return {
            **super().facts(),
            "ending": f"signal {self.signal} ({name})" if self.signal else f"exit code {self.exit_code}",
            "said": _said(self.tail),
            "hint": self._hint(),
        }

    def _hint(self) -> str:
        if self.signal:
            return HINTS.get(signal.Signals(self.signal), "run again")
        return _NO_NORIA if any("No module named" in line for line in self.tail) else _EXITED


@dataclass(eq=False)
class LackedMemory(StepFailed):
    code: ClassVar[str] = "STEP-MEMORY"
    what: ClassVar[str] = "{subject} ran out of memory{limit}, having taken {used}{said}"
    next: ClassVar[str] = (
        "give it more: @step(resources=noria.Resources(memory=...)), or let it take less at once"
    )
    subject: str
    allowed: int | None
    peak: int
    tail: Sequence[str]
    log: Digest | None

    def facts(self) -> dict[str, object]:
        limit = f": {self.allowed / 2**20:,.0f} MiB were declared" if self.allowed else ""
        used = f"{self.peak / 2**20:,.0f} MiB"
        return {**super().facts(), "limit": limit, "used": used, "said": _said(self.tail)}


@dataclass(eq=False)
class StepTimedOut(StepFailed):
    code: ClassVar[str] = "STEP-TIMEOUT"
    what: ClassVar[str] = "{subject} took longer than its {seconds:g} s, and was ended{said}"
    next: ClassVar[str] = (
        "give it more time: @step(timeout=...); noria.checkpoint() keeps what is done by then"
    )
    subject: str
    seconds: float
    tail: Sequence[str]
    log: Digest | None

    def facts(self) -> dict[str, object]:
        return {**super().facts(), "said": _said(self.tail)}


@dataclass(eq=False)
class TooLarge(ConfigError):
    code: ClassVar[str] = "ENGINE-TOO-SMALL"
    what: ClassVar[str] = "{subject} asks for {asked}, and the engine has {there} in all"
    next: ClassVar[str] = "ask for less in its resources, or set [engine] of noria.toml on a larger machine"
    subject: str
    asked: str
    there: str


@dataclass(eq=False)
class NoInterpreter(BackendError):
    code: ClassVar[str] = "WORKER-START"
    what: ClassVar[str] = "{subject} needs a process of {python}, which cannot be started: {problem}"
    next: ClassVar[str] = "build its environment again, or free memory and processes of this machine"
    subject: str
    python: str
    problem: str


@dataclass(eq=False)
class WrongProtocol(Bug):
    code: ClassVar[str] = "WORKER-PROTOCOL"
    what: ClassVar[str] = "the worker speaks protocol {theirs}, this is {ours}"
    next: ClassVar[str] = "install one version of Noria, and run again"
    theirs: int
    ours: int


def lost(
    job: Job, code: int, peak: int, tail: Sequence[str], log: Digest | None, *, starved: bool
) -> tuple[NoriaError, Fault]:
    """What a worker's end in the middle of a job says. `starved`: meanwhile the kernel ended some process for lack of
    memory; `peak` is what this one had taken."""
    allowed, subject = job.needs.memory, subject_of(job.task)
    nearly = allowed is not None and peak > NEARLY * allowed
    said = any(LACKED.search(line) for line in tail)
    if (code == -signal.SIGKILL and (starved or nearly)) or (
        code < 0 and code != -signal.SIGKILL and (said or nearly)
    ):
        return LackedMemory(subject, allowed, peak, tail, log), "memory"
    number = -code if code < 0 else None
    return WorkerLost(subject, number, code if code >= 0 else None, tail, log), "lost"


_FAMILIES: dict[str, type[NoriaError]] = {
    kind.__name__: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, NoriaError) and kind is not NoriaError
}


def as_error(raised: Raised, log: Digest | None = None) -> NoriaError:
    """What a worker raised, as an error of the same family, code, sentence and next step; `log` is a fact of it."""
    family = _FAMILIES.get(raised.family, StepFailed)
    facts = {"code": raised.code, "what": "{error}", "next": "{next_step}"}
    error: NoriaError = type(family.__name__, (family,), facts)()
    vars(error).update(error=raised.error, next_step=raised.next, log=log or raised.log)
    return error


def as_raised(error: NoriaError, fault: Fault) -> Raised:
    """An error on its way to another process: the way back of `as_error`."""
    family = next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _FAMILIES)
    log = getattr(error, "log", None)
    return Raised(
        code=error.code, error=str(error), next=error.advice(), family=family, fault=fault, log=log or None
    )


def subject_of(task: Task) -> str:
    """What a task is, at the beginning of a sentence."""
    match task:
        case RunStep(step=step, item=item):
            return f"step {step}" + "".join(f"[{number}]" for number in item)
        case Divide(by=by):
            return f"the partition by {', '.join(by)}"
        case Score(pipeline=pipeline):
            return f"the loss of {pipeline}"
        case Predict(version=version, file=file):
            return f"predict {version.graph.predict} on {file.path}"
        case Alter(expectation=name):
            return f"expectation {name}"
        case _:
            return f"predict {task.graph.predict}" + (" on the holdout" if isinstance(task, Answer) else "")


def _said(tail: Sequence[str]) -> str:
    lines = "".join(f"\n  {line}" for line in tail)
    return f"\nits last lines were:{lines}" if lines else ", and had printed nothing"
