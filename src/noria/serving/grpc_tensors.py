"""Requests for inference as gRPC has them, in the words of `protocol`; and answers back."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from noria.serving import binary, tensors
from noria.serving.asked import Asked
from noria.serving.errors import BadShape, NoNull
from noria.serving.forms import Finish, Form, Prepare
from noria.serving.grpc_words import messages
from noria.serving.messages import Response
from noria.serving.protocol import Infer, Tensor, Wanted

if TYPE_CHECKING:
    import pyarrow as pa

    from noria.serving.served import Served

PROTOBUF = "application/protobuf"
CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def form(request: Any) -> Form:
    """A ModelInferRequest as a form; its answer is a ModelInferResponse, raw where the request was."""
    raw = len(request.raw_input_contents) > 0

    def read(served: Served) -> tuple[Asked, Prepare]:
        body, shares = _infer(request)
        tensors.check_outputs(served.version.signature, body.outputs)
        asked = tensors.read(body, served.reader, shares)
        return asked, lambda answers: _prepared(request, served, body, answers, raw=raw)

    return Form(request.ByteSize(), read)


def passed_on(body: bytes) -> Form:
    """A ModelInferRequest that another worker passes on; its answer's body is the ModelInferResponse."""
    call = form(messages()["ModelInferRequest"].FromString(body))

    def read(served: Served) -> tuple[Asked, Prepare]:
        asked, prepare = call.read(served)
        return asked, lambda answers: _packed(prepare(answers))

    return Form(call.size, read)


def _packed(finish: Finish) -> Finish:
    return lambda ids: Response(200, finish(ids).SerializeToString(), PROTOBUF)


def _infer(request: Any) -> tuple[Infer, list[bytes | None]]:
    """Raises `BadShape`."""
    inputs, raws = list(request.inputs), list(request.raw_input_contents)
    if raws and len(raws) != len(inputs):
        raise BadShape(
            problem=f"there are {len(inputs)} inputs and {len(raws)} raw_input_contents",
            fix="send the bytes of every input, or of none",
        )
    wanted = [Wanted(each.name, dict.fromkeys(each.parameters, True)) for each in request.outputs] or None
    body = Infer([_tensor(each, raw=bool(raws)) for each in inputs], request.id or None, None, wanted)
    return body, raws or [None] * len(inputs)


def _tensor(sent: Any, *, raw: bool) -> Tensor:
    contents = CONTENTS.get(sent.datatype)
    if raw and sent.HasField("contents"):
        raise BadShape(
            problem=f"input {sent.name!r} has contents beside the raw ones", fix="send one of them"
        )
    data = None if raw or contents is None else list(getattr(sent.contents, contents))
    if data and sent.datatype == "BYTES":
        data = [_text(sent.name, each) for each in data]
    if data and sent.datatype in ("FP32", "FP64"):
        _refuse_infinite(sent.name, data)
        data = [None if each != each else each for each in data]  # as in binary, NaN is the missing value
    return Tensor(sent.name, list(sent.shape), sent.datatype, data)


def _refuse_infinite(name: str, data: list[float]) -> None:
    for infinite in (math.inf, -math.inf):
        if infinite in data:
            raise BadShape(
                problem=f"input {name!r} has {infinite} at position {data.index(infinite)}",
                fix="send a number, or NaN for a missing value",
            )


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise BadShape(
            problem=f"input {name!r} has bytes that are no UTF-8", fix="send texts in UTF-8"
        ) from error


def _prepared(request: Any, served: Served, body: Infer, answers: pa.RecordBatch, *, raw: bool) -> Finish:
    version = served.version
    made = messages()["ModelInferResponse"](
        model_name=version.model, model_version=str(version.number), id=request.id
    )
    made.parameters["version"].string_param = version.name
    outputs = tensors.outputs(answers, version.signature, body.outputs)
    raw = raw or any(output["datatype"] not in CONTENTS for output in outputs)
    for output in outputs:
        told = made.outputs.add(name=output["name"], datatype=output["datatype"], shape=output["shape"])
        if raw:
            made.raw_output_contents.append(binary.packed(output))
        else:
            getattr(told.contents, CONTENTS[output["datatype"]]).extend(_plain(output))

    def finish(ids: Sequence[str]) -> Any:
        made.parameters["prediction_ids"].string_param = ",".join(ids)
        return made

    return finish


def _plain(output: dict[str, Any]) -> list[Any]:
    """Raises `NoNull`."""
    kind, data = output["datatype"], output["data"]
    if kind in ("FP32", "FP64"):
        return [float("nan") if each is None else each for each in data]
    if None in data:
        raise NoNull(output=output["name"])
    convert: Callable[[Any], Any] = str.encode if kind == "BYTES" else lambda value: value
    return [convert(each) for each in data]
