"""The Open Inference Protocol as its real clients speak it: Triton's over HTTP and gRPC."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from tritonclient.utils import InferenceServerException

from integration.serving_world import Running, World, row, service, training_rows, until
from integration.test_serving import as_request, tensors

KINDS = {"FP64": np.float64, "INT16": np.int16, "BOOL": np.bool_, "BYTES": np.object_}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world") / "state")
    made.register(1)
    made.register(2, bias=100.0)
    made.promote(1)
    yield made
    made.records.close()


@pytest.fixture(scope="module")
def running(world: World) -> Iterator[Running]:
    with service(world, "--max-rows", "500", "--no-spare", "--grpc-port", "0") as it:
        yield it


def inputs(kind: Any, rows: list[dict[str, Any]], **how: Any) -> list[Any]:
    """Rows as a client's own tensors."""
    made = []
    for tensor in tensors(rows):
        each = kind.InferInput(tensor["name"], tensor["shape"], tensor["datatype"])
        values = np.array(tensor["data"], KINDS[tensor["datatype"]]).reshape(tensor["shape"])
        each.set_data_from_numpy(values, **how)
        made.append(each)
    return made


@pytest.fixture
def rest(running: Running) -> Iterator[Any]:
    with over_http.InferenceServerClient(running.url.removeprefix("http://")) as client:
        yield client


@pytest.fixture
def grpc(running: Running) -> Iterator[Any]:
    with over_grpc.InferenceServerClient(running.ready["grpc"]) as client:
        yield client


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("out", [True, False, None])
def test_a_peers_client_gets_the_offline_answers(
    world: World, rest: Any, binary: bool, out: bool | None
) -> None:
    rows = as_request(training_rows())
    asked = [each for each in rows if each["km"] is not None]
    wanted = None if out is None else [over_http.InferRequestedOutput("answer", binary_data=out)]
    sent = inputs(over_http, asked, binary_data=binary)
    made = rest.infer("rides", sent, request_id="call-7", outputs=wanted)
    offline = [
        answer
        for answer, each in zip(world.offline(1, training_rows().to_arrow()), rows, strict=True)
        if each["km"] is not None
    ]
    assert made.as_numpy("answer").tolist() == offline
    assert (made.get_response()["id"], made.get_response()["model_version"]) == ("call-7", "1")


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_a_client_that_compresses_gets_the_same_answers(rest: Any, binary: bool, algorithm: str) -> None:
    sent = inputs(over_http, [row(km=1.5), row(km=17.0)], binary_data=binary)
    packed = {f"{way}_compression_algorithm": algorithm for way in ("request", "response")}
    plain, made = (rest.infer("rides", sent, **more).as_numpy("answer").tolist() for more in ({}, packed))
    assert made == plain


def test_a_nan_in_binary_is_the_missing_value(running: Running, rest: Any) -> None:
    made = rest.infer("rides", inputs(over_http, [row(km=float("nan"))], binary_data=True))
    as_null = running.predict(row(km=None)).json()["predictions"][0]["answer"]
    assert made.as_numpy("answer").tolist() == [as_null]


def test_the_client_sees_what_there_is(rest: Any, grpc: Any) -> None:
    assert rest.is_server_live() and rest.is_server_ready() and rest.is_model_ready("rides", "champion")
    assert grpc.is_server_live() and grpc.is_server_ready() and grpc.is_model_ready("rides", "1")
    assert grpc.get_server_metadata().name == rest.get_server_metadata()["name"] == "noria"
    over = grpc.get_model_metadata("rides", as_json=True)
    assert {each["name"] for each in over["inputs"]} == {
        each["name"] for each in rest.get_model_metadata("rides")["inputs"]
    }


def test_the_index_tells_every_version_and_why_it_does_not_answer(rest: Any, grpc: Any) -> None:
    index = {each["version"]: each for each in rest.get_model_repository_index()}
    assert (index["1"]["state"], index["2"]["state"]) == ("READY", "UNAVAILABLE")
    assert index["2"]["reason"] == "rides@champion is another version"
    over = {each.version: each for each in grpc.get_model_repository_index().models}
    assert {each: over[each].state for each in over} == {"1": "READY", "2": "UNAVAILABLE"}


def test_what_a_service_loads_by_request(rest: Any, grpc: Any) -> None:
    rest.load_model("rides")
    grpc.load_model("rides")
    for refuse in (lambda: rest.unload_model("rides"), lambda: rest.load_model("boats")):
        with pytest.raises(InferenceServerException, match=r"not (un)?loaded by a request"):
            refuse()
    with pytest.raises(InferenceServerException, match="REPOSITORY-POLICY"):
        grpc.unload_model("rides")


def test_grpc_gets_the_offline_answers(world: World, grpc: Any) -> None:
    rows = as_request(training_rows(9))
    made = grpc.infer("rides", inputs(over_grpc, rows), request_id="call-8")
    assert made.as_numpy("answer").tolist() == world.offline(1, training_rows(9).to_arrow())
    assert made.get_response().id == "call-8"
    assert len(made.get_response().parameters["prediction_ids"].string_param.split(",")) == 9


