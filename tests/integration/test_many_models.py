"""Several models under one address: who answers, what is loaded when, and what harms whom."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from integration.models_world import MODELS, ask, events, promoted, series, states, three_models
from integration.routing_world import Admin, Callers, logged, settled
from integration.serving_world import ROW, Running, World, service, until
from servers import free_port

SOAK = bool(os.environ.get("NORIA_SOAK"))
CONNECTIONS = 32 if SOAK else 8
ROUNDS = 8 if SOAK else 1
PAUSE = (
    0.0 if SOAK else 0.05
)  # s of each caller between two requests: a short form leaves room for other tests
WAITS = ("--deadline", "60")  # for a load on a busy machine
PATIENT = ("--no-spare", *WAITS)
SLOW = "import time; time.sleep(4)"


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, World]]:
    with three_models(tmp_path_factory.mktemp("worlds") / "state") as made:
        yield made


@pytest.fixture(scope="module")
def started(worlds: dict[str, World]) -> Iterator[Running]:
    """Two models, loaded before it is ready."""
    with service(worlds["rides"], "--load", "start", *PATIENT, models=("rides", "fares")) as running:
        yield running


def test_each_model_is_loaded_when_it_is_first_asked_for(worlds: dict[str, World]) -> None:
    before = {model: len(logged(worlds[model])) for model in ("rides", "fares")}
    with service(worlds["rides"], *PATIENT, models=MODELS) as running:
        assert {state for state, _ in states(running).values()} == {"UNAVAILABLE"}
        assert running.client.get("/v2/health/ready").json() == {"ready": True}
        for model in ("rides", "fares"):
            probe = running.client.get(f"/v2/models/{model}/ready")
            assert (probe.status_code, probe.json()) == (503, {"name": model, "ready": False})
        told = running.client.post("/v1/models/fares/feedback", json={"key": "x1", "label": 4.0})
        assert told.status_code == 200, told.text
        assert not events(running, "model.loading")  # neither a probe nor a label loads anything

        answer = ask(running, "fares")
        assert answer.status_code == 200, answer.text
        assert answer.json()["model"] == "fares"
        assert answer.json()["predictions"][0]["answer"] > 500
        assert running.client.get("/v2/models/fares/ready").json() == {"name": "fares", "ready": True}
        assert states(running)["fares"] == ("READY", "")
        assert states(running)["rides"][0] == "UNAVAILABLE"
        assert [each["model"] for each in events(running, "model.loading")] == ["fares"]

        assert ask(running, "rides").json()["predictions"][0]["answer"] < 500
        assert {model: len(logged(worlds[model])) - 1 for model in before} == before
        assert 'model="fares"' in "".join(series(running, "^noria_requests_total.*predict.*$"))


def test_a_connection_goes_to_the_model_it_asks_for_and_stays_where_it_alternates(started: Running) -> None:
    moves, hops = moved(started), hopped(started)
    with httpx.Client(base_url=started.url, timeout=60) as client:
        for _ in range(5):
            assert ask(started, "fares", client).json()["model"] == "fares"
        until(lambda: moved(started) == moves + 1, 10, "the one move")  # and one request over a hop
        until(lambda: hopped(started) == hops + 1, 10, "the one hop")
        for turn in range(20):
            model = ("rides", "fares")[turn % 2]
            assert ask(started, model, client).json()["model"] == model
        until(lambda: moved(started) == moves + 4, 10, "no more than four moves")
    assert len(events(started, "worker.lost")) == 0


def hopped(running: Running) -> float:
    """Requests that the door has passed on."""
    found = series(running, r'^noria_requests_total\{code="200",model="",route="other-model"\} (.*)$')
    return sum(map(float, found))


def moved(running: Running) -> float:
    found = series(running, r"^noria_handed_over_total\{.*\} (.*)$")
    return sum(map(float, found))


def test_whatever_a_path_asks_is_answered_by_its_model(started: Running) -> None:
    with (
        httpx.Client(base_url=started.url, timeout=60) as moved,
        httpx.Client(base_url=started.url, timeout=60) as other,
    ):
        ask(started, "rides", moved)  # the connection is with `rides` now
        for client in (moved, other):
            assert client.get("/v1/models/fares").json()["version"] == 1
            assert client.get("/v2/models/fares").json()["name"] == "fares"
            assert client.get("/v2/models/fares/versions/1").json()["name"] == "fares"
            assert client.head("/v1/models/fares").status_code == 200
            assert client.get("/v1/models/fares/openapi.json").json()["info"]["title"] == "fares@champion"
            assert "fares" in client.get("/v1/models/fares/docs").text
            for path, operations in client.get("/v1/models/fares/openapi.json").json()["paths"].items():
                assert "get" not in operations or client.get(path).status_code == 200, path
            assert client.get("/openapi.json").json()["code"] == "PATH-MODEL"
            assert client.get("/docs").status_code == 404
            assert client.get("/v2/models/none").json()["code"] == "MODEL-NOT-SERVED"
            assert client.get("/v1/models/fares/none").json()["code"] == "PATH-UNKNOWN"
            assert ask(started, "fares", client, km="far").status_code == 422
            assert ask(started, "fares:1", client).status_code == 200
            assert ask(started, "fares@champion", client).status_code == 200
            assert ask(started, "fares:9", client).json()["code"] == "NOT-SERVED"
            large = client.post("/v1/models/fares/predict", json={"rows": [ROW] * 3000})
            assert len(large.json()["predictions"]) == 3000
            id = ask(started, "fares", client).json()["predictions"][0]["id"]
            told = client.post("/v1/models/fares/feedback", json={"id": id, "label": 4.0})
            assert told.status_code == 200, told.text


def test_what_keeps_a_model_from_being_loaded_is_told_and_harms_no_other(
    started: Running, worlds: dict[str, World]
) -> None:
    with service(worlds["rides"], *PATIENT, models=MODELS) as running:
        # another service of the same names, on port 0 as well, was there first
        assert {each["model"] for each in events(running, "routing.unkept")} >= {"rides", "fares"}
        assert not events(started, "routing.unkept")
        ask(running, "rides")
        for _ in range(3):
            answer = ask(running, "sick")
            assert (answer.status_code, answer.json()["code"]) == (503, "MODEL-FAILED")
            assert answer.json()["detail"] == "sick cannot be loaded: PIPELINE-IMPORT"
            assert "secret" not in answer.text
            assert "retry-after" in answer.headers
        assert len(events(running, "model.failed")) == 1  # tried once, told to all
        assert states(running)["sick"][0] == "UNAVAILABLE"
        tried = running.client.post("/v2/repository/models/sick/load")
        assert (tried.status_code, tried.json()["code"]) == (409, "REPOSITORY-LOAD")
        assert "secret" not in tried.text
        assert len(events(running, "model.failed")) == 2
        index = running.client.post("/v2/repository/index").json()
        assert {each["name"]: each["state"] for each in index} == {
            "rides": "READY",
            "fares": "UNAVAILABLE",
            "sick": "UNAVAILABLE",
        }
        reasons = {each["name"]: each["reason"] for each in index}
        assert "cannot be loaded" in reasons["sick"]
        assert "first asked for" in reasons["fares"]
        assert ask(running, "rides").status_code == 200

        with promoted(worlds["sick"]) as sound:
            assert running.client.post("/v2/repository/models/sick/load").status_code == 200
            assert ask(running, "sick").json()["version"] == sound


def test_a_request_waits_for_the_load_no_longer_than_its_deadline(worlds: dict[str, World]) -> None:
    with (
        promoted(worlds["sick"], broken=SLOW) as slow,
        service(worlds["rides"], "--deadline", "1", "--no-spare", models=MODELS) as running,
    ):
        answer = ask(running, "sick")
        assert (answer.status_code, answer.json()["code"]) == (503, "MODEL-LOADING")
        assert "retry-after" in answer.headers
        until(lambda: states(running)["sick"][0] == "READY", 30, "the load that went on")
        assert ask(running, "sick").json()["version"] == slow
        assert len(events(running, "model.loading")) == 1


def test_models_are_unloaded_by_request_and_when_nobody_asks(worlds: dict[str, World]) -> None:
    with (
        service(worlds["rides"], "--idle", "2", *PATIENT, models=("rides", "fares")) as running,
        Callers(running.url, connections=4, pause=PAUSE) as busy,
    ):
        assert ask(running, "fares").status_code == 200
        until(lambda: events(running, "model.unloaded"), 30, "the end of fares")
        assert [each["model"] for each in events(running, "model.unloaded")] == ["fares"]
        assert states(running)["rides"] == ("READY", "")
        for path in ("load", "unload", "unload"):
            done = running.client.post(f"/v2/repository/models/fares/{path}")
            assert done.status_code == 200, done.text
        assert states(running)["fares"][0] == "UNAVAILABLE"
        refused = running.client.post("/v2/repository/models/fares:7/unload")
        assert refused.json()["code"] == "REPOSITORY-POLICY"
        assert busy.failures == []
    settled(worlds["rides"], busy)


@pytest.mark.slow
def test_models_come_go_and_swap_under_load_and_nothing_is_lost(worlds: dict[str, World]) -> None:
    rides, fares = worlds["rides"], worlds["fares"]
    with (
        service(rides, *PATIENT, models=("rides", "fares")) as running,
        Callers(running.url, CONNECTIONS, models=("rides", "fares"), pause=PAUSE) as alternating,
        Callers(running.url, CONNECTIONS, models=("fares",), pause=PAUSE) as steady,
    ):
        for turn in range(ROUNDS):
            wanted = 2 - turn % 2
            rides.promote(wanted)
            fares.promote(wanted)
            until_version(running, "rides", wanted)
            until_version(running, "fares", wanted)
            assert alternating.failures == steady.failures == []
            assert running.client.post("/v2/repository/models/rides/unload").status_code == 200
            steady.until_more()
            alternating.until_more()
        assert alternating.failures == steady.failures == []
    for world in (rides, fares):  # for the tests after it
        world.promote(1)
    ids = [each["id"] for world in (rides, fares) for each in logged(world)]
    assert set(alternating.ids + steady.ids) <= set(ids)
    assert len(ids) == len(set(ids))


def until_version(running: Running, model: str, version: int) -> None:
    def now() -> bool:
        found: list[dict[str, Any]] = running.client.get("/v1/models").json()
        return any((each["model"], each["version"]) == (model, version) for each in found)

    until(now, 60, f"{model}:{version}")


@pytest.mark.soak
def test_whoever_is_killed_is_replaced_and_harms_no_other(worlds: dict[str, World]) -> None:
    with (
        service(worlds["rides"], "--load", "start", *WAITS, models=("rides", "fares")) as running,
        Callers(running.url, connections=4, pause=PAUSE) as callers,  # of rides
    ):
        until(lambda: moved(running) == 4, 10, "their moves to rides")
        [door] = [each["pid"] for each in events(running, "worker.started") if each["worker"] == "door-1"]
        os.kill(door, signal.SIGKILL)
        with httpx.Client(base_url=running.url, timeout=60) as other:  # waits in the kernel for the next door
            assert ask(running, "fares", other).status_code == 200
        until(lambda: len(events(running, "worker.lost")) == 1, 10, "the word of the loss")
        [pid] = {
            each["pid"]
            for each in Admin(running).client.get("/v1/workers/fares").json()
            if each["state"] == "accepting"
        }
        os.kill(pid, signal.SIGKILL)
        with httpx.Client(base_url=running.url, timeout=60) as other:
            until(lambda: ask(running, "fares", other).status_code == 200, 20, "the spare")
        callers.until_more()
        assert callers.failures == []


def test_all_models_are_loaded_before_a_service_is_ready_that_loads_at_start(
    started: Running, worlds: dict[str, World]
) -> None:
    assert {state for state, _ in states(started).values()} == {"READY"}
    assert started.client.get("/v2/health/ready").status_code == 200
    assert {each["model"]: each["version"] for each in started.ready["models"]} == {"rides": 1, "fares": 1}
    with service(worlds["rides"], "--load", "start", *PATIENT, models=("rides", "sick")) as running:
        ready = running.client.get("/v2/health/ready")
        assert (ready.status_code, ready.json()) == (503, {"ready": False})
        assert ask(running, "rides").status_code == 200
        assert running.client.get("/v2/health/ready").status_code == 503  # by a worker as by the door


def test_a_service_is_not_ready_while_one_of_its_models_cannot_log(worlds: dict[str, World]) -> None:
    """The worker's files are kept from growing, which is what a full disk is to it."""
    import resource

    with service(worlds["rides"], *PATIENT, models=("rides", "fares")) as running:
        for model in ("rides", "fares"):
            assert ask(running, model).status_code == 200
        [pid] = {each["pid"] for each in Admin(running).client.get("/v1/workers/fares").json()}
        none = resource.prlimit(pid, resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
        assert ask(running, "fares").json()["code"] == "LOG-UNWRITABLE"
        until(lambda: running.client.get("/v2/health/ready").status_code == 503, 20, "the keeper's word")
        with httpx.Client(base_url=running.url, timeout=60) as other:  # at the door
            assert other.get("/v2/health/ready").json() == {"ready": False}
            assert other.get("/v2/models/fares/ready").status_code == 503
        assert ask(running, "rides").status_code == 200
        resource.prlimit(pid, resource.RLIMIT_FSIZE, none)
        until(lambda: running.client.get("/v2/health/ready").status_code == 200, 20, "a log that works")
        assert ask(running, "fares").status_code == 200


def test_each_model_has_routes_and_workers_of_its_own(worlds: dict[str, World]) -> None:
    with (
        service(worlds["rides"], *PATIENT, models=("rides", "fares"), port=free_port()) as running,
        Admin(running) as admin,
    ):
        ask(running, "rides")
        ask(running, "fares")
        until(lambda: admin.client.get("/v1/routing/fares").json()["table"]["champion"] == 1, 20, "a table")
        known = admin.client.get("/v1/routing/fares").json()["table"].get("generation", 0)
        wanted = {"generation": known, "challengers": [{"version": 2, "share": 1.0}]}
        put = admin.client.put("/v1/routing/fares", json=wanted)
        assert put.status_code == 200, put.text
        with httpx.Client(base_url=running.url, timeout=60) as other:
            assert ask(running, "fares", other).json()["version"] == 2  # over the hop, and after it
            assert ask(running, "fares", other).json()["version"] == 2
        assert ask(running, "rides").json()["version"] == 1
        named = {each["table"]["model"]: each["workers"] for each in admin.client.get("/v1/routing").json()}
        assert {each["version"] for each in named["fares"]} == {1, 2}
        assert {each["version"] for each in named["rides"]} == {1}
        assert admin.client.post("/v1/workers/fares", json={"workers": 2}).status_code == 200
        assert running.client.post("/v2/repository/models/fares/unload").status_code == 200
        # the table is taken up again
        until(lambda: ask(running, "fares").json()["version"] == 2, 20, "the challenger")
