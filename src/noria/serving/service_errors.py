"""What keeps a service from beginning, a version from being loaded, a table from holding, and its processes from one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from noria.errors import ConfigError, Conflict, NotFound, StepFailed, Unavailable, UsageError


@dataclass(eq=False)
class NotLoadable(StepFailed):
    code: ClassVar[str] = "REPOSITORY-LOAD"
    status: ClassVar[int] = 409
    what: ClassVar[str] = "{problem}"
    next: ClassVar[str] = "`noria status` and the service's log say why; the version before goes on answering"
    problem: str


@dataclass(eq=False)
class ModelLoading(Unavailable):
    code: ClassVar[str] = "MODEL-LOADING"
    what: ClassVar[str] = "{model} is still being loaded"
    next: ClassVar[str] = "ask again in a second: the load goes on"
    model: str


@dataclass(eq=False)
class ModelFailed(Unavailable):
    """What keeps a model from being loaded, by its code alone: its words may name paths."""

    code: ClassVar[str] = "MODEL-FAILED"
    what: ClassVar[str] = "{model} cannot be loaded: {reason}"
    next: ClassVar[str] = (
        "the service's log and `noria service list` say why; it is tried again by a request in half a minute"
    )
    model: str
    reason: str


@dataclass(eq=False)
class OutsideFailed(Unavailable):
    """What failed outside of the service, records or objects, with its own code and status: its words name hosts and
    folders, and are no caller's."""

    code: ClassVar[str] = "SERVICE-OUTSIDE"
    what: ClassVar[str] = "what the service keeps its records or objects in cannot be used now"
    next: ClassVar[str] = (
        "ask again later; the operator: the service's log has the words, under incident {incident}"
    )
    incident: str
    because: str
    answered: int

    def __post_init__(self) -> None:
        self.code = self.because  # type: ignore[misc]
        self.status = self.answered  # type: ignore[misc]


@dataclass(eq=False)
class NotNow(Unavailable):
    """What the keeper cannot do now, with its own code."""

    code: ClassVar[str] = "SERVICE-NOT-NOW"
    what: ClassVar[str] = "{problem}"
    next: ClassVar[str] = "{advised}"
    problem: str
    advised: str
    because: str

    def __post_init__(self) -> None:
        self.code = self.because  # type: ignore[misc]


@dataclass(eq=False)
class WorkerFailed(StepFailed):
    code: ClassVar[str] = "SERVE-WORKER"
    what: ClassVar[str] = "{version} could not be made ready to answer: {reason}"
    next: ClassVar[str] = "the service's log has the stack; `noria show {version}` says what it was made of"
    version: str
    reason: str
    because: str = ""
    """The code of the error that the worker ended with, where that was one of Noria's."""

    def __post_init__(self) -> None:
        if self.because:
            self.code = self.because  # type: ignore[misc]


@dataclass(eq=False)
class Unreachable(Unavailable):
    code: ClassVar[str] = "SERVICE-UNREACHABLE"
    status: ClassVar[int] = 502
    what: ClassVar[str] = "the part of the service that answers this could not be asked: {problem}"
    next: ClassVar[str] = "ask again in a second; `noria status` shows whether the service is well"
    problem: str


@dataclass(eq=False)
class StrangeSibling(Conflict):
    code: ClassVar[str] = "SIBLING-PROTOCOL"
    what: ClassVar[str] = (
        "a worker passed a request on in a form that this one does not know: {given}, not {known}"
    )
    next: ClassVar[str] = (
        "let both versions' environments have the same noria, or the challenger's the newer one"
    )
    given: str
    known: int


@dataclass(eq=False)
class BadRouting(UsageError):
    code: ClassVar[str] = "ROUTING-BAD"
    what: ClassVar[str] = "this routing of {model} cannot hold: {problem}"
    next: ClassVar[str] = "{fix}"
    model: str
    problem: str
    fix: str


