"""What no client should send, against a real service; what `test_serving` has of it is not said again here."""

from __future__ import annotations

import gzip
import json
import resource
import socket
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from integration.serving_world import ROW, Running, World, row, service, training_rows
from integration.test_serving import INFER, PREDICT, as_request, logged, tensors

ARROW, LINES = "application/vnd.apache.arrow.stream", "application/x-ndjson"
BODY_SECONDS = "1"  # so that a slow client is told so in the test's time


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world") / "state")
    made.register(1, unknown="refuse")
    made.promote(1)
    yield made
    made.records.close()


@pytest.fixture(scope="module")
def running(world: World) -> Iterator[Running]:
    options = ("--max-rows", "500", "--no-spare", "--max-body", str(2**20), "--body-seconds", BODY_SECONDS)
    with service(world, *options) as it:
        yield it


def table(count: int = 40) -> pl.DataFrame:
    return training_rows(count).drop("minutes", "ended")


def stream(rows: Any, **options: Any) -> bytes:
    data = rows.to_arrow() if isinstance(rows, pl.DataFrame) else rows
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, data.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(data)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def post(running: Running, body: bytes, kind: str, **headers: str) -> Any:
    return running.client.post(PREDICT, content=body, headers={"content-type": kind, **headers})


def lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in rows)


# Bulk bodies


def test_a_table_is_answered_as_offline_and_logged(world: World, running: Running) -> None:
    offline = world.offline(1, training_rows().to_arrow())
    made = post(running, stream(table()), ARROW)
    assert (made.status_code, made.headers["content-type"], made.headers["noria-version"]) == (
        200,
        ARROW,
        "rides:1",
    )
    answers = pa.ipc.open_stream(made.content).read_all()
    assert answers.column("answer").to_pylist() == offline
    assert answers.schema.metadata == {b"noria.version": b"rides:1"}
    rows = logged(world)
    assert [rows[id]["answer.answer"] for id in answers.column("id").to_pylist()] == offline


def test_lines_are_answered_as_offline(world: World, running: Running) -> None:
    made = post(running, lines(as_request(training_rows())), LINES)
    assert (made.status_code, made.headers["content-type"]) == (200, LINES)
    answers = [json.loads(line)["answer"] for line in made.text.splitlines()]
    assert answers == world.offline(1, training_rows().to_arrow())


@pytest.mark.parametrize("accept", ["application/json", ARROW, LINES])
def test_the_answer_comes_in_the_form_that_is_accepted(running: Running, accept: str) -> None:
    bodies = {
        "application/json": json.dumps({"rows": as_request(training_rows(3))}).encode(),
        ARROW: stream(table(3)),
        LINES: lines(as_request(training_rows(3))),
    }
    for kind, body in bodies.items():
        made = post(running, body, kind, accept=accept)
        assert (made.status_code, made.headers["content-type"]) == (200, accept)
    assert post(running, bodies[ARROW], ARROW, accept="text/csv").json()["code"] == "ANSWER-FORM"


def test_what_other_libraries_call_the_same_types(world: World, running: Running) -> None:
    data = table().to_arrow().cast(
        pa.schema([
            (name, {"zone": pa.dictionary(pa.int32(), pa.string()), "ride": pa.large_string(), "km": pa.float32(),
                    "passengers": pa.int64(), "asked": pa.timestamp("ns", "UTC")}.get(name, kind))
            for name, kind in zip(table().columns, table().to_arrow().schema.types, strict=True)
        ])
    )  # fmt: skip
    made = post(running, stream(data), ARROW)
    assert made.status_code == 200, made.text
    narrow = training_rows().with_columns(pl.col("km").cast(pl.Float32).cast(pl.Float64))
    answers = pa.ipc.open_stream(made.content).read_all().column("answer").to_pylist()
    assert answers == world.offline(1, narrow.to_arrow())


def _with(column: str, values: Any) -> bytes:
    data = table(3).to_arrow()
    return stream(data.set_column(data.column_names.index(column), column, values))


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("km", pa.array(["1", "2", "3"]), "a number"),
        ("km", pa.array([True, False, True]), "a number"),
        ("km", pa.array([1.0, float("nan"), 3.0]), "null is the missing value"),
        ("km", pa.array([1.0, float("inf"), 3.0]), "null is the missing value"),
        ("passengers", pa.array([1.0, 2.0, 3.0]), "an integer"),
        ("passengers", pa.array([1, 40_000, 3]), "an integer from -32768 to 32767"),
        ("passengers", pa.array([1, None, 3], pa.int16()), "training had no null here"),
        ("zone", pa.array(["north", "west", "south"]), "one of 2 categories"),
        ("pooled", pa.array([0, 1, 0]), "true or false"),
        ("asked", pa.array([0, 1, 2], pa.timestamp("us")), "a time in ISO 8601"),
        ("asked", pa.array([1, 2, 3]), "a time in ISO 8601"),
        ("recent", pa.array([[1.0, float("inf")], [1.0], [2.0]]), "a list of items"),
        ("recent", pa.array([1.0, 2.0, 3.0]), "a list of items"),
        ("ride", pa.array(["a", None, "c"]), "the key"),
    ],
)
def test_a_column_that_does_not_fit(running: Running, column: str, values: pa.Array, expected: str) -> None:
    made = post(running, _with(column, values), ARROW)
    assert (made.status_code, made.json()["code"]) == (422, "REQUEST-ROWS")
    (fault,) = made.json()["faults"]
    assert fault["column"] == column and expected in fault["expected"]


