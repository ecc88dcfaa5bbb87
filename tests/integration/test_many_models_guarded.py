"""Several models where a token is wanted, over TLS, and traced: whoever accepts a connection asks for the model that is named."""

from __future__ import annotations

import re
import socket
import ssl
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import tritonclient.grpc as over_grpc
from tritonclient.utils import InferenceServerException

from integration.certificates import Authority
from integration.collector import Collector, collector
from integration.models_world import events, three_models
from integration.routing_world import logged
from integration.serving_world import ROW, Running, World, row, service, until
from integration.test_serving_protocol import inputs
from integration.test_serving_tokens import make, revoke, with_token
from integration.test_traces import OFTEN, of, parent, spans
from noria.records.tokens import ID, SECRET, secret_of

MODELS = ("rides", "fares")
PATIENT = ("--no-spare", "--deadline", "60", "--grpc-port", "0")
NAMES = ("all", "rides", "fares", "metrics", "admin", "fares-admin")
SECRETS = {name: secret_of(bytes([at + 31]) * (ID + SECRET)) for at, name in enumerate(NAMES)}
EVERY = ["GET", "/v1/models"], ["POST", "/v2/repository/index"]


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, World]]:
    with three_models(tmp_path_factory.mktemp("guarded") / ".noria") as made:
        one = made["rides"]
        make(one, "all", SECRETS["all"], "infer", "feedback")
        make(one, "metrics", SECRETS["metrics"], "metrics")
        make(one, "admin", SECRETS["admin"], "admin")
        make(one, "fares-admin", SECRETS["fares-admin"], "admin", models=("fares",))
        for model in MODELS:
            make(one, model, SECRETS[model], "infer", "metrics", models=(model,))
        yield made


@pytest.fixture(scope="module")
def got() -> Iterator[Collector]:
    with collector() as found:
        yield found


@pytest.fixture(scope="module")
def running(worlds: dict[str, World], got: Collector) -> Iterator[Running]:
    words = (*PATIENT, "--traces", got.url)
    with service(worlds["rides"], *words, models=MODELS, environment=OFTEN) as it:
        yield it


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def ask(client: httpx.Client, model: str, secret: str | None, **headers: str) -> httpx.Response:
    sent = headers | (with_token(secret) if secret else {})
    return client.post(f"/v1/models/{model}/predict", json={"rows": [row()]}, headers=sent)


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_who_may_not_ask_loads_nothing(running: Running) -> None:
    """First of all here: nothing is loaded yet."""
    for model in (*MODELS, "none"):
        assert refused(ask(running.client, model, None)) == (401, "TOKEN-MISSING")
        for path in (
            f"/v1/models/{model}/nothing",
            f"/v1/models/{model}/need",
            f"/v2/models/{model}/feedback",
        ):
            answer = running.client.post(path)
            assert refused(answer) == (401, "TOKEN-MISSING")
            assert "fares" not in answer.text or model == "fares"
    assert refused(ask(running.client, "fares", SECRETS["rides"])) == (403, "TOKEN-MODEL")
    assert refused(ask(running.client, "fares:1", SECRETS["rides"])) == (403, "TOKEN-MODEL")
    assert refused(ask(running.client, "fares", SECRETS["metrics"])) == (403, "TOKEN-SCOPE")
    assert running.client.get("/v2/models/fares/ready").status_code == 503
    assert refused(running.client.get("/v2/models/none/ready")) == (401, "TOKEN-MISSING")
    with pytest.raises(InferenceServerException, match="TOKEN-MODEL"):
        call(running, "fares", SECRETS["rides"])
    assert events(running, "model.loading") == []


def test_whoever_has_the_connection_asks_for_the_model_that_is_named(running: Running) -> None:
    """The door at first; then the worker of the model to which it moved, for its own model and for others."""
    with httpx.Client(base_url=running.url, timeout=60) as client:
        for turn in range(12):
            model, other = MODELS[turn % 2], MODELS[(turn + 1) % 2]
            for secret in (SECRETS["all"], SECRETS[model]):
                for _ in range(2):
                    answer = ask(client, model, secret)
                    assert answer.status_code == 200, answer.text
                    assert answer.json()["model"] == model
            assert refused(ask(client, model, SECRETS[other])) == (403, "TOKEN-MODEL")
            assert refused(ask(client, model, None)) == (401, "TOKEN-MISSING")
            assert refused(ask(client, other, None)) == (401, "TOKEN-MISSING")
            assert refused(ask(client, other, SECRETS["metrics"])) == (403, "TOKEN-SCOPE")
            large = client.post(
                f"/v1/models/{other}/predict", json={"rows": [ROW] * 1000}, headers=with_token(SECRETS[other])
            )
            assert large.status_code == 200, "a large body for another model than the connection's"


