"""Every form of a request goes to whoever it is assigned to: JSON, lines, tables, tensors, and calls over gRPC."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from tritonclient.utils import InferenceServerException

from integration.routing_world import (
    PREDICT,
    RAISES,
    SLEEPS,
    Admin,
    driver_of,
    logged,
    metric,
    routed,
    three_versions,
)
from integration.serving_world import Running, World, row, service, training_rows, until
from integration.test_serving import INFER, tensors
from integration.test_serving_bad_input import ARROW, LINES, lines, stream
from integration.test_serving_protocol import inputs
from noria.records.base import canonical
from noria.records.policy import LogPolicy

Row = dict[str, Any]
Ask = Callable[[Running, Row], int]
"""Asks with a row; the version that answered."""

FLAT = """
import noria
import numpy as np
import polars as pl
from helper import BIAS

{broken}
rides = noria.Pipeline("rides")

@rides.data(key="ride", label="minutes", unit="driver", unknown="{unknown}")
def asked_rides() -> pl.DataFrame:
    raise RuntimeError("the service never reads data")

@rides.transform
def features(asked_rides: pl.DataFrame) -> pl.DataFrame:
    return asked_rides.select("km", "passengers")

@rides.step
def weights(features: pl.DataFrame) -> dict:
    raise RuntimeError("the service never trains")

@rides.predict
def minutes(weights: dict, features: pl.DataFrame) -> np.ndarray:
    if (features["passengers"] == 94).any():
        raise ZeroDivisionError("sick")
    return features["km"].to_numpy() * weights["km"] + BIAS
