"""Whatever the reader of bulk takes, the careful one reads the same, to the bit; and it takes what is sound."""

from __future__ import annotations

import json
import struct
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.records.artifacts import Column
from noria.records.versions import RequestColumn, Signature
from noria.serving.bulk_tensors import BulkTensors
from noria.serving.columns import ReadColumns
from noria.serving.quick import QuickReader
from noria.serving.quick_tensors import LARGE, QuickTensors
from property.test_quick_tensors import careful

ANSWER = (Column(name="answer", type="double"),)
MIXED = Signature(
    request=(
        RequestColumn(name="key", type="string"),
        RequestColumn(name="a", type="double"),
        RequestColumn(name="zone", type="string", nulls=True, levels=("north",)),
        RequestColumn(name="b", type="double", nulls=True),
    ),
    key=("key",),
    answer=ANSWER,
)
NUMBERS = Signature(
    request=tuple(RequestColumn(name=name, type="double") for name in "abc"), answer=ANSWER, unknown="refuse"
)
PLAIN = st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.integers(-(2**63), 2**64 - 1).map(str)
DIGITS = st.builds(
    "{}{}.{}e{}".format,
    st.sampled_from(["", "-"]),
    st.integers(0, 10**25),
    st.integers(0, 10**25),
    st.integers(-330, 280),
)
SOUND = PLAIN | DIGITS | st.sampled_from(["-0", "-0.0", "0", "1E+5", "2.4703282292062328e-324", "1e-400"])
ODD = ["null", "true", '"1"', "[1]", "1e400", "01", "1.", "NaN", "18446744073709551616", "{}", ""]
SHAPES = ["[{}]", "[{}, 1]"]
ODD_SHAPES = ["[{}.0]", "[{}, true]", "[{}, 2]", "[1, {}]", "[]", "{}", "[{}, 1, 1]", "[[{}]]"]


@st.composite
def bodies(draw: Any) -> tuple[bytes, bool]:
    """A request of tensors for `MIXED`, and whether all of it is sound; else one thing of it is odd."""
    count, wrong = draw(st.integers(1, 4)), draw(st.integers(0, 3))
    texts = st.none() | st.sampled_from(["north", "so\\uth", "[", "}", "ä"])
    made = []
    for name in draw(st.permutations(["key", "a", "zone", "b"])):
        if name in ("a", "b"):
            kind, values = "FP64", draw(st.lists(SOUND, min_size=count, max_size=count))
        else:
            given_texts = st.text(max_size=3) if name == "key" else texts.filter(lambda text: text != "[")
            kind = "BYTES"
            values = [
                json.dumps(value) for value in draw(st.lists(given_texts, min_size=count, max_size=count))
            ]
        made.append(
            {
                "name": json.dumps(name),
                "shape": draw(st.sampled_from(SHAPES)).format(count),
                "datatype": json.dumps(kind),
                "data": f"[{', '.join(values)}]",
            }
        )
    told = draw(st.sampled_from(["", '"id": "q", ', '"id": null, ']))
    body = f'{{{told}"inputs": [TENSORS]}}'
    bracketed = any("[" in each["data"][1:-1] for each in made)
    if wrong == 0:
        return body.replace("TENSORS", ", ".join(map(written, made))).encode(), not bracketed
    one = made[draw(st.integers(0, 3))]
    if wrong == 1:
        one["data"] = "[" + ", ".join([draw(st.sampled_from(ODD)), *["1"] * (count - 1)]) + "]"
    elif wrong == 2:
        one["shape"] = draw(st.sampled_from(ODD_SHAPES)).format(count)
    else:
        one[draw(st.sampled_from(["name", "datatype"]))] = json.dumps(
            draw(st.sampled_from(["b", "FP32", "INT64"]))
        )
    return body.replace("TENSORS", ", ".join(map(written, made))).encode(), False


def written(tensor: dict[str, str]) -> str:
    return "{" + ", ".join(f'"{name}": {value}' for name, value in tensor.items()) + "}"


def same(read: ReadColumns | None, body: bytes, own: Signature) -> bool:
    """Whether it was taken; then the careful reader has to have read the same, to the bit."""
    if read is None:
        return False
    slow = careful(body, own)
    assert isinstance(slow, pa.RecordBatch), slow
    for at, column in enumerate(slow.columns):
        values = column.to_pylist()
        if read.others[at] is None:
            assert struct.pack(f"{read.count}d", *read.column(at)) == struct.pack(f"{read.count}d", *values)
        else:
            assert list(read.column(at)) == values
    assert read.count == slow.num_rows and read.reply == "tensors"
    return True


