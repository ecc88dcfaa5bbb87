"""What a request, or a service, can do wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from noria.errors import Bug, ConfigError, Conflict, NotFound, StepFailed, Unavailable, UsageError


@dataclass(frozen=True)
class Fault:
    """One value that does not fit the signature."""

    row: int | None
    column: str | None
    given: str
    expected: str

    def __str__(self) -> str:
        where = [f"row {self.row}"] if self.row is not None else []
        where += [f"column {self.column}"] if self.column is not None else []
        return f"{', '.join(where) or 'request'}: given {self.given}, expected {self.expected}"


REALM = 'Bearer realm="noria"'


class Unauthorised(UsageError):
    """Whoever asks may not; raised as what stands beside the gate, not itself."""

    challenge: ClassVar[str] = REALM
    """What the header `WWW-Authenticate` says."""


@dataclass(eq=False)
class BadJson(UsageError):
    code: ClassVar[str] = "REQUEST-JSON"
    what: ClassVar[str] = "the body is no JSON: {problem}"
    next: ClassVar[str] = "send RFC 8259 JSON in UTF-8; a missing value is null"
    problem: str


@dataclass(eq=False)
class BadShape(UsageError):
    code: ClassVar[str] = "REQUEST-SHAPE"
    what: ClassVar[str] = "{problem}"
    next: ClassVar[str] = "{fix}"
    problem: str
    fix: str


@dataclass(eq=False)
class BadRows(UsageError):
    code: ClassVar[str] = "REQUEST-ROWS"
    status: ClassVar[int] = 422
    what: ClassVar[str] = "the request has faults, {count} in all: {faults}"
    next: ClassVar[str] = "GET /v1/models/{model} shows the columns and an example"
    model: str
    count: int
    faults: Sequence[Fault]
    """The first ones; `count` is of all."""


@dataclass(eq=False)
class BeyondTraining(BadRows):
    """The model's code raises on values that it would take if they were such as training had."""

    code: ClassVar[str] = "REQUEST-BEYOND-TRAINING"
    what: ClassVar[str] = (
        "{version} raises {kind} on values that its training never had, {count} in all: {faults}"
    )
    next: ClassVar[str] = (
        'send values as training had them; with unknown="refuse" in the data step, others are refused unasked'
    )
    version: str
    kind: str


@dataclass(eq=False)
class TooManyRows(UsageError):
    code: ClassVar[str] = "REQUEST-TOO-MANY-ROWS"
    status: ClassVar[int] = 413
    what: ClassVar[str] = "{rows} rows in one request; this service takes {limit}"
    next: ClassVar[str] = "send them in several requests"
    rows: int
    limit: int


@dataclass(eq=False)
class BodyTooLarge(UsageError):
    code: ClassVar[str] = "REQUEST-TOO-LARGE"
    status: ClassVar[int] = 413
    what: ClassVar[str] = "the body is larger than the {limit} bytes that this service takes"
    next: ClassVar[str] = "send the rows in several requests, or raise max_body in noria.toml's [service]"
    limit: int


@dataclass(eq=False)
class BodyTooSlow(UsageError):
    code: ClassVar[str] = "REQUEST-TOO-SLOW"
    status: ClassVar[int] = 408
    what: ClassVar[str] = "the body did not arrive within {seconds:g} seconds"
    next: ClassVar[str] = "send it again, or in smaller requests"
    seconds: float


@dataclass(eq=False)
class BadHttp(UsageError):
    code: ClassVar[str] = "REQUEST-HTTP"
    status: ClassVar[int] = 400
    what: ClassVar[str] = "this is no HTTP/1.1: {problem}"
    next: ClassVar[str] = "use an HTTP client; a service with TLS is asked with https://"
    problem: str


@dataclass(eq=False)
class HeadersTooLarge(UsageError):
    code: ClassVar[str] = "REQUEST-HEADERS"
    status: ClassVar[int] = 431
    what: ClassVar[str] = "the request's line and headers are more than {limit} bytes"
    next: ClassVar[str] = "send the rows in the body"
    limit: int


@dataclass(eq=False)
class TooManyConnections(Unavailable):
    code: ClassVar[str] = "SERVICE-CONNECTIONS"
    what: ClassVar[str] = "{limit} connections are open already"
    next: ClassVar[str] = "keep a connection for many requests, and close it when it is not needed"
    limit: int


@dataclass(eq=False)
class WrongContentType(UsageError):
    code: ClassVar[str] = "REQUEST-CONTENT-TYPE"
    status: ClassVar[int] = 415
    what: ClassVar[str] = "the body is sent as {given!r}"
    next: ClassVar[str] = (
        "send plain JSON in UTF-8 with the header `content-type: application/json`; docs/http.md has the bulk forms"
    )
    given: str


