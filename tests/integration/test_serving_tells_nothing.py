"""What a service says when it refuses: never where its files lie, and never by running what a caller sent."""

from __future__ import annotations

import ast
import json
import os
import pickle
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import noria.serving
from integration.serving_world import PIPELINE, ROW, Running, World, row, service, until
from integration.test_serving import FEEDBACK, INFER, PREDICT, tensors
from integration.test_serving_bad_input import ARROW, LINES, stream, table

ALLOWED = re.compile(r"^/(v1|v2|metrics|docs|openapi\.json|nothing)(/|$|\b)")
PATH = re.compile(r"(?<![\w:/.<>])/[\w.@:-]+(?:/[\w.@:-]+)*")
STACK = re.compile(r"Traceback|File \"|line \d+, in |\.py\b|site-packages")
RAISES = {
    93: "BadPath('/srv/models/of/the/user.bin')",
    92: "OSError(2, 'No such file', '/srv/models/weights.npy')",
}
LEAKY = PIPELINE.replace(
    "    if (features",
    "    class BadPath(Exception): pass\n"
    + "".join(
        f'    if (features["passengers"] == {n}).any():\n        raise {what}\n' for n, what in RAISES.items()
    )
    + '    if (features["passengers"] == 91).any():\n        return np.array(["/srv/a"] * len(features))\n'
    + '    if (features["passengers"] == 90).any():\n        return np.zeros(len(features) + 1)\n'
    + "    if (features",
    1,
)
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world") / "state")
    made.register(1, source=LEAKY)
    made.register(2, broken="raise OSError('/srv/secret/of/the/module')")
    made.promote(1)
    yield made
    made.records.close()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the service's processes say that something was made out of a pickle."""
    folder = tmp_path_factory.mktemp("hook")
    (folder / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def hook(event, given):\n"
        "    if event == 'pickle.find_class':\n"
        f"        with open({str(folder / 'told')!r}, 'a') as file: file.write(f'{{given}}\\n')\n"
        "sys.addaudithook(hook)\n"
    )
    return folder / "told"


@pytest.fixture(scope="module")
def running(world: World, told: Path) -> Iterator[Running]:
    options = ("--max-rows", "50", "--max-body", "65536", "--no-spare", "--body-seconds", "1")
    with service(world, *options, environment={"PYTHONPATH": str(told.parent)}) as it:
        told.write_text("")  # a version's own artifacts may be pickles, where its project says so
        yield it


def raw(running: Running, data: bytes) -> bytes:
    host, _, port = running.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(data)
        return b"".join(iter(lambda: connection.recv(4096), b""))


def refusals(running: Running) -> Iterator[tuple[str, str]]:
    """Every way in which a caller can be refused: the code, and all that was said."""
    ask = running.client.request
    post = [
        (PREDICT, b"{", JSON),
        (PREDICT, b"[]", JSON),
        (PREDICT, b"\xff", JSON),
        (PREDICT, b"[" * 60_000, JSON),
        (PREDICT, json.dumps(row(km="/etc/passwd")).encode(), JSON),
        (PREDICT, json.dumps({"rows": [ROW] * 51}).encode(), JSON),
        (PREDICT, b" " * 70_000, JSON),
        (PREDICT, b"{}", {"content-type": "text/csv"}),
        (PREDICT, b"x", {"content-type": ARROW}),
        (PREDICT, stream(table(3).drop("km")), {"content-type": ARROW}),
        (PREDICT, b"{", {"content-type": LINES}),
        (PREDICT, json.dumps(ROW).encode(), {**JSON, "accept": "text/csv"}),
        *((PREDICT, json.dumps(row(passengers=n)).encode(), JSON) for n in (99, 98, 93, 92, 91, 90)),
        (INFER, json.dumps({"inputs": tensors([row(passengers=93)])}).encode(), JSON),
        (INFER, b"{}", JSON),
        (INFER, b"{}", {"inference-header-content-length": "9"}),
        (INFER.replace("rides", "../../etc/passwd"), b"{}", JSON),
        (PREDICT.replace("rides", "rides:77"), json.dumps(ROW).encode(), JSON),
        (FEEDBACK, b'{"feedback": [{"id": "nobody", "label": 1.0}]}', JSON),
        (FEEDBACK, b'{"feedback": [{"key": "x1", "label": "text"}]}', JSON),
        ("/v2/repository/index", b"[]", JSON),
        ("/v2/repository/models/rides/unload", b"", JSON),
        ("/v2/repository/models/%2e%2e/load", b"", JSON),
    ]
    for path, body, headers in post:
        answer = ask("POST", path, content=body, headers=headers)
        yield answer.json()["code"], f"{answer.headers} {answer.text}"
    for method, path in (
        ("GET", "/nothing"),
        ("GET", "/v1/models/none"),
        ("PATCH", PREDICT),
        ("GET", "/v2/models/a/b"),
    ):
        answer = ask(method, path)
        yield answer.json()["code"], f"{answer.headers} {answer.text}"
    for data in (
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000 + b"\r\n\r\n",
        b"POST /v1 HTTP/1.1\r\ncontent-length: 9\r\n\r\n",
    ):
        said = raw(running, data).partition(b"\r\n\r\n")
        yield json.loads(said[2])["code"], (said[0] + said[2]).decode()