def test_grpc_takes_typed_contents_too(world: World, running: Running) -> None:
    import grpc as plain
    from tritonclient.grpc import service_pb2, service_pb2_grpc

    names = {
        "FP64": "fp64_contents",
        "INT16": "int_contents",
        "BOOL": "bool_contents",
        "BYTES": "bytes_contents",
    }
    request = service_pb2.ModelInferRequest(model_name="rides", model_version="champion")
    for tensor in tensors(as_request(training_rows(9))):
        each = request.inputs.add(name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"])
        flat = np.array(tensor["data"], KINDS[tensor["datatype"]]).flatten().tolist()
        values = [value.encode() for value in flat] if tensor["datatype"] == "BYTES" else flat
        getattr(each.contents, names[tensor["datatype"]]).extend(values)
    with plain.insecure_channel(running.ready["grpc"]) as channel:
        made = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request)
    assert list(made.outputs[0].contents.fp64_contents) == world.offline(1, training_rows(9).to_arrow())


def test_grpc_says_what_is_wrong(grpc: Any) -> None:
    def told(rows: list[dict[str, Any]], model: str = "rides", **more: Any) -> tuple[str, str]:
        with pytest.raises(InferenceServerException) as raised:
            grpc.infer(model, inputs(over_grpc, rows), **more)
        return str(raised.value.status()), raised.value.message()

    status, message = told([row(km=float("inf"))])
    assert status == "StatusCode.INVALID_ARGUMENT" and "column km" in message
    assert told([row()], "boats")[0] == "StatusCode.NOT_FOUND"
    assert told([row()], model_version="2")[0] == "StatusCode.NOT_FOUND"
    status, message = told([row(passengers=99)])
    assert status == "StatusCode.INTERNAL" and "/" not in message.split(";")[0]
    assert told([row()], client_timeout=1e-6)[0] == "StatusCode.DEADLINE_EXCEEDED"


def test_a_swap_fails_no_grpc_call(tmp_path: Any) -> None:
    """Callers that ask again as soon as they are answered; the old worker stays until each has connected anew."""
    made = World(tmp_path / "state")
    for number in (1, 2, 3):
        made.register(number, bias=float(number))
    made.promote(1)
    with service(made, "--no-spare", "--grpc-port", "0") as running:
        callers = [GrpcCaller(running.ready["grpc"]) for _ in range(3)]
        for number in (1, 2, 3):
            if number > 1:
                made.promote(number)
            for caller in callers:
                until(partial(caller.was_answered_by, str(number)), 60, f"version {number}")
        for caller in callers:
            assert caller.ended()
    made.records.close()


class GrpcCaller(threading.Thread):
    """Asks one service without a pause, on a connection of its own."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self._address = address
        self._version = ""
        self._over = threading.Event()
        self._error: Exception | None = None
        self.start()

    def run(self) -> None:
        with over_grpc.InferenceServerClient(self._address) as client:
            while not self._over.is_set():
                try:
                    answer = client.infer("rides", inputs(over_grpc, [row()])).get_response()
                except Exception as error:
                    self._error = error
                    return
                self._version = answer.model_version

    def was_answered_by(self, version: str) -> bool:
        if self._error is not None:
            raise self._error
        return self._version == version

    def ended(self) -> bool:
        self._over.set()
        self.join(30)
        return self._error is None and not self.is_alive()


CLIENTS = Path(__file__).parents[2] / ".clients/bin/python"


@pytest.mark.skipif(not CLIENTS.exists(), reason="peers' clients are not installed: make clients")
@pytest.mark.parametrize(("peer", "ways"), [("mlserver", 2), ("kserve", 4)])
def test_other_peers_clients_get_the_offline_answers(
    world: World, running: Running, tmp_path: Path, peer: str, ways: int
) -> None:
    sent = tmp_path / "tensors.json"
    sent.write_text(json.dumps(tensors(as_request(training_rows(9)))))
    script = Path(__file__).with_name("peer_clients.py")
    command = [str(CLIENTS), str(script), peer, running.url, running.ready["grpc"], str(sent)]
    made = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert made.returncode == 0, made.stderr
    offline = world.offline(1, training_rows(9).to_arrow())
    assert json.loads(made.stdout.splitlines()[-1]) == [offline] * ways


def test_the_messages_are_the_protocols_own() -> None:
    """Names and numbers, beside those of a peer."""
    from tritonclient.grpc import service_pb2

    from noria.serving.grpc_words import messages

    for name, made in messages().items():
        if name.endswith("Entry"):
            continue
        theirs: Any = service_pb2
        for part in name.split("."):
            theirs = getattr(theirs, part)
        known = {(field.name, field.number, field.type) for field in theirs.DESCRIPTOR.fields}
        ours = {(field.name, field.number, field.type) for field in made.DESCRIPTOR.fields}
        assert ours <= known, name