def test_what_is_about_all_models_needs_a_token_for_all(running: Running) -> None:
    with httpx.Client(base_url=running.url, timeout=60) as moved:
        assert ask(moved, "rides", SECRETS["rides"]).status_code == 200
        for client in (running.client, moved):
            for method, path in EVERY:
                assert refused(client.request(method, path)) == (401, "TOKEN-MISSING")
                one = client.request(method, path, headers=with_token(SECRETS["rides"]))
                assert refused(one) == (403, "TOKEN-MODEL")
                every = client.request(method, path, headers=with_token(SECRETS["all"]))
                assert every.status_code == 200 and "fares" in every.text
            assert client.get("/metrics", headers=with_token(SECRETS["metrics"])).status_code == 200
            assert refused(client.get("/metrics", headers=with_token(SECRETS["rides"]))) == (
                403,
                "TOKEN-MODEL",
            )
            assert refused(client.get("/metrics", headers=with_token(SECRETS["all"]))) == (403, "TOKEN-SCOPE")
            assert client.get("/v2", headers=with_token(SECRETS["fares"])).status_code == 200
            assert client.get("/v2/health/ready").status_code == 200
            load = "/v2/repository/models/rides/load"
            assert refused(client.post(load, headers=with_token(SECRETS["all"]))) == (403, "TOKEN-SCOPE")
            assert refused(client.post(load, headers=with_token(SECRETS["fares-admin"]))) == (
                403,
                "TOKEN-MODEL",
            )
            assert client.post(load, headers=with_token(SECRETS["admin"])).status_code == 200
            told = {"key": "x1", "label": 4.0}
            path = "/v1/models/fares/feedback"
            without = client.post(path, json=told, headers=with_token(SECRETS["fares"]))
            assert refused(without) == (403, "TOKEN-SCOPE")
            assert client.post(path, json=told, headers=with_token(SECRETS["all"])).status_code == 200


def test_calls_are_let_in_by_the_model_that_they_name(running: Running) -> None:
    assert call(running, "fares", SECRETS["fares"]) == "fares"
    for secret, code in ((SECRETS["rides"], "TOKEN-MODEL"), (None, "TOKEN-MISSING")):
        with pytest.raises(InferenceServerException, match=code):
            call(running, "fares", secret)
    with over_grpc.InferenceServerClient(running.ready["grpc"]) as client:
        with pytest.raises(InferenceServerException, match="TOKEN-MODEL"):
            client.get_model_repository_index(headers=with_token(SECRETS["fares"]))
        assert client.get_model_repository_index(headers=with_token(SECRETS["all"])).models
        with pytest.raises(InferenceServerException, match="TOKEN-MODEL"):
            client.load_model("rides", headers=with_token(SECRETS["fares-admin"]))
        client.load_model("fares", headers=with_token(SECRETS["fares-admin"]))


def call(running: Running, model: str, secret: str | None, *, root: Path | None = None) -> str:
    """The model that answers one row over gRPC. Raises `InferenceServerException` with a status."""
    roots = str(root) if root else None
    with over_grpc.InferenceServerClient(
        running.ready["grpc"], ssl=root is not None, root_certificates=roots
    ) as client:
        made = client.infer(model, inputs(over_grpc, [row()]), headers=with_token(secret) if secret else {})
        return str(made.get_response().model_name)


def test_a_socket_inside_is_for_this_user_alone(running: Running) -> None:
    sockets = list(Path(running.ready["admin"]).parent.glob("*.sock"))
    assert len(sockets) >= 2
    for each in sockets:
        assert stat.S_IMODE(each.stat().st_mode) == 0o600
        assert stat.S_IMODE(each.parent.stat().st_mode) == 0o700


