"""The OpenAPI page, asked by schemathesis of a real service: whatever it allows and forbids, nothing is a fault of ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from integration.serving_world import PIPELINE, Running, World, service, training_rows
from noria.serving.routes import Front

SOUND = PIPELINE.replace(" == 99)", " == 10_099)").replace(
    " == 98)", " == 10_098)"
)  # its own code raises nowhere
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world") / "state")
    made.register(1, source=SOUND, unknown="refuse")
    made.promote(1)
    yield made
    made.records.close()


@pytest.fixture(scope="module")
def running(world: World) -> Iterator[Running]:
    with service(world, "--no-spare") as it:
        yield it


@pytest.fixture(scope="module")
def api(running: Running) -> Any:
    return schemathesis.openapi.from_url(f"{running.url}/openapi.json")


def test_whatever_is_asked_the_service_does_not_fail(api: Any) -> None:
    operations = [found.ok() for found in api.get_all_operations()]
    assert len(operations) > 10
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            if mode is GenerationMode.NEGATIVE and not operation.body:
                continue  # nothing in it could be wrong

            @settings(max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy(generation_mode=mode))
            def asked(case: Any) -> None:
                case.call_and_validate(checks=CHECKS)

            asked()


def test_the_page_is_the_true_signature(running: Running) -> None:
    page = running.client.get("/openapi.json").json()
    columns = page["components"]["schemas"]["Row"]["properties"]
    assert columns["zone"] == {"type": "string", "enum": ["north", "south"]}
    assert columns["km"] == {"anyOf": [{"type": "number"}, {"type": "null"}]}
    assert columns["passengers"] == {"type": "integer", "minimum": -32768, "maximum": 32767}
    assert columns["ride"] == {"type": "string"}


def test_every_route_is_on_the_page(running: Running) -> None:
    page = running.client.get("/openapi.json").json()
    listed = {(method.upper(), path) for path, operations in page["paths"].items() for method in operations}
    front = Front.__new__(Front)
    front._neighbours = None
    for route in front._table():
        assert any(method == route.method and route.path.fullmatch(path) for method, path in listed), (
            route.name
        )


def test_the_examples_answer_as_offline(world: World, running: Running) -> None:
    page = running.client.get("/openapi.json").json()["paths"]
    (offline,) = world.offline(1, training_rows(1).to_arrow())
    rows = page["/v1/models/rides/predict"]["post"]["requestBody"]["content"]["application/json"]["example"]
    made = running.client.post("/v1/models/rides/predict", json=rows)
    assert made.status_code == 200 and made.json()["predictions"][0]["answer"] == offline
    tensors = page["/v2/models/rides/infer"]["post"]["requestBody"]["content"]["application/json"]["example"]
    made = running.client.post("/v2/models/rides/infer", json=tensors)
    assert made.status_code == 200 and made.json()["outputs"][0]["data"] == [offline]


def test_the_page_for_people_needs_no_network(running: Running) -> None:
    page = running.client.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "passengers" in page.text and "/v1/models/rides/predict" in page.text
    assert "src=" not in page.text and "http://HOST:PORT" in page.text
    assert page.text.count("http") == 1
