"""Traces of a service's requests, as a collector gets them over OTLP."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx
import polars as pl
import pytest

from integration.collector import Collector, Got, collector
from integration.routing_world import Admin, metric, three_versions
from integration.serving_world import Running, World, row, service, until
from noria.adapters.log_reader import LogReader
from servers import free_port

PREDICT = "/v1/models/rides/predict"
SOON = 30.0  # s until a span must have come; a busy machine takes its time
OFTEN = {"OTEL_TRACES_SAMPLER": "parentbased_always_off"}  # what a caller samples, and nothing else


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("traced") / ".noria")
    three_versions(made)
    yield made
    made.records.close()


@pytest.fixture(scope="module")
def got() -> Iterator[Collector]:
    with collector() as found:
        yield found


@pytest.fixture(scope="module")
def running(world: World, got: Collector) -> Iterator[Running]:
    words = ("--no-spare", "--traces", got.url, "--grpc-port", "0")
    with service(world, *words, environment=OFTEN) as found:
        yield found


def parent(*, sampled: bool = True) -> tuple[str, str, dict[str, str]]:
    """A trace that a caller has begun: its id, the caller's span, the headers."""
    trace, span = secrets.token_hex(16), secrets.token_hex(8)
    return trace, span, {"traceparent": f"00-{trace}-{span}-{'01' if sampled else '00'}"}


def spans(got: Collector, trace: str, name: str, count: int = 1) -> list[Got]:
    """The spans of that name, once they have come."""
    until(lambda: len(of(got, trace, name)) >= count, SOON, f"{count} spans {name}")
    return of(got, trace, name)


def of(got: Collector, trace: str, name: str) -> list[Got]:
    return [span for span in got.named(name) if span.trace == trace]


def ask(running: Running, headers: dict[str, str], **changed: Any) -> httpx.Response:
    return running.client.post(PREDICT, json={"rows": [row(**changed)] * 2}, headers=headers)


def test_a_sampled_request_is_a_span_of_its_callers_trace_with_its_stages(
    running: Running, got: Collector, world: World
) -> None:
    trace, caller, headers = parent()
    answered = ask(running, headers).json()
    (span,) = spans(got, trace, "predict rides")
    assert span.parent == caller and span.kind == 2, "a server's span below the caller's"
    assert span.service["service.name"] == "rides" and span.service["service.version"] == "1"
    assert got.paths == {"/v1/traces"}
    assert span.facts == {
        "noria.model": "rides",
        "noria.version": 1,
        "noria.run": "rides/1",
        "noria.commit": "0" * 40,
        "noria.way": "champion",
        "noria.rows": 2,
        "noria.batch_rows": 2,
        "noria.prediction": answered["predictions"][0]["id"],
        "http.response.status_code": 200,
    }
    stages = {one.name: one for one in got.spans if one.trace == trace and one.parent == span.id}
    assert list(stages) == ["read", "wait", "model", "log and reply"]
    ordered = list(stages.values())
    assert all(one.begin <= one.end for one in ordered)
    assert all(one.end <= other.begin + 1000 for one, other in pairwise(ordered))
    assert span.begin <= ordered[0].begin + 1_000_000 and ordered[-1].end <= span.end + 1_000_000
    found = LogReader(world.state / "log").find(answered["predictions"][1]["id"])
    assert found is not None and found.row is not None
    assert found.row.column("trace").to_pylist() == [trace], "the log names the trace"


def test_the_careful_way_is_traced_alike(running: Running, got: Collector, world: World) -> None:
    trace, caller, headers = parent()
    body = "\n".join(json.dumps(row(ride=f"line {at}")) for at in range(3))
    answered = running.client.post(
        PREDICT, content=body, headers={**headers, "content-type": "application/x-ndjson"}
    )
    assert answered.status_code == 200
    (span,) = spans(got, trace, "predict rides")
    assert span.parent == caller and span.facts["noria.rows"] == 3
    stages = [one.name for one in got.spans if one.trace == trace and one.parent == span.id]
    assert stages == ["wait", "read", "model", "log and reply"]
    found = LogReader(world.state / "log").find(span.facts["noria.prediction"])
    assert found is not None and found.row is not None
    assert found.row.column("trace").to_pylist() == [trace]


