"""A service as its callers see it: its own process, real HTTP, a model registered by its records."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from integration.serving_world import PIPELINE, ROW, Running, World, row, service, training_rows, until
from noria.adapters.log_failures import FailureCounts
from noria.adapters.log_reader import LogReader
from noria.ports.surroundings import surroundings
from noria.records.predictions import parse_id

PREDICT = "/v1/models/rides/predict"
FEEDBACK = "/v1/models/rides/feedback"
INFER = "/v2/models/rides/infer"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world") / "state")
    made.register(1)
    made.register(2, broken="BIAS = 'no number'")
    made.register(3, broken="print('what a pipeline prints is no readiness')")
    made.promote(1)
    yield made
    made.records.close()


@pytest.fixture(scope="module")
def running(world: World) -> Iterator[Running]:
    with service(world, "--max-rows", "500", "--max-body", str(2**20)) as it:
        yield it


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[World]:
    """A world whose alias a test may move."""
    made = World(tmp_path / "state")
    made.register(1)
    made.promote(1)
    yield made
    made.records.close()


def as_request(rows: Any) -> list[dict[str, Any]]:
    """Training rows as a client would send them: without what nobody knows yet, times as text."""
    asked = rows.drop("minutes", "ended")
    return [
        {**each, "asked": each["asked"].isoformat(), "day": str(each["day"])} for each in asked.to_dicts()
    ]


def tensors(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kinds = {"km": "FP64", "passengers": "INT16", "pooled": "BOOL", "recent": "FP64"}
    made = []
    for name in rows[0]:
        data = [each[name] for each in rows]
        shape = [len(data), len(data[0])] if name == "recent" else [len(data)]
        made.append({"name": name, "datatype": kinds.get(name, "BYTES"), "shape": shape, "data": data})
    return made


def logged(world: World) -> dict[str, dict[str, Any]]:
    """Every row of the prediction log by its id."""
    found: dict[str, dict[str, Any]] = {}
    cursor: dict[str, int] = {}
    reader = LogReader(world.state / "log")
    while (part := reader.read("rides", cursor)).rows:
        cursor = dict(part.cursor)
        for table in part.tables:
            found.update((each["id"], each) for each in table.to_pylist())
    return found


# Answers


def test_answers_equal_the_offline_graph_to_the_last_bit(world: World, running: Running) -> None:
    rows = training_rows()
    offline = world.offline(1, rows.to_arrow())
    body = running.client.post(PREDICT, json={"rows": as_request(rows)}).json()
    assert [each["answer"] for each in body["predictions"]] == offline
    assert (body["model"], body["version"]) == ("rides", 1)
    made = running.client.post(INFER, json={"id": "call-7", "inputs": tensors(as_request(rows))}).json()
    assert made["outputs"] == [{"name": "answer", "datatype": "FP64", "shape": [40], "data": offline}]
    assert (made["id"], made["model_name"], made["model_version"]) == ("call-7", "rides", "1")
    assert len(made["parameters"]["prediction_ids"].split(",")) == 40


def test_one_bare_row_is_a_request(running: Running) -> None:
    alone = running.client.post(PREDICT, json=row()).json()
    assert [alone["predictions"][0]["answer"]] == [running.predict(row()).json()["predictions"][0]["answer"]]


@pytest.mark.parametrize("model", ["rides", "rides@champion", "rides:1"])
def test_a_model_is_named_alone_by_alias_or_by_number(running: Running, model: str) -> None:
    assert running.client.post(f"/v1/models/{model}/predict", json=row()).status_code == 200
    assert running.client.get(f"/v2/models/{model}/ready").json()["ready"] is True


@pytest.mark.parametrize("version", ["1", "champion"])
def test_the_protocol_names_versions_in_the_path(running: Running, version: str) -> None:
    answer = running.client.post(
        f"/v2/models/rides/versions/{version}/infer", json={"inputs": tensors([row()])}
    )
    assert answer.json()["model_version"] == "1"


def test_a_null_is_a_missing_value_in_both_protocols(running: Running) -> None:
    one = running.predict(row(km=None)).json()["predictions"][0]["answer"]
    two = running.client.post(INFER, json={"inputs": tensors([row(km=None)])}).json()["outputs"][0]["data"][0]
    assert one == two


def test_an_answer_that_is_not_a_number_is_null(world: World, running: Running) -> None:
    (made,) = running.predict(row(passengers=97)).json()["predictions"]
    assert made["answer"] is None
    assert str(logged(world)[made["id"]]["answer.answer"]) == "nan"  # the log keeps what was said
    assert 'noria_not_finite_answers_total{model="rides",version="1"}' in running.client.get("/metrics").text


def test_the_metadata_is_the_signature(running: Running) -> None:
    made = running.client.get("/v2/models/rides/versions/1").json()
    assert {"name": "recent", "datatype": "FP64", "shape": [-1, -1]} in made["inputs"]
    assert {each["name"] for each in made["inputs"]} == set(ROW)
    assert made["outputs"] == [{"name": "answer", "datatype": "FP64", "shape": [-1]}]
    assert running.client.get("/v2").json()["name"] == "noria"


def test_the_summarys_example_works_as_it_stands(running: Running) -> None:
    summary = running.client.get("/v1/models/rides").json()
    example = summary["example"]
    assert running.client.post(example["path"], json=example["body"]).status_code == 200
    assert summary["problem"] is None


@pytest.mark.parametrize(("path", "member"), [("live", "live"), ("ready", "ready")])
def test_health(running: Running, path: str, member: str) -> None:
    assert running.client.get(f"/v2/health/{path}").json() == {member: True}


# Bad input


@pytest.mark.parametrize(
    ("changed", "column", "expected"),
    [
        ({"km": ...}, "km", "a number, or null"),
        ({"kilometres": 1}, "kilometres", "no such column"),
        ({"km": "17.9"}, "km", "a number"),
        ({"km": True}, "km", "a number"),
        ({"passengers": 1.5}, "passengers", "an integer"),
        ({"passengers": 40_000}, "passengers", "an integer from -32768 to 32767"),
        ({"zone": 3}, "zone", "a string"),
        ({"pooled": 1}, "pooled", "true or false"),
        ({"asked": "2024-03-02T08:30:00"}, "asked", "a time in ISO 8601"),
        ({"asked": 1709368200}, "asked", "a time in ISO 8601"),
        ({"day": "2024-02-30"}, "day", "a day"),
        ({"recent": [1, "2"]}, "recent", "a list of items"),
        ({"recent": 1.0}, "recent", "a list of items"),
        ({"ride": None}, "ride", "the key"),
    ],
)
def test_a_value_that_does_not_fit(
    running: Running, changed: dict[str, Any], column: str, expected: str
) -> None:
    answer = running.predict(row(), row(**changed))
    body = answer.json()
    assert (answer.status_code, body["code"]) == (422, "REQUEST-ROWS")
    assert answer.headers["content-type"] == "application/problem+json"
    (fault,) = body["faults"]
    assert (fault["row"], fault["column"]) == (1, column)
    assert expected in fault["expected"]


def test_every_fault_is_told_in_one_answer(running: Running) -> None:
    body = running.predict(row(km="x"), row(zone=...), row(extra=1, pooled="no")).json()
    assert {(fault["row"], fault["column"]) for fault in body["faults"]} == {
        (0, "km"), (1, "zone"), (2, "extra"), (2, "pooled")
    }  # fmt: skip
    infer = running.client.post(INFER, json={"inputs": tensors([row(km="x", pooled=1)])})
    assert infer.status_code == 422
    assert "column km" in infer.json()["error"] and "column pooled" in infer.json()["error"]


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"", 400, "empty"),
        (b'{"rows": [{"km": 1,}]}', 400, "line 1, column 20"),
        (b'{"rows": [{"km": NaN}]}', 400, "byte 17 begins a number that is not finite"),
        (b'{"rows": [{"km": -Infinity}]}', 400, "not finite"),
        (b'{"rows": [{"km": 1e999}]}', 400, "out of range"),
        (b'{"rows": [{"km": "\xff"}]}', 400, "UTF-8"),
        (b'{"rows": "\\ud800"}', 400, ""),
        (b"[" * 100_000, 400, "nested too deeply"),
        (b'{"rows": [', 400, "truncated"),
        (b"[1]", 400, "no JSON object"),
        (b"7", 400, "no JSON object"),
        (b'{"rows": []}', 400, "no rows"),
        (b'{"rows": {}}', 400, "not an array"),
        (b'{"rows": [], "other": 1}', 400, "beside `rows`"),
        (b'{"rows": [[1, 2], 3, null]}', 422, "object"),
        (b"{}", 422, "km"),
        (b'{"rows": [' + b",".join([b"{}"] * 501) + b"]}", 413, "501 rows"),
    ],
)
def test_a_body_that_is_no_batch_of_rows(running: Running, body: bytes, status: int, told: str) -> None:
    answer = running.client.post(PREDICT, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert told in answer.json()["detail"]
    assert answer.json()["next"]


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/x-www-form-urlencoded", "origin": "https://example.org"},
        {"content-type": "text/plain"},
        {"content-type": "text/csv"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json", "content-encoding": "br"},
    ],
)
def test_a_body_of_another_type(running: Running, headers: dict[str, str]) -> None:
    answer = running.client.post(PREDICT, content=json.dumps(row()), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "REQUEST-CONTENT-TYPE")


def test_what_curl_sends_when_nobody_names_a_type(running: Running) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert running.client.post(PREDICT, content=json.dumps(row()), headers=form).status_code == 200
    label = json.dumps({"key": "curled", "label": 3})
    assert running.client.post(FEEDBACK, content=label, headers=form).status_code == 200
    assert running.client.post(PREDICT, content="km=1", headers=form).json()["code"] == "REQUEST-JSON"
    refused = running.client.post(INFER, content=json.dumps({"inputs": tensors([row()])}), headers=form)
    assert refused.status_code == 415


@pytest.mark.parametrize("chunked", [False, True])
def test_a_huge_body_is_refused_before_it_is_read(running: Running, chunked: bool) -> None:
    """100 MB against a limit of 1 MiB: an answer, at once, and no memory held."""
    chunk = b"x" * 2**20
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += len(chunk)
            yield chunk

    before = _memory(running.process.pid)
    headers = {"content-type": "application/json"} | ({} if chunked else {"content-length": str(100 * 2**20)})
    began = time.monotonic()
    answer = running.client.post(PREDICT, content=body(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "REQUEST-TOO-LARGE")
    assert time.monotonic() - began < 5
    assert _memory(running.process.pid) - before < 20 * 2**20
    assert running.predict(row()).status_code == 200


def _memory(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_a_body_that_ends_early_harms_nobody(running: Running) -> None:
    host, port = running.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall(
            b'POST /v1/models/rides/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\n\r\n{"rows"'
        )
    with socket.create_connection((host, int(port)), timeout=5) as raw:
        raw.sendall(b"nonsense\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400")
    assert running.predict(row()).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "PATH-UNKNOWN"),
        ("GET", "/v1/models/rides/../../etc", 404, "PATH-UNKNOWN"),
        ("GET", PREDICT, 405, "METHOD"),
        ("DELETE", "/metrics", 405, "METHOD"),
        ("POST", "/v1/models/boats/predict", 404, "NOT-SERVED"),
        ("POST", "/v1/models/rides:2/predict", 404, "NOT-SERVED"),
        ("POST", "/v1/models/rides@challenger/predict", 404, "NOT-SERVED"),
        ("POST", "/v2/models/rides/versions/2/infer", 404, "NOT-SERVED"),
        ("GET", "/v2/models/rides/versions/2", 404, "NOT-SERVED"),
        ("GET", "/v2/models/boats/ready", 404, "NOT-SERVED"),
    ],
)
def test_what_is_not_there(running: Running, method: str, path: str, status: int, code: str) -> None:
    answer = running.client.request(method, path, json=row() if method == "POST" else None)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code)
    if path.startswith("/v2"):
        assert "rides:1" in body["error"]
    if status == 405:
        assert answer.headers["allow"]


@pytest.mark.parametrize(
    ("changed", "column"),
    [
        ({"datatype": "FP32", "data": ["a"]}, "km"),
        ({"shape": [2]}, "km"),
        ({"data": [1, 2]}, "km"),
        ({"name": "speed"}, "speed"),
    ],
)
def test_a_tensor_that_does_not_fit(running: Running, changed: dict[str, Any], column: str) -> None:
    made = [{**each, **changed} if each["name"] == "km" else each for each in tensors([row()])]
    answer = running.client.post(INFER, json={"inputs": made})
    assert (answer.status_code, answer.json()["code"]) == (422, "REQUEST-ROWS")
    assert f"column {column}" in answer.json()["error"]


@pytest.mark.parametrize("body", [{}, {"inputs": 1}, {"inputs": [{"name": "km"}]}, {"inputs": []}])
def test_what_is_no_inference_request(running: Running, body: dict[str, Any]) -> None:
    answer = running.client.post(INFER, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "REQUEST-SHAPE")


@pytest.mark.parametrize(("passengers", "kind"), [(99, "ZeroDivisionError"), (98, "SystemExit")])
def test_a_predict_that_raises_tells_no_paths_and_the_log_has_the_stack(
    running: Running, passengers: int, kind: str
) -> None:
    answer = running.predict(row(passengers=passengers))
    body = answer.json()
    assert (answer.status_code, body["code"]) == (500, "GRAPH-FAILED")
    assert kind in body["detail"]
    assert "/" not in body["detail"]
    incident = body["next"].split()[-1]
    (event,) = [each for each in running.events() if each.get("incident") == incident]
    assert "pipeline.py" in event["stack"]
    assert counted(running, "GRAPH-FAILED") >= 1


def counted(running: Running, code: str) -> int:
    """Requests without an answer of today, waited for: a worker writes them down four times a second."""
    counts, now = FailureCounts(running.log.parent, "rides"), datetime.now(UTC)
    for _ in range(100):
        found = sum(
            one.codes.get(code, 0) for one in counts.read(now - timedelta(hours=1), now + timedelta(hours=1))
        )
        if found:
            return found
        time.sleep(0.05)
    return 0
    assert running.predict(row()).status_code == 200


def test_unknown_categories_are_refused_where_the_model_says_so(fresh: World) -> None:
    fresh.register(2, unknown="refuse")
    with service(fresh, follow="2") as running:
        body = running.predict(row(), row(zone="west"), row(zone=None), row(km=None)).json()
        assert [(fault["row"], fault["column"], fault["given"]) for fault in body["faults"]] == [
            (2, "zone", "null"),  # `km` had nulls in training and may be null
            (1, "zone", '"west"'),
        ]


def test_unknown_categories_are_counted_where_they_are_accepted(running: Running) -> None:
    assert running.predict(row(zone="west", driver=None), row()).status_code == 200
    page = running.client.get("/metrics").text
    assert 'noria_unknown_categories_total{column="zone",model="rides",version="1"}' in page
    assert 'noria_nulls_total{column="driver",model="rides",version="1"}' in page
    assert 'noria_serving{follows="champion",model="rides",version="1"} 1.0' in page
    assert 'noria_requests_total{code="200",route="predict"}' in page


# The log and feedback


def test_every_answer_is_in_the_log_as_it_was_given(world: World, running: Running) -> None:
    made = running.predict(row(ride="in-log"), row(ride="in-log-2", driver=None)).json()["predictions"]
    rows = [logged(world)[each["id"]] for each in made]
    assert [each["answer.answer"] for each in rows] == [each["answer"] for each in made]
    assert [each["key"] for each in rows] == ["in-log", "in-log-2"]
    assert [each["unit"] for each in rows] == ["d1", "in-log-2"]
    assert rows[0]["time"].isoformat() == "2024-03-02T08:30:00+00:00"
    assert rows[0]["request.recent"] == ROW["recent"]
    assert rows[0]["version"] == 1


def test_feedback_by_id_and_by_key(world: World, running: Running) -> None:
    (made,) = running.predict(row(ride="fed")).json()["predictions"]
    items = [
        {"id": made["id"], "label": 12.5, "known": "2024-03-02T09:00:00Z"},
        {"key": "fed-2", "label": 12},
        {"key": {"ride": "fed-3"}, "label": 0.5},
    ]
    answer = running.client.post(FEEDBACK, json={"feedback": items})
    assert [each["status"] for each in answer.json()["feedback"]] == ["stored"] * 3
    again = running.client.post(FEEDBACK, json={"feedback": items})
    assert [each["status"] for each in again.json()["feedback"]] == ["repeated"] * 3
    stored = world.records.feedback.current("rides", "id", [made["id"]])[made["id"]]
    assert (stored.label, stored.known.isoformat()) == (12.5, "2024-03-02T09:00:00+00:00")
    assert "fed-3" in world.records.feedback.current("rides", "key", ["fed-3"])


def test_a_label_is_stored_in_the_type_of_the_labels_column(world: World, running: Running) -> None:
    asked = running.client.get("/v1/models/rides").json()["feedback"]
    assert asked["label"] == {"name": "minutes", "type": "double", "takes": "a number"}
    example = {"key": "whole", "label": asked["body"]["feedback"][0]["label"]}
    assert running.client.post(FEEDBACK, json=example | {"label": 12}).status_code == 200
    assert running.client.post(FEEDBACK, json=example | {"key": "example"}).status_code == 200
    stored = world.records.feedback.current("rides", "key", ["whole"])["whole"].label
    assert (type(stored), stored) == (float, 12.0)
    refused = running.client.post(FEEDBACK, json={"feedback": [example, {"key": "b", "label": "banana"}]})
    assert refused.json()["faults"] == [
        {"row": 1, "column": "label", "given": '"banana"', "expected": "a number"}
    ]
    assert world.records.feedback.current("rides", "key", ["b"]) == {}


def test_feedback_that_contradicts_itself_needs_to_say_so(running: Running) -> None:
    post = lambda **item: running.client.post(FEEDBACK, json={"key": "twice", **item})  # noqa: E731
    assert post(label=1).status_code == 200
    assert post(label=2).status_code == 409
    assert post(label=2, correction=True).json()["feedback"][0]["status"] == "corrected"


def test_feedback_for_an_unknown_id_stores_nothing(world: World, running: Running) -> None:
    (made,) = running.predict(row()).json()["predictions"]
    segment, _ = parse_id(made["id"]) or ("", 0)
    for strange in ("nonsense", made["id"][:-1] + "z", segment):
        items = [{"key": f"beside-{strange}", "label": 1}, {"id": strange, "label": 1}]
        answer = running.client.post(FEEDBACK, json={"feedback": items})
        assert (answer.status_code, answer.json()["code"]) == (404, "PREDICTION-UNKNOWN")
        assert not world.records.feedback.current("rides", "key", [f"beside-{strange}"])


@pytest.mark.parametrize(
    ("item", "column"),
    [
        ({"label": 1}, None),
        ({"id": "a", "key": "b", "label": 1}, None),
        ({"key": "a"}, "label"),
        ({"key": "a", "label": None}, "label"),
        ({"key": "a", "label": "banana"}, "label"),
        ({"key": "a", "label": "12.5"}, "label"),
        ({"key": "a", "label": True}, "label"),
        ({"key": "a", "label": [1.0]}, "label"),
        ({"key": "a", "label": {"minutes": 1.0}}, "label"),
        ({"key": 7, "label": 1}, "key"),
        ({"key": ["a", "b"], "label": 1}, "key"),
        ({"key": None, "label": 1}, "key"),
        ({"key": "a", "label": 1, "known": "yesterday"}, "known"),
        ({"key": "a", "label": 1, "correction": "yes"}, "correction"),
        ({"key": "a", "label": 1, "lable": 1}, "lable"),
        (7, None),
    ],
)
def test_feedback_that_does_not_fit(running: Running, item: Any, column: str | None) -> None:
    answer = running.client.post(FEEDBACK, json={"feedback": [item]})
    assert answer.status_code == 422
    assert [fault["column"] for fault in answer.json()["faults"]] == [column]


def test_a_full_disk_refuses_answers_until_there_is_room(fresh: World) -> None:
    """The process's files are kept from growing, which is what a full disk is to it."""
    import resource

    with service(fresh) as running:
        before = running.predict(row()).json()["predictions"][0]["id"]
        none = resource.prlimit(running.workers()[0], resource.RLIMIT_FSIZE)
        resource.prlimit(running.workers()[0], resource.RLIMIT_FSIZE, (100, none[1]))
        answer = running.predict(row())
        assert (answer.status_code, answer.json()["code"]) == (503, "LOG-UNWRITABLE")
        assert answer.headers["retry-after"]
        resource.prlimit(running.workers()[0], resource.RLIMIT_FSIZE, none)
        after = running.predict(row()).json()["predictions"][0]["id"]
    assert logged(fresh).keys() == {before, after}