"""
"""A model whose tensors leave no doubt, so that the quick way takes them."""
FLAT_COLUMNS = ["ride", "driver", "km", "passengers", "pooled"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("routed") / "state")
    three_versions(made)
    yield made
    made.records.close()


@pytest.fixture(scope="module")
def both(world: World) -> Iterator[tuple[Running, Admin]]:
    with routed(world, "--no-spare", "--deadline", "8", "--grpc-port", "0") as it:
        yield it


def as_json(running: Running, asked: Row) -> int:
    return int(running.predict(asked).json()["version"])


def as_lines(running: Running, asked: Row) -> int:
    made = running.client.post(PREDICT, content=lines([asked]), headers={"content-type": LINES})
    assert (made.status_code, made.headers["content-type"]) == (200, LINES)
    return _number(made.headers["noria-version"])


def as_table(running: Running, asked: Row) -> int:
    like = training_rows(1).drop("minutes", "ended")
    times = {"asked": "2024-03-02T08:30:00+00:00", "day": "2024-03-02"}
    columns = [
        pl.Series(name, [times.get(name, value)]).str.to_datetime(time_zone="UTC")
        if name == "asked"
        else pl.Series(name, [times.get(name, value)]).str.to_date()
        if name == "day"
        else pl.Series(name, [value], dtype=like.schema[name])
        for name, value in asked.items()
    ]
    body = stream(pl.DataFrame(columns))
    made = running.client.post(PREDICT, content=body, headers={"content-type": ARROW})
    assert made.status_code == 200, made.text
    told = pa.ipc.open_stream(made.content).schema.metadata[b"noria.version"].decode()
    assert told == made.headers["noria-version"]
    return _number(told)


def as_lines_for_json(running: Running, asked: Row) -> int:
    headers = {"content-type": LINES, "accept": "application/json"}
    return int(running.client.post(PREDICT, content=lines([asked]), headers=headers).json()["version"])


def as_tensors(running: Running, asked: Row) -> int:
    return int(running.client.post(INFER, json={"inputs": tensors([asked])}).json()["model_version"])


def in_binary(running: Running, asked: Row) -> int:
    with over_http.InferenceServerClient(running.url.removeprefix("http://")) as client:
        made = client.infer("rides", inputs(over_http, [asked], binary_data=True))
    assert made.as_numpy("answer").shape == (1,)
    return int(made.get_response()["model_version"])


def over_the_other_door(running: Running, asked: Row, **more: Any) -> int:
    with over_grpc.InferenceServerClient(running.ready["grpc"]) as client:
        made = client.infer("rides", inputs(over_grpc, [asked]), **more)
    version = int(made.get_response().model_version)
    assert (version - 1) * 1000 <= made.as_numpy("answer").tolist()[0] < version * 1000
    return version


def _number(version: str) -> int:
    return int(version.removeprefix("rides:"))


FORMS = [as_json, as_lines, as_table, as_lines_for_json, as_tensors, in_binary, over_the_other_door]


def ways(world: World, ride: str) -> list[tuple[int, str]]:
    return sorted((each["version"], each["way"]) for each in logged(world) if each["key"] == ride)


@pytest.mark.parametrize("ask", FORMS)
def test_every_form_goes_to_whom_its_unit_is_assigned(
    world: World, both: tuple[Running, Admin], ask: Ask
) -> None:
    running, admin = both
    table = admin.canary(0.3)
    ride = f"assigned-{ask.__name__}"
    for version in (1, 2):
        assert ask(running, row(ride=ride, driver=driver_of(table, version))) == version
    assert ways(world, ride) == [(1, ""), (2, "canary")]


@pytest.mark.parametrize("ask", FORMS)
def test_in_every_form_the_champion_answers_where_a_challenger_fails(
    world: World, both: tuple[Running, Admin], ask: Ask
) -> None:
    running, admin = both
    table = admin.canary(0.3)
    ride = f"instead-{ask.__name__}"
    assert ask(running, row(ride=ride, driver=driver_of(table, 2), passengers=RAISES)) == 1
    assert ways(world, ride) == [(1, "instead")]


@pytest.mark.parametrize("ask", FORMS)
def test_in_every_form_a_shadow_gets_its_copy(world: World, both: tuple[Running, Admin], ask: Ask) -> None:
    running, admin = both
    assert admin.put(shadows=[3]).status_code == 200
    ride = f"copied-{ask.__name__}"
    assert ask(running, row(ride=ride)) == 1
    until(lambda: ways(world, ride) == [(1, ""), (3, "shadow")], 30, "the copy")


def test_a_call_names_a_version(world: World, both: tuple[Running, Admin]) -> None:
    running, admin = both
    table = admin.canary(0.1)
    mine = row(ride="called", driver=driver_of(table, 1))
    assert over_the_other_door(running, mine, model_version="2") == 2
    assert over_the_other_door(running, mine, headers={"x-noria-version": "2"}) == 2
    assert over_the_other_door(running, mine, model_version="champion") == 1
    assert ways(world, "called") == [(1, "asked"), (2, "asked"), (2, "asked")]
    with pytest.raises(InferenceServerException, match="NOT-SERVED"):
        over_the_other_door(running, mine, model_version="77")
    with pytest.raises(InferenceServerException, match="GRAPH-FAILED") as raised:
        over_the_other_door(running, row(passengers=RAISES), model_version="2")
    assert raised.value.status() == "StatusCode.INTERNAL"


def test_a_version_that_is_loaded_is_ready(both: tuple[Running, Admin]) -> None:
    running, admin = both
    admin.canary(0.0)
    address = running.url.removeprefix("http://")
    with (
        over_http.InferenceServerClient(address) as rest,
        over_grpc.InferenceServerClient(running.ready["grpc"]) as grpc,
    ):
        until(lambda: not rest.is_model_ready("rides", "3"), 30, "the shadow's end")
        for client in (rest, grpc):
            assert client.is_model_ready("rides", "2") and client.is_model_ready("rides", "1")
        with pytest.raises(InferenceServerException, match="NOT-SERVED"):
            grpc.is_model_ready("rides", "3")
        states = {each["version"]: each["state"] for each in rest.get_model_repository_index()}
    assert states == {"1": "READY", "2": "READY", "3": "UNAVAILABLE"}


HURRY = {"x-envoy-expected-rq-timeout-ms": "1500"}
"""Less than twice the challengers' patience, so that the champion could not answer after one of them."""


def test_who_would_not_wait_for_a_challenger_and_the_champion_is_answered_by_the_champion_at_once(
    world: World, both: tuple[Running, Admin]
) -> None:
    running, admin = both
    table = admin.canary(0.3)
    tried = metric(running, "noria_passed_on_total", version="2", way="canary")
    asked = row(driver=driver_of(table, 2), passengers=SLEEPS, ride="hurried")
    assert over_the_other_door(running, asked, client_timeout=1.5) == 1
    made = running.client.post(PREDICT, json=asked, headers=HURRY)
    assert made.json()["version"] == 1
    assert metric(running, "noria_passed_on_total", version="2", way="canary") == tried
    assert ways(world, "hurried") == [(1, "hurried"), (1, "hurried")]
    patient = running.client.post(
        PREDICT,
        json=row(driver=driver_of(table, 2)),
        headers={**HURRY, "x-envoy-expected-rq-timeout-ms": "60000"},
    )
    assert patient.json()["version"] == 2


