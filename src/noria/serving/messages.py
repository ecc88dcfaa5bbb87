"""A request and a response, whatever carries them: the transport makes the one and sends the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from noria.errors import NoriaError, Unavailable, problem
from noria.serving.errors import BadJson, BadRows, BadShape, Unauthorised, WrongContentType, WrongMethod

ARROW = "application/vnd.apache.arrow.stream"
JSON, PROBLEM, TEXT = (
    "application/json",
    "application/problem+json",
    "text/plain; version=0.0.4; charset=utf-8",
)
FORM = "application/x-www-form-urlencoded"
RETRY_AFTER = "1"  # s; a queue of single rows drains in less

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: bytes = b""


@dataclass(frozen=True)
class Response:
    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def reply(value: object, status: int = 200) -> Response:
    """A value as JSON; floats come back exactly, and one that is not finite is null."""
    return Response(status, _encode(value))


def refusal(error: NoriaError, *, protocol: bool = False) -> Response:
    """An error as problem+json, or as the inference protocol wants it, with the same members beside `error`."""
    body = problem(error)
    if isinstance(error, BadRows):
        body["faults"] = error.faults
    headers: dict[str, str] = {}
    if isinstance(error, Unavailable):
        headers["retry-after"] = RETRY_AFTER
    if isinstance(error, WrongMethod):
        headers["allow"] = ", ".join(error.allowed)
    if isinstance(error, Unauthorised):
        headers["www-authenticate"] = error.challenge
    if protocol:
        body["error"] = body.pop("detail")
    return Response(error.status, _encode(body), JSON if protocol else PROBLEM, headers)


def parsed(request: Request) -> dict[str, Any]:
    """The JSON object in a request's body. Raises `WrongContentType`, `BadJson`, `BadShape`."""
    _check_content_type(request)
    try:
        value = _decode(request.body)
    except UnicodeDecodeError as error:
        raise BadJson(problem=f"byte {error.start} is not UTF-8") from error
    except RecursionError as error:
        raise BadJson(problem="it is nested too deeply") from error
    except msgspec.DecodeError as error:
        raise BadJson(problem=_reason(request.body, str(error))) from error
    if not isinstance(value, dict):
        raise BadShape(problem="the body is no JSON object", fix='send {"rows": [{"column": value, ...}]}')
    return value


def _check_content_type(request: Request) -> None:
    headers = request.headers
    given = headers.get("content-type", JSON)
    kind, *parameters = (part.strip().lower() for part in given.split(";"))
    charset = next((part[8:].strip('"') for part in parameters if part.startswith("charset=")), "utf-8")
    json = kind == JSON or (kind.startswith("application/") and kind.endswith("+json"))
    if not (json or (kind == FORM and _typed_by_hand(request))):
        raise WrongContentType(given=given)
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise WrongContentType(given=given)
    check_encoding(request)


def check_encoding(request: Request) -> None:
    """Raises `WrongContentType` for a compressed body."""
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise WrongContentType(given=f"{request.headers.get('content-type', JSON)}, {encoding}")


def _typed_by_hand(request: Request) -> bool:
    """Whether `curl -d '{...}'` may have sent this, which calls any body a form. A page in a browser can send a form
    anywhere without leave, to a service on the reader's own machine too, but not without saying where it comes from."""
    return request.path.startswith("/v1/") and "origin" not in request.headers


_NOT_FINITE = (b"NaN", b"Infinity", b"-Infinity", b"nan", b"inf")


def _reason(body: bytes, message: str) -> str:
    """The decoder's words with the place, and a hint where a number is written that JSON does not have."""
    if not body:
        return "it is empty"
    _, _, place = message.rpartition("(byte ")
    if not place.rstrip(")").isdigit():
        return message
    position = int(place.rstrip(")"))
    start = position - 1 if body[max(0, position - 1) : position] == b"-" else position
    if any(body.startswith(literal, start) for literal in _NOT_FINITE):
        return f"byte {start} begins a number that is not finite, which JSON has not; a missing value is null"
    line = body.count(b"\n", 0, position) + 1
    column = position - (body.rfind(b"\n", 0, position) + 1) + 1
    return f"{message} at line {line}, column {column}"