@dataclass(eq=False)
class RoutingStale(Conflict):
    code: ClassVar[str] = "ROUTING-STALE"
    what: ClassVar[str] = (
        "the routing of {model} has moved on: you know generation {known}, it is at generation {now}"
    )
    next: ClassVar[str] = "look at it again: noria service show {model}"
    model: str
    known: int
    now: int


@dataclass(eq=False)
class NotLoaded(NotFound):
    code: ClassVar[str] = "VERSION-NOT-LOADED"
    what: ClassVar[str] = "this service has no workers of {model}:{version}; it has those of {loaded}"
    next: ClassVar[str] = "noria service canary {model}:{version} 0% loads it"
    model: str
    version: int
    loaded: Sequence[int]


@dataclass(eq=False)
class NotLoopback(UsageError):
    code: ClassVar[str] = "SERVE-HOST"
    what: ClassVar[str] = "{host} is not a loopback address, and {problem}"
    next: ClassVar[str] = "{fix}, or --host 127.0.0.1"
    host: str
    problem: str
    fix: str


@dataclass(eq=False)
class BadHost(UsageError):
    code: ClassVar[str] = "SERVE-ADDRESS"
    what: ClassVar[str] = "{host} is no address of a machine"
    next: ClassVar[str] = "--host 127.0.0.1, ::1, 0.0.0.0 or another IP address of this machine"
    host: str


@dataclass(eq=False)
class PortTaken(Conflict):
    code: ClassVar[str] = "SERVE-PORT"
    what: ClassVar[str] = "{host}:{port} cannot be listened on: {reason}"
    next: ClassVar[str] = "--port 0 takes a free one; `noria status` shows the services that run"
    host: str
    port: int
    reason: str


@dataclass(eq=False)
class NothingToServe(NotFound):
    code: ClassVar[str] = "SERVE-NOTHING"
    what: ClassVar[str] = "there is no {asked}; {known}"
    next: ClassVar[str] = "noria models {model}; noria run makes a version, noria promote gives it a name"
    model: str
    follows: str
    known: str

    def facts(self) -> dict[str, object]:
        asked = f"{self.model}{':' if self.follows.isdigit() else '@'}{self.follows}"
        return {**super().facts(), "asked": asked}


@dataclass(eq=False)
class TrialFailed(StepFailed):
    code: ClassVar[str] = "SERVE-TRIAL"
    what: ClassVar[str] = "{version} cannot answer rows of its own training data: {kind}: {problem}"
    next: ClassVar[str] = "look for what differs from the run: an environment, a file that its code reads"
    version: str
    kind: str
    problem: str


@dataclass(eq=False)
class OwnSurroundings(ConfigError):
    code: ClassVar[str] = "SERVE-SURROUNDINGS"
    what: ClassVar[str] = (
        "this Python heeds neither PYTHONHASHSEED nor PYTHONUTF8, so a model may answer otherwise than in training"
    )
    next: ClassVar[str] = "start it without -E, -I, -R and -X utf8=0: python -P -m noria.serving"


@dataclass(eq=False)
class Refused(UsageError):
    """What another process of the service refused, with its own code and status."""

    code: ClassVar[str] = "SERVICE-WITHIN"
    what: ClassVar[str] = "{problem}"
    next: ClassVar[str] = "{advised}"
    problem: str
    advised: str
    because: str
    answered: int

    def __post_init__(self) -> None:
        self.code = self.because  # type: ignore[misc]
        self.status = self.answered  # type: ignore[misc]


@dataclass(eq=False)
class NoGrpc(ConfigError):
    code: ClassVar[str] = "SERVE-GRPC"
    what: ClassVar[str] = "grpc_port is set, and the environment that {version} answers in has no grpcio"
    next: ClassVar[str] = (
        "add noria[grpc] to the project's lock, or take grpc_port out of noria.toml's [service]"
    )
    version: str