# Changes


@pytest.mark.slow
def test_a_promotion_is_served_without_a_failed_request(fresh: World) -> None:
    """Two versions, each with its own code and a module of the same name, swapped to and fro under load."""
    fresh.register(2, bias=1000.0)
    with service(fresh) as running, _Load(running.url) as load:
        for number in (2, 1, 2, 1):
            fresh.promote(number)
            running.until_version(number)
            time.sleep(0.2)
    assert load.failures == []
    assert {version for version, _ in load.answers} == {1, 2}
    for version, answer in load.answers:
        assert (answer > 900) == (version == 2)  # each answer is of the version that it names
    assert len(logged(fresh)) == len(load.answers)


@pytest.mark.slow
def test_a_version_that_cannot_be_loaded_leaves_the_old_one_answering(fresh: World) -> None:
    fresh.register(2, bias=7.0, broken="raise RuntimeError('half a deployment')")
    fresh.register(3, bias=1000.0)
    with service(fresh) as running:
        before = running.predict(row()).json()
        fresh.promote(2)
        until(lambda: running.client.get("/v1/models/rides").json()["problem"], 10, "the problem")
        told = running.client.get("/v1/models/rides").json()["problem"]
        assert told == "rides:2 cannot be loaded"  # no paths over HTTP; the record has the reason
        after = running.predict(row()).json()
        assert (after["version"], after["predictions"][0]["answer"]) == (
            1,
            before["predictions"][0]["answer"],
        )
        assert running.client.get("/v2/health/ready").json()["ready"] is True
        until(lambda: fresh.records.services.services("rides")[0].problem, 10, "the announced problem")
        assert "half a deployment" in fresh.records.services.services("rides")[0].problem
        fresh.promote(3)
        running.until_version(3)
        assert running.client.get("/v1/models/rides").json()["problem"] is None