def test_columns_that_are_not_there_twice_or_too_many(running: Running) -> None:
    data = table(3).to_arrow()
    more = data.append_column("kilometres", data.column("km"))
    for sent, column in (
        (data.drop_columns(["km"]), "km"),
        (more, "kilometres"),
        (data.append_column("km", data.column("km")), "km"),
    ):
        made = post(running, stream(sent), ARROW)
        assert made.status_code == 422
        assert [fault["column"] for fault in made.json()["faults"]] == [column]


def _stream(count: int = 40) -> bytes:
    return stream(table(count))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "REQUEST-ARROW"),
        (b"ARROW1\x00\x00 of another format", "REQUEST-ARROW"),
        (_stream()[:700], "REQUEST-ARROW"),
        (_stream()[:-200], "REQUEST-ARROW"),
        (stream(table(), compression="zstd"), "REQUEST-ARROW"),
        (stream(table().clear()), "REQUEST-SHAPE"),
        (stream(pl.concat([table()] * 13)), "REQUEST-TOO-MANY-ROWS"),
    ],
)
def test_a_body_that_is_no_table(running: Running, body: bytes, code: str) -> None:
    made = post(running, body, ARROW)
    assert made.json()["code"] == code, made.text


def test_a_table_with_any_byte_changed_is_answered_or_refused(running: Running) -> None:
    """Whatever the bytes say, the process lives, and says 200 or what is wrong."""
    sound, random = _stream(5), np.random.default_rng(7)
    for _ in range(150):
        body = bytearray(sound)
        for at in random.integers(0, len(body), 3):
            body[at] = random.integers(0, 256)
        assert post(running, bytes(body), ARROW).status_code in (200, 400, 413, 422)
    assert running.predict(row()).status_code == 200
    assert not [each for each in running.events() if each["event"] in ("request.broke", "worker.lost")]


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"", 400, "no rows"),
        (b"\n\n", 400, "no rows"),
        (lines([ROW]) + b"{", 400, "line 2"),
        (lines([ROW]) + b'{"km": NaN}', 400, "line 2"),
        (lines([ROW, row(km="17.9")]), 422, "row 1, column km"),
        (lines([ROW, [1, 2]]), 422, "row 1"),  # type: ignore[list-item]
        (lines([ROW] * 501), 413, "501 rows"),
    ],
)
def test_lines_that_do_not_fit(running: Running, body: bytes, status: int, told: str) -> None:
    made = post(running, body, LINES)
    assert made.status_code == status and told in made.json()["detail"]


@pytest.mark.parametrize(("kind", "body"), [(ARROW, stream(table())), (LINES, lines([ROW] * 40))])
def test_a_compressed_bulk_body_is_unpacked(running: Running, kind: str, body: bytes) -> None:
    plain, packed = (
        post(running, sent, kind, **more, accept=LINES).text
        for sent, more in ((body, {}), (gzip.compress(body), {"content-encoding": "gzip"}))
    )
    assert [json.loads(line)["answer"] for line in packed.splitlines()] == [
        json.loads(line)["answer"] for line in plain.splitlines()
    ]
    made = post(running, body, kind, **{"content-encoding": "gzip"})
    assert (made.status_code, made.json()["code"]) == (400, "REQUEST-ENCODING")
    other = post(running, body, kind, **{"content-encoding": "br"})
    assert (other.status_code, other.json()["code"]) == (415, "REQUEST-CONTENT-TYPE")


def test_a_million_rows_are_refused_before_they_are_read_whole(running: Running) -> None:
    made = post(running, b'{"rows": [' + b"{}," * 333_000 + b"{}]}", "application/json")
    assert (made.status_code, made.json()["code"]) == (413, "REQUEST-TOO-MANY-ROWS")
    million = [{"name": "km", "shape": [1_000_000], "datatype": "FP64", "data": []}]
    made = running.client.post(INFER, json={"inputs": million})
    assert (made.status_code, made.json()["code"]) == (413, "REQUEST-TOO-MANY-ROWS")


# Binary tensors


