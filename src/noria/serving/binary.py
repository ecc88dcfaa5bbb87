"""The protocol's binary tensors: little-endian, row by row, behind the JSON that says what they are.

A request with the header `Inference-Header-Content-Length` is that many bytes of JSON and then, in the order of its inputs,
the bytes of those that have `binary_data_size`. Texts are each four bytes of length and UTF-8. There is no null in
binary: a NaN among floats is the missing value, in and out.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from noria.graph.columns import shown
from noria.serving.errors import BadShape, NoNull
from noria.serving.messages import JSON, Request, Response, check_encoding

if TYPE_CHECKING:
    import numpy as np

    from noria.serving.protocol import Infer, Tensor

HEADER = "inference-header-content-length"
OCTETS = "application/octet-stream"
SIZE, ONE, ALL = "binary_data_size", "binary_data", "binary_data_output"
DTYPES = {
    "BOOL": "?",
    **{f"INT{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
}
_LENGTH = struct.Struct("<I")


def parted(request: Request) -> tuple[Request, bytes]:
    """The JSON of a request, and the bytes that follow it. Raises `BadShape`, `WrongContentType`."""
    given = request.headers.get(HEADER)
    if given is None:
        return request, b""
    check_encoding(request)  # before lengths, which are of the bytes unpacked
    if not (given.isascii() and given.isdigit()) or len(given) > 18 or int(given) > len(request.body):
        raise BadShape(
            problem=f"{HEADER} is {shown(given)}, and the body has {len(request.body)} bytes",
            fix="let it be the length of the JSON that comes first",
        )
    size = int(given)
    headers = {**request.headers, "content-type": JSON} if _octets(request) else request.headers
    return replace(request, headers=headers, body=request.body[:size]), request.body[size:]


def shared_out(body: Infer, tail: bytes) -> list[bytes | None]:
    """The bytes of each input; None for one that has its data in the JSON. Raises `BadShape`."""
    shares: list[bytes | None] = []
    at = 0
    for tensor in body.inputs:
        size = (tensor.parameters or {}).get(SIZE)
        if size is None:
            shares.append(None)
            continue
        if type(size) is not int or size < 0 or at + size > len(tail):
            raise BadShape(
                problem=f"{SIZE} of input {shown(tensor.name)} is {shown(size)}, and {len(tail) - at} bytes are left",
                fix="let it be the length of the input's bytes, which follow the JSON",
            )
        shares.append(tail[at : at + size])
        at += size
    if at != len(tail):
        raise BadShape(
            problem=f"{len(tail) - at} bytes follow the last input", fix=f"give each input its {SIZE}"
        )
    return shares


def numbers(tensor: Tensor, raw: bytes) -> np.ndarray | None:
    """The numbers of a tensor, flat; None where its bytes are too many or too few for its shape."""
    import numpy as np

    kind = np.dtype(DTYPES[tensor.datatype])
    if len(raw) != kind.itemsize * size_of(tensor.shape):
        return None
    return np.frombuffer(raw, kind)


def texts(raw: bytes) -> list[bytes] | None:
    """The texts of a tensor of BYTES; None where the lengths do not add up."""
    found, at, end = [], 0, len(raw)
    while at + 4 <= end:
        (size,) = _LENGTH.unpack_from(raw, at)
        at += 4 + size
        found.append(raw[at - size : at])
    return found if at == end else None


def size_of(shape: Sequence[int]) -> int:
    size = 1
    for each in shape:
        size *= each
    return size


def packed_outputs(outputs: list[dict[str, Any]], body: Infer) -> list[bytes]:
    """The bytes of those outputs that are wanted in binary, whose entries then tell their length in place of their data."""
    everything = bool((body.parameters or {}).get(ALL, False))
    asked = {each.name: (each.parameters or {}).get(ONE, everything) for each in body.outputs or ()}
    tails = []
    for output in outputs:
        if asked.get(output["name"], everything):
            tails.append(packed(output))
            del output["data"]
            output["parameters"] = {SIZE: len(tails[-1])}
    return tails


def packed(output: dict[str, Any]) -> bytes:
    """An output's data as bytes. Raises `NoNull`."""
    import numpy as np

    kind, data = output["datatype"], output["data"]
    if kind in ("FP16", "FP32", "FP64"):
        return np.array([np.nan if each is None else each for each in data], DTYPES[kind]).tobytes()
    if None in data:
        raise NoNull(output=output["name"])
    if kind == "BYTES":
        encoded = [text.encode() for text in data]
        return b"".join(_LENGTH.pack(len(text)) + text for text in encoded)
    return np.array(data, DTYPES[kind]).tobytes()


def joined(head: Response, tails: Sequence[bytes]) -> Response:
    """A response of JSON with what follows it."""
    body = b"".join((head.body, *tails))
    return Response(head.status, body, OCTETS, {HEADER: str(len(head.body))})


def _octets(request: Request) -> bool:
    kind = request.headers.get("content-type", OCTETS).split(";")[0].strip().lower()
    return kind == OCTETS
