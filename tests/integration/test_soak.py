"""What must hold for long, and through kills: memory, the log, and a service that its supervisor starts again.

Long, so `make soak` alone runs it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.fast_world import ROW, fast_world
from integration.restarted import Returning
from integration.routing_world import Callers, routed, settled
from integration.serving_world import Running, World, service, until
from servers import free_port

SOAK = bool(os.environ.get("NORIA_SOAK"))
pytestmark = pytest.mark.skipif(not SOAK, reason="long: make soak")
CONNECTIONS = 64
FIRST, LAST = 100_000, 1_000_000  # requests
GROWTH = 4.0  # MB between the two: less than 5 bytes a request, which nothing that leaks takes
KILLS = 10
RESTARTS = 5


@pytest.fixture
def rides(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "state")
    world.register(1)
    world.promote(1)
    yield world
    world.records.close()


@pytest.mark.slow
def test_a_workers_memory_stays_flat(tmp_path: Path) -> None:
    world = fast_world(tmp_path / "state")
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"rows": [ROW]}))
    with service(world, "--no-spare") as running:
        [worker] = running.workers()
        took = [_hammered(running, body, FIRST)]
        before = _megabytes(worker)
        took.append(_hammered(running, body, LAST - FIRST))
        after = _megabytes(worker)
        keeper = _megabytes(running.process.pid)
    print(f"worker {before:.1f} MB after {FIRST:,} requests, {after:.1f} MB after {LAST:,}", end="")
    print(f" ({sum(took):.0f} s); keeper {keeper:.1f} MB")
    assert after - before < GROWTH
    world.records.close()


def _hammered(running: Running, body: Path, requests: int) -> float:
    """Seconds that so many requests took."""
    script = Path(__file__).with_name("hammer.py")
    words = [running.url, "/v1/models/quick/predict", str(body), str(CONNECTIONS), str(requests)]
    done = subprocess.run([sys.executable, str(script), *words], capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    answered, seconds = done.stdout.split()
    assert int(answered) == requests
    return float(seconds)


def _megabytes(pid: int) -> float:
    """What it has of the machine's memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.slow
def test_what_was_answered_in_sync_is_in_the_log_whoever_is_killed(rides: World) -> None:
    answered: list[str] = []
    with routed(rides, "--durability", "sync") as (running, admin):
        for _ in range(KILLS):
            until(lambda: admin.workers(1) and admin.workers(1, "spare"), 60, "a worker and its spare")
            with Callers(running.url, CONNECTIONS) as callers:
                killed = admin.workers(1)[0]["pid"]
                os.kill(killed, signal.SIGKILL)
                until(lambda gone=killed: gone not in _pids(admin.workers(1)), 60, "its end")
            assert callers.failures  # those in flight there
            answered += callers.ids
        callers.ids = answered
        settled(rides, callers)


def _pids(workers: list[dict[str, int]]) -> set[int]:
    return {each["pid"] for each in workers}


@pytest.mark.slow
def test_a_service_that_its_supervisor_starts_again_goes_on_and_loses_no_row(rides: World) -> None:
    """It is told to end, or dies at once, under load; callers connect again, as they do to any server that restarts."""
    port = free_port()
    with Returning(port, CONNECTIONS) as callers:
        for turn in range(RESTARTS):
            with service(rides, "--no-spare", port=port) as running:
                callers.until_more()
                if turn % 2:
                    running.process.kill()
                    running.process.wait(timeout=60)
    assert callers.strange == []
    settled(rides, callers)