def test_an_alias_that_is_taken_away_leaves_the_version_answering(fresh: World) -> None:
    with service(fresh) as running:
        fresh.promote(None)
        until(lambda: running.client.get("/v1/models/rides").json()["problem"], 10, "the problem")
        assert running.predict(row()).status_code == 200


def test_a_service_is_seen_while_it_runs(world: World, running: Running) -> None:
    def seen() -> datetime:
        services = world.records.services.services("rides")
        return next(each.seen for each in services if each.pid == running.process.pid)

    first = seen()
    until(lambda: seen() > first, 10, "a heartbeat")


def test_a_service_announces_itself_and_withdraws(fresh: World) -> None:
    with service(fresh, follow="1") as running:
        (announced,) = fresh.records.services.services("rides")
        assert (announced.url, announced.pid, announced.version) == (running.url, running.process.pid, 1)
    assert running.process.returncode == 0
    assert list(fresh.records.services.services("rides")) == []


@pytest.mark.slow
def test_sigterm_lets_what_is_in_flight_finish(fresh: World) -> None:
    with service(fresh) as running, _Load(running.url) as load:
        until(lambda: len(load.answers) > 20, 10, "traffic")
        running.process.send_signal(signal.SIGTERM)
        running.process.wait(timeout=60)
        load.stop()
    assert running.process.returncode == 0
    rows = logged(fresh)
    assert {answer for _, answer in load.answers} <= {each["answer.answer"] for each in rows.values()}
    assert LogReader(fresh.state / "log").read("rides", {}).torn == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_kill_9_loses_no_answer_that_was_given(fresh: World, seed: int) -> None:
    with service(fresh) as running, _Load(running.url) as load:
        until(lambda: len(load.ids) > 30 + 17 * seed, 10, "traffic")
        running.process.kill()
        running.process.wait(timeout=60)
        load.stop()
    rows = logged(fresh)
    assert set(load.ids) <= rows.keys()
    assert len(rows) - len(load.ids) <= len(load.threads)  # only what was in flight is unknown to its caller
    with service(fresh) as again:
        known = again.client.post(FEEDBACK, json={"feedback": [{"id": id, "label": 1} for id in load.ids]})
        assert known.status_code == 200