def test_no_refusal_says_where_anything_lies(world: World, running: Running) -> None:
    codes = set()
    for code, said in refusals(running):
        codes.add(code)
        _says_nothing(said, world)
    assert codes >= {
        "REQUEST-JSON", "REQUEST-SHAPE", "REQUEST-ROWS", "REQUEST-TOO-MANY-ROWS", "REQUEST-TOO-LARGE",
        "REQUEST-CONTENT-TYPE", "REQUEST-ARROW", "REQUEST-HTTP", "REQUEST-HEADERS", "REQUEST-TOO-SLOW", "ANSWER-FORM",
        "GRAPH-FAILED", "NOT-SERVED", "PATH-UNKNOWN", "METHOD", "PREDICTION-UNKNOWN", "REPOSITORY-POLICY",
    }  # fmt: skip
    assert "/srv/models/of/the/user.bin" in running.log.read_text(), "the log has what callers do not hear"


def _says_nothing(said: str, world: World) -> None:
    paths = [
        path
        for path in PATH.findall(said.replace("/etc/passwd/infer", "").replace("/etc/passwd", ""))
        if not ALLOWED.match(path)
    ]
    forms = {"/json", "/problem", "/html", "/plain"}
    assert not [path for path in paths if path not in forms], said
    assert not STACK.search(said), said
    for secret in (str(world.state), "/srv", str(Path.cwd()), "of the user"):
        assert secret not in said, said


def test_a_version_that_cannot_be_loaded_does_not_say_where_it_lies_either(
    world: World, running: Running
) -> None:
    world.promote(2)
    until(lambda: running.client.get("/v1/models/rides").json()["problem"], 30, "the problem to be told")
    for method, path in (
        ("GET", "/v1/models/rides"),
        ("POST", "/v2/repository/index"),
        ("POST", "/v2/repository/models/rides/load"),
        ("GET", "/v2/models/rides"),
        ("GET", "/metrics"),
    ):
        answer = running.client.request(method, path)
        assert (
            "/srv" not in answer.text
            and str(world.state) not in answer.text
            and not STACK.search(answer.text)
        )
    assert "/srv/secret/of/the/module" in running.log.read_text()
    world.promote(1)


def test_what_a_caller_sends_is_never_unpickled(running: Running, told: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "made-by-a-caller"),)

    objects = np.empty(1, dtype=object)
    objects[0] = Evil()
    dumps = [pickle.dumps(Evil(), protocol) for protocol in range(6)] + [objects.dumps()]
    kinds = (
        "application/json",
        ARROW,
        LINES,
        "application/octet-stream",
        "application/x-pickle",
        "application/python-pickle",
    )
    for body in dumps:
        for path in (PREDICT, INFER, FEEDBACK, "/v2/repository/index"):
            for kind in kinds:
                answer = running.client.post(path, content=body, headers={"content-type": kind})
                assert answer.status_code in (400, 415, 422), answer.text
        header = json.dumps(
            {
                "inputs": [
                    {
                        "name": "zone",
                        "shape": [1],
                        "datatype": "BYTES",
                        "parameters": {"binary_data_size": len(body) + 4},
                    }
                ]
            }
        ).encode()
        sized = len(body).to_bytes(4, "little") + body
        answer = running.client.post(
            INFER, content=header + sized, headers={"inference-header-content-length": str(len(header))}
        )
        assert answer.status_code in (400, 422)
    assert running.predict(row()).status_code == 200
    assert told.read_text() == "" and not (tmp_path / "made-by-a-caller").exists()


def test_the_hook_of_this_test_would_have_told(told: Path) -> None:
    import subprocess
    import sys

    code = "import pickle, os; pickle.loads(pickle.dumps(os.getcwd))"
    subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(told.parent)}, check=True
    )
    assert "getcwd" in told.read_text()


FORBIDDEN = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "code", "runpy"}


def test_no_module_of_the_service_imports_what_runs_bytes() -> None:
    folder = Path(noria.serving.__file__).parent
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            assert not {name.partition(".")[0] for name in names} & FORBIDDEN, path
            assert called not in ("eval", "exec", "compile", "__import__"), path
