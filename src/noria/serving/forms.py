"""The forms in which a request may come and its answer leave: rows and tensors as JSON, binary tensors, tables.

A form is read in the batcher's thread, once it is known which version answers; what it leaves behind turns the answers
into the form that was asked for, and at last, when the log has given their ids, into a response.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from noria.serving import binary, bulk, tensors
from noria.serving.answers import as_values
from noria.serving.asked import Asked
from noria.serving.errors import BadShape
from noria.serving.messages import JSON, Request, Response, parsed, reply
from noria.serving.protocol import Infer, infer_request
from noria.serving.served import Served

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = "rows"  # the member that holds several rows; an object without it is a row itself

Finish = Callable[[Sequence[str]], Any]
"""The response, from the ids of the rows."""
Prepare = Callable[["pa.RecordBatch"], Finish]
"""All of the response but the ids, from the answers. Raises what keeps them from being said in this form."""


@dataclass(frozen=True)
class Form:
    """A request as one protocol asks it."""

    size: int
    """Bytes that it holds while it waits."""
    read: Callable[[Served], tuple[Asked, Prepare]]
    """Raises what is wrong with the request."""


def predict(request: Request) -> Form:
    """Rows in, in JSON, NDJSON or Arrow. Raises `WrongContentType`, `NotAcceptable`."""
    kind = bulk.kind_of_body(request)
    wanted = bulk.kind_of_answer(request, kind)

    def read(served: Served) -> tuple[Asked, Prepare]:
        asked = _rows(request, served) if kind == JSON else bulk.read(kind, request.body, served)
        return asked, lambda answers: _prepared(served, answers, wanted)

    return Form(len(request.body), read)


def infer(request: Request) -> Form:
    """Tensors in, as JSON and in binary."""

    def read(served: Served) -> tuple[Asked, Prepare]:
        head, tail = binary.parted(request)
        body = infer_request(parsed(head))
        tensors.check_outputs(served.version.signature, body.outputs)
        asked = tensors.read(body, served.reader, binary.shared_out(body, tail))
        return asked, lambda answers: _tensors(served, body, answers)

    return Form(len(request.body), read)


FORMS: dict[str, Callable[[Request], Form]] = {"predict": predict, "infer": infer}


def _rows(request: Request, served: Served) -> Asked:
    body = parsed(request)
    single = ROWS not in body or ROWS in served.reader.kinds
    if not single and len(body) > 1:
        extra = sorted(body.keys() - {ROWS})
        raise BadShape(problem=f"there is {extra} beside `rows`", fix='send {"rows": [...]} alone')
    return served.reader.rows([body] if single else body[ROWS])


def _prepared(served: Served, answers: pa.RecordBatch, wanted: str) -> Finish:
    if wanted != JSON:
        return bulk.prepared(wanted, served, answers)
    values, version = as_values(answers), served.version

    def finish(ids: Sequence[str]) -> Response:
        predictions = [{"id": id, "answer": value} for id, value in zip(ids, values, strict=True)]
        return reply({"model": version.model, "version": version.number, "predictions": predictions})

    return finish


def _tensors(served: Served, body: Infer, answers: pa.RecordBatch) -> Finish:
    version = served.version
    outputs = tensors.outputs(answers, version.signature, body.outputs)
    tails = binary.packed_outputs(outputs, body)

    def finish(ids: Sequence[str]) -> Response:
        head: dict[str, Any] = {
            "model_name": version.model,
            "model_version": str(version.number),
            **({} if body.id is None else {"id": body.id}),
            "parameters": {"version": version.name, "prediction_ids": ",".join(ids)},
            "outputs": outputs,
        }
        return binary.joined(reply(head), tails) if tails else reply(head)

    return finish
