"""The flights example behind HTTP: its transforms in polars as they are, and with row functions beside them.

    python bench/serving_flights.py [--seconds 3] [--repeat 3]

The example is trained by `noria run` and served by `noria serve`, with the prediction log on. `transforms`: without its row
function, so that each request goes through polars, several of them together as soon as two wait. `row function`: as the
example is. Every twentieth answer is read and must be, to the last bit, what the pipeline's own functions make of the row.
Ends with 1 when a limit is broken or an answer is wrong.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from asking import ask, memory_mb, requests
from measuring import NORIA, Figure, compiled, options, report, repository, surroundings, took, versions_of
from started import Server, noria_server

EXAMPLE = Path(__file__).parents[1] / "examples" / "flights"
PATH = "/v1/models/delay/predict"
CONNECTIONS = (1, 16, 64)
MANY = 256  # rows of a large request
ROW_FUNCTION = re.compile(r"@delay\.row\(features\).*?(?=\n@delay)", re.DOTALL)
ROWS = """
import json, sys
from datetime import UTC, datetime
import noria, polars as pl
from noria.serving.sample import as_requests
sys.path.insert(0, ".")
import pipeline
frame = pipeline.flights(None)
frame = frame.filter(pl.col("scheduled") > datetime(2013, 6, 2, tzinfo=UTC)).head(2000)
asked = frame.drop("late", "landed", *pipeline.OUTCOMES)
model = noria.runs("delay").latest["classifier"]
right = pipeline.late(model, pipeline.features(asked)).tolist()
print(json.dumps({"rows": as_requests(asked.to_arrow()), "right": right}))
"""
LIMITS: dict[str, dict[str, float]] = {
    "transforms": {"p50": 1.5, "rows": 5_000.0},
    "row function": {"rows": 8_000.0},
}


def main() -> int:
    parser = options(__doc__, repeat=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    asked = parser.parse_args()
    compiled()
    figures: list[Figure] = []
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in LIMITS:
            project = trained(Path(folder, name.replace(" ", "-")), with_row_function=name != "transforms")
            figures += measured(name, project, asked, wrong)
    print("\n".join(wrong[:10]), file=sys.stderr)
    versions = versions_of(["scikit-learn", "polars", "lightgbm"])
    return report("serving_flights", figures, asked, versions=versions) or bool(wrong)


def trained(project: Path, *, with_row_function: bool) -> Path:
    pipeline = (EXAMPLE / "pipeline.py").read_text()
    toml = (EXAMPLE / "noria.toml").read_text() + "\n[service]\nport = 0\n"
    files = {
        "pipeline.py": pipeline if with_row_function else ROW_FUNCTION.sub("", pipeline),
        "noria.toml": toml,
    }
    repository(project, files)
    took([sys.executable, "-m", "noria", "run", "--quiet", "--as-of", "2013-06-01"], project)
    return project


def measured(name: str, project: Path, asked: Any, wrong: list[str]) -> list[Figure]:
    said = subprocess.run(
        [sys.executable, "-c", ROWS], cwd=project, env=surroundings(project), capture_output=True, text=True
    )
    if said.returncode:
        raise SystemExit(said.stderr)
    found = json.loads(said.stdout)
    figures = Figures(name)
    first = PATH, json.dumps(found["rows"][0]).encode()
    for _ in range(asked.repeat):
        with noria_server(project, "delay", first) as server:
            figures.add(server, found["rows"], found["right"], asked.seconds, wrong)
    return figures.all()


class Figures:
    """What is measured of one of the two."""

    def __init__(self, name: str) -> None:
        limits = LIMITS[name]
        self._name = name
        self._per = {
            count: Figure(
                f"{name}: requests a CPU second, {count} connections",
                "",
                limit=limits["rows"] if count == CONNECTIONS[-1] else None,
                more=True,
            )
            for count in CONNECTIONS
        }
        self._p50 = Figure(f"{name}: half of the answers within, 1 connection", "ms", limit=limits.get("p50"))
        self._rows = Figure(f"{name}: rows a CPU second, {MANY} a request, 4 connections", "", more=True)
        self._first = Figure(f"{name}: from start to the first answer", "s")
        self._memory = Figure(f"{name}: memory of a worker", "MB")

    def all(self) -> list[Figure]:
        return [*self._per.values(), self._p50, self._rows, self._first, self._memory]

    def add(
        self, server: Server, rows: list[Any], right: list[float], seconds: float, wrong: list[str]
    ) -> None:
        self._first.add(NORIA, server.first)
        bodies = requests(PATH, [json.dumps(row).encode() for row in rows])

        def fault(at: int, body: bytes) -> str | None:
            given = json.loads(body)["predictions"][0]["answer"]
            return None if given == right[at] else f"{self._name}, row {at}: {given!r}, not {right[at]!r}"

        for count in CONNECTIONS:
            load = ask(
                server.url, bodies, connections=count, seconds=seconds, pids=server.pids[:1], right=fault
            )
            wrong += load.wrong[:3]
            self._per[count].add(NORIA, load.per_cpu_second)
            if count == 1:
                self._p50.add(NORIA, 1e3 * load.quantile(0.5))
        large = requests(
            PATH, [json.dumps({"rows": rows[at * 200 : at * 200 + MANY]}).encode() for at in range(8)]
        )
        load = ask(
            server.url, large, connections=4, seconds=seconds, pids=server.pids[:1], right=lambda *_: None
        )
        wrong += load.wrong[:3]
        self._rows.add(NORIA, load.per_cpu_second * MANY)
        self._memory.add(NORIA, max(memory_mb(pid) for pid in server.pids[1:]))


if __name__ == "__main__":
    raise SystemExit(main())
