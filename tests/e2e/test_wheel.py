"""The whole wheel on a virtual clock: the world changes, the alarm rings, a better version answers."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import polars as pl
import pytest

from e2e.project import Project
from e2e.test_crashes import WAITING, gone, until

START, END = "2024-02-10T00:00:00+00:00", "2024-04-25T00:00:00+00:00"  # the slope changes on March 1st


def start(project: Project, begin: str = START, end: str = END) -> subprocess.Popen[str]:
    script = Path(__file__).with_name("playing.py")
    return subprocess.Popen(
        [sys.executable, str(script), str(project.folder), begin, end],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def told(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return [json.loads(line) for line in out.splitlines()]


def test_the_world_changes_and_the_wheel_turns(project: Project) -> None:
    lines = told(start(project))
    alarms = [line for line in lines if "alarm" in line]
    runs = [line for line in lines if "run" in line]
    assert alarms[0]["alarm"] == "demand:1/risk"
    assert "2024-03-01" < alarms[0]["raised"] < "2024-03-20", "after the change, and soon"
    assert runs[0]["by"] == "performance"
    assert runs[-1]["to"] is not None, "the newest candidate was promoted"
    end = lines[-1]
    assert end["questions"] == 75 * 20
    assert end["noria"] < 0.7 * end["frozen"]
    project.noria("audit")
    status = project.json("status")
    assert json.dumps(status)


@pytest.mark.soak
def test_a_kill_in_the_middle_of_a_retraining(project: Project) -> None:
    process = start(project)
    service = raised = None
    assert process.stdout is not None
    for text in process.stdout:
        line = json.loads(text)
        service = line.get("ready", service)
        if "alarm" in line:
            raised = line["raised"]
            break
    assert service and raised
    workers = children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    for pid in (service, *workers):
        until(lambda pid=pid: gone(pid), f"process {pid} is gone with its parent")  # type: ignore[misc]
    project.noria("audit")
    after = told(start(project, begin=raised.replace(" ", "T")))
    runs = [line for line in after if "run" in line]
    assert runs[0]["by"] == "performance", "the alarm still stands, or its run is finished"
    assert any(line["to"] for line in runs)
    assert {line["state"] for line in project.json("runs")} <= {"succeeded", "abandoned"}
    project.noria("audit")


def children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return [int(number) for number in listed.split()]


@contextmanager
def served(
    project: Project, *words: str, of: str = "demand@champion"
) -> Iterator[tuple[http.client.HTTPConnection, int]]:
    process = project.start("serve", of, "--port", "0", *words)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "answers at" in line, process.stderr.read() if process.stderr else line
        parts = urlsplit(line.split("answers at ")[1].split()[0])
        connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=WAITING)
        yield connection, process.pid
        connection.close()
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WAITING)


def ask(connection: http.client.HTTPConnection, path: str, body: object = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    method = "GET" if body is None else "POST"
    connection.request(method, path, data, {"content-type": "application/json"})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


@pytest.fixture
def rows(project: Project) -> list[dict[str, Any]]:
    return [
        {"id": f"new-{i}", "asked": "2024-02-11T10:00:00Z", "warm": 10.0 + i, "shop": "north"}
        for i in range(3)
    ]


def test_answers_labels_and_a_swap_through_the_command_line(
    project: Project, rows: list[dict[str, Any]]
) -> None:
    project.noria("run", "--as-of", "2024-02-10T00:00:00Z")
    with served(project, "--no-watch") as (connection, _):
        status, body = ask(connection, "/v1/models/demand/predict", {"rows": rows})
        assert status == 200 and body["version"] == 1
        offline = offline_answers(project, rows)
        assert [item["answer"] for item in body["predictions"]] == offline
        status, v2 = ask(connection, "/v2/models/demand/infer", as_tensors(rows))
        assert status == 200 and v2["outputs"][0]["data"] == offline
        first = body["predictions"][0]["id"]
        project.noria("feedback", "demand", "--id", first, "21.5")
        project.noria("feedback", "demand", "--id", first, "21.5")
        assert "error[" in project.noria("feedback", "demand", "--id", first, "99", exit=3).stderr
        project.noria("feedback", "demand", "--id", first, "99", "--correction")
        project.noria("feedback", "demand", "--key", "new-1", "23")
        status, problem = ask(
            connection, "/v1/models/demand/feedback", {"feedback": [{"id": "nonsense", "label": 1}]}
        )
        assert status == 404 and problem["code"]
        project.noria("run", "--as-of", "2024-02-25T00:00:00Z", exit=None)
        project.noria("promote", "demand:2", "--force")
        until(
            lambda: ask(connection, "/v1/models/demand/predict", {"rows": rows})[1]["version"] == 2,
            "the service answers as the new version",
        )
        project.noria("rollback")
        until(lambda: ask(connection, "/v1/models/demand")[1]["version"] == 1, "the service went back")


def offline_answers(project: Project, rows: list[dict[str, Any]]) -> list[float]:
    """The pipeline's own functions on the version's own artifact, called as a unit test would."""
    script = (
        "import json, sys, polars as pl; from pipeline import features, sold\n"
        "from noria.app.wiring import open_app\n"
        "with open_app() as app:\n"
        "    version = app.records.versions.version('demand', 1)\n"
        "    model = app.artifacts.load(version.graph.frozen['model'])\n"
        "    rows = pl.DataFrame(json.loads(sys.argv[1]))\n"
        "    print(json.dumps(sold(model, features(rows)).tolist()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(rows)],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    answers: list[float] = json.loads(done.stdout)
    return answers


def as_tensors(rows: list[dict[str, Any]]) -> dict[str, Any]:
    frame = pl.DataFrame(rows)
    types = {"id": "BYTES", "asked": "BYTES", "warm": "FP64", "shop": "BYTES"}
    return {
        "inputs": [
            {"name": name, "shape": [frame.height], "datatype": kind, "data": frame[name].to_list()}
            for name, kind in types.items()
        ]
    }
