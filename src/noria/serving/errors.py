"""What a request can have wrong, and what can go wrong while it is answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from noria.errors import Bug, NotFound, StepFailed, Unavailable, UsageError


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
class BadPacking(UsageError):
    code: ClassVar[str] = "REQUEST-ENCODING"
    status: ClassVar[int] = 400
    what: ClassVar[str] = "the body is sent with content-encoding {encoding}, and is none: {problem}"
    next: ClassVar[str] = "send it as one gzip member, or one zlib stream for deflate, or uncompressed"
    encoding: str
    problem: str


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
class Overloaded(Unavailable):
    code: ClassVar[str] = "OVERLOADED"
    what: ClassVar[str] = "{waiting} requests are waiting already"
    next: ClassVar[str] = "ask again in a second"
    waiting: int


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
