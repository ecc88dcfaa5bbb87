"""Who may ask a real service for what."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from integration.serving_world import ROW, Running, World, row, service, until
from integration.test_serving import FEEDBACK, INFER, PREDICT, tensors
from noria.records.tokens import (
    CHAIN,
    ID,
    SECRET,
    Scope,
    Token,
    TokenMade,
    TokenRevoked,
    hashed,
    id_of,
    secret_of,
)
from noria.serving.grpc_words import SERVICE, messages, methods

PUBLIC = (
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models/rides/ready",
    "/v2/models/rides/versions/1/ready",
)
ASKED: list[tuple[str, str, Scope]] = [
    ("POST", PREDICT, "infer"),
    ("POST", INFER, "infer"),
    ("GET", "/v1/models/rides", "infer"),
    ("GET", "/v2/models/rides", "infer"),
    ("GET", "/v2", "infer"),
    ("GET", "/openapi.json", "infer"),
    ("GET", "/docs", "infer"),
    ("POST", "/v2/repository/index", "infer"),
    ("POST", FEEDBACK, "feedback"),
    ("GET", "/metrics", "metrics"),
    ("POST", "/v2/repository/models/rides/load", "admin"),
    ("POST", "/v2/repository/models/rides/unload", "admin"),
]
BODIES: dict[str, Any] = {
    PREDICT: {"rows": [ROW]},
    INFER: {"inputs": tensors([row()])},
    FEEDBACK: {"feedback": [{"key": "x1", "label": 3.0}]},
}
SECRETS = {
    scope: secret_of(bytes([at + 1]) * (ID + SECRET))
    for at, scope in enumerate(("infer", "feedback", "metrics", "admin"))
}


def make(world: World, name: str, secret: str, *scopes: Scope, **more: Any) -> Token:
    digest = hashed(secret.encode())
    id, now = id_of(secret.encode()) or "", datetime.now(UTC)
    token = Token(id=id, name=name, digest=digest, scopes=scopes, created=now, by="ada", **more)
    world.records.ledger.append(CHAIN, [TokenMade(token=token)], at=now)
    return token


def revoke(world: World, token: Token) -> None:
    change = TokenRevoked(id=token.id, name=token.name, by="ada")
    world.records.ledger.append(CHAIN, [change], at=datetime.now(UTC))


def with_token(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def ask(running: Running, method: str, path: str, secret: str | None) -> httpx.Response:
    headers = {} if secret is None else with_token(secret)
    return running.client.request(method, path, json=BODIES.get(path), headers=headers)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world") / "state")
    made.register(1)
    made.promote(1)
    for scope, secret in SECRETS.items():
        make(made, scope, secret, scope)  # type: ignore[arg-type]
    yield made
    made.records.close()


@pytest.fixture(scope="module")
def running(world: World) -> Iterator[Running]:
    with service(world, "--no-spare", "--grpc-port", "0") as it:
        yield it


def test_every_path_says_what_a_token_must_be_for(running: Running) -> None:
    """A path that is added later must be in this list, or in that of those which need none."""
    page = running.client.get("/openapi.json", headers=with_token(SECRETS["infer"])).json()
    listed = {path for _, path, _ in ASKED} | set(PUBLIC) | {"/v2/models/rides/versions/1/infer"}
    assert set(page["paths"]) <= listed


@pytest.mark.parametrize(("method", "path", "scope"), ASKED)
def test_a_path_takes_the_tokens_of_its_scope_alone(
    running: Running, method: str, path: str, scope: str
) -> None:
    without = ask(running, method, path, None)
    assert (without.status_code, without.json()["code"]) == (401, "TOKEN-MISSING")
    assert without.headers["www-authenticate"] == 'Bearer realm="noria"'
    assert ("error" if path.startswith("/v2") else "detail") in without.json()
    for other, secret in SECRETS.items():
        answer = ask(running, method, path, secret)
        if other == scope:
            assert answer.status_code not in (401, 403), answer.text
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "TOKEN-SCOPE")
            assert "insufficient_scope" in answer.headers["www-authenticate"]
    wrong = ask(running, method, path, SECRETS["infer"][:-1] + "a")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "TOKEN-UNKNOWN")
    assert "invalid_token" in wrong.headers["www-authenticate"]


@pytest.mark.parametrize("path", PUBLIC)
def test_probes_need_no_token(running: Running, path: str) -> None:
    assert running.client.get(path).status_code == 200
    assert running.client.get(path, headers=with_token("wrong")).status_code == 200


@pytest.mark.parametrize(
    "path", ["/nothing", "/v1/models/other", "/v2/models/other/infer", "/v1/models/rides/predict/x"]
)
def test_a_stranger_does_not_hear_what_there_is(running: Running, path: str) -> None:
    answer = ask(running, "POST", path, None)
    assert answer.status_code == 401 and "rides" not in answer.text
    assert ask(running, "POST", path, SECRETS["infer"]).status_code in (404, 405)


@pytest.mark.parametrize("path", ["/v2/models/other/ready", "/v2/models/rides:9/ready"])
def test_a_probe_of_what_is_not_there_says_nothing_to_a_stranger(running: Running, path: str) -> None:
    answer = running.client.get(path)
    assert answer.status_code == 401 and "rides" not in answer.text
    assert running.client.get(path, headers=with_token(SECRETS["metrics"])).status_code == 404


def test_a_careful_request_is_guarded_as_the_quick_one(running: Running) -> None:
    for content in (b'{"rows": [{}]}', b"nonsense"):
        refused = running.client.post(PREDICT, content=content, headers={"content-type": "application/json"})
        assert refused.status_code == 401


def test_a_token_twice_is_none(running: Running) -> None:
    headers = [("authorization", f"Bearer {SECRETS['infer']}")] * 2
    assert running.client.post(PREDICT, json=ROW, headers=headers).status_code == 401


def test_a_stranger_sends_no_large_body(running: Running) -> None:
    """Refused while the body is still coming: it never comes."""
    host, _, port = running.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as raw:
        raw.sendall(
            b"POST /v1/models/rides/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"
            + b" " * 100_000
        )
        said = b"".join(iter(lambda: raw.recv(4096), b""))
    assert said.startswith(b"HTTP/1.1 401 Unauthorized\r\n") and b"www-authenticate: Bearer" in said


def test_a_revoked_token_is_refused_at_once_and_an_open_connection_is_none_the_better_for_it(
    world: World, running: Running
) -> None:
    secret = secret_of(b"q" * (ID + SECRET))
    token = make(world, "soon-gone", secret, "infer")
    until(lambda: ask(running, "POST", PREDICT, secret).status_code == 200, 10, "a new token to hold")
    revoke(world, token)
    until(lambda: ask(running, "POST", PREDICT, secret).status_code == 401, 10, "a token to be revoked")
    assert ask(running, "POST", PREDICT, SECRETS["infer"]).status_code == 200
    make(world, "soon-gone", secret_of(b"r" * (ID + SECRET)), "infer")  # its name is free again


def test_a_token_that_expires_is_refused_from_then_on(world: World, running: Running) -> None:
    secret = secret_of(b"s" * (ID + SECRET))
    make(world, "short", secret, "infer", expires=datetime.now(UTC) + timedelta(seconds=2))
    until(lambda: ask(running, "POST", PREDICT, secret).status_code == 200, 10, "a new token to hold")
    until(lambda: ask(running, "POST", PREDICT, secret).status_code == 401, 10, "a token to expire")
    assert "has expired" in ask(running, "POST", PREDICT, secret).json()["detail"]


def test_a_token_of_another_model_opens_nothing(world: World, running: Running) -> None:
    secret = secret_of(b"t" * (ID + SECRET))
    make(world, "elsewhere", secret, "infer", models=("fares",))
    until(lambda: ask(running, "POST", PREDICT, secret).status_code == 403, 10, "the token to be known")
    assert ask(running, "POST", PREDICT, secret).json()["code"] == "TOKEN-MODEL"


# gRPC


def call(running: Running, name: str, secret: str | None, fields: dict[str, Any]) -> Any:
    asked, answered = next((asked, answered) for each, asked, answered in methods() if each == name)
    words = messages()
    with grpc.insecure_channel(running.ready["grpc"]) as channel:
        method = channel.unary_unary(
            f"/{SERVICE}/{name}",
            request_serializer=words[asked].SerializeToString,
            response_deserializer=words[answered].FromString,
        )
        metadata = [] if secret is None else [("authorization", f"Bearer {secret}")]
        return method(words[asked](**fields), metadata=metadata, timeout=20)


GRPC: list[tuple[str, dict[str, str], str | None]] = [
    ("ServerLive", {}, None),
    ("ServerReady", {}, None),
    ("ModelReady", {"name": "rides"}, None),
    ("ServerMetadata", {}, "infer"),
    ("ModelMetadata", {"name": "rides"}, "infer"),
    ("ModelInfer", {"model_name": "rides"}, "infer"),
    ("RepositoryIndex", {}, "infer"),
    ("RepositoryModelLoad", {"model_name": "rides"}, "admin"),
    ("RepositoryModelUnload", {"model_name": "rides"}, "admin"),
]


def test_a_call_for_what_is_not_there_says_nothing_to_a_stranger(running: Running) -> None:
    for secret, code in (
        (None, grpc.StatusCode.UNAUTHENTICATED),
        (SECRETS["admin"], grpc.StatusCode.NOT_FOUND),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call(running, "ModelReady", secret, {"name": "other"})
        assert caught.value.code() == code
        assert secret or "rides" not in caught.value.details()


def test_every_call_is_in_the_list() -> None:
    assert {name for name, _, _ in GRPC} == {name for name, _, _ in methods()}


@pytest.mark.parametrize(("name", "fields", "scope"), GRPC)
def test_a_call_takes_the_tokens_of_its_scope_alone(
    running: Running, name: str, fields: Any, scope: str | None
) -> None:
    def status(secret: str | None) -> grpc.StatusCode:
        try:
            call(running, name, secret, fields)
        except grpc.RpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    if scope is None:
        assert status(None) == status("wrong") == grpc.StatusCode.OK
        return
    denied = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
    assert status(None) == status(SECRETS["infer"][:-1] + "a") == grpc.StatusCode.UNAUTHENTICATED
    other = "feedback" if scope != "feedback" else "infer"
    assert status(SECRETS[other]) == grpc.StatusCode.PERMISSION_DENIED
    assert status(SECRETS[scope]) not in denied


# Where it begins and ends


def test_no_secret_is_written_anywhere(world: World, running: Running) -> None:
    for method, path, _ in ASKED:
        for secret in SECRETS.values():
            ask(running, method, path, secret)
    secrets = [secret.rpartition("_")[2].encode() for secret in SECRETS.values()]
    files = [path for path in world.state.rglob("*") if path.is_file()]
    assert running.log in files
    assert not [path for path in files for secret in secrets if secret in path.read_bytes()]


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "state")
    made.register(1)
    made.promote(1)
    yield made
    made.records.close()


def test_the_first_token_closes_an_open_service_and_the_last_opens_nothing(fresh: World) -> None:
    with service(fresh, "--no-spare") as running:
        assert not running.ready["tokens"]
        assert running.predict(row()).status_code == 200
        token = make(fresh, "web", SECRETS["infer"], "infer")
        until(lambda: running.predict(row()).status_code == 401, 10, "the service to ask for a token")
        assert ask(running, "POST", PREDICT, SECRETS["infer"]).status_code == 200
        revoke(fresh, token)
        until(lambda: ask(running, "POST", PREDICT, SECRETS["infer"]).status_code == 401, 10, "the end of it")
        assert running.predict(row()).status_code == 401
        os.kill(running.workers()[-1], signal.SIGKILL)
        until(lambda: alive(running), 20, "another worker")
        assert running.predict(row()).status_code == 401, "a worker that is started later"
    with service(fresh, "--no-spare", "--auth", "off") as running:
        assert running.predict(row()).status_code == 200


def alive(running: Running) -> bool:
    if len(running.workers()) < 2:
        return False
    return running.client.get("/v2/health/ready").status_code == 200


def test_other_machines_need_a_token_that_holds(fresh: World) -> None:
    def refused(*options: str) -> str:
        command = [sys.executable, "-m", "noria.serving", "--state", str(fresh.state), "--model", "rides"]
        made = subprocess.run(
            [*command, "--port", "0", "--host", "0.0.0.0", *options], capture_output=True, text=True
        )
        assert made.returncode == 2 and made.stdout == ""
        return made.stderr

    assert "noria token create" in refused()
    make(
        fresh, "old", secret_of(b"u" * (ID + SECRET)), "infer", expires=datetime.now(UTC) - timedelta(days=1)
    )
    assert "no token that anybody could show" in refused(), "an expired one opens nothing"
    token = make(fresh, "web", SECRETS["infer"], "infer")
    assert "auth" in refused("--auth", "off")
    with service(fresh, "--no-spare", "--host", "0.0.0.0") as running:
        port = running.url.rpartition(":")[2]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            assert client.post(PREDICT, json=ROW).status_code == 401, "on loopback as well"
            assert client.post(PREDICT, json=ROW, headers=with_token(SECRETS["infer"])).status_code == 200
        (told,) = [each for each in running.events() if each["event"] == "tls.warning"]
        assert "in the clear" in told["why"]
    revoke(fresh, token)
    assert re.search(r"error\[SERVE-HOST\]", refused())


def test_a_failure_is_said_on_stdout_where_somebody_reads_it(fresh: World) -> None:
    command = [sys.executable, "-m", "noria.serving", "--state", str(fresh.state), "--model", "rides"]
    made = subprocess.run(
        [*command, "--host", "0.0.0.0", "--failure-on-stdout"], capture_output=True, text=True
    )
    said = json.loads(made.stdout)
    assert (made.returncode, said["ready"], said["code"], said["exit"]) == (2, False, "SERVE-HOST", 2)
    assert "error[" not in made.stderr


OLD = """
import sys
if "noria.serving.worker" in sys.orig_argv:
    import noria.serving.wire as wire
    wire.PROTOCOL = wire.GUARDED - 1
"""


def test_a_worker_of_an_older_noria_answers_only_where_anybody_may_ask(fresh: World, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(OLD)
    older = {"PYTHONPATH": str(tmp_path)}
    with service(fresh, "--no-spare", environment=older) as running:
        assert running.predict(row()).status_code == 200
        make(fresh, "web", SECRETS["infer"], "infer")
        until(lambda: "worker.lost" in [each["event"] for each in running.events()], 20, "its end")
        until(lambda: "worker.failed" in [each["event"] for each in running.events()], 60, "its successor's")
        (why,) = {each["why"] for each in running.events() if each["event"] == "worker.failed"}
        assert "knows neither tokens nor TLS" in why
    command = [sys.executable, "-m", "noria.serving", "--state", str(fresh.state), "--model", "rides"]
    made = subprocess.run(
        [*command, "--port", "0"], capture_output=True, text=True, env={**os.environ, **older}
    )
    assert made.returncode == 1 and "knows neither tokens nor TLS" in made.stderr