@settings(max_examples=150, deadline=None)
@given(bodies())
def test_what_is_taken_is_read_as_the_careful_reader_does(made: tuple[bytes, bool]) -> None:
    body, sound = made
    read = BulkTensors(MIXED, QuickReader(MIXED, max_rows=10), max_rows=10).read(body)
    taken = same(read, body, MIXED)
    assert taken or not sound
    if read is not None:
        assert read.id == json.loads(body).get("id")


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4).flatmap(lambda n: st.lists(SOUND, min_size=3 * n, max_size=3 * n)), st.booleans())
def test_a_matrix_is_all_columns(values: list[str], nested: bool) -> None:
    rows = [", ".join(values[at : at + 3]) for at in range(0, len(values), 3)]
    data = ", ".join(f"[{row}]" if nested else row for row in rows)
    tensor = {"name": '"m"', "shape": f"[{len(rows)}, 3]", "datatype": '"FP64"', "data": f"[{data}]"}
    body = f'{{"inputs": [{written(tensor)}]}}'.encode()
    reader = BulkTensors(NUMBERS, QuickReader(NUMBERS, max_rows=4), max_rows=4)
    assert same(reader.read(body), body, NUMBERS)


TENSOR = '{"name": "m", "shape": [2, 3], "datatype": "FP64", "data": [1, 2, 3, 4, 5, 6]}'


def sent(tensor: str) -> str:
    return f'{{"inputs": [{tensor}]}}'


@pytest.mark.parametrize(
    "body",
    [
        "\ufeff" + sent(TENSOR),
        sent(TENSOR) + " x",
        '{"inputs": [TENSOR], "inputs": [TENSOR]}'.replace("TENSOR", TENSOR),
        '{"inputs": [TENSOR], "outputs": []}'.replace("TENSOR", TENSOR),
        '{"inputs": [TENSOR], "parameters": {}}'.replace("TENSOR", TENSOR),
        '{"id": 1, "inputs": [TENSOR]}'.replace("TENSOR", TENSOR),
        sent(TENSOR.replace('"name"', '"data": [], "name"')),
        sent(TENSOR.replace("[1, 2, 3, 4, 5, 6]", "[[1, 2, 3], [4, 5, 6, 7]]")),
        sent(TENSOR.replace("[1, 2, 3, 4, 5, 6]", "[[1, 2, 3], [4, 5, [6]]]")),
        sent(TENSOR.replace("[1, 2, 3, 4, 5, 6]", "[[1, 2], [3, 4], [5, 6]]")),
        sent(TENSOR.replace("[1, 2, 3, 4, 5, 6]", '"123456"')),
        sent(TENSOR.replace("[2, 3]", "[2.0, 3]")),
        sent(TENSOR.replace('"m"', '"a"')),
        sent(TENSOR.replace("FP64", "FP32")),
        '{"inputs": []}',
        '{"inputs": 1}',
        "[]",
        "{}",
        "{",
        "",
    ],
)
def test_what_leaves_a_doubt_is_left(body: str) -> None:
    reader = BulkTensors(NUMBERS, QuickReader(NUMBERS, max_rows=4), max_rows=4)
    assert reader.read(body.encode()) is None
    sound = sent(TENSOR)
    assert same(reader.read(sound.encode()), sound.encode(), NUMBERS)  # it reads on after that


def test_large_bodies_are_read_in_bulk_and_small_ones_as_before() -> None:
    own = QuickTensors(NUMBERS, QuickReader(NUMBERS, max_rows=999), max_rows=999, large=2)
    for count in (2, 3, LARGE):
        rows = [[at + 0.5, 1, -at] for at in range(count)]
        tensor = {
            "name": "m",
            "shape": [count, 3],
            "datatype": "FP64",
            "data": [value for row in rows for value in row],
        }
        read = own.read(json.dumps({"inputs": [tensor]}).encode())
        assert read is not None and len(read) == count
        assert isinstance(read, ReadColumns) is (count > 2)
        assert read.first == (0.5, 1.0, 0.0)
