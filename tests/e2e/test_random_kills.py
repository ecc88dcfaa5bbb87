"""Kills at random moments: of the driver, of a worker, of the connection to the records, of a Ray node. Whatever was hit,
the next command ends with the right result, no artifact is half-written, and no run is left running.

`NORIA_KILLS=200` (make soak) tries more seeds than the 20 of an ordinary run.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from e2e.project import Project
from noria.records.base import digest_bytes
from servers import PostgresServer
from servers_ray import RayServer, own_cluster
from servers_s3 import environment

SEEDS = range(int(os.environ.get("NORIA_KILLS", "20")))
NODES = range(len(SEEDS) // 10)  # a run on Ray takes ten times as long
EXPECTED = 2 * sum(n * n for n in range(12))
PIPELINE = """
import os
import time

import noria

sums = noria.Pipeline("sums")

@sums.step
def numbers():
    return list(range(12))

@sums.step
def items(numbers):
    return numbers

@sums.step
def squared(items: noria.Each[int]):
    open(f"worker.{os.getpid()}", "w").close()
    time.sleep(0.03)
    return items * items

@sums.step
def slow(squared):
    kept = noria.checkpoint()
    total, first = kept.load(default=(0, 0))
    for at in range(first, len(squared)):
        total += squared[at]
        kept.save((total, at + 1))
        time.sleep(0.02)
    return total

@sums.metrics
def measured(slow):
    return {"total": 2 * slow}
"""
POLICY = '[model.sums]\npipeline = "pipeline:sums"\n'


CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def kill_driver(project: Project, driver: subprocess.Popen[str], cut: Callable[[], object]) -> None:
    driver.kill()


def kill_worker(project: Project, driver: subprocess.Popen[str], cut: Callable[[], object]) -> None:
    for path in project.folder.glob("worker.*"):
        try:
            os.kill(int(path.suffix[1:]), signal.SIGKILL)
        except ProcessLookupError:
            continue


def kill_connection(project: Project, driver: subprocess.Popen[str], cut: Callable[[], object]) -> None:
    cut()


KILLS: tuple[Callable[[Project, subprocess.Popen[str], Callable[[], object]], None], ...] = (
    kill_driver,
    kill_worker,
    kill_connection,
)


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_is_killed_the_next_command_ends_right(
    seed: int, make_project: Callable[..., Project], postgres_server: PostgresServer
) -> None:
    chance = random.Random(seed)
    kill = KILLS[seed % len(KILLS)]
    url = postgres_server.database()
    where = f'[store]\nrecords = "{url}"\n' if kill is kill_connection or seed % 2 else ""
    project = make_project(PIPELINE, POLICY + where)
    project.write(".gitignore", "worker.*\n__pycache__/\n")
    project.commit()
    for _ in range(chance.randint(1, 3)):
        driver = project.start("run", "--quiet")
        time.sleep(chance.uniform(0.1, 1.2))
        kill(project, driver, partial(postgres_server.run, CUT, url=url))
        if kill is not kill_driver:
            time.sleep(chance.uniform(0.0, 0.3))
            driver.kill()
        driver.communicate()
    ends_right(project)


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayServer]:
    with own_cluster(nodes=0) as started:
        yield started


@pytest.mark.parametrize("seed", NODES)
def test_whenever_a_ray_node_is_lost_the_run_or_the_next_command_ends_right(
    seed: int, make_project: Callable[..., Project], cluster: RayServer
) -> None:
    chance = random.Random(seed)
    project = make_project(PIPELINE, f'{POLICY}[engine]\nkind = "ray"\n')
    project.write(".gitignore", "worker.*\n__pycache__/\n")
    project.commit()
    with cluster.node(10 + seed, cpus=2) as node, environment(cluster.variables()):
        driver = project.start("run", "--quiet")
        time.sleep(chance.uniform(2.0, 8.0))
        node.kill()
        if chance.random() < 0.5:
            time.sleep(chance.uniform(0.0, 2.0))
            driver.kill()
        driver.communicate(timeout=180)
        ends_right(project)


def ends_right(project: Project) -> None:
    project.noria("run", "--quiet")
    runs = project.json("runs")
    assert runs[0]["outcome"]["metrics"] == {"total": EXPECTED}
    assert {run["state"] for run in runs} <= {"succeeded", "failed", "abandoned", "interrupted"}
    assert "faults" not in project.json("audit")[0]
    for path in (project.folder / ".noria" / "objects").rglob("*"):
        if path.is_file():
            assert digest_bytes(path.read_bytes()).endswith(_named(path))


def _named(path: Path) -> str:
    """The last hex digits of the digest that a file of the store stands for."""
    return path.name[-40:]
