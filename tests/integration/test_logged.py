"""What a service's log holds: what was acknowledged, whatever is killed or full; and nothing that it must not have."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
import tritonclient.grpc as over_grpc

from integration.serving_world import Running, World, row, service, until
from noria.adapters.log_reader import LogReader
from noria.records.base import canonical
from noria.records.policy import LogPolicy

PREDICT = "/v1/models/rides/predict"
FEEDBACK = "/v1/models/rides/feedback"
KILLS = int(os.environ.get("NORIA_KILLS", "2"))


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "state")
    made.register(1)
    made.promote(1)
    yield made
    made.records.close()


def logged(world: World) -> pl.DataFrame:
    tables = [
        table for piece in LogReader(world.state / "log").pieces("rides") for table in piece.tables(None)
    ]
    return pl.concat([pl.DataFrame(table) for table in tables], how="diagonal_relaxed")


def log(**policy: Any) -> tuple[str, str]:
    return "--log", canonical(LogPolicy(**policy)).decode()


def upkeep(world: World, *more: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "noria.serving.upkeep", "--state", str(world.state), "--model", "rides"]
    return dict(json.loads(subprocess.run([*command, *more], check=True, capture_output=True).stdout))


class Callers:
    """Callers who go on after a connection was lost, and remember what they were told."""

    def __init__(self, url: str, count: int = 6) -> None:
        self.acknowledged: dict[str, float] = {}
        self.lost = 0
        self._url = url
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(count)]

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, caller: int) -> None:
        number = 0
        while not self._stop.is_set():
            try:
                with httpx.Client(base_url=self._url, timeout=30) as client:
                    while not self._stop.is_set():
                        number += 1
                        self._note(client.post(PREDICT, json=row(ride=f"{caller}-{number}", km=number / 8)))
            except httpx.TransportError:
                with self._lock:
                    self.lost += 1

    def _note(self, answer: httpx.Response) -> None:
        if answer.status_code == 200:
            (made,) = answer.json()["predictions"]
            with self._lock:
                self.acknowledged[made["id"]] = made["answer"]


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["sync", "async"])
def test_killed_workers_lose_no_row_that_was_acknowledged(fresh: World, durability: str) -> None:
    """Under load, while what the dead ones left becomes Parquet."""
    with service(fresh, "--durability", durability) as running, Callers(running.url) as callers:
        for kill in range(1, KILLS + 1):
            so_far = len(callers.acknowledged)
            until(lambda so_far=so_far: len(callers.acknowledged) > so_far + 40, 60, "traffic")
            until(lambda kill=kill: len(running.workers()) >= kill, 60, "a worker that accepts")
            os.kill(running.workers()[kill - 1], signal.SIGKILL)
        so_far = len(callers.acknowledged)
        until(lambda: len(callers.acknowledged) > so_far + 20, 60, "traffic after the last kill")
        until(lambda: _rotated(running.events()) >= KILLS, 60, "the dead ones' segments to be rotated")
    rows = dict(logged(fresh).select("id", "answer.answer").iter_rows())
    assert {id: rows.get(id) for id in callers.acknowledged} == callers.acknowledged
    assert logged(fresh)["id"].n_unique() == logged(fresh).height
    assert logged(fresh).height - len(callers.acknowledged) <= callers.lost, "only what was in flight"
    assert callers.lost <= 6 * KILLS
    assert not list((fresh.state / "log" / "rides").glob("*.partial"))


def _rotated(events: list[dict[str, Any]]) -> int:
    return sum(event["rotated"] for event in events if event["event"] == "log.tended")


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True)
    if sys.platform != "linux":
        pytest.skip("a small disk is made with tmpfs, which Linux alone has")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}; run the tests as root")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def readiness(running: Running) -> dict[str, object]:
    paths = ("/v2/health/ready", "/v2/models/rides/ready")
    with over_grpc.InferenceServerClient(running.ready["grpc"]) as client:
        assert client.is_model_ready("rides") is client.is_server_ready()
        return {path: running.client.get(path).status_code for path in paths} | {
            "grpc": client.is_server_ready()
        }


def test_a_full_disk_refuses_answers_until_there_is_room(fresh: World) -> None:
    folder = fresh.state / "log"
    only = "--durability", "sync", "--no-spare", "--grpc-port", "0"
    with small_disk(folder), service(fresh, *only) as running:
        first = running.predict(row()).json()["predictions"][0]["id"]
        filler = folder / "filler"
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(4096))
        given, refused = [first], []
        for _ in range(40):  # what is left of the last page takes a few rows more
            answer = running.predict(row())
            if answer.status_code == 200:
                given.append(answer.json()["predictions"][0]["id"])
            else:
                refused.append(answer)
        assert {(one.status_code, one.json()["code"]) for one in refused} == {(503, "LOG-UNWRITABLE")}
        assert "Retry-After" in refused[0].headers
        assert readiness(running) == {"/v2/health/ready": 503, "/v2/models/rides/ready": 503, "grpc": False}
        assert running.client.get("/v2/health/live").status_code == 200
        filler.unlink()
        until(lambda: running.client.get("/v2/health/ready").status_code == 200, 20, "a log that works")
        assert readiness(running) == {"/v2/health/ready": 200, "/v2/models/rides/ready": 200, "grpc": True}
        told = [each for each in running.events() if each["event"] in ("log.refused", "log.restored")]
        assert [each["event"] for each in told] == ["log.refused", "log.restored"]
        assert told[1]["refused"] == len(refused)
        given.append(running.predict(row()).json()["predictions"][0]["id"])
        assert sorted(logged(fresh)["id"]) == sorted(given)  # in two segments


def test_what_the_log_must_not_have_never_reaches_the_disk(fresh: World) -> None:
    secrets = {
        "driver": "Ada-Lovelace-the-driver",
        "ride": "ride-of-a-lifetime",
        "zone": "a-zone-nobody-knows",
    }
    hidden = log(redact=("zone", "km"), hash=("ride", "driver"))
    with service(fresh, *hidden) as running:
        quick = running.predict(row(**secrets)).json()["predictions"][0]
        # the blank before it leaves a request to the careful reader
        careful = running.client.post(
            PREDICT,
            content=b" "
            + json.dumps({"rows": [row(**secrets), row(**secrets | {"ride": "another"})]}).encode(),
            headers={"content-type": "application/json"},
        ).json()["predictions"]
        label = {"feedback": [{"key": secrets["ride"], "label": 12.5}]}
        assert running.client.post(FEEDBACK, json=label).json()["feedback"][0]["status"] == "stored"
        on_disk = b"".join(path.read_bytes() for path in sorted(fresh.state.rglob("*")) if path.is_file())
    rows = logged(fresh)
    for secret in secrets.values():
        assert secret.encode() not in on_disk
    assert rows["request.zone"].null_count() == rows["request.km"].null_count() == rows.height == 3
    assert rows["key"].to_list() == rows["request.ride"].to_list()
    assert rows["key"].n_unique() == 2 and rows["unit"].n_unique() == 1
    by_key = fresh.records.feedback.current("rides", "key", rows["key"].to_list())
    assert list(by_key) == [rows.filter(id=quick["id"])["key"].item()]
    assert quick["answer"] == careful[0]["answer"], "the model has seen what the log has not"
    assert (fresh.state / "log.secret").stat().st_mode & 0o777 == 0o600


def test_a_sample_keeps_its_rows_and_every_id_is_known(fresh: World) -> None:
    with service(fresh, *log(sample=0.3)) as running:
        made = [
            each
            for _ in range(10)
            for each in running.predict(*(row(ride=f"r{n}") for n in range(20))).json()["predictions"]
        ]
        page = running.client.get("/metrics").text
        labels = {"feedback": [{"id": each["id"], "label": 1} for each in made]}
        assert running.client.post(FEEDBACK, json=labels).status_code == 200
    (left_out,) = [
        float(line.split()[-1])
        for line in page.splitlines()
        if line.startswith("noria_log_rows_left_out_total")
    ]
    rows = dict(logged(fresh).select("id", "answer.answer").iter_rows())
    assert len(rows) == 200 - left_out
    assert 20 < len(rows) < 100  # 60 expected, 6.5 is one standard deviation
    answers = {each["id"]: each["answer"] for each in made}
    assert rows == {id: answers[id] for id in rows}
    assert upkeep(fresh)["rows"] == len(rows)
    assert set(logged(fresh)["id"]) == set(rows)
    assert LogReader(fresh.state / "log").known("rides", list(answers)) == set(answers)


def test_a_round_counts_labels_and_any_parquet_reader_reads_what_it_made(fresh: World) -> None:
    with service(fresh) as running:
        made = running.predict(*(row(ride=f"r{n}") for n in range(5))).json()["predictions"]
        label = {"feedback": [{"id": made[0]["id"], "label": 3}, {"key": "r1", "label": 4}]}
        assert running.client.post(FEEDBACK, json=label).status_code == 200
    report = upkeep(fresh)
    assert (report["rotated"], report["rows"], report["version"]) == (1, 5, 1)
    assert report["ages"][-1] == {"labelled": 2, "waiting": 3}, "asked for a day of 2024"
    frame = pl.scan_parquet(fresh.state / "log" / "rides" / "*.parquet").collect()
    assert frame["id"].to_list() == [each["id"] for each in made]
    assert frame["request.recent"].to_list() == [[0.1, 0.2, 0.7]] * 5
    gone = upkeep(fresh, "--keep", "0.000001")
    assert gone["dropped"] == 1
    assert not list((fresh.state / "log" / "rides").glob("*.parquet"))


def test_a_column_that_the_log_needs_keeps_a_service_from_beginning(fresh: World) -> None:
    command = [sys.executable, "-m", "noria.serving", "--state", str(fresh.state), "--model", "rides"]
    done = subprocess.run(
        [*command, "--port", "0", *log(redact=("ride",))], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "error[LOG-COLUMN-NEEDED]: [service.log] redact names ride, the key of rides:1" in done.stderr