def test_what_fails_says_so(running: Running, got: Collector) -> None:
    trace, _, headers = parent()
    assert ask(running, headers, passengers=99).status_code == 500
    assert ask(running, headers, passengers="many").status_code == 422
    found = spans(got, trace, "predict rides", 2)
    assert sorted((one.facts["http.response.status_code"], one.failed) for one in found) == [
        (422, False),
        (500, True),
    ]


@pytest.mark.parametrize(
    "headers",
    [{}, parent(sampled=False)[2], {"traceparent": "00-" + "0" * 32 + "-" + "1" * 16 + "-01"}],
    ids=["none", "not sampled", "no trace"],
)
def test_what_is_not_sampled_leaves_no_span(
    running: Running, got: Collector, headers: dict[str, str], world: World
) -> None:
    trace, _, sampled = parent()
    ask(running, sampled)
    spans(got, trace, "predict rides")  # and with it whatever was asked before
    before = len(got.named("predict rides"))
    id = ask(running, headers).json()["predictions"][0]["id"]
    trace, _, sampled = parent()
    ask(running, sampled)
    spans(got, trace, "predict rides")
    assert len(got.named("predict rides")) == before + 1
    found = LogReader(world.state / "log").find(id)
    assert found is not None and found.row is not None
    assert found.row.column("trace").to_pylist() == [None]


def test_a_call_over_grpc_is_traced_by_its_metadata(running: Running, got: Collector) -> None:
    import grpc

    from integration.serving_world import training_rows
    from integration.test_serving import as_request, tensors
    from noria.serving.grpc_words import SERVICE, messages

    words = messages()
    trace, caller, headers = parent()
    request = words["ModelInferRequest"](model_name="rides")
    for each in tensors(as_request(training_rows(2))):
        made = request.inputs.add(name=each["name"], datatype=each["datatype"], shape=each["shape"])
        field = {"BYTES": "bytes_contents", "FP64": "fp64_contents", "BOOL": "bool_contents"}.get(
            each["datatype"], "int_contents"
        )
        flat = [one for part in each["data"] for one in (part if isinstance(part, list) else [part])]
        values = [one.encode() if isinstance(one, str) else one for one in flat]
        getattr(made.contents, field).extend(values)
    with grpc.insecure_channel(running.ready["grpc"]) as channel:
        call = channel.unary_unary(
            f"/{SERVICE}/ModelInfer",
            request_serializer=words["ModelInferRequest"].SerializeToString,
            response_deserializer=words["ModelInferResponse"].FromString,
        )
        call(request, metadata=tuple(headers.items()), timeout=30)
    (span,) = spans(got, trace, "infer rides")
    assert span.parent == caller and span.facts["noria.rows"] == 2
    assert span.facts["http.response.status_code"] == 200


def test_a_challengers_span_is_the_child_of_the_champions(world: World, got: Collector) -> None:
    with (
        service(world, "--no-spare", "--traces", got.url, environment=OFTEN) as running,
        Admin(running) as admin,
    ):
        until(lambda: admin.table().champion > 0, SOON, "the first table")
        admin.canary(1.0, shadows=[3])
        trace, caller, headers = parent()
        assert ask(running, headers).json()["version"] == 2
        found = spans(got, trace, "predict rides", 3)
        first = next(one for one in found if one.parent == caller)
        others = {one.facts["noria.way"]: one for one in found if one is not first}
        assert set(others) == {"canary", "shadow"}
        assert all(one.parent == first.id for one in others.values())
        assert first.facts["noria.version"] == 1 and first.facts["noria.passed_on"] == 2
        assert (others["canary"].facts["noria.version"], others["shadow"].facts["noria.version"]) == (2, 3)


def test_without_a_collector_every_request_is_answered_and_the_loss_is_counted(world: World) -> None:
    nowhere = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
    }
    with service(world, "--no-spare", environment=nowhere) as running:
        assert all(ask(running, {}).status_code == 200 for _ in range(20))
        until(
            lambda: metric(running, "noria_spans_total", result="failed") > 0, SOON, "lost spans are counted"
        )
        told = [event for event in running.events() if event["event"] == "traces.failed"]
        assert len(told) == 1, "told once"


def test_a_service_that_is_not_asked_to_traces_nothing(world: World) -> None:
    with service(world, "--no-spare") as running:
        _, _, headers = parent()
        id = ask(running, headers).json()["predictions"][0]["id"]
        assert "noria_spans" not in running.client.get("/metrics").text
    found = LogReader(world.state / "log").find(id)
    assert found is not None and found.row is not None
    assert "trace" not in pl.DataFrame(found.row).columns