def test_a_token_that_is_revoked_is_refused_by_everybody(running: Running, worlds: dict[str, World]) -> None:
    secret = secret_of(bytes([99]) * (ID + SECRET))
    token = make(worlds["rides"], "short", secret, "infer")
    with Clients(running, 3) as (door, rides, fares):
        until(lambda: ask(rides, "rides", secret).status_code == 200, 10, "the new token at a worker")
        until(lambda: ask(fares, "fares", secret).status_code == 200, 10, "and at another one")
        revoke(worlds["rides"], token)
        for client, model in ((rides, "rides"), (fares, "fares"), (rides, "fares"), (door, "rides")):
            until(lambda c=client, m=model: ask(c, m, secret).status_code == 401, 10, "its end")  # type: ignore[misc]


class Clients:
    """Some connections of their own."""

    def __init__(self, running: Running, count: int) -> None:
        self._clients = [httpx.Client(base_url=running.url, timeout=60) for _ in range(count)]

    def __enter__(self) -> list[httpx.Client]:
        return self._clients

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.close()


def test_a_request_that_goes_on_is_traced_by_whoever_answers(
    running: Running, got: Collector, worlds: dict[str, World]
) -> None:
    with Clients(running, 2) as (fresh, moved):
        assert ask(moved, "rides", SECRETS["all"]).status_code == 200
        for client in (fresh, moved):  # at the door, and at a worker of another model
            trace, caller, headers = parent()
            answered = ask(client, "fares", SECRETS["all"], **headers)
            assert answered.status_code == 200
            (span,) = spans(got, trace, "predict fares")
            assert span.parent == caller and span.facts["noria.model"] == "fares"
            assert of(got, trace, "predict rides") == []
            id = answered.json()["predictions"][0]["id"]
            assert [each["trace"] for each in logged(worlds["fares"]) if each["id"] == id] == [trace]


@pytest.mark.soak
def test_over_tls_the_door_answers_and_hands_nothing_over(
    worlds: dict[str, World], authority: Authority
) -> None:
    with service(worlds["rides"], *PATIENT, *authority.options, models=MODELS) as running:
        context = authority.trusting()
        assert running.url.startswith("https://")
        running.client.close()
        with httpx.Client(base_url=running.url, verify=context, timeout=60) as client:
            for turn in range(8):
                model = MODELS[turn % 2]
                assert ask(client, model, SECRETS[model]).json()["model"] == model
                assert refused(ask(client, model, SECRETS[MODELS[(turn + 1) % 2]])) == (403, "TOKEN-MODEL")
            client.post("/v2/repository/models/fares/unload", headers=with_token(SECRETS["admin"]))
            assert ask(client, "fares", SECRETS["fares"]).status_code == 200
            told = client.get("/metrics", headers=with_token(SECRETS["metrics"])).text
            assert (
                sum(map(float, re.findall(r"^noria_handed_over_total\{.*\} (.*)$", told, re.MULTILINE))) == 0
            )
            moves = 'noria_requests_total{code="200",model="",route="other-model"} 9.0'
            assert moves in told
            with ThreadPoolExecutor(8) as pool:
                many = list(pool.map(lambda turn: ask(client, MODELS[turn % 2], SECRETS["all"]), range(200)))
            assert {each.status_code for each in many} == {200}
        with pytest.raises((ssl.SSLError, ConnectionError, httpx.HTTPError)):
            httpx.get(running.url.replace("https", "http") + "/v2/health/live", timeout=20)
        assert call(running, "fares", SECRETS["fares"], root=authority.root) == "fares"
        with pytest.raises(InferenceServerException, match="TOKEN-MISSING"):
            call(running, "fares", None, root=authority.root)
        before = shown(running, context)
        authority.issue(days=60)
        until(lambda: shown(running, context) != before, 20, "the certificate that was renewed")


def shown(running: Running, context: ssl.SSLContext) -> bytes:
    """The certificate that a new connection is shown."""
    host, _, port = running.url.rpartition("//")[2].partition(":")
    with (
        socket.create_connection((host, int(port)), timeout=20) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as secured,
    ):
        return secured.getpeercert(binary_form=True) or b""