@pytest.fixture
def folders() -> Iterator[Path]:
    """A folder with a short path: sockets lie in it."""
    with tempfile.TemporaryDirectory(prefix="t-") as name:
        yield Path(name)


def test_what_a_killed_service_left_is_removed_by_the_next(fresh: World, folders: Path) -> None:
    here = {"TMPDIR": str(folders)}

    def own() -> set[Path]:
        return set(folders.glob("noria-serving-*"))

    with service(fresh, environment=here):
        living = own()
        with service(fresh, "--no-spare", environment=here) as killed:
            (left,) = own() - living
            killed.process.kill()
            killed.process.wait(timeout=60)
        with service(fresh, environment=here) as next_one:
            assert left not in own() and living < own()
            assert next_one.predict(row()).status_code == 200
    assert own() == set()


@pytest.mark.parametrize("by", ["its parent's pipe", "a signal"])
def test_a_service_ends_quietly_with_whoever_started_it(fresh: World, by: str) -> None:
    command = [sys.executable, "-m", "noria.serving", "--state", str(fresh.state), "--model", "rides"]
    process = subprocess.Popen(
        [*command, "--port", "0", "--until-stdin-closes"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdin is not None and process.stderr is not None
    assert json.loads(process.stdout.readline())["ready"]
    if by == "a signal":
        process.terminate()
        assert process.wait(timeout=60) == 0  # with the pipe still open, on which a thread waits
    process.stdin.close()
    assert process.wait(timeout=60) == 0
    events = [json.loads(line)["event"] for line in process.stderr.read().splitlines()]
    assert [event for event in events if event.startswith("service.")] == ["service.ready", "service.stopped"]
    assert not {"worker.lost", "fleet.broke"} & set(events)
    process.stdout.close()
    process.stderr.close()


HASHED = PIPELINE.replace(
    'zone=pl.col("zone").replace_strict({{"north": 1.0, "south": 2.0}}, default=0.5)',
    'zone=pl.col("zone").map_elements(lambda zone: float(hash(zone) % 97), return_dtype=pl.Float64)',
)
OFFLINE = """
import json, sys
from pathlib import Path
from integration.serving_world import World, training_rows
world = World(Path(sys.argv[1]))
world.versions[1] = world.records.versions.version("rides", 1)
print(json.dumps(world.offline(1, training_rows().to_arrow())))
"""


def test_a_transform_that_hashes_answers_as_it_did_in_training(tmp_path: Path) -> None:
    """Over two starts, each from a shell with another hash seed."""
    assert "hash(zone)" in HASHED
    world = World(tmp_path / "state")
    world.register(1, source=HASHED)
    world.promote(1)
    expected = json.loads(
        subprocess.run(
            [sys.executable, "-c", OFFLINE, str(world.state)],
            env=surroundings({**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}),
            capture_output=True, text=True, check=True,
        ).stdout
    )  # fmt: skip
    for seed in ("1", "random"):
        with service(world, environment={"PYTHONHASHSEED": seed}) as running:
            answer = running.predict(*as_request(training_rows())).json()
            assert [each["answer"] for each in answer["predictions"]] == expected
            assert running.ready["pid"] == running.process.pid
    world.records.close()


@pytest.mark.parametrize("options", [["-R"], ["-X", "utf8=0"]])
def test_a_python_that_takes_no_hash_seed_is_refused(world: World, options: list[str]) -> None:
    made = subprocess.run(
        [sys.executable, *options, "-m", "noria.serving", "--state", str(world.state), "--model", "rides"],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert made.returncode == 2
    assert "error[SERVE-SURROUNDINGS]" in made.stderr and "Traceback" not in made.stderr


@pytest.mark.parametrize(
    ("options", "code", "status"),
    [
        (["--host", "0.0.0.0"], "SERVE-HOST", 2),
        (["--host", "0.0.0.0", "--auth", "off"], "SERVE-HOST", 2),
        (["--host", "example.org"], "SERVE-ADDRESS", 2),
        (["--follow", "2"], "SERVE-TRIAL", 1),
        (["--follow", "7"], "SERVE-NOTHING", 3),
        (["--follow", "challenger"], "SERVE-NOTHING", 3),
        (["--port", "taken"], "SERVE-PORT", 3),
    ],
)
def test_a_service_that_cannot_begin_says_why(
    world: World, options: list[str], code: str, status: int
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        arguments = ["--port", "0", *(port if option == "taken" else option for option in options)]
        made = subprocess.run(
            [sys.executable, "-m", "noria.serving", "--state", str(world.state), "--model", "rides", *arguments],
            capture_output=True, text=True,
        )  # fmt: skip
    assert made.returncode == status
    assert made.stdout == ""
    assert f"error[{code}]" in made.stderr and "Traceback" not in made.stderr


def test_what_a_pipeline_prints_does_not_reach_whoever_waits_for_the_service(world: World) -> None:
    with service(world, follow="3") as running:
        assert running.ready["version"] == 3
    assert "what a pipeline prints" in running.log.read_text()


class _Load:
    """Callers that ask one row after the other until they are stopped or the service is gone."""

    def __init__(self, url: str, callers: int = 4) -> None:
        self.url = url
        self.answers: list[tuple[int, float]] = []
        self.ids: list[str] = []
        self.failures: list[str] = []
        self._stop = threading.Event()
        self.threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(callers)]

    def __enter__(self) -> _Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stop.set()
        for thread in self.threads:
            thread.join(timeout=20)

    def _ask(self, caller: int) -> None:
        number = 0
        with httpx.Client(base_url=self.url, timeout=20) as client:
            while not self._stop.is_set():
                number += 1
                try:
                    answer = client.post(
                        PREDICT, json=row(ride=f"{caller}-{number}", km=caller + number / 1000)
                    )
                except httpx.TransportError as error:
                    self.failures.append(repr(error))
                    return
                if answer.status_code != 200:
                    self.failures.append(answer.text)
                    continue
                body = answer.json()
                self.answers.append((body["version"], body["predictions"][0]["answer"]))
                self.ids.append(body["predictions"][0]["id"])
