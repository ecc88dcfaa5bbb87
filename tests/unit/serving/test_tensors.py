"""The inference protocol's tensors: what they carry, and how each misfit is told."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from noria.records.artifacts import Column
from noria.records.versions import RequestColumn, Signature
from noria.serving.asked import Asked, Reader
from noria.serving.binary import HEADER, parted
from noria.serving.errors import BadRows, BadShape, WrongContentType
from noria.serving.grpc_tensors import form
from noria.serving.grpc_words import messages
from noria.serving.messages import Request
from noria.serving.protocol import described, infer_request
from noria.serving.tensors import check_outputs, outputs, read

SIGNATURE = Signature(
    request=(
        RequestColumn(name="n", type="int16"),
        RequestColumn(name="x", type="double"),
        RequestColumn(name="when", type="timestamp[us, tz=UTC]"),
        RequestColumn(name="past", type="list<double>"),
        RequestColumn(name="ok", type="bool"),
    ),
    answer=(
        Column(name="no", type="double"),
        Column(name="yes", type="float"),
        Column(name="next", type="list<int64>"),
    ),
)
GOOD: dict[str, dict[str, Any]] = {
    "n": {"datatype": "INT16", "shape": [2], "data": [1, None]},
    "x": {"datatype": "FP64", "shape": [2, 1], "data": [[0.1], [2]]},
    "when": {
        "datatype": "BYTES",
        "shape": [2],
        "data": ["2024-01-01T00:00:00Z", "2024-01-01T01:00:00+01:00"],
    },
    "past": {"datatype": "FP64", "shape": [2, 3], "data": [1, 2, 3, 4, 5, 6]},
    "ok": {"datatype": "BOOL", "shape": [2], "data": [True, False]},
}


def asked(**changed: dict[str, Any] | None) -> Asked:
    """The good request with members of its tensors changed."""
    tensors = [
        {"name": name, **tensor, **(changed.get(name) or {})}
        for name, tensor in GOOD.items()
        if changed.get(name, {}) is not None
    ]
    return read(infer_request({"inputs": tensors}), Reader(SIGNATURE, model="m", max_rows=100))


def test_tensors_become_rows() -> None:
    rows = asked().rows
    assert rows.column("n").to_pylist() == [1, None]
    assert rows.column("x").to_pylist() == [0.1, 2.0]
    assert rows.column("when").cast("int64").to_pylist() == [1704067200000000] * 2
    assert rows.column("past").to_pylist() == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


def test_times_may_come_as_microseconds() -> None:
    rows = asked(when={"datatype": "INT64", "data": [1704067200000000, None]}).rows
    assert rows.column("when").to_pylist()[1] is None
    assert rows.column("when").cast("int64").to_pylist()[0] == 1704067200000000


def test_nested_data_is_the_same_as_flat() -> None:
    assert asked(past={"data": [[1, 2, 3], [4, 5, 6]]}).rows == asked().rows


def test_fp32_data_are_what_32_bits_hold() -> None:
    assert asked(x={"datatype": "FP32"}).rows.column("x").to_pylist() == [0.10000000149011612, 2.0]


def test_integers_widen_into_numbers() -> None:
    assert asked(x={"datatype": "INT8", "data": [1, -2]}).rows.column("x").to_pylist() == [1.0, -2.0]


@pytest.mark.parametrize(
    ("changed", "column"),
    [
        ({"x": {"data": ["17.9", 1]}}, "x"),
        ({"x": {"data": [True, 1]}}, "x"),
        ({"n": {"data": [1.5, 1]}}, "n"),
        ({"n": {"datatype": "FP64"}}, "n"),
        ({"n": {"datatype": "INT64", "data": [40000, 1]}}, "n"),
        ({"n": {"datatype": "UINT8", "data": [256, 1]}}, "n"),
        ({"x": {"datatype": "FP128"}}, "x"),
        ({"x": {"data": [1]}}, "x"),
        ({"x": {"shape": [3], "data": [1, 2, 3]}}, "x"),
        ({"past": {"shape": [2], "data": [1, 2]}}, "past"),
        ({"past": {"data": [[1, 2, 3], [4, 5]]}}, "past"),
        ({"past": {"shape": [2, 10**12]}}, "past"),
        ({"when": {"data": ["noon", "2024-01-01T00:00:00Z"]}}, "when"),
        ({"ok": {"data": [1, 0]}}, "ok"),
        ({"ok": None}, "ok"),
    ],
)
def test_each_misfit_names_its_tensor(changed: dict[str, Any], column: str) -> None:
    with pytest.raises(BadRows) as caught:
        asked(**changed)
    assert {fault.column for fault in caught.value.faults} == {column}


def test_several_faults_at_once() -> None:
    with pytest.raises(BadRows) as caught:
        asked(ok=None, x={"data": ["a", 1]}, n={"datatype": "FP64"})
    assert {fault.column for fault in caught.value.faults} == {"ok", "x", "n"}


@pytest.mark.parametrize(
    "body",
    [{}, {"inputs": 3}, {"inputs": []}, {"inputs": [{"name": "x"}]}, {"inputs": [{**GOOD["x"], "name": 1}]}],
)
def test_what_is_no_inference_request(body: dict[str, Any]) -> None:
    with pytest.raises(BadShape):
        read(infer_request(body), Reader(SIGNATURE, model="m", max_rows=100))


def test_answers_as_tensors() -> None:
    answers = pa.RecordBatch.from_pydict(
        {"no": [0.1, None], "yes": pa.array([0.5, 1.0], pa.float32()), "next": [[1, 2], [3, 4]]}
    )
    no, yes, after = outputs(answers, SIGNATURE, None)
    assert no == {"name": "no", "datatype": "FP64", "shape": [2], "data": [0.1, None]}
    assert yes["datatype"] == "FP32"
    assert (after["datatype"], after["shape"], after["data"]) == ("INT64", [2, 2], [1, 2, 3, 4])


def test_an_output_that_there_is_not() -> None:
    wanted = infer_request({"inputs": [], "outputs": [{"name": "maybe"}]}).outputs
    with pytest.raises(BadShape, match="maybe"):
        check_outputs(SIGNATURE, wanted)


def test_metadata_names_every_column() -> None:
    assert described(SIGNATURE.request) == [
        {"name": "n", "datatype": "INT16", "shape": [-1]},
        {"name": "x", "datatype": "FP64", "shape": [-1]},
        {"name": "when", "datatype": "BYTES", "shape": [-1]},
        {"name": "past", "datatype": "FP64", "shape": [-1, -1]},
        {"name": "ok", "datatype": "BOOL", "shape": [-1]},
    ]


@pytest.mark.parametrize(("type_name", "micros"), [("timestamp[ms]", 1), ("timestamp[ns, tz=UTC]", 2**62)])
def test_microseconds_in_binary_that_a_column_cannot_hold(type_name: str, micros: int) -> None:
    signature = Signature(request=(RequestColumn(name="when", type=type_name),), answer=SIGNATURE.answer)
    tensor = {"name": "when", "datatype": "INT64", "shape": [1]}
    with pytest.raises(BadRows, match="column when: given microseconds, expected times that a timestamp"):
        read(
            infer_request({"inputs": [tensor]}),
            Reader(signature, model="m", max_rows=100),
            [micros.to_bytes(8, "little")],
        )


def test_no_output_named_is_every_output() -> None:
    """As gRPC has it, where a list that is left out cannot be told from one of none."""
    made = pa.RecordBatch.from_pydict({"no": [0.1], "yes": [0.9], "next": [[1]]})
    assert [each["name"] for each in outputs(made, SIGNATURE, [])] == ["no", "yes", "next"]


@pytest.mark.parametrize("parameters", [{"classification": 2}, {"shared_memory_region": "a"}])
def test_an_output_in_a_way_that_there_is_not_is_no_plain_output(parameters: dict[str, Any]) -> None:
    body = {"inputs": [], "outputs": [{"name": "no", "parameters": parameters}]}
    with pytest.raises(BadShape, match="an extension that is not here"):
        check_outputs(SIGNATURE, infer_request(body).outputs)


def test_a_packed_body_is_told_as_such_and_not_as_too_short() -> None:
    packed = Request("POST", "/", {HEADER: "1952", "content-encoding": "br"}, b"x" * 438)
    with pytest.raises(WrongContentType, match="br"):
        parted(packed)


def test_infinity_in_binary_is_named() -> None:
    signature = Signature(request=(RequestColumn(name="x", type="double"),), answer=SIGNATURE.answer)
    sent = infer_request({"inputs": [{"name": "x", "datatype": "FP64", "shape": [1]}]})
    with pytest.raises(BadRows, match="given inf, expected a number"):
        read(sent, Reader(signature, model="m", max_rows=100), [struct.pack("<d", float("inf"))])


@pytest.mark.parametrize(("datatype", "field"), [("FP64", "fp64_contents"), ("FP32", "fp32_contents")])
def test_infinity_in_a_call_is_refused_as_it_is_in_binary(datatype: str, field: str) -> None:
    """Protobuf's floats hold what JSON's cannot: the answer would be made of it."""
    signature = Signature(request=(RequestColumn(name="x", type="double"),), answer=SIGNATURE.answer)
    request = messages()["ModelInferRequest"](model_name="m")
    sent = request.inputs.add(name="x", datatype=datatype, shape=[2])
    getattr(sent.contents, field).extend([1.0, float("-inf")])
    served: Any = SimpleNamespace(
        version=SimpleNamespace(signature=signature), reader=Reader(signature, model="m", max_rows=100)
    )
    with pytest.raises(BadShape, match="'x' has -inf at position 1"):
        form(request).read(served)
