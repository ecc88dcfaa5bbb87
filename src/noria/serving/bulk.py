"""Many rows at once: bodies of Arrow record batches (the IPC stream format), or of JSON objects, one a line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from noria.serving import table
from noria.serving.answers import as_values
from noria.serving.asked import Asked
from noria.serving.errors import BadJson, NotAcceptable
from noria.serving.messages import ARROW, JSON, Request, Response, check_encoding
from noria.serving.served import Served

if TYPE_CHECKING:
    import pyarrow as pa

LINES = "application/x-ndjson"
VERSION = "noria-version"  # the header that says which version answered, where the body has no place for it

_decode = msgspec.json.Decoder().decode
_encode_lines = msgspec.json.Encoder().encode_lines


def kind_of_body(request: Request) -> str:
    """`ARROW`, `LINES`, or `JSON` for all else, of which the reader of JSON says whether it is. Raises
    `WrongContentType`."""
    kind = request.headers.get("content-type", JSON).split(";")[0].strip().lower()
    if kind not in (ARROW, LINES):
        return JSON
    check_encoding(request)
    return kind


def kind_of_answer(request: Request, kind: str) -> str:
    """As the request accepts it, and in the form of the request where that is left open. Raises `NotAcceptable`."""
    given = request.headers.get("accept")
    if given is None:
        return kind
    accepted = [part.split(";")[0].strip().lower() for part in given.split(",")]
    named = [each for each in accepted if each in (ARROW, LINES, JSON)]
    if named:
        return kind if kind in named else named[0]
    if any(each in ("*/*", "application/*", "") for each in accepted):
        return kind
    raise NotAcceptable(given=given, known=[JSON, LINES, ARROW])


def read(kind: str, body: bytes, served: Served) -> Asked:
    """Raises `BadArrow`, `BadJson`, and what `Reader` raises."""
    if kind == ARROW:
        return table.read(body, served.reader)
    rows = None if served.quick is None else served.quick.lines(body)
    if rows is None:
        return served.reader.rows(_objects(body))
    return served.reader.typed(rows)


def prepared(kind: str, served: Served, answers: pa.RecordBatch) -> Callable[[Sequence[str]], Response]:
    """All of a response but the ids."""
    if kind == ARROW:
        return as_table(served.version.name, answers)
    values, headers = as_values(answers), {VERSION: served.version.name}

    def finish(ids: Sequence[str]) -> Response:
        lines = [{"id": id, "answer": value} for id, value in zip(ids, values, strict=True)]
        return Response(200, _encode_lines(lines), LINES, headers)

    return finish


def as_table(version: str, answers: pa.RecordBatch) -> Callable[[Sequence[str]], Response]:
    """All of a response in Arrow but the ids."""
    return lambda ids: Response(200, table.written(ids, answers, version), ARROW, {VERSION: version})


def _objects(body: bytes) -> list[Any]:
    """What each line holds, where one of them has a fault that is to be named."""
    found = []
    for number, line in enumerate(body.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            found.append(_decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadJson(problem=f"line {number}: {error}") from error
    return found
