"""A trained model behind HTTP: rows a server's CPU second, latency, cold start and memory, with answers held to the bit.

    python bench/serving.py [--models boosted lightgbm xgboost linear] [--seconds 3] [--repeat 3] [--peers]

Noria trains, registers and serves each model by its commands, with the prediction log on. Beside it, in the same rounds:
`bare`, a handler written by hand around the same compiled model without checks, log or counts, and with --peers FastAPI with
the library's own predict. Client and server share the machine, so what counts is the server's CPU seconds, its workers' and its
keeper's together. Every twentieth answer is read and held against the library's own: trees to the last bit, linear models
to 1e-12. Ends with 1 when a limit is broken or an answer is wrong.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peers
from asking import Load, ask, below, memory_mb, requests
from measuring import NORIA, Figure, compiled, options, report, repository, surroundings, took, versions_of

MODELS = ("boosted", "lightgbm", "xgboost", "linear")
BARE, FASTAPI = "bare handler", "FastAPI"
CONNECTIONS = (1, 16, 64)
MANY = 256  # rows of a large request
LEAST = 10_000.0  # requests a CPU second, one row each, with many connections
HALF = 0.5  # of the bare handler's
FIRST = 2.0  # s to the first answer
MEMORY = 120.0  # MB of a worker
P50 = 0.5  # ms, one connection

PIPELINE = """
import noria
import numpy as np
import polars as pl
from sklearn.datasets import load_breast_cancer

tumours = noria.Pipeline("tumours")
FEATURES = [f"f{n}" for n in range(30)]


@tumours.data(key="id", label="malignant")
def rows() -> pl.DataFrame:
    found = load_breast_cancer()
    frame = pl.DataFrame(found.data, schema=FEATURES)
    return frame.with_columns(id=pl.format("r{}", pl.int_range(pl.len())), malignant=pl.Series(found.target))


@tumours.step
def classifier(rows: pl.DataFrame):
    MODEL
    return model.fit(rows.select(FEATURES).to_numpy(), rows["malignant"].to_numpy())


@tumours.predict
def malignant(classifier, rows: pl.DataFrame) -> np.ndarray:
    return classifier.predict_proba(rows.select(FEATURES).to_numpy())[:, 1]
"""
MADE = {
    "boosted": """from sklearn.ensemble import HistGradientBoostingClassifier
    model = HistGradientBoostingClassifier(random_state=0, early_stopping=False)""",
    "lightgbm": """from lightgbm import LGBMClassifier
    model = LGBMClassifier(random_state=0, n_jobs=1, verbose=-1)""",
    "xgboost": """from xgboost import XGBClassifier
    model = XGBClassifier(random_state=0, n_jobs=1)""",
    "linear": """from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    model = make_pipeline(StandardScaler(), LogisticRegression())""",
}
EXACT = {"linear": 1e-12}
COLUMNS = [f"f{n}" for n in range(30)]


@dataclass
class Server:
    """A server that answers."""

    url: str
    pids: list[int]
    first: float
    """Seconds from its start to its first answer."""


@dataclass
class Case:
    """One model, trained and registered."""

    name: str
    project: Path
    document: Path
    joblib: Path
    rows: list[dict[str, Any]]
    right: list[float]

    @property
    def near(self) -> float:
        return EXACT.get(self.name, 0.0)


def main() -> int:
    parser = options(__doc__, repeat=3, peers=True)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    asked = parser.parse_args()
    compiled()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        figures = [
            figure
            for name in asked.models
            for figure in measured(case(name, Path(folder, name)), asked, wrong)
        ]
    print("\n".join(wrong[:10]), file=sys.stderr)
    return report("serving", figures, asked, versions=versions_of(["scikit-learn"])) or bool(wrong)


def case(name: str, project: Path) -> Case:
    """Trained by `noria run`, with the library's own answers to every row."""
    files = {
        "pipeline.py": PIPELINE.replace("MODEL", MADE[name]),
        "noria.toml": 'threads = 1\n\n[model.tumours]\npipeline = "pipeline:tumours"\n\n[service]\nport = 0\n',
    }
    repository(project, files)
    took([sys.executable, "-m", "noria", "run", "--quiet"], project)
    script = """
import json, sys, joblib, noria
from pathlib import Path
from noria.adapters.folder import FolderStore
sys.path.insert(0, ".")
import pipeline
run = noria.runs("tumours").latest
model, frame = run["classifier"], pipeline.rows()

from noria.adapters.sql import open_records
records = open_records(".noria/noria.db")
version = records.versions.version("tumours", 1)
fast = version.fast
assert fast is not None and fast.level == "direct", fast
(document,) = fast.compiled.values()
Path("document").write_bytes(FolderStore(Path(".noria")).get(document.digest))
joblib.dump(model, "model.joblib")
shown = frame.drop("malignant")
right = pipeline.malignant(model, frame).tolist()
print(json.dumps({"rows": shown.to_dicts(), "right": right}))
"""
    said = subprocess.run(
        [sys.executable, "-c", script], cwd=project, env=surroundings(project), capture_output=True, text=True
    )
    if said.returncode:
        raise SystemExit(said.stderr)
    found = json.loads(said.stdout)
    return Case(name, project, project / "document", project / "model.joblib", found["rows"], found["right"])