def test_in_no_form_the_log_gets_what_it_must_not_have(tmp_path: Path) -> None:
    world = World(tmp_path / "state")
    world.register(1)
    world.promote(1)
    secrets = {"driver": "Ada-Lovelace-the-driver", "ride": "ride-of-a-lifetime", "zone": "a-zone-of-nobody"}
    policy = canonical(LogPolicy(redact=("zone", "km"), hash=("ride", "driver"))).decode()
    with service(world, "--no-spare", "--grpc-port", "0", "--log", policy) as running:
        assert [ask(running, row(**secrets)) for ask in FORMS] == [1] * len(FORMS)
        on_disk = b"".join(path.read_bytes() for path in sorted(world.state.rglob("*")) if path.is_file())
    assert [secret for secret in secrets.values() if secret.encode() in on_disk] == []
    rows = logged(world)
    assert len(rows) == len(FORMS)
    assert len({(each["key"], each["unit"]) for each in rows}) == 1, "whatever the form, the same hash"
    assert {each["request.zone"] for each in rows} == {each["request.km"] for each in rows} == {None}
    world.records.close()


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Running, Admin]]:
    made = World(Path(tmp_path_factory.mktemp("flat")) / "state")
    training = training_rows().with_columns(pl.col("km").fill_null(0.0)).select([*FLAT_COLUMNS, "minutes"])
    for number in (1, 2):
        made.register(number, bias=(number - 1) * 1000.0, source=FLAT, training=training)
    made.promote(1)
    with routed(made, "--no-spare", "--deadline", "60", "--patience", "20") as (running, admin):
        yield made, running, admin
    made.records.close()


def test_quick_tensors_are_routed(flat: tuple[World, Running, Admin]) -> None:
    world, running, admin = flat
    table = admin.canary(0.3)

    def asked(path: str = INFER, **changed: Any) -> Any:
        sent = {name: row(**changed)[name] for name in FLAT_COLUMNS}
        made = running.client.post(path, json={"inputs": tensors([sent]), "id": "mine"})
        assert (made.status_code, made.json().get("id", "mine")) == (200, "mine"), made.text
        return int(made.json()["model_version"])

    for version in (1, 2):
        for _ in range(2):  # the second is taken by the text of the first
            assert asked(ride="quick", driver=driver_of(table, version)) == version
    assert asked(ride="quick-sick", driver=driver_of(table, 2), passengers=1) == 2
    for path in ("/v2/models/rides/versions/1/infer", "/v2/models/rides@champion/infer"):
        assert asked(path, ride="quick-asked", driver=driver_of(table, 2)) == 1
    assert asked("/v2/models/rides/versions/2/infer", ride="quick-asked", driver=driver_of(table, 1)) == 2
    sent = tensors(
        [{name: row(ride="quick-hurried", driver=driver_of(table, 2))[name] for name in FLAT_COLUMNS}]
    )
    hurried = running.client.post(INFER, json={"inputs": sent}, headers=HURRY)
    assert hurried.json()["model_version"] == "1" and ways(world, "quick-hurried") == [(1, "hurried")]
    assert ways(world, "quick") == [(1, ""), (1, ""), (2, "canary"), (2, "canary")]
    assert ways(world, "quick-asked") == [(1, "asked"), (1, "asked"), (2, "asked")]
    until(lambda: metric(running, "noria_requests_total", route="inside") == 4, 10, "the counts")


def test_what_fails_on_the_quick_way_of_tensors_is_told_as_the_protocol_does(
    flat: tuple[World, Running, Admin],
) -> None:
    _, running, admin = flat
    admin.put()
    sent = {name: row(passengers=RAISES)[name] for name in FLAT_COLUMNS}
    made = running.client.post(INFER, json={"inputs": tensors([sent])})
    assert (made.status_code, made.headers["content-type"]) == (500, "application/json")
    assert made.json()["code"] == "GRAPH-FAILED" and "error" in made.json() and json.loads(made.text)
    assert metric(running, "noria_requests_total", route="infer", code="500") == 1
