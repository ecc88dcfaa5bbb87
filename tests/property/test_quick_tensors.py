"""Whatever the quick reader of tensors takes, the careful one reads the same; what that refuses, the quick one leaves."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.errors import NoriaError
from noria.records.artifacts import Column
from noria.records.versions import RequestColumn, Signature
from noria.serving import tensors
from noria.serving.asked import Reader
from noria.serving.columns import ReadColumns
from noria.serving.protocol import infer_request
from noria.serving.quick import QuickReader
from noria.serving.quick_tensors import QuickTensors

TYPES = {
    "key": "string",
    "number": "double",
    "small": "int8",
    "large": "int64",
    "flag": "bool",
    "zone": "string",
}
OWN = {"key": "BYTES", "number": "FP64", "small": "INT8", "large": "INT64", "flag": "BOOL", "zone": "BYTES"}
SOUND: dict[str, st.SearchStrategy[Any]] = {
    "key": st.text(max_size=4),
    "number": st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53),
    "small": st.integers(-128, 127),
    "large": st.none() | st.integers(-(2**63), 2**63 - 1),
    "flag": st.booleans(),
    "zone": st.none() | st.sampled_from(["north", "so\\uth", 'w"est', "[1]", "}"]),
}
ANY = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**65), 2**65), st.floats(allow_nan=False), st.text(max_size=3)
)
KINDS = st.sampled_from(
    ["BOOL", "INT8", "UINT8", "INT16", "INT64", "UINT64", "FP16", "FP32", "FP64", "BYTES", "BF16"]
)


def signature(unknown: str) -> Signature:
    return Signature(
        request=tuple(
            RequestColumn(
                name=name, type=kind, nulls=name == "number", levels=("north",) if name == "zone" else None
            )
            for name, kind in TYPES.items()
        ),
        key=("key",),
        unknown=unknown,  # type: ignore[arg-type]
        answer=(Column(name="answer", type="double"),),
    )


@st.composite
def requests(draw: Any) -> dict[str, Any]:
    count = draw(st.integers(1, 3))
    names = draw(st.permutations(list(TYPES)))
    wrong = draw(st.sampled_from([None, None, *TYPES]))
    made = []
    for name in names:
        values = ANY if name == wrong else SOUND[name]
        kind = draw(KINDS) if name == wrong else OWN[name]
        shape = draw(st.sampled_from([[count], [count, 1]]))
        made.append(
            {
                "name": name,
                "shape": shape,
                "datatype": kind,
                "data": draw(st.lists(values, min_size=count, max_size=count)),
            }
        )
    return {"inputs": made} | draw(st.sampled_from([{}, {"id": "a-1"}, {"id": 'b"2'}, {"id": None}]))


def careful(body: bytes, own: Signature) -> Any:
    """The rows as the careful reader has them, or its error."""
    try:
        sent = infer_request(msgspec.json.decode(body))
        return tensors.read(sent, Reader(own, model="m", max_rows=10)).rows
    except (NoriaError, msgspec.MsgspecError, UnicodeError) as error:
        return error


def check(quick: QuickTensors, own: Signature, request: dict[str, Any]) -> None:
    body = json.dumps(request).encode()
    read, slow = quick.read(body), careful(body, own)
    if read is None:
        return
    assert isinstance(slow, pa.RecordBatch), slow
    columns = (
        [read.column(at) for at in range(len(own.request))]
        if isinstance(read, ReadColumns)
        else list(zip(*read.rows, strict=True))
    )
    assert read.first == tuple(column[0] for column in columns)
    if isinstance(read, ReadColumns):
        floats = [column if pa.types.is_float64(column.type) else None for column in slow.columns]
        whole = [None if column is None or column.null_count else column.to_numpy() for column in floats]
        assert [values is None for values in read.others] == [values is not None for values in whole]
        assert read.numbers == b"".join(values.tobytes() for values in whole if values is not None)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, slow.schema, strict=True)]
    assert pa.RecordBatch.from_arrays(arrays, schema=slow.schema).equals(slow)
    assert read.id == request.get("id")


@pytest.mark.parametrize("large", [None, 1], ids=["by row", "by column"])
@pytest.mark.parametrize("unknown", ["accept", "refuse"])
def test_both_read_the_same(unknown: str, large: int | None) -> None:
    """The reader lives through all of it, so that what it learned of one request is tried on the others."""
    own = signature(unknown)
    quick = QuickTensors(own, QuickReader(own, max_rows=10), max_rows=10, large=large)

    @settings(max_examples=60, deadline=None)
    @given(requests())
    def both(request: dict[str, Any]) -> None:
        check(quick, own, request)

    both()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*SOUND.values()), min_size=2, max_size=4), st.lists(ANY, min_size=6, max_size=6))
def test_what_was_learned_of_a_client_reads_the_same(rows: Any, strange: list[Any]) -> None:
    own = signature("accept")
    quick = QuickTensors(own, QuickReader(own, max_rows=10), max_rows=10)
    for values in [*rows, strange, *rows]:
        request = [
            {"name": name, "shape": [1], "datatype": OWN[name], "data": [value]}
            for name, value in zip(TYPES, values, strict=True)
        ]
        check(quick, own, {"inputs": request})
    assert (
        quick.read(
            json.dumps(
                {"inputs": [{"name": "number", "shape": [1], "datatype": "FP64", "data": [1]}]}
            ).encode()
        )
        is None
    )


def test_a_pattern_is_learned_and_used() -> None:
    own = signature("accept")
    quick = QuickTensors(own, QuickReader(own, max_rows=10), max_rows=10)

    def body(number: Any) -> bytes:
        values = {"key": "k", "number": number, "small": 1, "large": 2, "flag": True, "zone": "north"}
        return json.dumps(
            {
                "id": "c",
                "inputs": [
                    {"name": n, "shape": [1], "datatype": OWN[n], "data": [v]} for n, v in values.items()
                ],
            }
        ).encode()

    assert quick.read(body(1.5)) is not None
    (skeleton,) = quick._skeletons
    assert skeleton.read(body(2.5)) == (("k", 2.5, 1, 2, True, "north"), "c")
    for cheat in (b"1.5, 2", b"", b"true", b'"x"', b"[1]", b"NaN"):
        assert quick.read(body(1.5).replace(b"1.5", cheat)) is None
    assert len(quick._skeletons) == 1


MATRIX = Signature(
    request=(RequestColumn(name="a", type="double"), RequestColumn(name="b", type="double")),
    answer=(Column(name="answer", type="double"),),
)


@pytest.mark.parametrize("name", ["predict", "input", "input-0"])
@pytest.mark.parametrize("data", [[1, 2.5, 3, 4], [[1, 2.5], [3, 4]]])
@pytest.mark.parametrize("kind", ["FP64", "FP32"])
def test_one_matrix_is_all_columns(name: str, data: Any, kind: str) -> None:
    quick = QuickTensors(MATRIX, QuickReader(MATRIX, max_rows=10), max_rows=10)
    request = {"inputs": [{"name": name, "shape": [2, 2], "datatype": kind, "data": data}]}
    check(quick, MATRIX, request)
    check(QuickTensors(MATRIX, QuickReader(MATRIX, max_rows=10), max_rows=10, large=1), MATRIX, request)
    read = quick.read(json.dumps(request).encode())
    assert read is not None and list(read.rows) == [(1.0, 2.5), (3.0, 4.0)]
    for shape in ([4], [1, 4], [2, 3]):
        request["inputs"][0]["shape"] = shape
        assert quick.read(json.dumps(request).encode()) is None
        assert isinstance(careful(json.dumps(request).encode(), MATRIX), NoriaError)


@pytest.mark.parametrize(
    ("kind", "last", "largest"),
    [("FP32", 3.4028235677973362e38, 3.4028234663852886e38), ("FP16", 65519.99999999999, 65504.0)],
)
@pytest.mark.parametrize("large", [None, 1])
def test_what_rounds_to_the_largest_number_of_its_datatype_is_taken_and_what_is_beyond_is_not(
    kind: str, last: float, largest: float, large: int | None
) -> None:
    own = msgspec.structs.replace(
        signature("accept"),
        request=(RequestColumn(name="number", type="double"),),
        key=(),
        unit=None,
        time=None,
    )
    quick = QuickTensors(own, QuickReader(own, max_rows=10), max_rows=10, large=large)
    beyond = math.nextafter(last, math.inf)
    shown = float(f"{largest:.8g}")
    for value, taken in ((1.5, 1.5), (shown, largest), (-last, -largest), (beyond, None), (-beyond, None)):
        sent = {"inputs": [{"name": "number", "shape": [2], "datatype": kind, "data": [value, 0.0]}]}
        read, body = quick.read(json.dumps(sent).encode()), json.dumps(sent).encode()
        assert (None if read is None else read.first[0]) == taken
        assert isinstance(careful(body, own), NoriaError) is (taken is None)
        check(quick, own, sent)