def measured(one: Case, asked: Any, wrong: list[str]) -> list[Figure]:
    figures = Figures(one.name)
    for turn in range(asked.repeat):
        with noria_server(one) as server:
            figures.cold(server)
            figures.several(
                NORIA, one, server, asked.seconds, "/v1/models/tumours/predict", _noria_right(one), wrong
            )
        with script_server("bare.py", sys.executable, one, one.document) as server:
            figures.several(BARE, one, server, asked.seconds, "/", _plain_right(one), wrong)
        python = peers.python_of("FastAPI") if asked.peers else None
        if python is not None and turn < asked.peer_rounds:
            with script_server("fastapi_sklearn.py", str(python), one, one.joblib) as server:
                figures.several(FASTAPI, one, server, asked.seconds, "/predict", _plain_right(one), wrong)
    return figures.all()


class Figures:
    """What is measured of one model."""

    def __init__(self, name: str) -> None:
        trees = name != "linear"
        self._per = {
            count: Figure(
                f"{name}: requests a CPU second, {count} connections",
                "",
                limit=LEAST if trees and count > 1 else None,
                more=True,
            )
            for count in CONNECTIONS
        }
        self._share = Figure(
            f"{name}: share of the bare handler's, {CONNECTIONS[-1]} connections", "", limit=HALF, more=True
        )
        self._p50 = Figure(f"{name}: half of the answers within, 1 connection", "ms", limit=P50)
        self._p99 = Figure(f"{name}: 99 % of the answers within, 64 connections", "ms")
        self._rows = Figure(f"{name}: rows a CPU second, {MANY} a request, 4 connections", "", more=True)
        self._first = Figure(f"{name}: from start to the first answer", "s", limit=FIRST)
        self._memory = Figure(f"{name}: memory of a worker", "MB", limit=MEMORY)
        self._last: dict[str, float] = {}

    def all(self) -> list[Figure]:
        return [*self._per.values(), self._share, self._p50, self._p99, self._rows, self._first, self._memory]

    def cold(self, server: Server) -> None:
        self._first.add(NORIA, server.first)
        self._memory.add(NORIA, max(memory_mb(pid) for pid in server.pids[1:]))

    def several(
        self, who: str, one: Case, server: Server, seconds: float, path: str, right: Any, wrong: list[str]
    ) -> None:
        bodies = requests(path, [json.dumps(_row(row, who)).encode() for row in one.rows])
        for count in CONNECTIONS:
            load = ask(
                server.url, bodies, connections=count, seconds=seconds, pids=server.pids[:1], right=right
            )
            wrong += [f"{who}, {one.name}: {fault}" for fault in load.wrong[:3]]
            self._add(who, count, load)
        if who == NORIA:
            large = requests(
                path, [json.dumps({"rows": _cycled(one.rows, start)}).encode() for start in range(8)]
            )
            load = ask(
                server.url, large, connections=4, seconds=seconds, pids=server.pids[:1], right=lambda *_: None
            )
            wrong += [f"{who}, {one.name}: {fault}" for fault in load.wrong[:3]]
            self._rows.add(who, load.per_cpu_second * MANY)

    def _add(self, who: str, count: int, load: Load) -> None:
        self._per[count].add(who, load.per_cpu_second)
        if count == 1:
            self._p50.add(who, 1e3 * load.quantile(0.5))
        if count == CONNECTIONS[-1]:
            self._p99.add(who, 1e3 * load.quantile(0.99))
            self._last[who] = load.per_cpu_second
            if who == BARE:
                self._share.add(NORIA, self._last[NORIA] / load.per_cpu_second)


def _row(row: dict[str, Any], who: str) -> dict[str, Any]:
    return row if who == NORIA else {name: row[name] for name in COLUMNS}


def _cycled(rows: Sequence[dict[str, Any]], start: int) -> list[dict[str, Any]]:
    return [rows[(start * 31 + at) % len(rows)] for at in range(MANY)]


def _noria_right(one: Case) -> Any:
    return lambda at, body: _compared(json.loads(body)["predictions"][0]["answer"], one, at)


def _plain_right(one: Case) -> Any:
    return lambda at, body: _compared(json.loads(body)["answer"], one, at)


def _compared(given: float, one: Case, at: int) -> str | None:
    return None if abs(given - one.right[at]) <= one.near else f"row {at}: {given!r}, not {one.right[at]!r}"


@contextmanager
def noria_server(one: Case) -> Iterator[Server]:
    """`noria serve`, from its start to its first answer; its keeper first among the processes, then the workers."""
    began = time.perf_counter()
    state = one.project / ".noria"
    command = [
        sys.executable,
        "-P",
        "-m",
        "noria.serving",
        "--state",
        str(state),
        "--model",
        "tumours",
        "--port",
        "0",
    ]
    process = subprocess.Popen(
        [*command, "--no-spare"],
        cwd=one.project,
        env=surroundings(one.project),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        url = json.loads(process.stdout.readline())["url"]
        _first_answer(url, one)
        yield Server(url, [process.pid, *below(process.pid)], time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait()


def _first_answer(url: str, one: Case) -> None:
    import urllib.request

    made = urllib.request.Request(
        f"{url}/v1/models/tumours/predict",
        json.dumps(one.rows[0]).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(made) as answer:
        assert answer.status == 200


@contextmanager
def script_server(script: str, python: str, one: Case, model: Path) -> Iterator[Server]:
    began = time.perf_counter()
    path = Path(__file__).parent / "servers" / script
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [python, str(path), str(model), ",".join(COLUMNS), "predict_proba:1"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        for _ in range(200):  # uvicorn says its port before it listens
            if _listens(port):
                break
            time.sleep(0.05)
        yield Server(f"http://127.0.0.1:{port}", [process.pid], time.perf_counter() - began)
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    raise SystemExit(main())