@dataclass(eq=False)
class NotAcceptable(UsageError):
    code: ClassVar[str] = "ANSWER-FORM"
    status: ClassVar[int] = 406
    what: ClassVar[str] = "the answer is wanted as {given!r}"
    next: ClassVar[str] = "accept {known}, or leave the header out"
    given: str
    known: Sequence[str]


@dataclass(eq=False)
class BadArrow(UsageError):
    code: ClassVar[str] = "REQUEST-ARROW"
    what: ClassVar[str] = "the body is no stream of Arrow record batches: {problem}"
    next: ClassVar[str] = "send the IPC stream format, not the file's, and without compression of its buffers"
    problem: str


@dataclass(eq=False)
class NoNull(UsageError):
    code: ClassVar[str] = "ANSWER-NULL"
    what: ClassVar[str] = "the answer has a null in {output}, which no binary tensor can hold"
    next: ClassVar[str] = "ask for {output} as JSON"
    output: str


@dataclass(eq=False)
class NotByRequest(UsageError):
    code: ClassVar[str] = "REPOSITORY-POLICY"
    what: ClassVar[str] = (
        "{asked} is not {wanted} by a request: this service answers with {model}@{follows} alone"
    )
    next: ClassVar[str] = (
        "noria promote moves an alias, and the service follows; noria serve starts another service"
    )
    asked: str
    wanted: str
    model: str
    follows: str


@dataclass(eq=False)
class NotLoadable(StepFailed):
    code: ClassVar[str] = "REPOSITORY-LOAD"
    status: ClassVar[int] = 409
    what: ClassVar[str] = "{problem}"
    next: ClassVar[str] = "`noria status` and the service's log say why; the version before goes on answering"
    problem: str


@dataclass(eq=False)
class NoSuchPath(NotFound):
    code: ClassVar[str] = "PATH-UNKNOWN"
    what: ClassVar[str] = "there is nothing at {path}"
    next: ClassVar[str] = "GET /v1/models/{model} shows what this service takes"
    path: str
    model: str


@dataclass(eq=False)
class WrongMethod(UsageError):
    code: ClassVar[str] = "METHOD"
    status: ClassVar[int] = 405
    what: ClassVar[str] = "{path} does not take {method}"
    next: ClassVar[str] = "use {allowed}"
    path: str
    method: str
    allowed: Sequence[str]


@dataclass(eq=False)
class NotServed(NotFound):
    code: ClassVar[str] = "NOT-SERVED"
    what: ClassVar[str] = "{asked} is not served here; {serving} is, as {follows}"
    next: ClassVar[str] = "ask /v1/models/{model}, or serve the other version too: noria serve"
    asked: str
    serving: str
    follows: str
    model: str


@dataclass(eq=False)
class NoSuchModel(NotFound):
    code: ClassVar[str] = "MODEL-NOT-SERVED"
    what: ClassVar[str] = "{asked} is not served here; {models} are"
    next: ClassVar[str] = "GET /v1/models lists them; noria serve takes the models that are to answer"
    asked: str
    models: Sequence[str]


@dataclass(eq=False)
class WhichModel(NotFound):
    code: ClassVar[str] = "PATH-MODEL"
    what: ClassVar[str] = "this service has several models, and {path} is of one"
    next: ClassVar[str] = "GET /v1/models lists them; /v1/models/MODEL{path} is that of one"
    path: str


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
class Overloaded(Unavailable):
    code: ClassVar[str] = "OVERLOADED"
    what: ClassVar[str] = "{waiting} requests are waiting already"
    next: ClassVar[str] = "ask again in a second"
    waiting: int


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
class TooLate(Unavailable):
    code: ClassVar[str] = "DEADLINE"
    status: ClassVar[int] = 504
    what: ClassVar[str] = "the request waited longer than its deadline, so it was not worked on"
    next: ClassVar[str] = "ask again; more workers, or a later deadline, when this is common"


@dataclass(eq=False)
class GraphFailed(StepFailed):
    code: ClassVar[str] = "GRAPH-FAILED"
    what: ClassVar[str] = "{version} raised {kind} on these rows"
    next: ClassVar[str] = "the service's log has the stack under incident {incident}"
    version: str
    kind: str
    incident: str


@dataclass(eq=False)
class Broken(Bug):
    code: ClassVar[str] = "SERVICE-BUG"
    what: ClassVar[str] = "the service failed at this request by a fault of its own"
    next: ClassVar[str] = "please report it with the stack that its log has under incident {incident}"
    incident: str


@dataclass(eq=False)
class AnswerChanged(StepFailed):
    code: ClassVar[str] = "ANSWER-CHANGED"
    what: ClassVar[str] = "{version} answered {given}, and its signature says {expected}"
    next: ClassVar[str] = "let predict return the same columns and types whatever the rows are"
    version: str
    given: str
    expected: str


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