def _binary(changed: dict[str, Any], tail: bytes, header: str | None = None) -> tuple[bytes, dict[str, str]]:
    """A request whose `km` comes in binary, changed."""
    made = [
        {k: v for k, v in each.items() if k != "data"} | changed if each["name"] == "km" else each
        for each in tensors([row()])
    ]
    head = json.dumps({"inputs": made}).encode()
    return head + tail, {"inference-header-content-length": header or str(len(head))}


SIZED = {"parameters": {"binary_data_size": 8}}
NUMBER = np.float64(3.7).tobytes()


@pytest.mark.parametrize(
    ("changed", "tail", "header", "status", "told"),
    [
        (SIZED, NUMBER, None, 200, ""),
        (SIZED, NUMBER[:4], None, 400, "bytes are left"),
        (SIZED, NUMBER + b"x", None, 400, "follow the last input"),
        (SIZED, NUMBER, "1000000", 400, "and the body has"),
        (SIZED, NUMBER, "-1", 400, "and the body has"),
        (SIZED, NUMBER, "x", 400, "and the body has"),
        ({"parameters": {"binary_data_size": -8}}, NUMBER, None, 400, "binary_data_size"),
        ({"parameters": {"binary_data_size": True}}, NUMBER, None, 400, "binary_data_size"),
        (SIZED | {"shape": [2]}, NUMBER, None, 422, "shape [2]"),
        (SIZED | {"datatype": "FP32"}, NUMBER, None, 400, "not FP32 of shape"),
        (SIZED | {"datatype": "BF16"}, NUMBER, None, 422, "BF16"),
        (SIZED | {"datatype": "BYTES"}, NUMBER, None, 422, "BYTES"),
        (SIZED, np.float64("inf").tobytes(), None, 422, "column km"),
        ({}, b"", None, 422, "no data"),
    ],
)
def test_a_binary_tensor(
    running: Running, changed: Any, tail: bytes, header: str | None, status: int, told: str
) -> None:
    body, headers = _binary(changed, tail, header)
    made = running.client.post(INFER, content=body, headers=headers)
    assert made.status_code == status, made.text
    assert status == 200 or told in made.json()["error"]


def test_texts_in_binary_whose_lengths_do_not_add_up(running: Running) -> None:
    for tail in (
        b"\x05\x00\x00\x00north",
        b"\xff\xff\xff\xffnorth",
        b"\x05\x00\x00\x00nor",
        b"\x05\x00\x00\x00\xff\xff\xff\xff\xff",
    ):
        made = [
            {k: v for k, v in each.items() if k != "data"} | {"parameters": {"binary_data_size": len(tail)}}
            if each["name"] == "zone"
            else each
            for each in tensors([row()])
        ]
        head = json.dumps({"inputs": made}).encode()
        answer = running.client.post(
            INFER, content=head + tail, headers={"inference-header-content-length": str(len(head))}
        )
        assert answer.status_code == (
            200 if tail.endswith(b"north") and tail[0] == 5 else 422 if tail.endswith(b"\xff") else 400
        )


# Connections


def _connect(running: Running) -> socket.socket:
    host, port = running.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def test_a_client_that_trickles_is_told_that_it_is_too_slow(running: Running) -> None:
    with _connect(running) as raw:
        raw.sendall(b"POST /v1/models/rides/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n{")
        said = b"".join(iter(lambda: raw.recv(4096), b""))
    assert said.startswith(b"HTTP/1.1 408") and b"REQUEST-TOO-SLOW" in said


def test_a_client_that_trickles_its_headers_is_told_so_too(running: Running) -> None:
    with _connect(running) as raw:
        raw.sendall(b"POST /v1/models/rides/predict HTTP/1.1\r\nx-slow: ")
        said = b"".join(iter(lambda: raw.recv(4096), b""))
    assert said.startswith(b"HTTP/1.1 408")


def test_a_half_closed_socket_gets_its_answer(running: Running) -> None:
    body = json.dumps(row()).encode()
    with _connect(running) as raw:
        head = b"POST /v1/models/rides/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        raw.sendall(head + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body)
        raw.shutdown(socket.SHUT_WR)
        said = b"".join(iter(lambda: raw.recv(4096), b""))
    assert said.startswith(b"HTTP/1.1 200") and b"predictions" in said


def test_ten_thousand_open_connections(running: Running) -> None:
    count = 10_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count + 200:
        pytest.skip(f"this user may open {hard} files: raise it with ulimit -Hn {count + 200}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 200), hard))
    connections: list[socket.socket] = []
    try:
        for _ in range(count):
            connections.append(_connect(running))
        assert running.predict(row()).status_code == 200
        for one in (connections[0], connections[-1]):
            one.sendall(b"GET /v2/health/ready HTTP/1.1\r\nhost: x\r\n\r\n")
            assert one.recv(4096).startswith(b"HTTP/1.1 200")
    finally:
        for one in connections:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
