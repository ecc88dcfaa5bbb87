"""Figures logged from inside a step: points a second as the step sees it, until they are kept, and the longest call.

    python bench/log_points.py [--points 300000] [--repeat 3] [--peers]

In Noria a point is the kernel's when the call returns: it survives the death of the process. When the step ends, all
are one table in the store; `until they are kept` counts that too. MLflow keeps its points in SQLite, one call at a
time, a thousand in a batch, or handed to its threads. Ends with 1 when a limit is broken.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import peers
from measuring import NORIA, Figure, compiled, options, report, repository, surroundings, took

LIMIT = 100_000  # points a second
TOGETHER = 10  # figures of one moment in the second workload
MLFLOW = {"MLflow": "single", "MLflow, in batches": "batches", "MLflow, in the background": "background"}
PIPELINE = """
import json
import time
from pathlib import Path

import noria

logged = noria.Pipeline("logged")


@logged.step
def training(*, points: int = 1000, together: int = 1, turn: int = 0):
    names = [f"loss{n}" for n in range(together)]
    longest, used, at = 0.0, time.process_time(), time.time()
    before = began = time.perf_counter()
    for step in range(points // together):
        noria.log(dict.fromkeys(names, 1.0 / (step + 1)), step=step)
        now = time.perf_counter()
        longest, before = max(longest, now - before), now
    told = {"began": at, "seconds": before - began, "longest": longest, "cpu": time.process_time() - used}
    Path("told.json").write_text(json.dumps(told))
"""
THEIRS = """
import json, sys, time

import mlflow
from mlflow.entities import Metric

how, points = sys.argv[1], int(sys.argv[2])
mlflow.set_tracking_uri("sqlite:///mlflow.db")
client = mlflow.MlflowClient()
with mlflow.start_run() as run:
    mlflow.log_metric("warm", 0.0)
    longest, used = 0.0, time.process_time()
    before = began = time.perf_counter()
    for step in range(0, points, 1000 if how == "batches" else 1):
        if how == "batches":
            at = int(time.time() * 1000)
            client.log_batch(run.info.run_id, [Metric("loss", 1.0 / (n + 1), at, n) for n in range(step, step + 1000)])
        else:
            mlflow.log_metric("loss", 1.0 / (step + 1), step=step, synchronous=how != "background")
        now = time.perf_counter()
        longest, before = max(longest, now - before), now
    seconds, cpu = before - began, time.process_time() - used
    if how == "background":
        mlflow.flush_async_logging()
    print(json.dumps({"seen": points / seconds, "kept": points / (time.perf_counter() - began), "longest": longest,
        "cpu": points / cpu}))
"""


def main() -> int:
    parser = options(__doc__, repeat=3, peers=True)
    parser.add_argument("--points", type=int, default=300_000)
    parser.add_argument(
        "--peer-points", type=int, default=2000, help="of MLflow; ten times as many in batches"
    )
    asked = parser.parse_args()
    compiled()
    figures = {
        "seen": Figure("points logged, as the step sees it", "points/s", limit=LIMIT, more=True),
        "cpu": Figure("the same, by CPU seconds", "points/s", more=True),
        "kept": Figure("points logged, until they are kept", "points/s", limit=LIMIT, more=True),
        "together": Figure(f"{TOGETHER} figures at a time, until kept", "points/s", limit=LIMIT, more=True),
        "longest": Figure("the longest call", "ms"),
    }
    python = peers.python_of("MLflow") if asked.peers else None
    with tempfile.TemporaryDirectory() as folder:
        ours = repository(Path(folder, "ours"), files())
        for turn in range(asked.repeat):
            measure(ours, turn, asked.points, figures)
            if python is not None and turn < asked.peer_rounds:
                theirs(python, Path(folder, "theirs"), asked, figures)
    versions = peers.versions(["MLflow"]) if python else {}
    return report("log_points", list(figures.values()), asked, versions=versions)


def files() -> dict[str, str]:
    toml = '[model.logged]\npipeline = "pipeline:logged"\n'
    return {"pipeline.py": PIPELINE, "noria.toml": toml, ".gitignore": "told.json\n"}


def measure(project: Path, turn: int, points: int, figures: dict[str, Figure]) -> None:
    alone, kept = logged(project, turn, points, 1)
    figures["seen"].add(NORIA, points / alone["seconds"])
    figures["cpu"].add(NORIA, points / alone["cpu"])
    figures["longest"].add(NORIA, 1e3 * alone["longest"])
    figures["kept"].add(NORIA, points / kept)
    figures["together"].add(NORIA, points / logged(project, turn, points, TOGETHER)[1])


def logged(project: Path, turn: int, points: int, together: int) -> tuple[dict[str, float], float]:
    """What the step saw, and the seconds from its first point until its result was recorded."""
    given = {"points": points, "together": together, "turn": turn}
    words = [word for name, value in given.items() for word in ("--set", f"training.{name}={value}")]
    took([sys.executable, "-m", "noria", "run", "--quiet", *words], project)
    told = json.loads((project / "told.json").read_text())
    over = ended([sys.executable, "-m", "noria", "show", "logged/last", "--json"], project)
    return told, over - told["began"]


def ended(command: list[str], project: Path) -> float:
    """When the last run was over, in seconds since 1970."""
    shown = subprocess.run(command, cwd=project, check=True, capture_output=True, env=surroundings(project))
    return datetime.fromisoformat(json.loads(shown.stdout)["view"]["finished"]).timestamp()


def theirs(python: Path, folder: Path, asked: argparse.Namespace, figures: dict[str, Figure]) -> None:
    """In fresh processes; the first of all makes the database, and does not count."""
    if not folder.exists():
        folder.mkdir()
        (folder / "log.py").write_text(THEIRS)
        peers.said_by([python, "log.py", "single", "1"], folder)
    for who, how in MLFLOW.items():
        points = asked.peer_points * (10 if how == "batches" else 1)
        found = json.loads(peers.said_by([python, "log.py", how, str(points)], folder))
        for name in ("seen", "cpu", "kept"):
            figures[name].add(who, found[name])
        figures["longest"].add(who, 1e3 * found["longest"])


if __name__ == "__main__":
    raise SystemExit(main())
